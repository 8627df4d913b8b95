"""The media benchmark: see bench/README.md. Run it from any folder: python bench/media/run.py."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from mediabench import build, report, rows
from mediabench.check import check
from mediabench.rows import Result, Row
from mediabench.servers import CLIENT_CORE
from mediabench.soak import soak

ROWS: dict[str, Callable[[], Row]] = {
    "offhook-14": lambda: rows.offhook("offhook-14", 14, "energy"),
    "offhook-150": lambda: rows.offhook("offhook-150", 150, "energy"),
    "offhook-300": lambda: rows.offhook("offhook-300", 300, "energy"),
    "silero-14": lambda: rows.offhook("silero-14", 14, "silero"),
    "silero-150": lambda: rows.offhook("silero-150", 150, "silero"),
    "pipecat": lambda: rows.pipecat("pipecat", 14, "energy"),
    "pipecat-bare": lambda: rows.pipecat("pipecat-bare", 14, "inline", "bare"),
    "pipecat-silero": lambda: rows.pipecat("pipecat-silero", 14, "silero"),
    "echo": lambda: rows.echo(200),
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short windows: under three minutes")
    parser.add_argument("--seconds", type=float, help="length of each measured window")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), help="only these rows")
    parser.add_argument("--soak", action="store_true", help="many short calls: is memory flat?")
    parser.add_argument("--soak-calls", type=int, default=2000, help="how many (default 2000)")
    parser.add_argument("--check", action="store_true", help="does the client count faults right?")
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    return parser.parse_args()


def save(path: Path, results: dict[str, Result]) -> None:
    """Write what was measured, unrounded."""
    found = {
        key: {
            "system": result.row.system,
            "client": result.measured.client,
            "idle": asdict(result.idle),
            "before": asdict(result.measured.before),
            "after": asdict(result.measured.after),
            "detector": asdict(result.detector) if result.detector else None,
        }
        for key, result in results.items()
    }
    path.write_text(json.dumps(found, indent=1))


def measure(console: Console, keys: list[str], seconds: float) -> dict[str, Result]:
    """Measure row after row; one that breaks is told and does not stop the rest."""
    results: dict[str, Result] = {}
    for key in keys:
        row = ROWS[key]()
        console.print(f"{row.system}, {row.calls} calls ...", style="dim")
        try:
            results[key] = rows.measure(row, int(seconds * 1000))
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            console.print(f"  [red]broke[/]: {error}", highlight=False)
    return results


def main() -> int:
    """Measure, print, and succeed unless something broke."""
    options = arguments()
    console = Console(width=max(Console().width, 180))
    if (os.cpu_count() or 1) < 2:
        console.print("this benchmark needs two cores: one for the server, one for the client")
        return 1
    os.sched_setaffinity(0, {CLIENT_CORE})
    build.load_client()
    if options.check:
        return 0 if check(console) else 1
    keys = options.rows or list(ROWS)
    if options.soak:
        return 0 if soak(console, ROWS[keys[0]]().server, options.soak_calls) else 1
    seconds = options.seconds or (8 if options.quick else 30)
    results = measure(console, keys, seconds)
    report.table(console, results)
    report.ratios(console, results)
    report.verdict(console, results)
    if options.json:
        save(options.json, results)
    return 0 if len(results) == len(keys) else 1


if __name__ == "__main__":
    sys.exit(main())
