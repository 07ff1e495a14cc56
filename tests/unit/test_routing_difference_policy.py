"""What changes in how an alias spreads its calls: the words, and which changes are marked."""

from __future__ import annotations

import pytest

from saferoute.routing.authoring import build
from saferoute.routing.difference import Change, compare
from saferoute.routing.difference_fields import limit_raised

ROWS = """
[routes.eu]
extends = "openai"
model = "big"
data = "confidential"
region = "eu"

[routes.eu2]
extends = "openai"
model = "bigger"
data = "confidential"
region = "eu"

[routes.us]
extends = "anthropic"
model = "small"
data = "internal"

[routes.fr]
extends = "mistral"
model = "petit"
region = "fr"
"""
EU, EU2, US, FR = "eu (openai/big in eu)", "eu2 (openai/bigger in eu)", "us (anthropic/small)", "fr (mistral_ai/petit in fr)"
SHADOW = 'shadow = { target = "us", share = 10, max_cost = "$0.01", data = "internal" }'
NEW_SHADOW = (
    "a shadow is new: copies of 10 in 1000 calls, with data up to internal, at most 0.01 USD each, now go to us (anthropic/small), "
    "whose answers are thrown away"
)


def table(fields: str, targets: str = '["eu", "eu2"]') -> bytes:
    return build(f"{ROWS}[aliases.x]\ntargets = {targets}\n{fields}\n")


def changes(old: str, new: str) -> list[tuple[bool, str, str]]:
    return [(one.dangerous, one.field, one.text) for one in compare(table(old), table(new)).changes if one.place == "aliases.x"]


@pytest.mark.parametrize(
    ("old", "new", "field", "text"),
    [
        ("", 'strategy = "cheapest"', "strategy", "strategy changes from ordered to cheapest"),
        ('strategy = "weighted"', 'strategy = "weighted"\nweights = { eu = 2 }', "weights", "weights.eu is now 2"),
        (
            'strategy = "weighted"\nweights = { eu = 2 }', 'strategy = "weighted"\nweights = { eu = 3 }', "weights",
            "weights.eu changes from 2 to 3",
        ),
        ('strategy = "sticky"\ntag = "a"', 'strategy = "sticky"\ntag = "b"', "tag", "tag changes from a to b"),
        (
            'strategy = "by_tag"\ntag = "a"\ntagged = { v = ["eu"] }', 'strategy = "by_tag"\ntag = "a"\ntagged = { v = ["eu2", "eu"] }',
            "tagged", "tagged.v changes from eu to eu2, eu",
        ),
        ("", 'hedge = { after = "300ms" }', "hedge", "a call that is slow for 0.3 s is now also sent to a second of its rows, and both are paid"),
        (
            'hedge = { after = "300ms" }', 'hedge = { after = "1s" }', "hedge",
            "a call that is slow for 1 s is now also sent to a second of its rows, and both are paid; before, after 0.3 s",
        ),
        ('hedge = { after = "300ms" }', "", "hedge", "calls are no longer hedged after 0.3 s"),
        ("", "limits = { concurrent = 4 }", "limits", "limits.concurrent is now 4"),
        ("limits = { concurrent = 4 }", "limits = { concurrent = 3 }", "limits", "limits.concurrent is lowered from 4 to 3"),
        (
            "limits = { concurrent = 4, adaptive = true }", "limits = { concurrent = 4, adaptive = false }", "limits",
            "limits.adaptive changes from true to false",
        ),
        ("limits = { concurrent = 4, adaptive = true }", "limits = { concurrent = 4 }", "limits", "limits.adaptive is no longer true, but not set"),
        ('fallback = { any = "us" }', "", "fallback.any", f"calls no longer go on to {US} (fallback for any)"),
        (
            'fallback = { any = ["us", "fr"] }', 'fallback = { any = ["fr", "us"] }', "fallback.any",
            f"when nothing else answers, calls now go on to {FR}, then {US}; before, to {US}, then {FR}",
        ),
        (
            'fallback = { any = ["us", "fr"] }', 'fallback = { any = ["fr", "us"], timeout = "fr" }', "fallback.timeout",
            f"after a timeout, calls now go on to {FR}; before, to nobody",
        ),
        (
            'fallback = { content_filter = ["us", "fr"] }', 'fallback = { content_filter = "us" }', "fallback.content_filter",
            (
                "content that one provider refused is sent to another: after a content filter, "
                f"calls now go on to {US}; before, to {US}, then {FR}"
            ),
        ),
        (SHADOW, "", "shadow", f"the shadow is gone: copies no longer go to {US}"),
        (SHADOW, SHADOW.replace("10", "9"), "shadow.share", "the shadow now gets copies of 9 in 1000 calls; before, of 10"),
        (
            SHADOW, SHADOW.replace("internal", "public"), "shadow.data",
            "the shadow now gets copies of calls with data up to public; before, up to internal",
        ),
        (SHADOW, SHADOW.replace("0.01", "0.005"), "shadow.max_cost", "a copy for the shadow may now cost 0.005 USD; before, 0.01 USD"),
    ],
)  # fmt: skip
def test_what_gives_nothing_to_anybody_new(old: str, new: str, field: str, text: str) -> None:
    found = [one for one in changes(old, new) if one[1].partition(".")[0] == field.partition(".")[0]]
    assert text in [one[2] for one in found]
    assert not any(one[0] for one in found)


@pytest.mark.parametrize(
    ("old", "new", "field", "text"),
    [
        ("", SHADOW, "shadow", NEW_SHADOW),
        ("", SHADOW.replace('"us"', '"fr"'), "shadow", NEW_SHADOW.replace(US, FR)),
        (
            SHADOW, SHADOW.replace('"us"', '"fr"'), "shadow",
            (
                f"the shadow's copies now go to {FR}, whose answers are thrown away: of 10 in 1000 calls, with data up to internal, "
                f"at most 0.01 USD each; before, to {US}"
            ),
        ),
        (SHADOW, SHADOW.replace("10", "11"), "shadow.share", "the shadow now gets copies of 11 in 1000 calls; before, of 10"),
        (
            SHADOW, SHADOW.replace("internal", "confidential"), "shadow.data",
            "the shadow now gets copies of calls with data up to confidential; before, up to internal",
        ),
        (SHADOW, SHADOW.replace("$0.01", "$0.02"), "shadow.max_cost", "a copy for the shadow may now cost 0.02 USD; before, 0.01 USD"),
        (SHADOW, SHADOW.replace("$0.01", "0.001 JPY"), "shadow.max_cost", "a copy for the shadow may now cost 0.001 JPY; before, 0.01 USD"),
        ("", 'fallback = { any = "us" }', "fallback.any", f"when nothing else answers, calls now go on to {US}; before, to nobody"),
        (
            'fallback = { any = "us" }', 'fallback = { any = "us", quota = ["us", "fr"] }', "fallback.quota",
            f"when a quota is used up, calls now go on to {US}, then {FR}; before, to nobody",
        ),
        (
            "", 'fallback = { context_window = "fr" }', "fallback.context_window",
            f"when the context window is too small, calls now go on to {FR}; before, to nobody",
        ),
        (
            'fallback = { any = "us" }', 'fallback = { any = "us", content_filter = "us" }', "fallback.content_filter",
            f"content that one provider refused is sent to another: after a content filter, calls now go on to {US}; before, to nobody",
        ),
        (SHADOW, f'{SHADOW}\nfallback = {{ any = "us" }}', "fallback.any", f"when nothing else answers, calls now go on to {US}; before, to nobody"),
        ("limits = { concurrent = 4 }", "limits = { concurrent = 5 }", "limits.concurrent", "limits.concurrent is raised from 4 to 5"),
        ("limits = { concurrent = 4 }", "", "limits.concurrent", "limits.concurrent is no longer 4, but not set"),
    ],
)  # fmt: skip
def test_what_gives_somebody_more_is_marked(old: str, new: str, field: str, text: str) -> None:
    assert changes(old, new) == [(True, field, text)]


def test_a_fallback_at_the_same_place_is_said_and_not_marked() -> None:
    old, new = (table(fields, '["eu"]') for fields in ("", 'fallback = { any = "eu2" }'))
    text = f"when nothing else answers, calls now go on to {EU2}; before, to nobody"
    assert compare(old, new).changes == (Change("aliases.x", "fallback.any", text, [], [EU2]),)
    filtered = table('fallback = { content_filter = "eu2" }', '["eu"]')
    assert [one.dangerous for one in compare(old, filtered).changes] == [True]


def test_a_fallback_that_becomes_a_target_is_marked_like_any_new_target() -> None:
    found = compare(table('fallback = { any = "us" }', '["eu"]'), table("", '["eu", "us"]')).changes
    assert [(one.dangerous, one.field) for one in found] == [(True, "targets"), (False, "fallback.any")]


def test_a_new_alias_says_all_of_it() -> None:
    fields = (
        f'strategy = "weighted"\nweights = {{ eu = 2 }}\nlimits = {{ concurrent = 4 }}\nhedge = {{ after = "1s" }}\n{SHADOW}\n'
        'fallback = { any = "fr", content_filter = "us" }'
    )
    found = compare(build(ROWS), table(fields)).changes
    assert [(one.dangerous, one.field, one.text) for one in found] == [
        (True, "fallback.any", f"when nothing else answers, calls now go on to {FR}; before, to nobody"),
        (
            True, "fallback.content_filter",
            f"content that one provider refused is sent to another: after a content filter, calls now go on to {US}; before, to nobody",
        ),
        (True, "shadow", NEW_SHADOW),
        (False, "", f"is new: it sends to {EU}, then {EU2}"),
        (False, "limits.concurrent", "limits.concurrent is now 4"),
        (False, "strategy", "strategy is now weighted"),
        (False, "weights.eu", "weights.eu is now 2"),
        (False, "hedge", "a call that is slow for 1 s is now also sent to a second of its rows, and both are paid"),
    ]  # fmt: skip
    assert [one.field for one in compare(build(ROWS), table("")).changes] == [""]


def test_what_scripts_get() -> None:
    copied = {"target": US, "share": 10, "max_cost": "0.01 USD", "data": "internal"}
    assert [(one.before, one.after) for one in compare(table(""), table(SHADOW)).changes] == [(None, copied)]
    assert [(one.before, one.after) for one in compare(table(SHADOW), table("")).changes] == [(copied, None)]
    other = table(SHADOW.replace('"us"', '"fr"'))
    assert [(one.before, one.after) for one in compare(table(SHADOW), other).changes] == [(copied, {**copied, "target": FR})]
    dearer = compare(table(SHADOW), table(SHADOW.replace("10", "12").replace("0.01", "0.02").replace("internal", "public"))).changes
    assert {one.field: (one.before, one.after) for one in dearer} == {
        "shadow.share": (10, 12),
        "shadow.data": ("internal", "public"),
        "shadow.max_cost": ("0.01 USD", "0.02 USD"),
    }
    hedged = compare(table('hedge = { after = "1s" }'), table('hedge = { after = "2s" }')).changes
    assert [(one.before, one.after) for one in hedged] == [("1 s", "2 s")]
    assert [(one.before, one.after) for one in compare(table(""), table('hedge = { after = "2s" }')).changes] == [(None, "2 s")]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("", "limits = { concurrent = 3 }", (False, "limits.concurrent", "limits.concurrent is now 3")),
        ("limits = { concurrent = 3 }", "limits = { concurrent = 2 }", (False, "limits.concurrent", "limits.concurrent is lowered from 3 to 2")),
        ("limits = { concurrent = 3 }", "limits = { concurrent = 4 }", (True, "limits.concurrent", "limits.concurrent is raised from 3 to 4")),
        ("limits = { concurrent = 3 }", "", (True, "limits.concurrent", "limits.concurrent is no longer 3, but not set")),
        ('quota_group = "a"', 'quota_group = "b"', (False, "quota_group", "quota_group changes from a to b")),
    ],
)  # fmt: skip
def test_limits_of_a_row(old: str, new: str, found: tuple[bool, str, str]) -> None:
    head = '[routes.eu]\nextends = "openai"\nmodel = "big"\n'
    changed = compare(build(head + old), build(head + new)).changes
    assert [(one.dangerous, one.field, one.text) for one in changed] == [found]


@pytest.mark.parametrize(
    ("before", "after", "raised"),
    [(None, 1, False), (1, 1, False), (1, 2, True), (2, 1, False), (1, None, True), (True, False, False), (True, None, False), (None, True, False)],
)  # fmt: skip
def test_which_limits_are_raised(before: int | None, after: int | None, raised: bool) -> None:
    assert limit_raised(before, after) is raised
