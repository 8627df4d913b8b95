"""The table, the ratios and the bars, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from mediabench.rows import Result

HEADINGS = (
    "system",
    "calls",
    "CPU ms/\ncall·s",
    "CPU µs/\nframe",
    "lateness\np50/p99 ms",
    "under-\nruns",
    "added\np50/p99 ms",
    "n",
    "barge-in\np50/p99 ms",
    "n",
    "VAD\nstart/stop",
    "lost/dup/\nstale",
    "RSS kB/\ncall",
    "thr/\ncall",
    "client lag\np99/max",
    "others\non core",
)


@dataclass(frozen=True)
class Bar:
    """Something that must hold: ``value`` is None where nothing was measured."""

    text: str
    value: str | None
    met: bool


def _pair(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:.1f}/{high:.1f}"


def _cells(result: Result) -> list[str]:
    client = result.measured.client
    late, lag, detector = client["lateness"], client["tick_lag"], result.detector
    return [
        result.row.system,
        str(result.row.calls),
        f"{result.cpu_per_call:.2f}",
        f"{result.cpu_per_frame_us:.1f}",
        _pair(late["p50"], late["p99"]),
        "-" if result.row.echo else str(client["underruns"]),
        _pair(result.added("p50"), result.added("p99")),
        str(client["response"]["n"]) if detector else "-",
        _pair(result.barge("p50"), result.barge("p99")),
        str(client["barge"]["n"]) if detector else "-",
        f"{detector.start:.0f}/{detector.stop:.0f}" if detector else "-",
        f"{client['lost']}/{client['duplicated']}/{client['stale']}",
        f"{result.rss_per_call:.0f}",
        f"{result.threads_per_call:.1f}",
        f"{lag['p99']:.2f}/{lag['max']:.1f}",
        f"{result.measured.foreign_share:.0%}",
    ]


def table(console: Console, results: Mapping[str, Result]) -> None:
    """Print every row, then what was wrong with any of them."""
    grid = Table(title="media path, server on one core", title_justify="left")
    for heading in HEADINGS:
        grid.add_column(heading, justify="left" if heading == "system" else "right")
    for result in results.values():
        grid.add_row(*_cells(result))
    console.print(grid)
    for result in results.values():
        for problem in result.problems():
            console.print(f"  {result.row.system}, {result.row.calls} calls: {problem}")


def ratios(console: Console, results: Mapping[str, Result]) -> None:
    """Print what one call of offhook costs next to its peers'."""
    pairs = [
        ("offhook-14", "pipecat", "CPU per call at 14 calls, pipecat tuned to offhook"),
        ("offhook-14", "pipecat-bare", "CPU per call at 14 calls, pipecat bare to offhook"),
        ("silero-14", "pipecat-silero", "CPU per call with Silero, pipecat to offhook"),
        ("pipecat", "pipecat-bare", "CPU per call, pipecat bare to pipecat tuned"),
    ]
    for ours, theirs, text in pairs:
        if ours in results and theirs in results:
            ratio = results[theirs].cpu_per_call / results[ours].cpu_per_call
            console.print(f"  {text}: {ratio:.2f}x")
    if "offhook-150" in results and "echo" in results:
        ratio = results["offhook-150"].cpu_per_call / results["echo"].cpu_per_call
        console.print(f"  CPU per call, offhook at 150 to the echo floor: {ratio:.2f}x")


def _full_load(result: Result) -> Iterator[Bar]:
    client = result.measured.client
    added50, added99, barge99 = result.added("p50"), result.added("p99"), result.barge("p99")
    late = client["lateness"]["p99"]
    whole = client["live"] == client["calls"] and client["frames_in"] > 0
    calls = result.row.calls
    yield Bar(
        f"{calls} calls on a core, p99 lateness < 20 ms", f"{late:.1f} ms", whole and late < 20
    )
    yield Bar(
        "no underrun with a 40 ms cushion", str(client["underruns"]), client["underruns"] == 0
    )
    yield Bar("no stale frame", str(client["stale"]), client["stale"] == 0)
    for text, value, limit in (
        ("added response p50 <= 5 ms", added50, 5),
        ("added response p99 <= 20 ms", added99, 20),
        ("barge-in to clear p99 <= 15 ms beyond the detector", barge99, 15),
    ):
        shown = None if value is None else f"{value:.1f} ms"
        yield Bar(text, shown, value is not None and value <= limit)
    rss, threads = result.rss_per_call, result.threads_per_call
    yield Bar("<= 250 kB per call", f"{rss:.0f} kB", rss <= 250)
    yield Bar("<= 6 threads per call", f"{threads:.1f}", threads <= 6)


def bars(results: Mapping[str, Result]) -> Iterator[Bar]:
    """What must hold, as far as the rows measured tell."""
    if "offhook-150" in results:
        yield from _full_load(results["offhook-150"])
    if "offhook-14" in results and "pipecat" in results:
        ratio = results["offhook-14"].cpu_per_call / results["pipecat"].cpu_per_call
        yield Bar(
            "CPU per call at 14 calls <= 1/6 of pipecat tuned", f"1/{1 / ratio:.1f}", ratio <= 1 / 6
        )


def verdict(console: Console, results: Mapping[str, Result]) -> None:
    """Print each bar with what was measured."""
    for bar in bars(results):
        word = "[green]pass[/]" if bar.met else "[red]FAIL[/]"
        console.print(f"  {word}  {bar.text}: {bar.value or 'not measured'}")
    if any(result.rejected for result in results.values()):
        console.print("  rows marked REJECTED say nothing of the server: run them again")
