"""The openai package, unchanged, at LLM Ferry: one client and one format for every vendor."""

import os
import sys

from openai import APIError, OpenAI, RateLimitError

client = OpenAI(
    base_url=os.environ.get("FERRY_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ["FERRY_KEY"],
    # Limits and quotas count for each end user.
    default_headers={"x-ferry-user": "user-17"},
)
MODELS = ("openai/gpt-5.4-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-3.5-flash")


def ask(model: str, question: str) -> None:
    print(f"{model} › ", end="")
    with client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        for chunk in stream:
            if chunk.choices:
                print(chunk.choices[0].delta.content or "", end="", flush=True)
            elif chunk.usage:
                print(f" ({chunk.usage.total_tokens} tokens)", end="")
    print()


try:
    for name in MODELS:
        ask(name, " ".join(sys.argv[1:]) or "用一句话介绍你自己。")
    whole = client.chat.completions.create(model=MODELS[1], messages=[{"role": "user", "content": "Hello"}])
    print(f"whole › {whole.choices[0].message.content}")
    print(f"models › {len(client.models.list().data)}")
except RateLimitError as error:
    # The package has already waited and tried again where that could help.
    sys.exit(f"[{error.code}] slow down: {error.message}")
except APIError as error:
    sys.exit(f"[{error.code}] {error.message}")
