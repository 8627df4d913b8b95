"""What the kernel says a process and its children use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """A process tree at one moment."""

    cpu_ms: float
    rss_kb: int
    threads: int
    core_busy_ms: float
    """Time the server's core spent on anything at all."""


def _stat(pid: int) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
            except OSError:
                continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _core_busy(core: int) -> float:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, line.split()[1:])
            return (user + nice + system + irq + softirq) * TICK_MS
    raise RuntimeError(f"no core {core}")


def usage(root: int, core: int) -> Usage:
    """CPU time, memory and threads of a process tree."""
    cpu = rss = threads = 0
    for pid in tree(root):
        try:
            fields = _stat(pid)
        except OSError:
            continue
        cpu += int(fields[11]) + int(fields[12])
        threads += int(fields[17])
        rss += int(fields[21])
    page_kb = os.sysconf("SC_PAGE_SIZE") // 1024
    return Usage(cpu * TICK_MS, rss * page_kb, threads, _core_busy(core))
