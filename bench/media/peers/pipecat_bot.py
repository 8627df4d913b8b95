"""A Twilio bot on Pipecat with the same scripted vendors, tuned for cost.

Tuned: no RTVI, turn tracking, metrics, debug logging or turn model; 8 kHz throughout, so that
nothing resamples; 40 ms packets; no recording. ``--vad energy`` is a subclass with the two
methods Pipecat asks for; ``inline`` goes further and replaces what the base class does around
them; ``silero`` is Pipecat's own analyzer as it is. audioop warns of its deprecation: run with
``-W ignore::DeprecationWarning``.
"""

from __future__ import annotations

import argparse
import audioop
import json
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams, VADState
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.workers.runner import WorkerRunner

import pipecat_bare
import pipecat_services
from offhook_bench_vendors import timing

RATE = 8000
LEVEL = 500
PIPELINES = {"bare": pipecat_bare.processors, "services": pipecat_services.processors}


class EnergyVAD(VADAnalyzer):
    """Loudness of 20 ms against a threshold, by the two methods an analyzer must have."""

    def num_frames_required(self) -> int:
        """Samples that one decision takes."""
        return RATE // 50

    def voice_confidence(self, buffer: bytes) -> float:
        """Speech or not."""
        return float(audioop.rms(buffer, 2) > LEVEL)


class InlineEnergyVAD(EnergyVAD):
    """The same without the base class's hop to a thread and its loudness meter: microseconds."""

    def _get_smoothed_volume(self, audio: bytes) -> float:  # noqa: ARG002
        return 1.0

    async def analyze_audio(self, buffer: bytes) -> VADState:
        """Decide inline: the work is microseconds."""
        return self._run_analyzer(buffer)


def analyzer(kind: str) -> VADAnalyzer:
    """The voice activity detector of a row."""
    seconds = {"start_secs": timing.MIN_SPEECH_MS / 1000, "stop_secs": timing.ENDPOINT_MS / 1000}
    if kind == "silero":
        return SileroVADAnalyzer(params=VADParams(**seconds))
    energy = InlineEnergyVAD if kind == "inline" else EnergyVAD
    return energy(params=VADParams(min_volume=0.0, **seconds))


async def answer(websocket: WebSocket, pipeline: str, vad: str) -> None:
    """Serve one call until the carrier hangs up."""
    await websocket.accept()
    while (start := json.loads(await websocket.receive_text()))["event"] != "start":
        pass
    serializer = TwilioFrameSerializer(
        stream_sid=start["streamSid"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_10ms_chunks=4,
            audio_out_end_silence_secs=0,
            serializer=serializer,
        ),
    )
    worker = PipelineWorker(
        Pipeline(PIPELINES[pipeline](transport, analyzer(vad))),
        params=PipelineParams(
            audio_in_sample_rate=RATE,
            audio_out_sample_rate=RATE,
            send_initial_empty_metrics=False,
        ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        check_dangling_tasks=False,
        idle_timeout_secs=None,
    )

    @transport.event_handler("on_client_disconnected")
    async def gone(_transport: FastAPIWebsocketTransport, _websocket: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    """Serve on the loopback port given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pipeline", choices=list(PIPELINES), default="services")
    parser.add_argument("--vad", choices=["energy", "inline", "silero"], default="energy")
    arguments = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    app = FastAPI()

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        await answer(websocket, arguments.pipeline, arguments.vad)

    uvicorn.run(
        app,
        host="127.0.0.1",
        port=arguments.port,
        lifespan="off",
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
