"""The leanest pipeline Pipecat can run a call on: the vendors are bare frame processors.

Nothing keeps the conversation, nothing passes the caller's audio on beyond the recognizer.
"""

from __future__ import annotations

import asyncio
import audioop
from collections.abc import Coroutine

from pipecat.audio.vad.vad_analyzer import VADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from offhook_bench_vendors import timing
from offhook_bench_vendors.identity import chunks

RATE = 8000


class Scripted(FrameProcessor):
    """A vendor whose work is one task that an interruption cancels."""

    def __init__(self) -> None:
        super().__init__()
        self._work: asyncio.Task[None] | None = None

    async def begin(self, work: Coroutine[None, None, None]) -> None:
        """Replace the work in hand."""
        await self.drop()
        self._work = self.create_task(work)

    async def drop(self) -> None:
        """Cancel the work in hand."""
        if self._work and not self._work.done():
            await self.cancel_task(self._work)
        self._work = None

    async def cleanup(self) -> None:
        """Leave no task behind."""
        await super().cleanup()
        await self.drop()


class ScriptedSTT(Scripted):
    """Takes the audio off the pipeline; a final text after the caller's pause."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hear the caller."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            return
        await self.push_frame(frame, direction)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            await self.drop()
            await self.broadcast_interruption()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            await self.begin(self._recognize())

    async def _recognize(self) -> None:
        await asyncio.sleep(timing.STT_MS / 1000)
        await self.push_frame(TranscriptionFrame("scripted question", "caller", "", None))


class ScriptedLLM(Scripted):
    """One sentence, token by token."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a transcription."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            await self.begin(self._reply())
            return
        if isinstance(frame, InterruptionFrame):
            await self.drop()
        await self.push_frame(frame, direction)

    async def _reply(self) -> None:
        await asyncio.sleep(timing.LLM_MS / 1000)
        await self.push_frame(LLMFullResponseStartFrame())
        for word in ("This", "is", "the", "scripted", "answer", "."):
            await self.push_frame(LLMTextFrame(word))
        await self.push_frame(LLMFullResponseEndFrame())


class ScriptedTTS(Scripted):
    """Identified audio for a whole response."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Speak when the response's text is complete."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            return
        if isinstance(frame, InterruptionFrame):
            await self.drop()
        elif isinstance(frame, LLMFullResponseEndFrame):
            await self.begin(self._speak())
        await self.push_frame(frame, direction)

    async def _speak(self) -> None:
        await asyncio.sleep(timing.TTS_MS / 1000)
        await self.push_frame(TTSStartedFrame())
        for chunk in chunks(timing.RESPONSE_MS):
            await self.push_frame(TTSAudioRawFrame(audioop.ulaw2lin(chunk, 2), RATE, 1))
            await asyncio.sleep(timing.CHUNK_INTERVAL_MS / 1000)
        await self.push_frame(TTSStoppedFrame())


def processors(transport: BaseTransport, vad: VADAnalyzer) -> list[FrameProcessor]:
    """The pipeline from transport to transport."""
    return [
        transport.input(),
        VADProcessor(vad_analyzer=vad),
        ScriptedSTT(),
        ScriptedLLM(),
        ScriptedTTS(),
        transport.output(),
    ]
