"""The business files of a folder, looked at again before each call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from offhook.business_file import Loaded, check_business, read_business
from offhook.config.business import normalize_number
from offhook.config.inline import secret_files
from offhook.config.source import Source, read_source
from offhook.errors import ConfigError, Problem
from offhook.registry import Registry

__all__ = ["BusinessDirectory", "Loaded", "read_business"]

log = structlog.get_logger(__name__)

_Stamp = tuple[int, int, int] | None


def _warn(problem: Problem) -> None:
    log.warning("business.broken", file=problem.file, problem=str(problem))


class BusinessDirectory:
    """All businesses of a folder, one ``*.toml`` file each.

    A file that is or becomes wrong never stops the others: its last good version goes on serving,
    and ``problems()`` says what is wrong. ``report`` is told of each new problem once.

    *Any thread*; readers see one consistent snapshot and are never held up by a reload.
    """

    def __init__(
        self, folder: Path, registry: Registry, report: Callable[[Problem], None] = _warn
    ) -> None:
        self._folder = folder
        self._registry = registry
        self._report = report
        self._reloading = threading.Lock()
        self._files: dict[Path, _File] = {}
        self._folder_read = False
        self._snapshot = _Snapshot()
        self.refresh()

    def get(self, business_id: str) -> Loaded | None:
        """The newest good version of the business with that id."""
        return self._snapshot.by_id.get(business_id)

    def route(self, number: str) -> Loaded | None:
        """The business that answers a number, however the carrier writes it."""
        return self._snapshot.by_number.get(normalize_number(number) or "")

    def all(self) -> tuple[Loaded, ...]:
        """Every business that can serve, sorted by id."""
        return tuple(self._snapshot.by_id.values())

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the files as they are now."""
        return self._snapshot.problems

    def refresh(self) -> None:
        """Read again the files that changed; cheap if none did (one ``stat`` each).

        Returns at once if another thread is at it. A changed secret that a file names by
        ``file:PATH`` counts as a change of that file.
        """
        if not self._reloading.acquire(blocking=False):
            return
        try:
            self._reload()
        finally:
            self._reloading.release()

    def _reload(self) -> None:
        try:
            paths = sorted(
                path
                for path in self._folder.iterdir()
                if path.suffix == ".toml" and not path.name.startswith(".")  # editors' leavings
            )
        except OSError as error:
            # A folder that is away for a moment must not take every business with it.
            self._folder_read = False
            self._publish(replace(self._snapshot, problems=(_no_folder(self._folder, error),)))
            return
        files = {path: self._files.get(path) or _File(path) for path in paths}
        changed = [file for file in files.values() if file.read_if_changed(self._registry)]
        if changed or not self._folder_read or files.keys() != self._files.keys():
            self._files, self._folder_read = files, True
            self._publish(_settle(list(files.values())))

    def _publish(self, snapshot: _Snapshot) -> None:
        known = set(self._snapshot.problems)
        self._snapshot = snapshot
        for problem in snapshot.problems:
            if problem not in known:
                self._report(problem)


# ---- the files of a folder ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Snapshot:
    by_id: Mapping[str, Loaded] = field(default_factory=dict)
    by_number: Mapping[str, Loaded] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


class _File:
    """A file's last reading: ``newest`` if it was good, ``problems`` if not, and what serves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source: Source | None = None
        self.newest: Loaded | None = None
        self.serving: Loaded | None = None
        self.problems: list[Problem] = []
        self._watched: list[Path] = [path]
        self._seen: list[_Stamp] = []

    def read_if_changed(self, registry: Registry) -> bool:
        if self._seen == [_stamp(path) for path in self._watched]:
            return False
        self.source, self.newest, self.problems = None, None, []
        # Stamped before it is read: what changes meanwhile is noticed the next time.
        self._watched, self._seen = [self.path], [_stamp(self.path)]
        try:
            self.source = read_source(self.path)
            for path in secret_files(self.source.data):
                self._watched.append(path)
                self._seen.append(_stamp(path))
            self.newest = check_business(self.path, self.source, registry)
        except ConfigError as error:
            self.problems = error.problems
        return True


def _stamp(path: Path) -> _Stamp:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _settle(files: list[_File]) -> _Snapshot:
    """Decide which version of each file serves, so that no number has two businesses.

    A number stays with the business that serves it. The file that claims it anew (of several, the
    last by name) counts as wrong and keeps its last good version. ``files`` are sorted by name.
    """
    chosen = {f.path: version for f in files if (version := f.newest or f.serving)}
    problems = [problem for file in files for problem in file.problems]
    while clash := _clash(chosen.values()):
        number, owners = clash
        claims = [f for f in files if chosen.get(f.path) in owners]
        loser = [f for f in claims if chosen[f.path] is not f.serving][-1]
        other = next(f for f in claims if f is not loser)
        assert loser.source is not None  # it was read, or it could not be newer than what serves
        problems.append(
            loser.source.problem(
                ("numbers",),
                f"the number {number} is claimed by {other.path} too",
                "Leave it in one of the two files",
            )
        )
        if loser.serving is None:
            del chosen[loser.path]
        else:
            chosen[loser.path] = loser.serving
    for file in files:
        file.serving = chosen.get(file.path)
    return _Snapshot(
        {loaded.id: loaded for loaded in chosen.values()},
        {number: loaded for loaded in chosen.values() for number in loaded.business.numbers},
        tuple(problems),
    )


def _clash(versions: Iterable[Loaded]) -> tuple[str, list[Loaded]] | None:
    """A number that more than one business claims."""
    owners: dict[str, list[Loaded]] = {}
    for loaded in versions:
        for number in set(loaded.business.numbers):
            owners.setdefault(number, []).append(loaded)
    return next(((number, them) for number, them in owners.items() if len(them) > 1), None)


def _no_folder(folder: Path, error: OSError) -> Problem:
    return Problem(
        str(folder),
        "",
        f"the folder of business files cannot be read ({error.strerror})",
        "Make it, or set OFFHOOK_BUSINESSES to the right one",
    )
