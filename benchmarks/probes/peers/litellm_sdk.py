"""LiteLLM as a library (not its proxy)."""

import litellm

litellm.telemetry = False
MODEL = "openai/gpt-4o-mini"


def _given(base, key):
    return {name: value for name, value in (("api_base", base), ("api_key", key)) if value is not None}


def chat(base, key, prompt):
    messages = [{"role": "user", "content": prompt}]
    return litellm.completion(model=MODEL, messages=messages, **_given(base, key)).choices[0].message.content


def stream(base, key, prompt):
    messages = [{"role": "user", "content": prompt}]
    for event in litellm.completion(model=MODEL, messages=messages, stream=True, **_given(base, key)):
        for choice in event.choices:
            yield choice.delta.content or ""
