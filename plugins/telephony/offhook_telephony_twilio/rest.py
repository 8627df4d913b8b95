"""Calls placed and changed through Twilio's REST API, with every failure told apart.

What matters to whoever places a call is whether a telephone may be ringing: Twilio takes no
idempotency key, so a request that may have arrived must never be repeated.
"""

from __future__ import annotations

import ssl
import threading
from typing import Any

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from offhook.errors import (
    ProviderError,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from offhook_telephony_twilio.options import TwilioOptions

NAME = "twilio"

_OVER = frozenset({21220, 20404})  # the call is not in progress; there is no such call
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, ssl.SSLCertVerificationError)


class Rest:
    """The calls of one account. Any thread; every method blocks on Twilio."""

    def __init__(self, options: TwilioOptions) -> None:
        self._options = options
        self._threads = threading.local()  # the SDK does not promise that threads may share one

    def create_call(self, **fields: Any) -> str:
        """Place a call; its SID. Raises as :meth:`offhook.providers.Telephony.dial` says."""
        try:
            sid = self._client().calls.create(**fields).sid
        except Exception as error:  # whatever it is, the request may have arrived
            raise _told(error) from error
        if not isinstance(sid, str):
            raise ProviderTimeout(NAME, "Twilio's answer names no call, so one may be ringing")
        return sid

    def update_call(self, call_sid: str, **fields: Any) -> bool:
        """Change a call; False if it is over. Raises ProviderError."""
        try:
            self._client().calls(call_sid).update(**fields)
        except TwilioRestException as error:
            if error.code in _OVER or error.status == 404:
                return False
            raise _told(error) from error
        except Exception as error:
            raise _told(error) from error
        return True

    def _client(self) -> Any:
        client = getattr(self._threads, "client", None)
        if client is None:
            options = self._options
            http = TwilioHttpClient(timeout=options.timeout_seconds)
            client = Client(options.account_sid, options.auth_token.reveal(), http_client=http)
            client.api.base_url = options.api_url
            self._threads.client = client
        return client


def _told(error: Exception) -> ProviderError:
    if isinstance(error, TwilioRestException):
        return _answered(error.status, error.code, error.msg)
    if isinstance(error, TwilioServiceException):
        return _answered(error.status, error.code, error.detail or error.title)
    if cause := _never_sent(error):
        return ProviderUnavailable(NAME, f"Twilio could not be reached ({type(cause).__name__})")
    return ProviderTimeout(
        NAME, f"Twilio gave no usable answer ({type(error).__name__}), so it may have acted"
    )


def _answered(status: int, code: int | None, text: str) -> ProviderError:
    answer = f"error {code or status} ({text})"
    if status == 429:
        return ProviderUnavailable(NAME, f"Twilio asks for fewer requests: {answer}")
    if 400 <= status < 500 and status != 408:
        return ProviderRefused(NAME, f"Twilio refuses: {answer}")
    return ProviderTimeout(NAME, f"Twilio failed, and may have acted: {answer}")


def _never_sent(error: BaseException) -> BaseException | None:
    """The cause that proves that no byte of the request left, if there is one.

    requests wraps urllib3's error, which keeps the first cause as ``reason``.
    """
    for cause in (*error.args, getattr(error, "reason", None)):
        if isinstance(cause, _NEVER_SENT):
            return cause
        if isinstance(cause, BaseException) and (found := _never_sent(cause)):
            return found
    return None
