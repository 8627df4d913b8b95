from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from offhook_telephony_twilio.account import TwilioTelephony
from offhook_telephony_twilio.options import TwilioOptions

from .rest_server import RestServer

SID = "AC" + "0" * 32
TOKEN = "the-auth-token"
OLD_TOKEN = "the-token-before"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_TOKEN", TOKEN)
    monkeypatch.setenv("TWILIO_OLD_TOKEN", OLD_TOKEN)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def options() -> Callable[..., TwilioOptions]:
    def make(**changes: object) -> TwilioOptions:
        fields = {
            "account_sid": SID,
            "auth_token": "env:TWILIO_TOKEN",
            "auth_tokens": ["env:TWILIO_OLD_TOKEN"],
        }
        return TwilioOptions.model_validate(fields | changes)

    return make


@pytest.fixture
def rest() -> Iterator[RestServer]:
    server = RestServer()
    yield server
    server.close()


@pytest.fixture
def twilio(options: Callable[..., TwilioOptions], rest: RestServer) -> TwilioTelephony:
    return TwilioTelephony(options(api_url=rest.url, timeout_seconds=5))
