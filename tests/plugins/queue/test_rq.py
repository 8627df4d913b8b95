"""RQ against the embedded server: jobs that really run, and servers that really go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import redis
from pydantic import ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from offhook.errors import PluginError, ProviderRefused, ProviderUnavailable
from offhook_queue_rq import embedded, offhook_create_queue, offhook_plugin
from offhook_queue_rq.options import RQOptions
from offhook_queue_rq.queue import RQQueue

COPY = "shutil.copyfile"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded(tmp_path_factory.mktemp("data")) as running:
        yield running.url


@pytest.fixture
def queue(server: str) -> Iterator[RQQueue]:
    made = offhook_create_queue(RQOptions(), server)
    assert isinstance(made, RQQueue)
    yield made
    _client(server).flushall()
    made.close()


def _socket(url: str) -> str:
    return unquote(urlsplit(url).path)


def _client(url: str) -> redis.Redis:
    return redis.Redis(unix_socket_path=_socket(url), retry=Retry(NoBackoff(), 0))


def _python(code: str, *arguments: str, **more: Any) -> subprocess.Popen[str]:
    # A worker forks, and pytest's process, with its threads, is no place to fork.
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        **more,
    )


WORK = """
    import sys
    from offhook_queue_rq.queue import RQQueue
    from offhook_queue_rq.options import RQOptions
    RQQueue(sys.argv[1], RQOptions()).work(burst=sys.argv[2] == "burst")
"""


def _burst(url: str) -> None:
    _, errors = (worker := _python(WORK, url, "burst")).communicate(timeout=60)
    assert worker.returncode == 0, errors


def test_the_plugin_describes_itself() -> None:
    info = offhook_plugin()
    assert (info.kind, info.name, info.requires, info.extra) == (
        "queue",
        "rq",
        ("rq", "redis"),
        "rq",
    )


@pytest.mark.parametrize("url", ["amqp://localhost", "localhost:6379", ""])
def test_it_declines_urls_that_are_not_redis(url: str) -> None:
    assert offhook_create_queue(RQOptions(), url) is None


def test_a_job_runs_with_its_arguments(queue: RQQueue, server: str, tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("rung")
    assert queue.enqueue(COPY, {"src": str(source), "dst": str(target)}, job_id="c1-1")
    _burst(server)
    assert target.read_text() == "rung"
    # Nothing is left behind, so a million jobs do not fill the memory.
    assert not _client(server).exists("rq:job:c1-1")


def test_an_id_is_queued_once(queue: RQQueue) -> None:
    job = {"src": "a", "dst": "b"}
    assert queue.enqueue(COPY, job, job_id="c2-1") is True
    assert queue.enqueue(COPY, job, job_id="c2-1") is False
    assert queue.enqueue(COPY, job, job_id="c2-2") is True


def test_what_is_stored_is_json_and_no_pickle(queue: RQQueue, server: str) -> None:
    queue.enqueue(COPY, {"src": "a", "dst": "b"}, job_id="c3-1")
    stored: Any = _client(server).hgetall("rq:job:c3-1")
    assert zlib.decompress(stored[b"data"]).startswith(b'["shutil.copyfile"')


def test_a_failing_job_is_not_tried_again(queue: RQQueue, server: str, tmp_path: Path) -> None:
    missing = {"src": str(tmp_path / "missing"), "dst": str(tmp_path / "b")}
    queue.enqueue(COPY, missing, job_id="c4-1")
    _burst(server)
    client: Any = _client(server)
    assert client.llen("rq:queue:offhook") == 0
    assert client.hget("rq:job:c4-1", "status") == b"failed"
    assert queue.enqueue(COPY, missing, job_id="c4-1") is False


def test_a_worker_finishes_and_stops_when_told(queue: RQQueue, server: str, tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "pipe"
    source.write_text("x")
    os.mkfifo(target)
    worker = _python(WORK, server, "on")
    try:
        # Opening a pipe for writing waits for its reader: the job is known to run then.
        queue.enqueue("subprocess.call", {"args": ["cp", str(source), str(target)]}, job_id="c5-1")
        with target.open() as reader:
            worker.send_signal(signal.SIGTERM)
            assert reader.read() == "x"
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == 0, errors
    finally:
        worker.kill()
        worker.wait()


def test_work_needs_the_main_thread(queue: RQQueue) -> None:
    errors: list[Exception] = []

    def run() -> None:
        try:
            queue.work(burst=True)
        except ProviderRefused as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    queue = RQQueue(f"unix://:hunter2@{tmp_path}/nobody.sock", RQOptions())
    with pytest.raises(ProviderUnavailable, match="cannot be reached") as caught:
        queue.enqueue(COPY, {}, job_id="c6-1")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        queue.work(burst=True)
    queue.close()
    queue.close()


def test_a_server_that_goes_away_ends_the_work_with_an_error(tmp_path: Path) -> None:
    with embedded(tmp_path) as running:
        worker = _python(WORK, running.url, "on")
        try:
            client = _client(running.url)
            while not client.smembers("rq:workers"):
                assert worker.poll() is None
            client.shutdown()
            _, errors = worker.communicate(timeout=60)
        finally:
            worker.kill()
            worker.wait()
    assert worker.returncode != 0
    assert "ProviderUnavailable" in errors


# ---- the embedded server ------------------------------------------------------------------------

SHARE = """
    import pathlib, sys
    from offhook_queue_rq import embedded
    with embedded(pathlib.Path(sys.argv[1])) as running:
        print(running.url, flush=True)
        sys.stdin.readline()
"""


def test_processes_share_one_server_and_the_last_one_stops_it(tmp_path: Path) -> None:
    first, second = _python(SHARE, str(tmp_path)), _python(SHARE, str(tmp_path))
    try:
        urls = {str(p.stdout.readline()).strip() for p in (first, second) if p.stdout}
        (url,) = urls
        pid = (tmp_path / "queue" / "valkey.pid").read_text()
        first.communicate("\n", timeout=60)
        assert _client(url).ping()
        assert (tmp_path / "queue" / "valkey.pid").read_text() == pid
        second.communicate("\n", timeout=60)
        with pytest.raises(redis.exceptions.ConnectionError):
            _client(url).ping()
        assert (first.returncode, second.returncode) == (0, 0)
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_a_killed_user_leaves_no_stale_lock(tmp_path: Path) -> None:
    killed = _python(SHARE, str(tmp_path))
    assert killed.stdout
    url = killed.stdout.readline().strip()
    killed.kill()
    killed.communicate()
    with embedded(tmp_path) as running:
        assert running.url == url
        assert _client(url).ping()
    with pytest.raises(redis.exceptions.ConnectionError):
        _client(url).ping()


def test_jobs_outlive_a_killed_server(tmp_path: Path) -> None:
    with embedded(tmp_path) as running:
        client = _client(running.url)
        client.set("kept", "yes")
        assert client.execute_command("WAITAOF", 1, 0, 10000)[0] == 1
        os.kill(int((tmp_path / "queue" / "valkey.pid").read_text()), signal.SIGKILL)
        with embedded(tmp_path) as again:
            assert _client(again.url).get("kept") == b"yes"


def test_a_path_too_long_for_a_socket_goes_to_the_temporary_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with embedded(deep) as one, embedded(deep) as two:
        assert one.url == two.url
        path = Path(_socket(one.url))
        assert len(os.fsencode(path)) <= 100
        assert path.parent.stat().st_mode & 0o077 == 0
        assert _client(one.url).ping()
    path.parent.rmdir()


def test_a_temporary_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with embedded(deep) as running:
        folder = Path(_socket(running.url)).parent
    folder.chmod(0o755)
    try:
        with pytest.raises(PluginError, match="nobody else can enter"):
            embedded(deep)
    finally:
        folder.rmdir()


def test_a_temporary_folder_too_deep_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(PluginError, match="TMPDIR"):
        embedded(deep)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "queue" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "queue" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(PluginError, match=r"did not start \(.+\): see .*valkey\.log"):
        embedded(tmp_path)


def test_without_a_binary_the_mend_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise OSError("no binary")

    monkeypatch.setattr("offhook_queue_rq.server.get_binary_path", missing)
    with pytest.raises(PluginError, match="OFFHOOK_REDIS_URL"):
        embedded(tmp_path)


@pytest.mark.parametrize(
    "options", [{"queue": "a b"}, {"worker_seconds": 5}, {"workers": 2}], ids=str
)
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        RQOptions(**options)
