"""A conversation in writing: the engine's own state machine and language models, without audio."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from offhook.businesses import Loaded
from offhook.call import chains, signals
from offhook.call.brief import collect_tools, make_brief
from offhook.call.machine import Conversation
from offhook.call.performer import TOOL_SECONDS
from offhook.call.thinker import Thinker, ToolRunner
from offhook.call.threads import CallThread, join_all
from offhook.events import CallEnded, CallInfo, Final
from offhook.registry import Registry
from offhook_telephony_simulated.carrier import ANY_CALLER

_JOIN_SECONDS = 2.0


class TypedCall:
    """One typed call. What the agent says counts as heard at once, sentence by sentence.

    ``begin`` and ``say`` yield the agent's sentences as they come, and block on the business's
    language models and tools in between; they are used on one thread, each until it is exhausted.
    ``ended`` is None while the call goes on. ``notice`` is told what else happens (a transfer, a
    vendor that was replaced), in words for a person. Implements
    :class:`~offhook.providers.CallControl` for tools.
    """

    def __init__(
        self,
        loaded: Loaded,
        registry: Registry,
        notice: Callable[[str], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.call = CallInfo(
            call_id=uuid.uuid4().hex,
            business_id=loaded.id,
            telephony="simulated",
            carrier_call_id="",
            from_number=ANY_CALLER,
            to_number=loaded.business.numbers[0],
            language=loaded.business.language,
        )
        self.ended: CallEnded | None = None
        self._notice = notice
        self._clock = _PersonClock(monotonic)
        self._models = chains.models(self.call, loaded, registry)
        self._tools = collect_tools(self.call, registry)
        brief = make_brief(self.call, loaded, registry, self._tools, datetime.now(UTC))
        self._conversation = Conversation(brief)
        self._inbox: queue.SimpleQueue[signals.Input] = queue.SimpleQueue()
        self._threads: list[Thinker | ToolRunner] = []
        self._awaited: set[tuple[int, str]] = set()  # replies, and tools by (reply, call id)

    def begin(self) -> Iterator[str]:
        """The agent answers the call."""
        return self._converse(signals.Begin())

    def say(self, text: str) -> Iterator[str]:
        """The caller says this, and is done."""
        return self._converse(Final(text))

    def hang_up(self) -> None:
        """The caller hangs up; what is under way is cancelled."""
        for _ in self._take(signals.LineLost("caller-hung-up")):
            pass

    def close(self) -> None:
        """Stop and free everything; two seconds at most."""
        for thread in self._threads:
            thread.stop()
        self._models.close()
        join_all([*self._threads], _JOIN_SECONDS)

    # ---- CallControl, any thread ----

    def end_call(self) -> None:
        self._inbox.put(signals.AskedToEnd("agent-ended"))

    def transfer(self, to_number: str) -> None:
        self._inbox.put(signals.AskedToEnd("transferred", to_number))

    def send_dtmf(self, digits: str) -> None:
        self._notice(f"the agent pressed {digits}")

    # ---- the machine ----

    def _converse(self, first: signals.Input) -> Iterator[str]:
        """Go on until the agent has said all it has to say, and waits for the caller."""
        with self._clock:
            yield from self._take(first)
            if isinstance(first, Final):
                # The caller pressed Enter: the silence that ends a spoken turn is skipped.
                self._clock.skip_to(self._conversation.deadline())
                yield from self._take(signals.Tick())
            while self.ended is None and (self._awaited or not self._inbox.empty()):
                yield from self._take(self._next())

    def _next(self) -> signals.Input:
        deadline = self._conversation.deadline()
        wait = None if deadline is None else max(deadline - self._clock.now(), 0.0) / 1000
        try:
            return self._inbox.get(timeout=wait)
        except queue.Empty:
            return signals.Tick()

    def _take(self, signal: signals.Input) -> Iterator[str]:
        match signal:
            case signals.ReplyEnded(reply) | signals.ReplyFailed(reply):
                self._awaited.discard((reply, ""))
            case signals.ToolReturned(reply, call_id):
                self._awaited.discard((reply, call_id))
        yield from self._perform(self._conversation.handle(signal, self._clock.now()))

    def _perform(self, commands: Iterable[signals.Command]) -> Iterator[str]:
        for command in commands:
            match command:
                case signals.Speak(utterance, text):
                    yield text
                    self._inbox.put(signals.AudioSent(utterance))
                    self._inbox.put(signals.Synthesized(utterance, 1.0))
                    self._inbox.put(signals.Played(utterance, 1.0, True))
                case signals.Think(reply, request):
                    self._launch(
                        reply,
                        "",
                        Thinker(self.call.call_id, reply, request, self._models, self._inbox.put),
                    )
                case signals.RunTool(reply, call):
                    tool = self._tools.get(call.name)
                    runner = ToolRunner(
                        self.call.call_id, reply, call, tool, self, TOOL_SECONDS, self._inbox.put
                    )
                    self._launch(reply, call.id, runner)
                case signals.CancelReply(reply):
                    self._cancel(reply)
                case signals.ReplaceProvider("llm"):
                    self._notice(f"the language model {self._models.name!r} failed")
                    self._models.replace()
                case signals.Transfer(to_number):
                    self._notice(f"the caller is handed to {to_number}")
                case signals.Finish(reason, detail):
                    self.ended = CallEnded(reason, detail, self._clock.now())

    def _launch(self, reply: int, call_id: str, thread: Thinker | ToolRunner) -> None:
        self._awaited.add((reply, call_id))
        self._threads = [t for t in self._threads if t.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _cancel(self, reply: int) -> None:
        self._awaited = {awaited for awaited in self._awaited if awaited[0] != reply}
        threads: list[CallThread] = [t for t in self._threads if t.reply == reply]
        for thread in threads:
            thread.stop()


class _PersonClock:
    """The call's milliseconds, standing still while a person thinks of what to type."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._passed = 0.0
        self._running_since: float | None = None

    def now(self) -> float:
        if self._running_since is None:
            return self._passed
        return self._passed + (self._monotonic() - self._running_since) * 1000

    def skip_to(self, at: float | None) -> None:
        if at is not None:
            self._passed += max(at - self.now(), 0.0)

    def __enter__(self) -> None:
        self._running_since = self._monotonic()

    def __exit__(self, *_: object) -> None:
        self._passed, self._running_since = self.now(), None
