"""Presidio: recognizers of personal data, with places."""

from __future__ import annotations

from collections import Counter
from operator import index
from typing import TYPE_CHECKING, ClassVar, Protocol

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.integrations.guards.adapter import TEXTS, Adapter, failure, missing, plain, score_of, upstream_version
from saferoute.values.guarding import ALLOWED, Action, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.values.guarding import Context, OnError, Segment, Stage, Verdict

__all__ = ["PresidioGuard"]


class _Analyzer(Protocol):
    def analyze(
        self, text: str, language: str, entities: list[str] | None = None, *, score_threshold: float | None = None
    ) -> Sequence[object]: ...

    def get_supported_entities(self, language: str) -> Iterable[str]: ...


class PresidioGuard(Adapter):
    """Finds personal data with presidio-analyzer (extra `presidio`).

    Args:
        entities: what is looked for, in presidio's words, such as "EMAIL_ADDRESS"; None for everything that the analyzer knows.
        action: what a find asks for: FLAG, REDACT or BLOCK.
        threshold: finds with a lower score are none; from 0.0 to 1.0.
        language: of the texts, as the analyzer calls it.
        analyzer: a presidio `AnalyzerEngine`. None for one with patterns and checksums only: it knows nothing of names, and loads nothing
            from a network. For names, give one whose language model is there; presidio may download what is not.
        stages: when it is asked.
        on_error: what its failure is.
        name: its name.

    Raises:
        ConfigurationError: the package is missing, the analyzer does not know an entity (it would look for it in vain), or an argument is
            none.
    """

    __slots__ = ("_analyzer", "_entities", "_language", "_threshold")

    actions: ClassVar[frozenset[Action]] = frozenset({Action.FLAG, Action.REDACT, Action.BLOCK})

    def __init__(
        self,
        entities: Iterable[str] | None = None,
        action: Action = Action.FLAG,
        threshold: float = 0.5,
        language: str = "en",
        analyzer: _Analyzer | None = None,
        *,
        stages: Iterable[Stage] = TEXTS,
        on_error: OnError = "block",
        name: str = "presidio",
    ) -> None:
        super().__init__(name, upstream_version("presidio-analyzer"), action, stages, on_error)
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0.0 <= threshold <= 1.0:
            raise ConfigurationError("the threshold of PresidioGuard is a number from 0.0 to 1.0")
        if isinstance(entities, str):
            raise ConfigurationError('the entities of PresidioGuard are a list, such as ["EMAIL_ADDRESS"]')
        self._analyzer = _patterns_only(language) if analyzer is None else analyzer
        self._language = language
        self._threshold = threshold
        self._entities = None if entities is None else sorted(entities)
        unknown = set(self._entities or ()) - set(self._analyzer.get_supported_entities(language))
        if unknown or self._entities == []:
            raise ConfigurationError(
                f"this analyzer finds no {min(unknown, default='entity')!r} in {language!r}: see its get_supported_entities"
            )

    @override
    def _judge(self, segment: Segment, context: Context) -> Verdict:
        found = self._analyzer.analyze(segment.text, self._language, self._entities, score_threshold=self._threshold)
        if not isinstance(found, list | tuple):
            raise failure("presidio gave no list of results")
        scored = [(_span(one, len(segment.text)), score_of(getattr(one, "score", None))) for one in found]
        kept = [(span, score) for span, score in scored if score >= self._threshold]
        if not kept:
            return ALLOWED
        counts = Counter(span.kind for span, _ in kept)
        spans = tuple(sorted(span for span, _ in kept))
        return self._found((f"{kind}: {counts[kind]}" for kind in sorted(counts)), spans, max(score for _, score in kept))


def _span(one: object, size: int) -> Span:
    """Its place: presidio counts characters as Python does."""
    try:
        start, end = index(getattr(one, "start", None)), index(getattr(one, "end", None))  # type: ignore[arg-type]  # that is what is found out
    except TypeError:
        raise failure("a result of presidio has no place") from None
    kind = getattr(one, "entity_type", None)
    if not 0 <= start < end <= size or not isinstance(kind, str) or not kind:
        raise failure("a result of presidio is outside the text, or of no kind")
    return Span(start, end, f"pii.{plain(kind)}")


def _patterns_only(language: str) -> _Analyzer:
    """An analyzer without a language model, and without the list of domains that presidio would fetch at the first e-mail address."""
    try:
        from presidio_analyzer import AnalyzerEngine  # noqa: PLC0415  an extra
        from presidio_analyzer.nlp_engine import NoOpNlpEngine  # noqa: PLC0415
        from presidio_analyzer.predefined_recognizers import EmailRecognizer  # noqa: PLC0415
        from tldextract import TLDExtract  # noqa: PLC0415  comes with presidio
    except ImportError:
        raise missing("PresidioGuard", "presidio") from None
    domains = TLDExtract(cache_dir=None, suffix_list_urls=())  # the list that came with the package

    class OfflineEmails(EmailRecognizer):  # type: ignore[misc]  # its package may be missing where types are checked
        def validate_result(self, pattern_text: str) -> bool:
            return bool(domains(pattern_text).fqdn)

    engine = AnalyzerEngine(nlp_engine=NoOpNlpEngine([{"lang_code": language, "model_name": ""}]), supported_languages=[language])
    engine.registry.remove_recognizer("EmailRecognizer")
    engine.registry.add_recognizer(OfflineEmails(supported_language=language))
    made: _Analyzer = engine
    return made
