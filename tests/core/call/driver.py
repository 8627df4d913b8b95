"""The shipped virtual call, with a model that says its replies in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from offhook.call import signals as s
from offhook.call.agent_side import Brief
from offhook.call.machine import Conversation
from offhook.config import Business
from offhook.events import Final, ToolCall
from offhook.testing import HANG, VirtualCall

Script = str | ToolCall | Exception | None


def make(brief: dict[str, Any] | None = None, **tables: Any) -> Conversation:
    """A conversation of a business with those tables in its file."""
    file = {"name": "Test", "numbers": ["+14155550100"], **tables}
    return Conversation(Brief(business=Business.model_validate(file), **_opening(brief)))


class Call(VirtualCall):
    """Plays a call. ``replies`` are the model's, in order: pieces of text, tools, a failure; None
    stands for a model that says no more. ``broken`` sentences cannot be synthesized. Finals and
    results of tools are the test's to tell."""

    def __init__(
        self,
        *replies: Iterable[Script],
        marks: bool = True,
        brief: dict[str, Any] | None = None,
        **tables: Any,
    ) -> None:
        self.replies = [list(reply) for reply in replies]
        self.broken: set[str] = set()
        super().__init__(
            business=tables,
            brief=_opening(brief),
            model=self._reply,
            voice=self._voice,
            recognize=lambda _: HANG,
            marks=marks,
            token_ms=100.0,
            voice_ms=100.0,
        )
        self.tell(s.Begin())

    def says(
        self, text: str, at: float | None = None, ms: float = 800.0, final_after: float = 300.0
    ) -> None:
        """The caller speaks from ``at`` on, and is understood so long after it."""
        at = self.now if at is None else at
        super().says(text, at, ms)
        self.at(at + ms + final_after, Final(text))

    def run(self, until: float = float("inf")) -> None:
        """Let time pass up to a moment, or to the end of the call."""
        super().run(until)

    @property
    def context(self) -> list[tuple[str, str]]:
        return [(message.role, message.text) for message in self.machine.context]

    @property
    def finish(self) -> s.Finish:
        finish = self.one(s.Finish)
        assert self.log[-1][1] is finish
        return finish

    def _run_tool(self, reply: int, call: ToolCall) -> None:
        """Left to the test."""

    def _reply(self, *_: object) -> list[Any]:
        steps = self.replies.pop(0) if self.replies else ["All right."]
        return [HANG if step is None else step for step in steps]

    def _voice(self, text: str) -> Any:
        if text in self.broken:
            self.broken.discard(text)
            return RuntimeError("no voice")
        return len(text) * 60.0


def _opening(brief: dict[str, Any] | None) -> dict[str, Any]:
    return {"opening": ("Hello there friend.",), **(brief or {})}
