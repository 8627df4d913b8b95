"""The fallback URL: what Twilio asks for when our webhook does not answer.

Give ``https://<host>/plugins/twilio/fallback`` (of another node, if there is one) as a number's
"primary handler fails" URL: the caller then hears a sentence instead of Twilio's own error. It
holds nothing secret and changes nothing, so it takes unsigned requests.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TWIML = (
    '<?xml version="1.0" encoding="UTF-8"?><Response><Say>We are sorry, we cannot take your call '
    "right now. Please call again in a few minutes. Goodbye.</Say><Hangup/></Response>"
)


async def fallback(_: Request) -> Response:
    """A polite refusal, as TwiML."""
    return Response(_TWIML, media_type="text/xml")


ROUTES = [Route("/fallback", fallback, methods=["GET", "POST"])]
