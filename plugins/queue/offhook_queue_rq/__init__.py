"""Background jobs through RQ on Redis or Valkey; ``embedded`` starts one where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offhook import hookimpl
from offhook.providers import PluginInfo
from offhook_queue_rq.options import RQOptions

if TYPE_CHECKING:
    from offhook.providers import JobQueue
    from offhook_queue_rq.server import Embedded

_SCHEMES = ("redis", "rediss", "unix")


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(
        kind="queue",
        name="rq",
        summary="RQ on Redis or Valkey, or on an embedded Valkey",
        options=RQOptions,
        requires=("rq", "redis"),
        extra="rq",
    )


@hookimpl
def offhook_create_queue(options: RQOptions, url: str) -> JobQueue | None:
    if urlsplit(url).scheme not in _SCHEMES:
        return None
    from offhook_queue_rq.queue import RQQueue

    return RQQueue(url, options)


def embedded(data_dir: Path) -> Embedded:
    """The Valkey server of an installation, started unless it runs already.

    All processes with the same ``data_dir`` share it; ``url`` is what the queue is created with.
    The last one to call ``stop()`` (or to leave its ``with`` block) shuts it down, its queue
    safely on disk. Raises PluginError if it cannot be started.
    """
    from offhook_queue_rq.server import Embedded

    return Embedded(data_dir)
