"""What a call looks like in the terminal: a transcript that grows, with latencies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from statistics import median

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from offhook.events import Latency, Turn

_STYLES = {"agent": "bold cyan", "caller": "bold magenta", "you": "bold magenta"}
_GOOD_MS, _SLOW_MS = 1000, 2000

_LEGEND = (
    "Left, seconds into the call. Below an answer, milliseconds after the caller's last word: the "
    "turn was over (endpoint), its words were known (transcript), the model began (first token), "
    "audio left (first audio), the caller heard it (heard)."
)


class Screen:
    """Writes to one console; used on one thread. Plain text where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None

    def heading(self, title: str, detail: str) -> None:
        """Who is called, and how."""
        self.console.print()
        self.console.print(Text(title, "bold"), Text(detail, "dim"), sep="  ", soft_wrap=True)
        self.console.print()

    def legend(self) -> None:
        """What the numbers of the transcript mean."""
        self.console.print(Text(_LEGEND, "dim"))
        self.console.print()

    def note(self, text: str, style: str = "dim") -> None:
        """A remark of ours, between the lines."""
        self.console.print(Text(text, style), soft_wrap=True)

    def said(self, at_ms: float, speaker: str, text: RenderableType) -> None:
        """One side's words."""
        self.console.print(_row(at_ms, speaker, text))

    def typed(self, speaker: str, text: str, detail: str = "") -> None:
        """A line of a typed call."""
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=6, style=_STYLES[speaker])
        row.add_column(overflow="fold")
        row.add_row(speaker, Text.assemble(text, (f"  {detail}" if detail else "", "dim")))
        self.console.print(row)

    def turn(self, turn: Turn) -> None:
        """A finished turn: what was said, what of it was heard, and how long it took to come."""
        lines: list[RenderableType] = [Text(turn.heard if turn.interrupted else turn.text)]
        if turn.interrupted:
            unheard = turn.text.removeprefix(turn.heard).strip()
            lines.append(Text.assemble(("interrupted; not heard: ", "yellow"), (unheard, "dim")))
        if turn.latency != Latency():
            lines.append(_latency(turn.latency))
        self.said(turn.start_ms, turn.speaker, _stack(lines))

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show what is going on below the transcript, until the block ends."""
        with Live(console=self.console, refresh_per_second=10, transient=True) as self._live:
            yield
        self._live = None

    def now(self, at_ms: float, speaker: str, text: str) -> None:
        """What is going on at this moment; only within ``live``."""
        if self._live is not None:
            doing = Spinner("dots", Text(text, "dim italic", no_wrap=True, overflow="ellipsis"))
            self._live.update(_row(at_ms, speaker, doing))

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Names and values, one under the other. A long value gets a line of its own, where it can
        be copied whole."""
        width = max(len(name) for name, _ in facts)
        self.console.print()
        for name, value in facts:
            fits = width + 2 + len(value) <= self.console.width
            label = f"{name:<{width}}  " if fits else f"{name}\n  "
            self.console.print(Text.assemble((label, "dim"), value), soft_wrap=True)


def answer_times(turns: Sequence[Turn]) -> str:
    """How long the caller waited for answers; empty if there were none."""
    heard = [turn.latency.heard for turn in turns if turn.latency.heard is not None]
    if not heard:
        return ""
    waits = f"{median(heard) / 1000:.2f} s after the caller's last word (median"
    return f"{waits} of {len(heard)}; slowest {max(heard) / 1000:.2f} s)"


def _row(at_ms: float, speaker: str, text: RenderableType) -> Table:
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(justify="right", width=6, style="dim")
    row.add_column(width=6, style=_STYLES.get(speaker, ""))
    row.add_column(overflow="fold")
    row.add_row(f"{at_ms / 1000:.1f}", speaker, text)
    return row


def _stack(lines: list[RenderableType]) -> Table:
    stack = Table.grid()
    for line in lines:
        stack.add_row(line)
    return stack


def _latency(latency: Latency) -> Text:
    steps = Text(style="dim")
    for field in fields(latency):
        value = getattr(latency, field.name)
        if value is None:
            continue
        name = field.name.replace("_", " ")
        style = "" if field.name != "heard" else _verdict(value)
        steps.append(" · " if steps.plain else "")
        steps.append(f"{name} ").append(f"{value:.0f}", style)
    return steps.append(" ms")


def _verdict(heard_ms: float) -> str:
    colour = "green" if heard_ms < _GOOD_MS else "yellow" if heard_ms < _SLOW_MS else "red"
    return f"not dim bold {colour}"
