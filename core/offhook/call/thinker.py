"""The threads that wait for a language model and for tools; each serves one request and ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog

from offhook.call import signals
from offhook.call.provider_chain import ProviderChain
from offhook.call.threads import CallThread
from offhook.events import ReplyEvent, ReplyRequest, TextDelta, ToolCall
from offhook.providers import CallControl, LanguageModel, ReplyStream, Tool

log = structlog.get_logger(__name__)

MAX_TOOL_RESULT = 8000
"""Characters of a tool's result that the model is told."""


class Thinker(CallThread):
    """Asks the model for one reply and tells the machine what it says."""

    def __init__(
        self,
        call_id: str,
        reply: int,
        request: ReplyRequest,
        chain: ProviderChain[LanguageModel],
        tell: Callable[[signals.Input], None],
    ) -> None:
        super().__init__("llm", call_id)
        self.reply = reply
        self._request = request
        self._chain = chain
        self._tell = tell
        self._cancelled = threading.Event()
        self._stream: ReplyStream | None = None

    def work(self) -> None:
        try:
            self._stream = stream = self._chain.get().reply(self._request)
            if self._cancelled.is_set():  # asked to stop before there was a stream to cancel
                stream.cancel()
                return
            for event in stream:
                if self._cancelled.is_set():
                    return
                signal = self._read(event)
                if signal is not None:
                    self._tell(signal)
        except Exception as error:
            if not self._cancelled.is_set():
                self._tell(signals.ReplyFailed(self.reply, str(error)))
        else:
            if not self._cancelled.is_set():
                self._tell(signals.ReplyEnded(self.reply))

    def stop(self) -> None:
        self._cancelled.set()
        if self._stream is None:
            return
        try:
            self._stream.cancel()
        except Exception:
            log.exception("llm.cancel_failed", call_id=self.call_id)

    def _read(self, event: ReplyEvent) -> signals.ReplyText | signals.ReplyTool | None:
        """What the machine must know. Checked here, where a plugin's mistake costs its reply only:
        in the machine it would cost the call."""
        match event:
            case TextDelta(text=str(text)):
                return signals.ReplyText(self.reply, text)
            case ToolCall(id=str(), name=str(), arguments=Mapping()):
                return signals.ReplyTool(self.reply, event)
            case TextDelta() | ToolCall():
                raise TypeError(f"the model's plugin yields a broken {type(event).__name__}")
        return None


class ToolRunner(CallThread):
    """Runs one tool. A tool that fails or takes too long is told to the model as a failure."""

    def __init__(
        self,
        call_id: str,
        reply: int,
        request: ToolCall,
        tool: Tool | None,
        control: CallControl,
        seconds: float,
        tell: Callable[[signals.Input], None],
    ) -> None:
        super().__init__("tool", call_id)
        self.reply = reply
        self._request = request
        self._tool = tool
        self._control = control
        self._tell = tell
        self._once = threading.Lock()
        self._timer = threading.Timer(seconds, self._late)
        self._timer.name = f"offhook-tool-timer-{call_id}"
        self._timer.daemon = True

    def work(self) -> None:
        if self._tool is None:
            self._answer(f"error: there is no tool called {self._request.name}")
            return
        self._timer.start()
        try:
            result = self._tool.run(self._request.arguments, self._control)
            self._answer(result[:MAX_TOOL_RESULT])
        except Exception as error:
            self._answer(f"error: {error}"[:MAX_TOOL_RESULT])
        finally:
            self._timer.cancel()

    def stop(self) -> None:
        """The answer is not wanted any more; the tool itself may go on to its end."""
        self._once.acquire(blocking=False)
        self._timer.cancel()

    def _late(self) -> None:
        self._answer("error: the tool did not answer in time")

    def _answer(self, text: str) -> None:
        if self._once.acquire(blocking=False):
            self._tell(signals.ToolReturned(self.reply, self._request.id, text))
