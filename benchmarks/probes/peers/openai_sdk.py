"""The OpenAI SDK."""

import openai

MODEL = "gpt-4o-mini"


def _given(base, key):
    return {name: value for name, value in (("base_url", base), ("api_key", key)) if value is not None}


def chat(base, key, prompt):
    messages = [{"role": "user", "content": prompt}]
    return openai.OpenAI(**_given(base, key)).chat.completions.create(model=MODEL, messages=messages).choices[0].message.content


def stream(base, key, prompt):
    messages = [{"role": "user", "content": prompt}]
    for event in openai.OpenAI(**_given(base, key)).chat.completions.create(model=MODEL, messages=messages, stream=True):
        for choice in event.choices:
            yield choice.delta.content or ""
