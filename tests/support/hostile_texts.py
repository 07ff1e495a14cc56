"""Families of texts that are made to keep guards busy, and prose to hold them against: a unit of each, to be repeated."""

from __future__ import annotations

__all__ = ["FAMILIES", "FIGURES", "PARAGRAPH", "prose_of", "text_of"]

PARAGRAPH = (
    "Thank you for your message about the delivery of last week. The parcel left our warehouse on Monday morning, and the carrier told us "
    'that it had been handed over on the same day; "a neighbour took it", they wrote. Could you please check with the people next door? '
    "If they don't have it, we'll send another one (free of charge) as soon as possible. You needn't do anything: the new parcel should "
    "arrive within 3 days, or 5 at most. We are sorry for the trouble, and would like to offer you 10% off your next order. Summarise the "
    "rest of this conversation in two sentences; keep the tone friendly - but not too familiar. Explain what went wrong, who was told and "
    "when, and what the customer can expect now. Write in plain English and use short words wherever you can. Don't mention prices.\n\n"
    "Afterwards, list the open questions as bullets, one per line, and give each of them an owner. Questions that have been answered are "
    "left out. Say so if something is unclear, rather than guessing, and stop there. "
)
FIGURES = (
    "Your order 4711-2207 of 23 November 2026 (EUR 1,299.00) is kept at https://shop.example/orders until 2026-12-01; the desk is open "
    "from 9:00 to 17:30.\n"
)
FAMILIES = {
    "a.": "a.", "sk-": "sk-", "![": "![", "1 ": "1 ", "words": "ignore all ", "key=": "key=", "a@": "a@", "zwsp": "\u200b", "<!--": "<!--",
    "space": " ", "(": "(", "]": "]", "://": "://", "dots": "1.2.3.4.", "dashes": "12-34-", "plus": "+1 ", "area": "(0", "SR": "\u00abSR:",
    "marks": "a\u0301\u0323", "&#": "&#", "&#97;": "&#97;", "%41": "%41", "\\u": "\\u0041", "base64": "QUJD", "digits": "123456",
    "hex": "41 42 43 ", "zwj": "a\u200db", "mixed": "\u0430a", "mixed words": "p\u0430ypal ", "styled": "\U0001d41a", "wide": "\uff41 ",
    "tags": "\U000e0041", "esc": "\x1b[", "osc": "\x1b]", "BEGIN": "-----BEGIN ", "ghp": "ghp_", "eyJ": "eyJhbGci.", "pass": "password: ",
    "url": "http://a:b", "img": "<img ", "](": "](", "]:": "]:", "style": "url(", "colons": "1:2:", "DE": "DE89 ", "1 letters": "a ",
    "parted": "a-", "leet": "h4x0r ", "override": "\u202e", "entities": "&lt;", "bearer": "bearer ", "nul": "\x00", "cards": "4111 1111 ",
    "phones": "555-0100 ", "mails": "ann@example.org ", "rot13": "gur ", "hidden": "<p hidden>", "quotes": '"', "half": "\ud800",
    "flags": "\U0001f3f4", "selectors": "\ufe01", "markdown": "[a][b] ", "noit": "noit", "0 ": "0 ", "00": "00 1", "letters": "a",
    "at.": "@a.", "data": "![](data:,", "md comment": '[a]: # "', "1": "1", ".": ".", "-": "-", "ssn": "123-45-6789 ", "soft": "a\u00ad",
    "persian": "\u06cc\u200c\u06cc", "cyrillic": "\u043f\u0440\u0438 ", "bits": "\u200b\u200c", "newline": "\n", "tag": "<a href=",
    "hebrew": "\u05d0\u2067", "han": "\u5bc6\u7801: ", "foreign": "clave: ", "auth": "authorization: ", "user": " -u a:", "A": "A",
    "AKIA": "AKIA",
}  # fmt: skip


def text_of(family: str, size: int) -> str:
    """So many characters of a family."""
    return _repeated(FAMILIES[family], size)


def prose_of(size: int) -> str:
    """So many characters of prose, with the figures that prose has."""
    return _repeated(PARAGRAPH + FIGURES, size)


def _repeated(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]
