"""Asks what every client asks, with OpenAI's Python SDK.

Arguments: key, then a base URL, a model and a model of embeddings (or '') for each case. Prints a JSON list.
"""

import json
import sys

from openai import OpenAI
from pydantic import BaseModel


class Place(BaseModel):
    city: str
    degrees: float


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def asked(text):
    return [{"role": "user", "content": text}]


def chat(client, model):
    return client.chat.completions.create(model=model, messages=asked("Say hello")).choices[0].message.content


def stream(client, model):
    pieces = client.chat.completions.create(model=model, messages=asked("Say hello"), stream=True)
    return "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


def tools(client, model):
    messages = asked("How is the weather?")
    with client.chat.completions.stream(model=model, messages=messages, tools=[WEATHER]) as events:
        message = events.get_final_completion().choices[0].message
    call = message.tool_calls[0]
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "20 degrees"}]
    return client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0].message.content


def parsed(client, model):
    answer = client.chat.completions.parse(
        model=model, messages=asked("The weather as JSON, please"), response_format=Place
    )
    return answer.choices[0].message.parsed.model_dump()


def embed(client, model):
    return client.embeddings.create(model=model, input="hi").data[0].embedding[:3] if model else None


def ask(key, base_url, model, embedder):
    client = OpenAI(base_url=base_url, api_key=key, max_retries=0)
    return {
        "chat": chat(client, model),
        "stream": stream(client, model),
        "tools": tools(client, model),
        "object": parsed(client, model),
        "embed": embed(client, embedder),
    }


key, *rest = sys.argv[1:]
print(json.dumps([ask(key, *rest[i : i + 3]) for i in range(0, len(rest), 3)]))
