"""The carriers' webhooks: a call rings, a call or a stream changes its state."""

from __future__ import annotations

import secrets
import uuid
from urllib.parse import parse_qsl

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from offhook.businesses import Loaded
from offhook.errors import CallRefused, OffhookError, PluginError, WebhookRefused
from offhook.events import CallInfo, CallStatus, CarrierEvent, IncomingCall, StreamStatus
from offhook.providers import AnswerOrder, Telephony, WebhookReply, WebhookRequest
from offhook.web.media import token_hash
from offhook.web.runtime import Runtime

log = structlog.get_logger(__name__)

TOKEN_SECONDS = 60.0
_MAX_BODY = 65_536


async def webhook(request: Request) -> Response:
    """``POST /webhooks/{telephony}/{what}``: read, find the business, verify, act."""
    runtime: Runtime = request.app.state.runtime
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return PlainTextResponse(f"a webhook is at most {_MAX_BODY} bytes", 413)
    query = f"?{request.url.query}" if request.url.query else ""
    asked = WebhookRequest(
        method=request.method,
        url=f"{runtime.public_url}{request.url.path}{query}",
        headers={name.lower(): value for name, value in request.headers.items()},
        form=tuple(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)),
        body=body,
    )
    try:
        reply = await run_in_threadpool(_serve, runtime, request.path_params["telephony"], asked)
    except WebhookRefused as error:
        log.warning("webhook.refused", path=request.url.path, reason=str(error))
        return PlainTextResponse(str(error), error.status)
    except OffhookError as error:
        log.error("webhook.failed", path=request.url.path, reason=str(error))
        return PlainTextResponse(str(error), 503)
    return Response(reply.body, reply.status, media_type=reply.content_type)


def _serve(runtime: Runtime, plugin: str, request: WebhookRequest) -> WebhookReply:
    try:
        event: CarrierEvent | None = runtime.services.registry.read_webhook(plugin, request)
    except PluginError as error:
        raise WebhookRefused(str(error), 404) from None
    if event is None:
        raise WebhookRefused(f"this is no webhook of the carrier {plugin!r}", 400)
    loaded = _business(runtime, event)
    try:
        telephony = runtime.accounts.get(loaded, plugin)
    except PluginError as error:
        raise WebhookRefused(str(error), 404) from None
    telephony.verify_webhook(request)
    match event:
        case IncomingCall():
            return _answer(runtime, plugin, telephony, loaded, event)
        case CallStatus(carrier_call_id, status):
            runtime.services.store.settle_carrier(carrier_call_id, status)
        case StreamStatus(_, "error", detail):
            log.warning("carrier.stream_error", call=event.carrier_call_id, error=detail)
    return WebhookReply("", "text/plain", 204)


def _business(runtime: Runtime, event: CarrierEvent) -> Loaded:
    directory = runtime.services.directory
    directory.refresh()
    number = "" if isinstance(event, StreamStatus) else event.to_number
    loaded = directory.route(number) if number else None
    if loaded is None:
        business_id = runtime.services.store.business_of(event.carrier_call_id)
        loaded = directory.get(business_id) if business_id else None
    if loaded is None:
        what = number or f"call {event.carrier_call_id}"
        raise WebhookRefused(f"no business answers {what}: add it to a business file", 404)
    return loaded


def _answer(
    runtime: Runtime, plugin: str, telephony: Telephony, loaded: Loaded, event: IncomingCall
) -> WebhookReply:
    services = runtime.services
    token = secrets.token_urlsafe(24)
    call = CallInfo(
        call_id=uuid.uuid4().hex,
        business_id=loaded.id,
        telephony=plugin,
        carrier_call_id=event.carrier_call_id,
        from_number=event.from_number,
        to_number=event.to_number,
        language=loaded.business.language,
    )
    try:
        runtime.sessions.admit(event.carrier_call_id)
        services.store.ring(
            call,
            loaded.config_hash,
            token_hash(token),
            TOKEN_SECONDS,
            limit=loaded.business.limits.concurrent_calls,
        )
    except CallRefused as error:
        log.warning("call.refused", business=loaded.id, reason=str(error))
        return telephony.refuse("busy")
    runtime.phrases.prepare(loaded)
    return telephony.answer(
        AnswerOrder(
            carrier_call_id=event.carrier_call_id,
            stream_url=runtime.stream_url(plugin, token),
            status_url=runtime.webhook_url(plugin, "stream"),
        )
    )
