"""aisuite, with its OpenAI provider."""

import aisuite

MODEL = "openai:gpt-4o-mini"


def _client(base, key):
    given = {name: value for name, value in (("base_url", base), ("api_key", key)) if value is not None}
    return aisuite.Client({"openai": given})


def chat(base, key, prompt):
    messages = [{"role": "user", "content": prompt}]
    return _client(base, key).chat.completions.create(model=MODEL, messages=messages).choices[0].message.content


def stream(base, key, prompt):
    messages = [{"role": "user", "content": prompt}]
    for event in _client(base, key).chat.completions.create(model=MODEL, messages=messages, stream=True):
        for choice in event.choices:
            yield choice.delta.content or ""
