"""The application: what is served where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from offhook.web.media import media_socket
from offhook.web.runtime import Runtime
from offhook.web.webhooks import webhook

log = structlog.get_logger(__name__)


def create_app(runtime: Runtime) -> Starlette:
    """The ASGI application of one process; its lifespan starts and stops the runtime."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(runtime.start)
        yield
        await run_in_threadpool(runtime.close)

    routes: list[BaseRoute] = [
        Route("/healthz", alive),
        Route("/readyz", ready),
        Route("/webhooks/{telephony}/{what:path}", webhook, methods=["POST"]),
        WebSocketRoute("/media/{telephony}/{token}", media_socket),
        *_plugin_routes(runtime),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.runtime = runtime
    return app


async def alive(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """Whether a new call would be taken: 503 while full or draining."""
    sessions = request.app.state.runtime.sessions
    full = sessions.expected() >= sessions.capacity
    status = "draining" if sessions.draining else "full" if full else "ready"
    body = {"status": status, "calls": len(sessions), "capacity": sessions.capacity}
    return JSONResponse(body, 200 if status == "ready" else 503)


def _plugin_routes(runtime: Runtime) -> list[BaseRoute]:
    mounts: list[BaseRoute] = []
    for plugin, offer in runtime.services.registry.each("offhook_routes"):
        try:
            routes = [route for offered in offer() for route in offered or ()]
        except Exception:
            log.exception("routes.failed", plugin=plugin.entry_point)
            continue
        assert plugin.info is not None
        mounts.append(Mount(f"/plugins/{plugin.info.name}", routes=routes))
    return mounts
