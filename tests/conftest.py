"""Fixtures of all tests: a real PostgreSQL, and plugins that need no installation."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from offhook import hookimpl
from offhook.providers import Kind, PluginInfo

_PROGRAMS = ("initdb", "pg_ctl", "createdb", "dropdb")


def _find_postgresql() -> Path | None:
    """The folder with PostgreSQL's programs; Debian keeps them off the PATH."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if on_path := shutil.which("initdb"):
        homes.append(Path(on_path).resolve().parent)
    return next((home for home in homes if all((home / p).exists() for p in _PROGRAMS)), None)


def _run(*command: str | Path) -> None:
    # initdb and the server refuse to run as root; the folder belongs to postgres then.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*prefix, *map(str, command)], capture_output=True, text=True, timeout=60, cwd="/"
    )
    if done.returncode != 0:
        pytest.fail(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[tuple[Path, Path]]:
    """A PostgreSQL server of this test run on a Unix socket: its programs' and socket's folders."""
    programs = _find_postgresql()
    if programs is None and os.environ.get("CI") == "true":
        subprocess.run(["apt-get", "install", "-y", "postgresql"], check=True, timeout=600)
        programs = _find_postgresql()
    if programs is None:
        pytest.fail("these tests need PostgreSQL: install it (apt-get install postgresql)")
    # pytest's own folder is closed to other users, and a socket's path must be short.
    home = Path(tempfile.mkdtemp(prefix="offhook-pg-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
    data = home / "data"
    options = f"-k {home} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
    try:
        _run(programs / "initdb", "-D", data, "-U", "offhook", "-A", "trust", "--no-sync")
        _run(programs / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start")
        try:
            yield programs, home
        finally:
            _run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: tuple[Path, Path]) -> Iterator[str]:
    """The URL of an empty database of this test."""
    programs, home = postgresql_server
    where = ("-h", home, "-U", "offhook")
    name = f"test_{os.urandom(6).hex()}"
    _run(programs / "createdb", *where, name)
    yield f"postgresql://offhook@/{name}?host={home}"
    _run(programs / "dropdb", *where, "--force", name)


# ---- plugins that need no installation --------------------------------------------------------


class FakeEntryPoint:
    """An entry point as the registry sees it; ``module`` may be an exception to raise on import."""

    def __init__(
        self, name: str, module: object, distribution: str = "acme-offhook", version: str = "1.2"
    ) -> None:
        self.name = name
        self.value = name.replace("-", "_")
        self.dist = SimpleNamespace(name=distribution, version=version)
        self._module = module

    def load(self) -> object:
        if isinstance(self._module, BaseException):
            raise self._module
        return self._module


MakePlugin = Callable[..., FakeEntryPoint]


@pytest.fixture
def make_plugin() -> MakePlugin:
    """Makes the entry point of a plugin of a kind and name; further hooks by keyword.

    ``info`` are fields of its PluginInfo, ``distribution`` is who brings it.
    """

    def make(
        kind: Kind,
        name: str,
        *,
        distribution: str = "acme-offhook",
        info: Mapping[str, Any] | None = None,
        **hooks: Callable[..., Any],
    ) -> FakeEntryPoint:
        module = ModuleType(f"acme_{kind}_{name}")

        def offhook_plugin() -> PluginInfo:
            return PluginInfo(
                **{"kind": kind, "name": name, "summary": "for tests", **(info or {})}
            )

        for hook, function in {"offhook_plugin": offhook_plugin, **hooks}.items():
            setattr(module, hook, hookimpl(function))
        return FakeEntryPoint(f"{kind}-{name}", module, distribution)

    return make
