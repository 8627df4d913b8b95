"""The language model of one call, answered by the dialogue in the business file."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from offhook.events import CallInfo, ReplyEvent, ReplyRequest, TextDelta, ToolCall
from offhook_llm_script import matching
from offhook_llm_script.dialogue import Answer, Dialogue, intents_of
from offhook_llm_script.options import ScriptOptions

_PIECE = re.compile(r"\s*\S+\s*")


class ScriptModel:
    """Speaks for one call. Loads its matcher on a thread of its own as soon as it is made."""

    def __init__(self, options: ScriptOptions, call: CallInfo) -> None:
        self._options = options
        self._variables = {
            **call.variables,
            "from_number": call.from_number,
            "to_number": call.to_number,
        }
        # Fixed for the call, so that a replay past midnight understands "tomorrow" as before.
        zone = ZoneInfo(options.timezone) if options.timezone else None
        self._today = datetime.now(zone).date()
        self._matched: dict[str, matching.Match | None] = {}
        examples = {name: intent.examples for name, intent in intents_of(options).items()}
        self.matcher = matching.load(examples, words_only=options.matching == "words")

    def reply(self, request: ReplyRequest) -> ScriptReply:
        return ScriptReply(self, request)

    def close(self) -> None:
        """Nothing to free: the matcher is the process's and holds no words of the call."""

    def answer(self, request: ReplyRequest) -> Answer:
        """What to say now. The matcher must have been loaded."""
        return Dialogue(self._options, self._match, self._today, self._variables).replay(
            request.messages
        )

    def _match(self, text: str) -> matching.Match | None:
        # Each reply replays the call: without this, its tenth would match ten sentences.
        if text not in self._matched:
            self._matched[text] = self.matcher.result().match(text)
        return self._matched[text]


class ScriptReply:
    """One reply, word by word."""

    def __init__(self, model: ScriptModel, request: ReplyRequest) -> None:
        self._model = model
        self._request = request
        self._cancelled = False
        self._wake = threading.Event()

    def __iter__(self) -> Iterator[ReplyEvent]:
        self._model.matcher.add_done_callback(lambda _: self._wake.set())
        self._wake.wait()
        if self._cancelled:
            return
        answer = self._model.answer(self._request)
        for piece in _PIECE.findall(answer.text):
            if self._cancelled:
                return
            yield TextDelta(piece)
        if answer.tool and not self._cancelled:
            said = sum(message.role == "user" for message in self._request.messages)
            yield ToolCall(f"script-{said}", answer.tool, answer.arguments or {})

    def cancel(self) -> None:
        self._cancelled = True
        self._wake.set()
