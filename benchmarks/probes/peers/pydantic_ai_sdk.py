"""pydantic-ai: direct model requests, which an agent's steps stand on."""

from pydantic_ai.direct import model_request_stream_sync, model_request_sync
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, UserPromptPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def _model(base, key):
    return OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(base_url=base, api_key=key))


def _messages(prompt):
    return [ModelRequest(parts=[UserPromptPart(content=prompt)])]


def chat(base, key, prompt):
    return model_request_sync(_model(base, key), _messages(prompt)).parts[0].content


def stream(base, key, prompt):
    with model_request_stream_sync(_model(base, key), _messages(prompt)) as events:
        for event in events:
            if isinstance(event, PartStartEvent):
                yield event.part.content
            elif isinstance(event, PartDeltaEvent):
                yield event.delta.content_delta
