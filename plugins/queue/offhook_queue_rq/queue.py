"""A doorbell for workers: RQ with the options that experience asks for.

One queue per worker (with more, RQ loses a job when a worker dies between taking and starting it),
JSON instead of pickle (or whoever writes to Redis runs code), no Retry (it would place a call
twice), and a short worker time to live (an idle worker blocks for that long before it heals).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, Worker
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer
from rq.utils import parse_timeout

from offhook.errors import ProviderRefused, ProviderTimeout, ProviderUnavailable
from offhook_queue_rq.options import RQOptions

NAME = "rq"
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0


class RQQueue:
    """The queue of one process. Shared by threads, except ``work``."""

    def __init__(self, url: str, options: RQOptions) -> None:
        self._url = url
        self._options = options
        self._redis = self._connect()
        self._queue = Queue(options.queue, connection=self._redis, serializer=JSONSerializer)

    def enqueue(
        self, function: str, arguments: Mapping[str, Any], *, job_id: str, timeout: str = "10m"
    ) -> bool:
        """Ask a worker to call ``module.function`` with keyword ``arguments`` (JSON values).

        Returns False if a job of that id is queued, runs or has failed. Give a new id to ask
        again: RQ can lose a job and still refuse its id. Raises ProviderUnavailable or
        ProviderTimeout if the server is away, ProviderRefused if it refuses us.
        """
        with _failures():
            try:
                self._queue.enqueue_call(
                    function,
                    kwargs=dict(arguments),
                    job_id=job_id,
                    timeout=parse_timeout(timeout),
                    result_ttl=0,
                    failure_ttl=self._options.keep_failed_seconds,
                    description=function,
                    unique=True,
                )
            except DuplicateJobError:
                return False
            return True

    def work(self, *, burst: bool = False) -> None:
        """Run jobs, each in a forked process, until SIGTERM or SIGINT lets the last one finish.

        ``burst``: until none is left. Needs the main thread, for RQ lives by signals. Raises
        ProviderError as ``enqueue`` does, also when the server goes away at work.
        """
        if threading.current_thread() is not threading.main_thread():
            raise ProviderRefused(NAME, "jobs can be worked on the main thread only: call it there")
        with _failures(), contextlib.closing(self._connect()) as connection:
            worker = _Worker(
                [self._options.queue],
                connection=connection,
                serializer=JSONSerializer,
                worker_ttl=self._options.worker_seconds,
                # Arguments may be phone numbers, which are nobody's business in a log.
                log_job_description=False,
            )
            worker.work(burst=burst, logging_level="WARNING")
            if not burst and not worker.told_to_stop:
                # RQ logs the reason and returns as if all were well.
                raise ProviderUnavailable(NAME, "the queue's server went away: start it again")

    def close(self) -> None:
        self._redis.close()

    def _connect(self) -> redis.Redis:
        return redis.Redis.from_url(
            self._url,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            # Once more, for a connection that a restarted server has forgotten.
            retry=Retry(NoBackoff(), 1),
        )


class _Worker(Worker):
    told_to_stop = False

    def request_stop(self, signum: Any, frame: Any) -> None:
        self.told_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    # The texts name no address: a Redis URL may hold a password.
    try:
        yield
    except redis.exceptions.AuthenticationError:
        raise ProviderRefused(NAME, "the server refused our password: check the URL") from None
    except redis.exceptions.TimeoutError:
        raise ProviderTimeout(NAME, "the queue's server did not answer in time") from None
    except redis.exceptions.ConnectionError:
        raise ProviderUnavailable(
            NAME, "the queue's server cannot be reached: start it, or check OFFHOOK_REDIS_URL"
        ) from None
    except redis.exceptions.RedisError as error:
        raise ProviderRefused(NAME, f"the server refused: {type(error).__name__}") from None
