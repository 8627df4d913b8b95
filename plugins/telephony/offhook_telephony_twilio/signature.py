"""Whether Twilio signed a request: HMAC-SHA1 over its public URL and its form."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator

from offhook.errors import WebhookRefused
from offhook.providers import WebhookRequest

_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


class SignatureCheck:
    """Takes the signatures of any of an account's tokens. Pure computation, any thread."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._validators = [RequestValidator(token) for token in tokens]

    def webhook(self, request: WebhookRequest) -> None:
        """Raise WebhookRefused unless the request's URL and form are signed."""
        self._check(request, _spellings(request.url))

    def stream(self, request: WebhookRequest) -> None:
        """Raise WebhookRefused unless a media handshake's URL is signed.

        Twilio signs the URL that the TwiML named; some have seen it with one slash more.
        """
        path = request.url
        other = path[:-1] if path.endswith("/") else path + "/"
        self._check(request, _spellings(path) + _spellings(other))

    def _check(self, request: WebhookRequest, urls: list[str]) -> None:
        given = request.headers.get("x-twilio-signature", "").encode()
        if not given:
            raise WebhookRefused(
                "the request has no X-Twilio-Signature header: it does not come from Twilio"
            )
        form = _Form(request.form)
        signed = False
        for validator in self._validators:
            for url in urls:
                # RequestValidator.validate() adds port 80 to a wss URL, and its comparison stops
                # early, so only its arithmetic is used.
                expected = validator.compute_signature(url, form).encode()
                signed |= hmac.compare_digest(expected, given)
        if not signed:
            parts = urlsplit(request.url)
            raise WebhookRefused(
                f"the X-Twilio-Signature does not fit a request to {parts.scheme}://{parts.netloc}:"
                " check that the public URL is the one Twilio was given and that the auth token is"
                " this account's"
            )


class _Form(dict[str, list[str]]):
    """The form as the validator wants it: ``getlist`` gives all the values of a name."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getlist(self, name: str) -> list[str]:
        return self[name]


def _spellings(url: str) -> list[str]:
    """The URL with and without its port: Twilio's back ends do not agree on a default one."""
    parts = urlsplit(url)
    host, colon, port = parts.netloc.rpartition(":")
    if colon and port.isdigit():
        other = host
    else:
        other = f"{parts.netloc}:{_PORTS.get(parts.scheme, 80)}"
    return [url, url.replace(f"//{parts.netloc}", f"//{other}", 1)]
