"""TwiML, and the REST API through Twilio's own SDK against a server on loopback."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from offhook.errors import ProviderError, ProviderRefused, ProviderTimeout, ProviderUnavailable
from offhook.media.mediastreams import MediaStreamsCodec
from offhook.providers import AnswerOrder, DialOrder
from offhook_telephony_twilio import offhook_create_telephony, offhook_plugin
from offhook_telephony_twilio.account import TwilioTelephony
from offhook_telephony_twilio.options import TwilioOptions

from .conftest import SID, TOKEN
from .rest_server import CALL, RestServer, twilio_error

ORDER = DialOrder(
    to_number="+14155550123",
    from_number="+14155550100",
    answer_url="https://example.com/answer/a1",
    status_url="https://example.com/status/a1",
    ring_seconds=25,
)
SPECIFICATION = Path(__file__).parents[5] / "shared/specs/twilio_api_v2010.json"


def known_fields(path: str) -> set[str]:
    """The form fields Twilio knows, from its specification, else from a copy of the names."""
    if SPECIFICATION.exists():
        post = json.loads(SPECIFICATION.read_text())["paths"][f"/2010-04-01{path}"]["post"]
        content = post["requestBody"]["content"]["application/x-www-form-urlencoded"]
        return set(content["schema"]["properties"])
    if path.endswith("/{Sid}.json"):
        return {"Url", "Method", "Status", "StatusCallback", "StatusCallbackMethod", "Twiml"}
    return {
        *("To", "From", "Url", "Method", "Timeout"),
        *("StatusCallback", "StatusCallbackMethod", "StatusCallbackEvent"),
    }


class TestTwiml:
    def test_an_answer_connects_the_stream_and_hangs_up_after_it(
        self, twilio: TwilioTelephony
    ) -> None:
        order = AnswerOrder(CALL, "wss://example.com/media/t&<", "https://example.com/s?a=1&b")
        reply = twilio.answer(order)
        assert (reply.status, reply.content_type) == (200, "text/xml")
        response = ElementTree.fromstring(reply.body)
        assert response.tag == "Response"
        assert [verb.tag for verb in response] == ["Connect", "Hangup"]
        (stream,) = response[0]
        assert stream.attrib == {"url": order.stream_url, "statusCallback": order.status_url}

    @pytest.mark.parametrize(
        ("reason", "told"), [("busy", {"reason": "busy"}), ("unavailable", {})]
    )
    def test_a_refusal(self, twilio: TwilioTelephony, reason: str, told: dict[str, str]) -> None:
        (verb,) = ElementTree.fromstring(twilio.refuse(reason).body)  # type: ignore[arg-type]
        assert (verb.tag, verb.attrib) == ("Reject", told)


class TestDial:
    def test_what_is_sent(self, twilio: TwilioTelephony, rest: RestServer) -> None:
        assert twilio.dial(ORDER) == CALL
        (request,) = rest.received
        assert request.path == f"/2010-04-01/Accounts/{SID}/Calls.json"
        credentials = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        assert request.authorization == f"Basic {credentials}"
        assert sorted(request.form) == sorted(
            [
                ("To", "+14155550123"),
                ("From", "+14155550100"),
                ("Url", "https://example.com/answer/a1"),
                ("Method", "POST"),
                ("StatusCallback", "https://example.com/status/a1"),
                ("StatusCallbackMethod", "POST"),
                ("StatusCallbackEvent", "initiated"),
                ("StatusCallbackEvent", "ringing"),
                ("StatusCallbackEvent", "answered"),
                ("StatusCallbackEvent", "completed"),
                ("Timeout", "25"),
            ]
        )
        sent = {name for name, _ in request.form}
        assert sent <= known_fields("/Accounts/{AccountSid}/Calls.json")

    @pytest.mark.parametrize(
        ("answer", "error", "text"),
        [
            (twilio_error(400, 21211, "Invalid 'To' Phone Number"), ProviderRefused, "21211"),
            (twilio_error(401, 20003, "Authenticate"), ProviderRefused, "Authenticate"),
            (twilio_error(429, 20429, "Too many requests"), ProviderUnavailable, "20429"),
            (twilio_error(408, 20408, "Request timeout"), ProviderTimeout, "may have acted"),
            (twilio_error(500, 20500, "Internal error"), ProviderTimeout, "may have acted"),
            ((503, "<html>"), ProviderTimeout, "503"),
            ((400, "<html>"), ProviderRefused, "400"),
            ((201, "{garbage"), ProviderTimeout, "no usable answer"),
            ((201, "[]"), ProviderTimeout, "no usable answer"),
            ((201, "{}"), ProviderTimeout, "names no call"),
            ((302, ""), ProviderTimeout, "302"),
            (None, ProviderTimeout, "no usable answer"),
            (
                (
                    400,
                    json.dumps(
                        {
                            "type": "about:blank",
                            "title": "Bad request",
                            "status": 400,
                            "code": 21212,
                            "detail": "From is no number of yours",
                        }
                    ),
                ),
                ProviderRefused,
                "From is no number of yours",
            ),
        ],
    )
    def test_failures_are_told_apart_and_nothing_is_sent_twice(
        self,
        twilio: TwilioTelephony,
        rest: RestServer,
        answer: tuple[int, str] | None,
        error: type[ProviderError],
        text: str,
    ) -> None:
        rest.answer = answer
        with pytest.raises(error, match=text) as caught:
            twilio.dial(ORDER)
        assert type(caught.value) is error
        assert TOKEN not in str(caught.value)
        assert len(rest.received) == 1

    def test_no_answer_leaves_the_outcome_unknown(
        self, options: Callable[..., TwilioOptions], rest: RestServer
    ) -> None:
        rest.hold.clear()
        telephony = TwilioTelephony(options(api_url=rest.url, timeout_seconds=0.2))
        with pytest.raises(ProviderTimeout, match="may have acted"):
            telephony.dial(ORDER)
        assert len(rest.received) == 1

    def test_a_request_that_found_nobody_there(self, options: Callable[..., TwilioOptions]) -> None:
        telephony = TwilioTelephony(options(api_url="http://127.0.0.1:1"))
        with pytest.raises(ProviderUnavailable, match="could not be reached"):
            telephony.dial(ORDER)

    def test_a_request_that_found_no_address(
        self, options: Callable[..., TwilioOptions], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(*args: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        telephony = TwilioTelephony(options(api_url="http://nobody.invalid"))
        with pytest.raises(ProviderUnavailable, match="could not be reached"):
            telephony.dial(ORDER)

    def test_each_thread_has_its_own_client(
        self, twilio: TwilioTelephony, rest: RestServer
    ) -> None:
        clients = []

        def dial() -> None:
            twilio.dial(ORDER)
            twilio.dial(ORDER)
            clients.append(twilio._rest._threads.client)

        threads = [threading.Thread(target=dial, name=f"dialer-{n}") for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(client) for client in clients}) == 4
        assert len(rest.received) == 8


class TestCallsInProgress:
    def test_hang_up(self, twilio: TwilioTelephony, rest: RestServer) -> None:
        rest.answer = (200, json.dumps({"sid": CALL, "status": "completed"}))
        twilio.hang_up(CALL)
        (request,) = rest.received
        assert request.path == f"/2010-04-01/Accounts/{SID}/Calls/{CALL}.json"
        assert request.form == [("Status", "completed")]

    @pytest.mark.parametrize(
        "answer",
        [
            twilio_error(400, 21220, "Call is not in-progress. Cannot redirect."),
            twilio_error(404, 20404, "The requested resource was not found"),
        ],
    )
    def test_a_call_that_is_over(
        self, twilio: TwilioTelephony, rest: RestServer, answer: tuple[int, str]
    ) -> None:
        rest.answer = answer
        twilio.hang_up(CALL)
        with pytest.raises(ProviderRefused, match="over"):
            twilio.transfer(CALL, "+14155550199")

    def test_transfer(self, twilio: TwilioTelephony, rest: RestServer) -> None:
        rest.answer = (200, json.dumps({"sid": CALL}))
        twilio.transfer(CALL, "+14155550199")
        (request,) = rest.received
        assert {name for name, _ in request.form} <= known_fields(
            "/Accounts/{AccountSid}/Calls/{Sid}.json"
        )
        (verb,) = ElementTree.fromstring(request.values("Twiml")[0])
        assert (verb.tag, verb.text) == ("Dial", "+14155550199")

    def test_failures(self, twilio: TwilioTelephony, rest: RestServer) -> None:
        rest.answer = twilio_error(401, 20003, "Authenticate")
        with pytest.raises(ProviderRefused, match="20003"):
            twilio.hang_up(CALL)
        rest.answer = None
        with pytest.raises(ProviderTimeout):
            twilio.transfer(CALL, "+14155550199")


class TestPlugin:
    def test_it_describes_itself(self) -> None:
        info = offhook_plugin()
        assert (info.kind, info.name, info.extra) == ("telephony", "twilio", "twilio")
        assert info.capabilities == {"dial", "transfer"}

    def test_it_makes_an_account_with_fresh_codecs(
        self, options: Callable[..., TwilioOptions]
    ) -> None:
        telephony = offhook_create_telephony(options())
        first, second = telephony.codec(), telephony.codec()
        assert isinstance(first, MediaStreamsCodec)
        assert first is not second

    @pytest.mark.parametrize(
        "change",
        [
            {"account_sid": "SK" + "0" * 32},
            {"auth_token": "0123456789"},
            {"auth_token": "env:NOT_SET"},
            {"api_url": "ftp://example.com"},
            {"api_url": "https://example.com/path"},
            {"timeout_seconds": 0},
            {"surprise": 1},
        ],
    )
    def test_wrong_options(
        self, options: Callable[..., TwilioOptions], change: dict[str, object]
    ) -> None:
        with pytest.raises(ValidationError):
            options(**change)
