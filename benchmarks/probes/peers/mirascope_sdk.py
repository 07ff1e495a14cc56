"""mirascope, with its OpenAI provider."""

from mirascope import llm

# The suffix asks for Chat Completions, which the sink speaks; without it, it would use Responses.
MODEL = "openai/gpt-4o-mini:completions"


def _model(base, key):
    llm.register_provider("openai", api_key=key, base_url=base)
    return llm.Model(MODEL)


def chat(base, key, prompt):
    return _model(base, key).call(prompt).text()


def stream(base, key, prompt):
    yield from _model(base, key).stream(prompt).text_stream()
