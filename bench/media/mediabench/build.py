"""What a run needs beside the sources, made once into the cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

MEDIA = Path(__file__).resolve().parent.parent
CACHE = MEDIA.parent / ".cache"
PEERS = MEDIA / "peers"
VENDORS = MEDIA / "offhook-bench-vendors"
PIPECAT = "1.14.0"


def load_client() -> Path:
    """The compiled client, rebuilt when a source is newer."""
    sources = [MEDIA / "loadclient.c", *sorted((MEDIA / "client").glob("*.c"))]
    headers = (MEDIA / "client").glob("*.h")
    binary = CACHE / "loadclient"
    newest = max(path.stat().st_mtime for path in [*sources, *headers])
    if not binary.exists() or binary.stat().st_mtime < newest:
        CACHE.mkdir(exist_ok=True)
        subprocess.run(
            ["cc", "-O2", "-Wall", "-Wextra", "-o", binary, *sources], check=True, cwd=MEDIA
        )
    return binary


def pipecat_python() -> Path:
    """The interpreter of an environment with Pipecat, installed on first use."""
    if given := os.environ.get("BENCH_PIPECAT_PYTHON"):
        return Path(given)
    folder = CACHE / f"pipecat-{PIPECAT}"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"installing pipecat {PIPECAT} into the cache (once) ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        wanted = [f"pipecat-ai[silero,websocket]=={PIPECAT}", "uvicorn", "uvloop", "websockets"]
        subprocess.run([python, "-m", "pip", "install", "-qq", *wanted], check=True)
        (folder / "installed").touch()
    return python


def installed_vendors() -> Path:
    """A folder with the scripted vendors installed, entry points and all, for PYTHONPATH.

    Not installed into the running environment, whose other users want no bench plugins.
    """
    folder = CACHE / "vendors"
    sources = [*VENDORS.glob("*.toml"), *VENDORS.glob("*/*.py")]
    newest = max(path.stat().st_mtime for path in sources)
    if not folder.exists() or folder.stat().st_mtime < newest:
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps"]
        subprocess.run([*pip, "--target", folder, VENDORS], check=True)
        folder.touch()
    return folder
