"""Blocks an answer that is not JSON of the form that the application expects, whatever the call itself asked for.

A call with `output=` is checked by its own schema, and asked again. This guard is for a client whose answers go into a program: it belongs
to the client, so that no call can leave it out. It judges whole texts: a stream is held back until a text has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from saferoute.errors import ConfigurationError, InvalidMessages, OutputInvalid
from saferoute.values.guarding import ALLOWED, Action, Verdict
from saferoute.values.output import output_from

if TYPE_CHECKING:
    from saferoute.values.guarding import Context, Segment, Stage
    from saferoute.values.output import JsonSchema, Output

__all__ = ["OutputSchemaGuard"]

_NO_ANSWERS: Final = frozenset({"reasoning", "refusal"})
_LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class OutputSchemaGuard:
    """Judges whether a text of an answer is JSON that fits a schema.

    What a model shows of its thinking, and its refusal, are no answer and are not judged; an answer that has no text, but tool calls only,
    is not judged either.

    Attributes:
        output: a pydantic model class, a dataclass, a TypedDict, or a JSON Schema as a dict (see `saferoute.values.json_schema` for the
            keywords that are checked).
        fenced: whether the JSON may stand in a Markdown fence.

    Raises:
        ConfigurationError: for what is no schema.
    """

    output: type[Any] | JsonSchema = field(repr=False)
    fenced: bool = False
    _expected: Output = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "output_schema"
    version: ClassVar[str] = "1"
    stages: ClassVar[frozenset[Stage]] = frozenset({"output"})
    quick: ClassVar[bool] = True

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "_expected", output_from(self.output))
        except InvalidMessages as error:
            raise ConfigurationError(str(error)) from None

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge a whole text of an answer.

        Args:
            segment: the text; `name` tells "reasoning" and "refusal" from an answer's own words.
            context: of no interest here.

        Returns:
            ALLOW; or BLOCK, with the places and keywords that do not fit, and nothing of the answer.
        """
        del context
        if segment.name in _NO_ANSWERS:
            return ALLOWED
        try:
            self._expected.parse(segment.text, fenced=self.fenced)
        except OutputInvalid as error:
            return Verdict(Action.BLOCK, (str(error)[:_LONGEST_REASON],))
        return ALLOWED
