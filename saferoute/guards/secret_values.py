"""Tells values made by chance from placeholders, names, expressions, hashes and identifiers.

A value with a published form is taken for a secret unless it is a placeholder. A value that only its label gives away must also look like
one: keys change between letters, digits and cases as random characters do; passwords mix kinds of characters and are no code.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from saferoute.guards.secret_words import COMMON_WORDS, NOT_A_SECRET, PLACEHOLDERS, PUBLISHED, STRONG, VENDORS

__all__ = [
    "is_header_value",
    "is_made_up",
    "is_published",
    "is_value_of",
    "labelled_value",
    "looks_random",
    "typed_password",
    "url_password",
]

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\Z")
_HEX: Final = re.compile(r"(?:0x)?(?:[0-9a-f]{1,512}|[0-9A-F]{1,512})\Z")
_ODD: Final = re.compile(r"[a-z](?=[A-Z0-9])|[0-9](?=[A-Za-z])|[A-Z](?=[0-9])|[A-Z](?=[A-Z][a-z])")
_WORD: Final = re.compile(r"[A-Z]{1,40}(?![a-z])|[A-Z]?[a-z]{1,40}")
_NAME_BACKWARDS: Final = re.compile(r"[\w. -]{0,40}")
_KEY: Final = re.compile(r"[\w+/=.~%|:-]{8,2048}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,2048}\d{0,2}\Z")
_PATH: Final = re.compile(r"(?:[~.]{0,2}/|[A-Za-z]:[\\/]|[a-z][a-z0-9+.-]{1,12}://|arn:)")
_HASHED: Final = re.compile(
    r"(?:sha\d{1,3}|md5|blake\w{1,3})[-:~=]|\$(?:2[aby]|argon2\w{0,2}|pbkdf2|scrypt|[156])\$|data:|ssh-|urn:|v?\d{1,4}[.-]\d{1,2}[.-]\d"
)
_ASSIGNED: Final = re.compile(r"[a-z_][a-z_.]{2,40}=\w")
_PORT: Final = re.compile(r"\d{1,5}(?:[,/]|\Z)")
_VARIABLE: Final = re.compile(
    r"[$%#]\{|\{\{|\$\(|\$[A-Za-z_]\w{0,2048}\Z|\$[A-Z_]{3}|%\w{1,40}%\Z|%[sdr(]|<[^>]{0,200}>|\*\*|\\|\{(?:[a-z_][\w.]{0,40})?\}|@\w{1,32}@\Z"
)
_OPENING: Final = re.compile(r"[\[({<]")
_LOWER: Final = re.compile(r"[a-z]")
_UPPER: Final = re.compile(r"[A-Z]")
_DIGIT: Final = re.compile(r"[0-9]")
_TYPED: Final = re.compile(r"[!#$%^&*?@~+]")
_CODE: Final = re.compile(r"[=,/|;<>{}\[\]\\()]")
_PLAIN: Final = re.compile(r"[a-z0-9]{16,2048}\Z")
_SYMBOL: Final = re.compile(r"[!#$%^&*?+=~@|;<>{}\[\]\\,/]")

_MOST_OF_ONE: Final = 0.35
_SEQUENCE: Final = 9
_READ: Final = 512
_SHORT: Final = 16
_SHORTEST_HEX: Final = 24
_OWN: Final = frozenset(
    {"my", "our", "db", "ssh", "ssl", "gpg", "pgp", "rsa", "user", "smtp", "mail", "ftp", "root", "sudo", "wifi", "ldap", "redis", "mysql"}
)


def is_published(value: str) -> bool:
    """Whether documentation published this very value."""
    # A web token's signature is told apart from the claims that people put before it.
    parts = {value, value.rpartition(".")[2]}
    return value.endswith("EXAMPLE") or any(sha256(one.encode()).hexdigest()[:16] in PUBLISHED for one in parts)


def is_made_up(value: str) -> bool:
    """Whether a value was written to stand for one: it says so, repeats itself, or counts."""
    read = value[:_READ]
    folded = read.lower()
    different = set(folded)
    length = len(read)
    if len(different) < min(8, length // 2) or max(map(folded.count, different)) > _MOST_OF_ONE * length:
        return True
    return any(word in folded for word in PLACEHOLDERS) or _counting(folded) * 2 >= length


def _counting(folded: str) -> int:
    """Characters that stand in long sequences such as 123456789."""
    run = total = 0
    previous = -1
    for code in folded.encode("utf-8", "replace"):
        run = run + 1 if code == previous + 1 else 1
        if run >= _SEQUENCE:
            total += _SEQUENCE if run == _SEQUENCE else 1
        previous = code
    return total


def looks_random(value: str) -> bool:
    """Whether a value of letters and digits changes between them as random characters do."""
    odd = len(_ODD.findall(value))
    return odd >= max(4, 0.25 * len(value)) and (_DIGIT.search(value) is not None or _has_odd_case(value))


def _has_odd_case(value: str) -> bool:
    """Whether letters alone change their case too often for a name such as `userPasswordField`."""
    return len(_ODD.findall(value)) >= max(3, 0.26 * len(value))


def is_value_of(body: str, needs: str) -> bool:
    """Whether what follows a published prefix is a value.

    Args:
        body: what follows.
        needs: what the format's value needs, as in `FORMATS`.
    """
    fits = True
    if needs == "digit":
        fits = _DIGIT.search(body) is not None
    elif needs == "mixed":
        fits = all(kind.search(body) for kind in (_DIGIT, _LOWER, _UPPER))
    elif needs == "random":
        fits = looks_random(body)
    elif needs != "any":
        fits = _DIGIT.search(body) is not None or (_LOWER.search(body) is not None and _UPPER.search(body) is not None)
    return fits and not is_made_up(body)


def is_header_value(value: str) -> bool:
    """Whether the value of an authorization header is one: not a scheme's name, not a variable, not a word."""
    if _VARIABLE.match(value) or value[:5].lower() == "aws4-" or is_published(value) or is_made_up(value):
        return False
    return looks_random(value)


def typed_password(value: str) -> bool:
    """Whether what stands behind a user's name on a command line is a password."""
    return url_password(value) and (not value.isalpha() or _has_odd_case(value))


def url_password(value: str) -> bool:
    """Whether what stands between a URL's user and its host is a password, and not the word for one."""
    if len(value) < 3 or _VARIABLE.match(value) or _PORT.match(value) or value.lower() in COMMON_WORDS or "{" in value:  # noqa: PLR2004
        return False
    folded = value.lower()
    return len(set(folded)) > 2 and not any(word in folded for word in PLACEHOLDERS)  # noqa: PLR2004


def labelled_value(text: str, label: tuple[int, int], relation: str, place: tuple[int, int]) -> tuple[int, int] | None:
    """Where the secret stands that a label announces; None for no secret.

    Args:
        text: the text.
        label: where the label's last word stands, such as `key` in `api_key`.
        relation: what stands between the label and the value.
        place: where the value stands, up to white space or a quotation mark.
    """
    start, end = place
    quote = relation[-1:] if relation[-1:] in {'"', "'", "`"} else ""
    word = text[slice(*label)].lower() or "p"  # a label of another language is a password's
    value = _unwrapped(text[start:end], quote)
    if quote and end < len(text) and quote not in text[start : end + 1]:  # a sentence, not a value
        return None
    if not value or _VARIABLE.match(value) or _PATH.match(value) or _HASHED.match(value):
        return None
    if relation[:1] == ":" == text[label[0] - 1 : label[0]]:  # a name in a resource's address
        return None
    before = _words_before(text, label[0], word)
    if before is None or (not quote and _OPENING.match(value)):
        return None
    told = relation.strip(" \t\r\n\\\"'`(*_)]") != "" or text[max(0, label[0] - 40) : label[0]].rpartition(" ")[2].startswith("-")
    if not told and (relation.rstrip("\"'`") != " " or (word == "pass" and text[label[0] - 1 : label[0]] != "-")):
        return None
    listed = "," in relation and "value" not in relation
    if listed and (not quote or "\n" in relation):
        return None
    if word.startswith("p"):
        if listed and ("/" in value or ":" in value):
            return None
        found = _password(value, quote, told=told and not relation.strip(" \\\"'`").startswith("is"))
    else:
        found = _key(value, word, before, told=told, listed=listed) or (
            _password(value, quote, told=False) if quote and told and word == "secret" else ""
        )
    return (start, start + len(found)) if found and not is_published(found) else None


def _unwrapped(value: str, quote: str) -> str:
    """The value without what follows it: the other quotation mark, the rest of a line of code, a sentence's full stop."""
    if quote != '"':
        value = value.split("'", 1)[0]
    for escape in ("\\n", "\\r", "\\t", '\\"', "\\u"):
        value = value.split(escape, 1)[0]
    if not quote:
        value = value.split("</", 1)[0].split(";", 1)[0].rstrip(",.)]}>:")
        value = value.removesuffix("**")
    return value.rstrip("\\")


def _words_before(text: str, place: int, word: str) -> list[str] | None:
    """The words of the name that ends with the label's word, in lower case; None where the name is another thing's."""
    line = text[max(0, place - 40) : place]
    found = _NAME_BACKWARDS.match(line[::-1])
    name = line[len(line) - found.end() :] if found else ""
    before = [one.lower() for one in _WORD.findall(name)[-3:]]
    if not before:
        return before
    joined = name[-1:].isalpha() and (name[-1].isupper() or text[place].islower())
    last = before[-1]
    if joined and word in {"key", "token", "pass", "cred", "creds"} and not _is_strong(last) and not name[-3:].isupper():
        return None
    if word[0] != "p" and (last in NOT_A_SECRET or "public" in before or "hash" in before):
        return None
    return before


def _is_strong(word: str) -> bool:
    return word in STRONG or word in VENDORS or word in _OWN or word.endswith(("api", "access", "auth", "secret"))


def _key(value: str, word: str, before: list[str], *, told: bool, listed: bool) -> str:
    """The key that a value begins with; "" for none."""
    run = _KEY.match(value)
    if run is None or value[run.end() : run.end() + 1] in {"(", "[", "{", "<", "$", "*"}:
        return ""
    key = run.group().rstrip(".:")
    strong = word == "secret" or any(_is_strong(one) for one in before[-2:])
    if _UUID.match(key):
        return key if strong and told and not _counts(key) else ""
    if is_made_up(key):
        return ""
    if _HEX.match(key):
        return key if told and _is_hex_key(key, word, before, strong=strong) else ""
    least = 10 if strong and told else _SHORT if told else 20
    if len(key) >= least and looks_random(key):
        return key
    # Lower case letters and a few digits do not change often; the label has to say more.
    few = strong and told and not listed and _PLAIN.match(key) and len(_ODD.findall(key)) > 1 and len(_DIGIT.findall(key)) > 1
    return key if few else ""


def _is_hex_key(key: str, word: str, before: list[str], *, strong: bool) -> bool:
    """Whether hexadecimal digits are a key: hashes and identifiers look the same, so the label has to say so."""
    least = _SHORT if word == "token" and not before else _SHORTEST_HEX
    named = strong or word != "key" or len(before) > 1
    return len(key) >= least and named and _DIGIT.search(key) is not None and not key.isdigit()


def _has_symbols_within(value: str, *, quoted: bool, both: bool) -> bool:
    """Whether a value without digits has symbols as a password has them, not as `String!` and `a|b` have."""
    if quoted:
        return both or len(_SYMBOL.findall(value)) > 1
    return both and _CODE.search(value) is None and _TYPED.search(value[:-1]) is not None


def _counts(key: str) -> bool:
    return len(set(key)) < 4  # noqa: PLR2004


def _password(value: str, quote: str, *, told: bool) -> str:
    """The value if it is a password; "" if not."""
    folded = value.lower()
    if len(value) < (6 if quote else 7) or folded in COMMON_WORDS or any(word in folded for word in PLACEHOLDERS):
        return ""
    digit, lower, upper, symbol = (kind.search(value) is not None for kind in (_DIGIT, _LOWER, _UPPER, _SYMBOL))
    if not (lower or upper) or len(set(folded)) < 5:  # noqa: PLR2004
        return ""
    if not (digit or symbol):
        return value if told and _has_odd_case(value) else ""
    if quote != '"' and (_NAME.match(value) or _ASSIGNED.match(value) or "(" in value or "[" in value):
        return ""
    if not digit and not _has_symbols_within(value, quoted=quote != "", both=lower and upper):
        return ""
    kinds = digit + lower + upper + symbol
    return value if kinds > 2 or (told and len(value) > 7) or (told and quote) else ""  # noqa: PLR2004
