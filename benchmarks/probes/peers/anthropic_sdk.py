"""The Anthropic SDK."""

import anthropic

ASKED = {"model": "claude-sonnet-5", "max_tokens": 100}


def _given(base, key):
    # Its base URL is without the version that the others want in theirs.
    return {name: value for name, value in (("base_url", base and base.removesuffix("/v1")), ("api_key", key)) if value is not None}


def chat(base, key, prompt):
    client = anthropic.Anthropic(**_given(base, key))
    return client.messages.create(messages=[{"role": "user", "content": prompt}], **ASKED).content[0].text


def stream(base, key, prompt):
    client = anthropic.Anthropic(**_given(base, key))
    with client.messages.stream(messages=[{"role": "user", "content": prompt}], **ASKED) as events:
        yield from events.text_stream
