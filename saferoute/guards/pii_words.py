"""The words that stand beside a number and say what it is: a telephone, a card, an order, a version.

Checksums say whether a number may be a card; words say whether ten plain digits are a telephone or a time stamp. Only the words just before
a number are read (`BEFORE` characters), so that a text that arrives in pieces is judged as it would be whole.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["BEFORE", "says_address", "says_card", "says_other", "says_phone", "says_ssn", "says_version"]

BEFORE: Final = 48
"""Characters before a number that may say what it is."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_GAP: Final = re.compile(r"[^\W\d_][\s:#=.,\"'(\[\u2116\u00b0_-]{0,4}\Z")


class _Words(NamedTuple):
    """Whole words, beginnings of words, and what needs no boundary because its script has none."""

    whole: frozenset[str]
    beginnings: tuple[str, ...] = ()
    anywhere: tuple[str, ...] = ()


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PHONE: Final = _Words(
    _set(
        "phone phones tel tél tlf mob mobile mobiel mobil móvil movil cell cellular cellphone celular fax call called calling "
        "calls dial dialed ring rang sms whatsapp viber voicemail hotline landline pager reach reached contact handy rufnummer "
        "anruf durchwahl portable bel bellen ligar ligue cep numer nummer desk office"
    ),
    ("telef", "teléf", "téléph", "teleph", "telep", "anruf", "appel", "llam", "chiam", "kontakt", "telemó", "komórk", "тел", "моб", "звон"),
    ("电话", "電話", "手机", "手機", "携帯", "전화", "휴대", "फ़ोन", "फोन", "मोबाइल", "هاتف", "جوال", "טלפון", "נייד"),
)
_CARD: Final = _Words(
    _set("card cards cardnumber visa amex maestro jcb diners unionpay rupay pan cc carte carta tarjeta cartão cartao kart"),
    ("credit", "debit", "master", "discover", "card", "karte", "kredit", "kaart", "карт"),
    ("卡", "カード", "카드", "कार्ड", "بطاقة"),
)
_ADDRESS: Final = _Words(
    _set(
        "ip ips ipv dns host hosts ping pinged router subnet client peer proxy login logged src dst ssh http https ban banned "
        "whois remote source destination gateway visitor"
    ),
    (
        "addr",
        "adress",
        "hostn",
        "server",
        "nameserver",
        "connect",
        "request",
        "block",
        "traceroute",
        "firewall",
        "forward",
        "адрес",
        "serveur",
    ),
    ("地址", "アドレス", "주소"),
)
_VERSION: Final = _Words(
    _set(
        "v ver vers version versions build builds rev revision firmware driver section sections sec sect chapter clause article "
        "paragraph para appendix figure fig table step rule oid sdk package pkg library lib require requires required fixed since "
        "tag tags assembly kapitel abschnitt patch python java node go chrome firefox"
    ),
    ("releas", "updat", "upgrad", "downgrad", "versi", "changelog", "верси"),
    ("版本", "バージョン", "버전", "§"),
)
_OTHER: Final = _set(
    "order orders invoice invoices ticket tickets case cases reference ref tracking track shipment shipments parcel "
    "consignment txn batch lot serial sku part item items product products model asin isbn issn ean upc gtin imei imsi iccid "
    "vin build version revision timestamp ts epoch time date checksum crc hash commit issue bug pr patch id ids uuid guid pid "
    "port zip zipcode postcode doi pmid arxiv amount total sum price cost size bytes offset seed nonce row line page claim "
    "contract employee student document doc file registration licence license passport vat ein duns barcode bestellung "
    "bestellnummer rechnung rechnungsnummer auftrag auftragsnummer commande facture pedido factura ordine fattura заказ заказа "
    "счет счёт 订单 订单号 訂單 注文番号"
)
# Cards and telephones are written right behind these too ("for the customer: ..."); ten digits and nothing else are neither.
_HOLDERS: Final = _set("account accounts acct customer user users member policy transaction transactions trans record tax patient")
_NEUTRAL: Final = _set("number numbers num no nr code key is was of n")


def _said(words: _Words, text: str, place: int) -> bool:
    before = text[max(0, place - BEFORE) : place].lower()
    for word in _WORD.findall(before):
        if word in words.whole or word.startswith(words.beginnings):
            return True
    return not before.isascii() and any(part in before for part in words.anywhere)


def says_phone(text: str, place: int) -> bool:
    """Whether what stands before a place announces a telephone number."""
    return _said(_PHONE, text, place)


def says_card(text: str, place: int) -> bool:
    """Whether what stands before a place speaks of a payment card."""
    return _said(_CARD, text, place)


def says_ssn(text: str, place: int) -> bool:
    """Whether what stands before a place speaks of a social security number."""
    before = text[max(0, place - BEFORE) : place].lower()
    return "ssn" in before or ("soc" in before and "sec" in before)


def says_address(text: str, place: int) -> bool:
    """Whether what stands before a place speaks of the network."""
    return _said(_ADDRESS, text, place)


def says_version(text: str, place: int) -> bool:
    """Whether what stands before a place speaks of versions or of sections, and nothing after that of the network."""
    before = text[max(0, place - BEFORE) : place].lower()
    for word in reversed(_WORD.findall(before)):
        if word in _ADDRESS.whole or word.startswith(_ADDRESS.beginnings):
            return False
        if word in _VERSION.whole or word.startswith(_VERSION.beginnings):
            return True
    return not before.isascii() and any(part in before for part in _VERSION.anywhere)


def says_other(text: str, place: int, *, plain: bool = False) -> bool:
    """Whether the word right before a place says that the number is something else: an order, a time stamp, a serial number.

    Args:
        text: the text.
        place: where the number begins.
        plain: the number is nothing but digits, so that the word "account" counts as well.
    """
    before = text[max(0, place - BEFORE) : place].lower()
    if not _GAP.search(before):
        return False
    for word in reversed(_WORD.findall(before)):
        if word not in _NEUTRAL:
            return word in _OTHER or (plain and word in _HOLDERS)
    return False
