"""The server the benchmark is about: the real ``offhook serve`` with the scripted vendors."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from mediabench import build
from mediabench.servers import CallLine, Server
from offhook_bench_vendors import timing

NUMBER = "+14155550100"
CALLER = "+14155550123"
WEBHOOK = "/webhooks/simulated/voice"

BUSINESS = f"""
name = "Bench"
numbers = ["{NUMBER}"]
prompt = "Answer briefly."
telephony = "simulated"
stt = "bench"
llm = "bench"
tts = "bench"

[turns]
vad = "{{vad}}"
endpoint_ms = {timing.ENDPOINT_MS}
pause_ms = {timing.ENDPOINT_MS}

[barge_in]
min_speech_ms = {timing.MIN_SPEECH_MS}

[limits]
concurrent_calls = 1000
silence_seconds = 120

[recording]
enabled = true
"""


class OffhookServer(Server):
    """One worker process, recording on, SQLite; every call rings through the carrier's webhook."""

    def __init__(self, vad: str) -> None:
        super().__init__()
        self._vad = vad
        self._home = Path(tempfile.mkdtemp(prefix="offhook-bench-"))

    @property
    def _public_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the business file."""
        businesses = self._home / "businesses"
        businesses.mkdir()
        (businesses / "bench.toml").write_text(BUSINESS.format(vad=self._vad))

    def command(self) -> Sequence[str | Path]:
        """Run the console script of this environment."""
        return [Path(sys.executable).parent / "offhook", "serve", "--port", str(self.port)]

    def environment(self) -> dict[str, str]:
        """Everything the server keeps goes into a folder of its own."""
        return {
            "PYTHONPATH": str(build.installed_vendors()),
            "OFFHOOK_BUSINESSES": str(self._home / "businesses"),
            "OFFHOOK_DATA": str(self._home / "data"),
            "OFFHOOK_PUBLIC_URL": self._public_url,
            "OFFHOOK_MAX_CALLS": "1000",
            "OFFHOOK_DRAIN_SECONDS": "1",
            "OFFHOOK_LOG_LEVEL": "WARNING",
        }

    def stop(self) -> None:
        """End the server and delete its folder."""
        super().stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def calls(self, count: int) -> list[CallLine]:
        """Ring the webhook once per call, as the carrier does, and sign each handshake."""
        # Imported here: rows of peers need no offhook.
        from offhook_telephony_simulated.network import Network
        from offhook_telephony_simulated.signing import HEADER, shared_key, sign
        from offhook_telephony_simulated.twiml import Stream, read_answer

        key = shared_key(self._home / "data")
        network = Network(key)
        lines: list[CallLine] = []
        for _, call_sid, _ in super().calls(count):
            form = (
                ("CallSid", call_sid),
                ("From", CALLER),
                ("To", NUMBER),
                ("CallStatus", "ringing"),
                ("Direction", "inbound"),
            )
            status, body = network.post(self._public_url + WEBHOOK, form)
            answer = read_answer(body) if status == 200 else body
            if not isinstance(answer, Stream):
                raise RuntimeError(f"the webhook refused call {len(lines)}: {status} {answer}")
            path = urlsplit(answer.url).path
            header = f"{HEADER}: {sign(key, answer.url)}"
            lines.append((path, call_sid, json.dumps(answer.parameters), header))
        return lines
