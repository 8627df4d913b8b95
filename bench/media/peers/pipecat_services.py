"""The pipeline that Pipecat's documentation shows, with the scripted vendors as its services.

Speech, model and voice derive from Pipecat's service classes, the conversation is kept by its
context aggregators, and turns are taken by its speech timeout strategy (no turn model).
"""

from __future__ import annotations

import asyncio
import audioop
from collections.abc import AsyncGenerator

from pipecat.audio.vad.vad_analyzer import VADAnalyzer
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from offhook_bench_vendors import timing
from offhook_bench_vendors.identity import chunks

RATE = 8000


class ScriptedSTT(STTService):
    """Hears nothing; a final text after the caller's pause."""

    def __init__(self) -> None:
        super().__init__(
            ttfs_p99_latency=1.0, settings=STTSettings(model="scripted", language=None)
        )
        self._work: asyncio.Task[None] | None = None

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:  # noqa: ARG002
        """Take audio and forget it."""
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Begin to recognize when the caller stops."""
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame):
            if self._work and not self._work.done():
                await self.cancel_task(self._work)
            self._work = None
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self._work = self.create_task(self._recognize())

    async def _recognize(self) -> None:
        await asyncio.sleep(timing.STT_MS / 1000)
        await self.push_frame(
            TranscriptionFrame("scripted question", "caller", "", None, finalized=True)
        )


class ScriptedLLM(LLMService):
    """One sentence, token by token."""

    def __init__(self) -> None:
        super().__init__(
            settings=LLMSettings(
                model="scripted",
                system_instruction=None,
                temperature=None,
                max_tokens=None,
                top_p=None,
                top_k=None,
                frequency_penalty=None,
                presence_penalty=None,
                seed=None,
                filter_incomplete_user_turns=False,
                user_turn_completion_config=None,
            )
        )

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(timing.LLM_MS / 1000)
        for word in ("This ", "is ", "the ", "scripted ", "answer."):
            await self.push_frame(LLMTextFrame(word))
        await self.push_frame(LLMFullResponseEndFrame())


class ScriptedTTS(TTSService):
    """Identified audio for each sentence."""

    def __init__(self) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(model="scripted", voice="scripted", language=None),
        )

    async def run_tts(
        self,
        text: str,  # noqa: ARG002
        context_id: str,
    ) -> AsyncGenerator[Frame | None, None]:
        """Speak."""
        await asyncio.sleep(timing.TTS_MS / 1000)
        for chunk in chunks(timing.RESPONSE_MS):
            yield TTSAudioRawFrame(audioop.ulaw2lin(chunk, 2), RATE, 1, context_id=context_id)
            await asyncio.sleep(timing.CHUNK_INTERVAL_MS / 1000)


def processors(transport: BaseTransport, vad: VADAnalyzer) -> list[FrameProcessor]:
    """The pipeline from transport to transport."""
    context = LLMContext([{"role": "system", "content": "Answer briefly."}])
    pair = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            vad_analyzer=vad,
            user_turn_strategies=UserTurnStrategies(
                start=[VADUserTurnStartStrategy()],
                stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)],
            ),
        ),
    )
    return [
        transport.input(),
        ScriptedSTT(),
        pair.user(),
        ScriptedLLM(),
        ScriptedTTS(),
        transport.output(),
        pair.assistant(),
    ]
