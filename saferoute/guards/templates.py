"""Signed prompt templates: written out with their values, and held to be the only instructions where a table says so.

The text is verified against the digest in the table before anything in it is read. A value is never read: it is put in its place, and stays
apart from the template's words in the request, so that guards know whose words are whose.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from saferoute.errors import GuardBlocked, InvalidMessages
from saferoute.values.guarding import Action, Judged, Verdict
from saferoute.values.messages import Text
from saferoute.values.template import Piece, Rendered, Template
from saferoute.values.template_text import split_template, template_digest
from saferoute.values.template_values import fits, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from saferoute.values.messages import Message, Part
    from saferoute.values.request import ChatRequest
    from saferoute.values.signed_template import SignedTemplate

__all__ = ["LONGEST_RENDERED", "check_pinned", "rendered", "with_templates"]

LONGEST_RENDERED: Final = 2_000_000
"""Characters that a template and its values may have together, as often as they stand in it."""

_INSTRUCTING: Final = frozenset(
    {
        "chat_history", "chat_template", "developer", "documents", "instructions", "messages", "preamble", "prefix", "prompt", "suffix",
        "system", "systemInstruction", "system_instruction", "system_prompt", "template",
    }
)  # fmt: skip
"""Fields of wire formats and servers that put words before, behind or around what is said, where a row opens them."""

_SHOWN: Final = 12  # digits of a digest, to tell two apart
_MOST_NAMED: Final = 20
_PINNED: Final = "pinned-templates"


def rendered(template: Template, signed: SignedTemplate) -> Rendered:
    """Write a template out.

    Args:
        template: name and values, as the caller gives them.
        signed: what the table says of it.

    Raises:
        InvalidMessages: the text is not the one that was signed, or a value is missing, too many, or of another type than the table says.
            Nothing of the text was used.
    """
    text = _verified(template, signed)
    try:
        pairs = split_template(text)
    except ValueError as error:
        msg = f"the table's template {template.name!r} cannot be used: {error}. Whoever signs the table has to mend it"
        raise InvalidMessages(msg) from None
    _check_names(template, signed, frozenset(name for _, name in pairs if name))
    values = {
        name: Piece(written(value, signed.variables[name], name), name, signed.variables[name], name in template.retrieved)
        for name, value in template.given
    }
    pieces = tuple(values[name] if name else Piece(words) for words, name in pairs)
    size = sum(len(piece.text) for piece in pieces)  # before anything of that size is made
    if size > LONGEST_RENDERED:
        msg = f"the template {template.name!r} with its values has {size} characters, and at most {LONGEST_RENDERED} are allowed"
        raise InvalidMessages(msg)
    return Rendered(template.name, signed.sha256, pieces)


def _verified(template: Template, signed: SignedTemplate) -> str:
    text = signed.text if template.text is None else template.text
    if text is None:
        msg = f"the table has the digest of the template {template.name!r} and not its text: pass Template(name, values, text=...)"
        raise InvalidMessages(msg)
    try:
        digest = template_digest(text)
    except ValueError:  # half a surrogate pair
        digest = "no UTF-8"
    if digest != signed.sha256:
        msg = (
            f"the text of the template {template.name!r} is not the one that was signed: its SHA-256 begins with {digest[:_SHOWN]}, "
            f"that in the table with {signed.sha256[:_SHOWN]}. Pass the signed text (mind line ends), or have a table signed for this one"
        )
        raise InvalidMessages(msg)
    return text


def _check_names(template: Template, signed: SignedTemplate, used: frozenset[str]) -> None:
    declared, given = frozenset(signed.variables), frozenset(name for name, _ in template.given)
    if used != declared:
        msg = (
            f"the table's template {template.name!r} uses {_listed(used)} and declares {_listed(declared)}: "
            "whoever signs the table has to mend it"
        )
        raise InvalidMessages(msg)
    if given != declared:
        wrong = [f"{what} {_listed(names)}" for what, names in (("lack", declared - given), ("hold too many:", given - declared)) if names]
        msg = f"the values of the template {template.name!r} {' and '.join(wrong)}; its variables are {_listed(declared)}"
        raise InvalidMessages(msg)


def _listed(names: Iterable[str]) -> str:
    every = sorted(names)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more or "none"


def with_templates(request: ChatRequest, templates: Mapping[str, SignedTemplate]) -> ChatRequest:
    """The request with every template in it written out; what an earlier turn wrote out stays as it is.

    Args:
        request: what is asked.
        templates: the table's, by name.

    Raises:
        InvalidMessages: the table has no such template, or it cannot be written out with these values; see `rendered`. Also for a template
            where no template may stand, and for a text that says to be written out of a template and has another text.
    """
    if not _holds_template(request.messages):
        return request
    return replace(request, messages=tuple(_with_templates(one, number, templates) for number, one in enumerate(request.messages)))


def _holds_template(messages: Iterable[Message]) -> bool:
    for message in messages:
        for part in message.content:
            if part.__class__ is Text and part.template is not None:
                return True
    return False


def _with_templates(message: Message, number: int, templates: Mapping[str, SignedTemplate]) -> Message:
    content: list[Part] = []
    for index, part in enumerate(message.content):
        if not isinstance(part, Text) or part.template is None:
            content.append(part)
            continue
        place = f"messages[{number}].content[{index}]"
        if message.role not in {"system", "user"}:
            msg = f"{place} is a template, and stands in what role {message.role!r} says: a template is a system or a user message"
            raise InvalidMessages(msg)
        if isinstance(part.template, Template):
            made = rendered(part.template, _signed(part.template, templates))
            content.append(_text(made, place))
        elif part.text == part.template.text:
            content.append(part)
        else:
            msg = (
                f"{place} was written out of the template {part.template.name!r} and then changed: pass the template again, or a plain text"
            )
            raise InvalidMessages(msg)
    return replace(message, content=tuple(content))


def _text(made: Rendered, place: str) -> Text:
    text = made.text
    if not text:
        msg = f"{place}: the template {made.name!r} with these values is an empty text"
        raise InvalidMessages(msg)
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = f"{place}: a value of the template {made.name!r} holds half a surrogate pair, which no provider can be sent"
        raise InvalidMessages(msg) from None
    return Text(text, template=made)


def _signed(template: Template, templates: Mapping[str, SignedTemplate]) -> SignedTemplate:
    signed = templates.get(template.name)
    if signed is None:
        known = f"its templates are {_listed(templates)}" if templates else "it has none"
        msg = f"the routing table has no template {template.name!r}; {known}. A template is used when the signed table names it"
        raise InvalidMessages(msg)
    return signed


def check_pinned(request: ChatRequest, allowed: frozenset[str], templates: Mapping[str, SignedTemplate]) -> None:
    """Refuse every instruction that is not a template out of the list.

    Call it with what the caller asked, templates written out, before guards take something out and before saferoute puts something in.

    Args:
        request: what is asked.
        allowed: names of the templates that may stand as instructions; an empty set allows no instructions at all.
        templates: the table's, by name.

    Raises:
        GuardBlocked: a system message is something else than one of these templates, whole and by itself, or a field that is passed through
            may hold instructions. Nothing was sent. The error tells the place, and no text.
    """
    for namespace, options in request.provider_options.items():
        for name in sorted(_INSTRUCTING & options.keys()):
            msg = (
                f"the routing table pins what may stand as instructions, and provider_options[{namespace!r}] has {name!r}, which a "
                "model may read as such; nothing was sent. Leave it out, or have a table signed that pins nothing for this route"
            )
            verdict = Verdict(Action.BLOCK, ("instructions are pinned, and this field may hold some",))
            path = f"/provider_options/{namespace}/{name}"
            raise GuardBlocked(msg, verdicts=(Judged(_PINNED, "1", "input", path, verdict),))
    for number, message in enumerate(request.messages):
        if message.role != "system":
            continue
        why = _unpinned(message, allowed, templates)
        if why:
            path = f"/messages/{number}"
            there = allowed & templates.keys()
            names = f"Template(name, values) with a name out of {_listed(there)}" if there else "no system message: it allows none"
            msg = f"the routing table pins what may stand as instructions, and {path} {why}; nothing was sent. Pass {names}"
            verdict = Verdict(Action.BLOCK, (f"instructions are pinned, and this message {why}",))
            raise GuardBlocked(msg, verdicts=(Judged(_PINNED, "1", "input", path, verdict),))


def _unpinned(message: Message, allowed: frozenset[str], templates: Mapping[str, SignedTemplate]) -> str:
    """Why a message is no template that may stand there; "" if it is one."""
    part = message.content[0] if len(message.content) == 1 and message.name is None else None
    if not isinstance(part, Text) or not isinstance(part.template, Rendered):
        return "is not one template, whole and by itself"
    made = part.template
    signed = templates.get(made.name) if made.name in allowed else None
    if signed is None:
        return "is a template that is not in the list"
    if part.text != made.text or not _is_of(made, signed):
        return f"is not what the signed template {signed.name!r} makes"
    return ""


def _is_of(made: Rendered, signed: SignedTemplate) -> bool:
    """Whether words and variables are the signed template's, by its digest, and each value is of its type: nobody's word is taken."""
    for piece in made.pieces:
        if piece.variable and (piece.variable not in signed.variables or not fits(piece.text, signed.variables[piece.variable])):
            return False
    try:
        return template_digest(made.source) == signed.sha256
    except ValueError:  # half a surrogate pair
        return False
