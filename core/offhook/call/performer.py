"""Does what the machine commands: thinks, speaks, listens and runs tools on the call's threads."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping

import structlog

from offhook.businesses import Loaded
from offhook.call import chains, signals
from offhook.call.line import CallClock, Line
from offhook.call.listener import Listener
from offhook.call.recorder import Recorder
from offhook.call.services import Services
from offhook.call.speaker import Speaker
from offhook.call.thinker import Thinker, ToolRunner
from offhook.call.threads import CallThread
from offhook.call.transmitter import Transmitter
from offhook.events import MULAW_8K, AudioFormat, CallInfo
from offhook.providers import MediaCodec, Telephony, Tool

log = structlog.get_logger(__name__)

TOOL_SECONDS = 15.0


class Performer:
    """One call's limbs. ``perform`` runs on the handler thread and never waits for a vendor.

    ``tell`` takes what the limbs find out to the machine. Implements
    :class:`~offhook.providers.CallControl` for tools.
    """

    def __init__(
        self,
        call: CallInfo,
        loaded: Loaded,
        services: Services,
        telephony: Telephony,
        codec: MediaCodec,
        line: Line,
        clock: CallClock,
        recorder: Recorder | None,
        tools: Mapping[str, Tool],
        tell: Callable[[signals.Input], None],
        crashed: Callable[[str, Exception], None],
    ) -> None:
        self._call = call
        self._services = services
        self._telephony = telephony
        self._codec = codec
        self._line = line
        self._tools = tools
        self._tell = tell
        self._format: AudioFormat = MULAW_8K
        registry = services.registry
        self._models = chains.models(call, loaded, registry)
        self._voice = chains.voice(call, loaded, registry, self._format, services.phrases)
        self._speaker: Speaker | None = None
        self._short: list[CallThread] = []  # thinkers, tools and old speakers, until they end
        self.transmitter = Transmitter(
            call.call_id, codec, line, clock, self._format, tell, recorder, crashed
        )
        self.listener = Listener(
            call.call_id,
            functools.partial(chains.recognizers, call, loaded, registry, self._format),
            tell,
        )

    def start(self) -> None:
        """Start the threads that last for the whole call."""
        self.transmitter.start()
        self.listener.start()

    def perform(self, command: signals.Command) -> None:
        """Carry out one command of the machine."""
        match command:
            case signals.Speak(utterance, text):
                self._speak(utterance, text)
            case signals.StopSpeaking():
                self._stop_speaking()
            case signals.Think(reply, request):
                self._launch(Thinker(self._call.call_id, reply, request, self._models, self._tell))
            case signals.CancelReply(reply):
                self._cancel(reply)
            case signals.RunTool():
                self._run_tool(command)
            case signals.FlushRecognizer():
                self.listener.flush()
            case signals.ReplaceProvider(kind):
                self._replace(kind)
            case signals.ReportTurn(turn):
                self._services.writer.add_turn(self._call.call_id, turn)
                self._services.observers.turn_finished(self._call, turn)
            case signals.Transfer(to_number):
                self._transfer(to_number)

    def stop(self) -> list[threading.Thread]:
        """Stop and close everything; returns the threads to join."""
        self._retire_speaker()
        threads: list[CallThread] = [self.transmitter, *self._short]
        for thread in threads:
            thread.stop()
        for close in (self._models.close, self._voice.close, self.listener.close):
            close()
        return [*threads, *self.listener.threads]

    # ---- CallControl, any thread ----

    @property
    def call(self) -> CallInfo:
        return self._call

    def end_call(self) -> None:
        self._tell(signals.AskedToEnd("agent-ended"))

    def transfer(self, to_number: str) -> None:
        self._tell(signals.AskedToEnd("transferred", to_number))

    def send_dtmf(self, digits: str) -> None:
        for digit in digits:
            message = self._codec.encode_dtmf(digit)
            if message is not None:
                self._line.send(message)

    # ---- commands ----

    def _speak(self, utterance: int, text: str) -> None:
        if self._speaker is None:
            self._speaker = Speaker(
                self._call.call_id, self._voice, self.transmitter, self._format, self._tell
            )
        self._speaker.say(utterance, text)

    def _stop_speaking(self) -> None:
        self.transmitter.stop_speaking()
        self._retire_speaker()

    def _retire_speaker(self) -> None:
        speaker, self._speaker = self._speaker, None
        if speaker is not None:
            speaker.stop()
            if speaker.thread is not None:
                self._short.append(speaker.thread)

    def _launch(self, thread: CallThread) -> None:
        self._short = [t for t in self._short if t.is_alive()]
        self._short.append(thread)
        thread.start()

    def _cancel(self, reply: int) -> None:
        for thread in self._short:
            if isinstance(thread, Thinker | ToolRunner) and thread.reply == reply:
                thread.stop()

    def _run_tool(self, command: signals.RunTool) -> None:
        tool = self._tools.get(command.call.name)
        self._launch(
            ToolRunner(
                self._call.call_id,
                command.reply,
                command.call,
                tool,
                self,
                TOOL_SECONDS,
                self._tell,
            )
        )

    def _replace(self, kind: str) -> None:
        log.warning("provider.replaced", call_id=self._call.call_id, kind=kind)
        if kind == "stt":
            self.listener.replace()
        elif kind == "tts":
            self._voice.replace()
        else:
            self._models.replace()

    def _transfer(self, to_number: str) -> None:
        # The last command but Finish: the conversation is over, so the handler may wait here.
        try:
            self._telephony.transfer(self._call.carrier_call_id, to_number)
        except Exception as error:
            log.error("transfer.failed", call_id=self._call.call_id, error=str(error))
