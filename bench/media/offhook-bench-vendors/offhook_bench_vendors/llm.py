"""A model that says one numbered sentence, with a fixed time to the first token."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

from offhook import hookimpl
from offhook.events import CallInfo, ReplyEvent, ReplyRequest, TextDelta
from offhook.providers import LanguageModel, PluginInfo, ReplyStream
from offhook_bench_vendors.timing import LLM_MS

# Numbered, so that no cache of sentences can stand in for the voice.
_numbers = itertools.count(1)


class ScriptedReply:
    """Tokens after a wait that cancel() ends at once."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[ReplyEvent]:
        if self._cancelled.wait(LLM_MS / 1000):
            return
        for word in f"This is the scripted answer number {next(_numbers)}.".split(" "):
            if self._cancelled.is_set():
                return
            yield TextDelta(word if word.endswith(".") else word + " ")

    def cancel(self) -> None:
        """Stop."""
        self._cancelled.set()


class ScriptedModel:
    """Answers everything alike."""

    def reply(self, request: ReplyRequest) -> ReplyStream:  # noqa: ARG002
        """Prepare the answer."""
        return ScriptedReply()

    def close(self) -> None:
        """Nothing to free."""


@hookimpl
def offhook_plugin() -> PluginInfo:
    """Describe the model."""
    return PluginInfo(kind="llm", name="bench", summary="scripted model")


@hookimpl
def offhook_create_llm(options: Any, call: CallInfo) -> LanguageModel:  # noqa: ARG001
    """Make a model."""
    return ScriptedModel()
