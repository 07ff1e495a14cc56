"""any-llm, with its OpenAI provider."""

from any_llm import AnyLLM

MODEL = "gpt-4o-mini"


def chat(base, key, prompt):
    client = AnyLLM.create("openai", api_key=key, api_base=base)
    return client.completion(model=MODEL, messages=[{"role": "user", "content": prompt}]).choices[0].message.content


def stream(base, key, prompt):
    client = AnyLLM.create("openai", api_key=key, api_base=base)
    for event in client.completion(model=MODEL, messages=[{"role": "user", "content": prompt}], stream=True):
        for choice in event.choices:
            yield choice.delta.content or ""
