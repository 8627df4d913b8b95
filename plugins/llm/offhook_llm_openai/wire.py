"""Our words as chat completions, and their pieces as our words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from offhook.events import Message, ReplyEvent, ReplyRequest, TextDelta, ToolCall, Usage
from offhook_llm_openai.options import OpenAIOptions


def request_body(request: ReplyRequest, options: OpenAIOptions) -> dict[str, Any]:
    """The arguments of ``chat.completions.create``."""
    body: dict[str, Any] = {
        "model": options.model,
        "messages": [_message(m) for m in request.messages if m.text or m.tool_calls],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if options.tools and request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in request.tools
        ]
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.max_tokens is not None:
        # OpenAI's newer models refuse the older name, the compatible servers know no other.
        name = "max_tokens" if options.base_url else "max_completion_tokens"
        body[name] = options.max_tokens
    if options.extra_body:
        body["extra_body"] = options.extra_body
    return body


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": message.tool_call_id,
            "content": message.text,
        }
    if not message.tool_calls:
        return {"role": message.role, "content": message.text}
    return {
        "role": message.role,
        "content": message.text or None,
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
            }
            for call in message.tool_calls
        ],
    }


@dataclass(slots=True)
class _Partial:
    index: int | None
    id: str
    name: str
    arguments: str = ""


class Assembler:
    """Puts a reply together from chunks, forgiving what compatible servers leave out or add."""

    def __init__(self) -> None:
        self._calls: list[_Partial] = []
        self._usage: Usage | None = None
        self.finished = False
        """Whether the model gave a reason for stopping."""

    def take(self, chunk: Any) -> Iterator[ReplyEvent]:
        """The text of one chunk; tool calls and usage are kept for ``rest``."""
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self._usage = Usage(
                getattr(usage, "prompt_tokens", 0) or 0,
                getattr(usage, "completion_tokens", 0) or 0,
            )
        for choice in getattr(chunk, "choices", None) or ():
            if getattr(choice, "finish_reason", None):
                self.finished = True
            delta = getattr(choice, "delta", None)
            if isinstance(text := getattr(delta, "content", None), str) and text:
                yield TextDelta(text)
            for piece in getattr(delta, "tool_calls", None) or ():
                self._add(piece)

    def _add(self, piece: Any) -> None:
        index = getattr(piece, "index", None)
        function = getattr(piece, "function", None)
        name = getattr(function, "name", None) or ""
        identity = getattr(piece, "id", None) or ""
        arguments = getattr(function, "arguments", None) or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        last = next((c for c in reversed(self._calls) if c.index == index), None)
        # Some servers number every call 0, or none at all: a second name or id begins another.
        if last is None or (name and identity != last.id) or (name and last.arguments):
            last = _Partial(index, identity, name)
            self._calls.append(last)
        last.id, last.name = last.id or identity, last.name or name
        last.arguments += arguments

    def rest(self) -> Iterator[ReplyEvent]:
        """Tool calls and usage. Raises ValueError for arguments that are no JSON object."""
        for number, call in enumerate(self._calls):
            arguments = json.loads(call.arguments or "{}")
            if not isinstance(arguments, dict):
                raise ValueError("the arguments of a tool call are no JSON object")
            yield ToolCall(call.id or f"call-{number}", call.name, arguments)
        if self._usage is not None:
            yield self._usage
