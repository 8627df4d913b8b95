"""``offhook serve`` as a process of its own, with the scripted vendors installed beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from .scripted import wait_for

_PLUGIN = """
from offhook import hookimpl
from offhook.events import MULAW_8K
from offhook.providers import PluginInfo
from scripted import Script, Scripted{name}

@hookimpl
def offhook_plugin():
    return PluginInfo(kind="{kind}", name="scripted", summary="for tests", formats=(MULAW_8K,))

@hookimpl
def offhook_create_{kind}({arguments}):
    return Scripted{name}({given})
"""


def install_scripted(site: Path) -> None:
    """Make ``site`` a folder of installed packages that has the scripted vendors as a
    distribution with entry points, like any third party's."""
    plugins = {
        "stt": ("Stt", "options, call, audio, emit", "Script(), emit"),
        "llm": ("Llm", "options, call", "Script()"),
        "tts": ("Tts", "options, call, audio", ""),
    }
    about = site / "acme_offhook-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-offhook\nVersion: 1.2\n")
    entries = "".join(f"{kind}-scripted = acme_{kind}\n" for kind in plugins)
    (about / "entry_points.txt").write_text(f"[offhook]\n{entries}")
    (site / "scripted.py").write_text(Path(__file__).with_name("scripted.py").read_text())
    for kind, (name, arguments, given) in plugins.items():
        source = _PLUGIN.format(kind=kind, name=name, arguments=arguments, given=given)
        (site / f"acme_{kind}.py").write_text(source)


class Serving:
    """``offhook serve`` on a free port; killed at the end if it still runs.

    ``url`` is where it listens; ``log`` are its log's entries so far.
    """

    def __init__(
        self, businesses: Path, data: Path, site: Path, settings: Mapping[str, object], workers: int
    ) -> None:
        chosen = {"businesses": businesses, "data": data, **settings}
        environment = {f"OFFHOOK_{name.upper()}": str(value) for name, value in chosen.items()}
        main = "from offhook.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", main, "serve", "--port", "0", "--workers", str(workers)],
            env={**os.environ, **environment, "PYTHONPATH": str(site)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that its workers can be killed with it
        )
        self.log: list[dict[str, object]] = []
        self._reader = threading.Thread(target=self._read, name="test-log-reader")
        self._reader.start()
        try:
            self.url = str(self.wait_logged("serve.listening")["url"])
        except BaseException:
            self.close()
            raise

    def wait_logged(self, event: str, seconds: float = 30) -> dict[str, object]:
        """The first log entry of an event; fails if there is none within ``seconds``."""

        def found() -> dict[str, object] | None:
            assert self.process.poll() is None or not self._reader.is_alive(), self.log
            return next((entry for entry in self.log if entry.get("event") == event), None)

        entry = wait_for(found, seconds)
        assert entry is not None
        return entry

    def close(self) -> None:
        """Kill what still runs, workers included."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(10)

    def __enter__(self) -> Serving:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.log.append({"event": "", "line": line})
