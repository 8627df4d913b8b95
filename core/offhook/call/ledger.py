"""What was said: the context that the model sees, and each turn reported once, in order."""

from __future__ import annotations

from dataclasses import replace

from offhook.call.agent_turn import AgentTurn
from offhook.call.caller_turn import CallerTurn
from offhook.call.signals import Command, ReportTurn
from offhook.events import Message, Turn


class Ledger:
    """Keeps the books of one conversation; reports go to ``out``, the machine's commands.

    A caller's turn is held back until the agent answers audibly: a caller who goes on before that
    has not begun a second turn.
    """

    def __init__(self, out: list[Command]) -> None:
        self.context: list[Message] = []
        self._out = out
        self._held: Turn | None = None
        self._turns = 0

    def caller_said(self, caller: CallerTurn, now: float) -> None:
        """The caller's turn is taken up."""
        self.tell_caller()
        end = caller.end_ms if caller.end_ms is not None else now
        start = caller.start_ms if caller.start_ms is not None else end
        self.context.append(Message("user", caller.text))
        self._held = Turn(0, "caller", caller.text, caller.text, start, end)

    def take_back(self) -> Turn | None:
        """Undo the last ``caller_said``, if nothing was reported since."""
        turn, self._held = self._held, None
        if turn is not None:
            self.context.pop()
        return turn

    def tell_caller(self) -> None:
        """Report the caller's turn that was held back."""
        turn, self._held = self._held, None
        if turn is not None:
            self._report(turn)

    def agent_said(self, agent: AgentTurn, now: float, *, hung_up: bool = False) -> None:
        """The agent's turn ended or was cut off: only what was heard by ``now`` counts.

        Cut off because the call is over (``hung_up``) is not interrupted.
        """
        text, heard = agent.text(), agent.heard(now)
        self.tell_caller()
        self.context += agent.messages(now)
        if agent.first_sent_at is not None:
            start = agent.first_sent_at
            cut = heard != text and not hung_up
            self._report(Turn(0, "agent", text, heard, start, now, cut, agent.latency))

    def _report(self, turn: Turn) -> None:
        self._out.append(ReportTurn(replace(turn, index=self._turns)))
        self._turns += 1
