"""A recognizer without an engine: its text says for how long the caller spoke."""

from __future__ import annotations

from pydantic import BaseModel, Field

from offhook import hookimpl
from offhook.events import MULAW_8K, AudioFormat, Final
from offhook.providers import Emit, PluginInfo

_SILENCE = 0xFF


class Options(BaseModel, extra="forbid"):
    """What ``[options.stt.echo]`` may hold."""

    text: str = Field("I spoke for {seconds} seconds", description="may name {seconds}")


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(
        kind="stt",
        name="echo",
        summary="tells how long the caller spoke (an example)",
        options=Options,
        formats=(MULAW_8K,),
    )


@hookimpl
def offhook_create_stt(options: Options, audio: AudioFormat, emit: Emit) -> EchoRecognizer:
    # A hook's function takes only the arguments it needs; this one has no use for `call`.
    return EchoRecognizer(options, audio, emit)


class EchoRecognizer:
    """Counts audio that is not digital silence; answers each flush with one Final."""

    def __init__(self, options: Options, audio: AudioFormat, emit: Emit) -> None:
        self._options = options
        self._format = audio
        self._emit = emit
        self._spoken_ms = 0.0
        self._closed = False

    def feed(self, audio: bytes) -> None:
        self._spoken_ms += self._format.duration_ms(len(audio) - audio.count(_SILENCE))

    def flush(self) -> None:
        spoken, self._spoken_ms = self._spoken_ms, 0.0
        if not self._closed:
            text = self._options.text.format(seconds=f"{spoken / 1000:.1f}") if spoken else ""
            self._emit(Final(text))

    def close(self) -> None:
        self._closed = True
