"""The engine's side: the key file, signatures, answers, webhooks, orders and the tool."""

from __future__ import annotations

import hashlib
import hmac
import stat
import threading
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from offhook.errors import PluginError, ProviderRefused, WebhookRefused
from offhook.events import CallInfo, CallStatus, CarrierEvent, IncomingCall, StreamStatus
from offhook.providers import AnswerOrder, DialOrder, WebhookRequest
from offhook_telephony_simulated import (
    SimulatedOptions,
    offhook_create_telephony,
    offhook_plugin,
    offhook_read_webhook,
    offhook_tools,
)
from offhook_telephony_simulated.orders import Order, Orders
from offhook_telephony_simulated.server import SimulatedTelephony
from offhook_telephony_simulated.signing import shared_key, sign
from offhook_telephony_simulated.twiml import Rejected, Stream, read_answer

CALL = "CA" + "1" * 32
URL = "http://127.0.0.1:8000/voice"
FORM = (("To", "+1415"), ("CallSid", CALL))


@pytest.fixture
def telephony(tmp_path: Path) -> SimulatedTelephony:
    return SimulatedTelephony("key", tmp_path)


class TestKeyFile:
    def test_it_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        data = tmp_path / "new" / "data"
        key = shared_key(data)
        assert len(key) == 64
        assert shared_key(data) == key
        assert stat.S_IMODE((data / "simulated.key").stat().st_mode) == 0o600
        assert [file.name for file in data.iterdir()] == ["simulated.key"]

    def test_all_who_come_at_once_get_the_same(self, tmp_path: Path) -> None:
        keys: list[str] = []
        gate = threading.Barrier(8)

        def fetch() -> None:
            gate.wait(10)
            keys.append(shared_key(tmp_path))

        threads = [threading.Thread(target=fetch, name=f"fetch-{n}") for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(keys)) == 1
        assert len(keys) == 8

    def test_a_folder_that_cannot_be_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(PluginError, match=r"file.*simulated\.key cannot be used"):
            shared_key(tmp_path / "file")


class TestSignatures:
    def test_the_scheme_is_twilios(self) -> None:
        text = f"{URL}CallSid{CALL}To+1415"
        mac = hmac.new(b"key", text.encode(), hashlib.sha1).digest()
        assert sign("key", URL, FORM) == b64encode(mac).decode()

    def test_what_is_signed_passes(self, telephony: SimulatedTelephony) -> None:
        headers = {"x-twilio-signature": sign("key", URL, FORM)}
        telephony.verify_webhook(WebhookRequest("POST", URL, headers, FORM))
        stream = {"x-twilio-signature": sign("key", "ws://h/media/t")}
        telephony.verify_stream(WebhookRequest("GET", "ws://h/media/t", stream))

    @pytest.mark.parametrize("signature", ["", "ÿ", sign("other", URL, FORM), sign("key", URL)])
    def test_what_is_not_is_refused(self, telephony: SimulatedTelephony, signature: str) -> None:
        request = WebhookRequest("POST", URL, {"x-twilio-signature": signature}, FORM)
        for verify in (telephony.verify_webhook, telephony.verify_stream):
            with pytest.raises(WebhookRefused, match="missing or does not fit"):
                verify(request)


class TestAnswers:
    def test_an_answer(self, telephony: SimulatedTelephony) -> None:
        reply = telephony.answer(AnswerOrder(CALL, "ws://h/media/a&'b\"", "http://h/s?x&y"))
        assert reply.content_type == "text/xml"
        assert [verb.tag for verb in ElementTree.fromstring(reply.body)] == ["Connect", "Hangup"]
        assert read_answer(reply.body) == Stream("ws://h/media/a&'b\"", "http://h/s?x&y")

    def test_refusals(self, telephony: SimulatedTelephony) -> None:
        assert read_answer(telephony.refuse("busy").body) == Rejected("busy")
        assert read_answer(telephony.refuse("unavailable").body) == Rejected("rejected")

    def test_a_streams_query_is_stripped_and_its_parameters_are_read(self) -> None:
        answer = read_answer(
            '<Response><Connect><Stream url="wss://h/m?token=1"><Parameter name="a" value="b"/>'
            "</Stream></Connect></Response>"
        )
        assert answer == Stream("wss://h/m", "", {"a": "b"})

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "nonsense",
            "<Other/>",
            "<Response/>",
            "<Response><Say>hello</Say></Response>",
            "<Response><Connect/></Response>",
            "<Response><Connect><Stream/></Connect></Response>",
        ],
    )
    def test_no_instructions(self, body: str) -> None:
        with pytest.raises(ValueError, match="the engine's answer"):
            read_answer(body)

    def test_hanging_up_is_a_refusal(self) -> None:
        assert read_answer("<Response><Hangup/></Response>") == Rejected("rejected")


class TestWebhooks:
    @pytest.mark.parametrize(
        ("form", "event"),
        [
            (
                {"CallSid": CALL, "CallStatus": "ringing", "From": "a", "To": "b"},
                IncomingCall(CALL, "a", "b"),
            ),
            (
                {
                    "CallSid": CALL,
                    "CallStatus": "completed",
                    "CallbackSource": "call-progress-events",
                    "SequenceNumber": "2",
                    "To": "b",
                },
                CallStatus(CALL, "completed", "b", 2),
            ),
            (
                {"CallSid": CALL, "StreamEvent": "stream-error", "StreamError": "cut"},
                StreamStatus(CALL, "error", "cut"),
            ),
            ({"CallSid": CALL}, None),
            ({"CallStatus": "ringing"}, None),
            ({"CallSid": CALL, "CallStatus": "dreaming"}, None),
        ],
    )
    def test_what_they_say(self, form: dict[str, str], event: CarrierEvent | None) -> None:
        request = WebhookRequest("POST", URL, form=tuple(form.items()))
        assert offhook_read_webhook(request) == event


class TestOrders:
    def test_a_live_call_gets_its_order(
        self, telephony: SimulatedTelephony, tmp_path: Path
    ) -> None:
        orders = Orders(tmp_path)
        orders.open(CALL)
        assert orders.take(CALL) is None
        telephony.transfer(CALL, "+14155550142")
        assert orders.take(CALL) == Order("transfer", "+14155550142")
        telephony.hang_up(CALL)
        assert orders.take(CALL) == Order("hang-up", "")
        orders.close(CALL)
        assert orders.take(CALL) is None

    @pytest.mark.parametrize("call_sid", [CALL, "../../etc", ""])
    def test_a_call_that_is_over(self, telephony: SimulatedTelephony, call_sid: str) -> None:
        telephony.hang_up(call_sid)
        with pytest.raises(ProviderRefused, match="over"):
            telephony.transfer(call_sid, "+14155550142")

    def test_this_carrier_calls_nobody(self, telephony: SimulatedTelephony) -> None:
        with pytest.raises(ProviderRefused, match="only rings"):
            telephony.dial(DialOrder("+1", "+2", URL, URL))


class Control:
    """A call's control that remembers the keys it was told to press."""

    def __init__(self) -> None:
        self.call = CallInfo("c", "b", "simulated", CALL, "+1", "+2")
        self.pressed: list[str] = []

    def end_call(self) -> None:
        raise AssertionError

    def transfer(self, to_number: str) -> None:
        raise AssertionError

    def send_dtmf(self, digits: str) -> None:
        self.pressed.append(digits)


class TestTool:
    def test_it_is_offered_on_this_carriers_calls_only(self) -> None:
        control = Control()
        tools = offhook_tools(control.call)
        assert tools is not None
        assert [tool.spec.name for tool in tools] == ["send_dtmf"]
        assert offhook_tools(CallInfo("c", "b", "twilio", CALL, "+1", "+2")) is None

    def test_it_presses_keys(self) -> None:
        control = Control()
        (tool,) = offhook_tools(control.call) or []
        assert tool.run({"digits": "12#"}, control) == "The keys were pressed."
        assert control.pressed == ["12#"]

    @pytest.mark.parametrize("arguments", [{}, {"digits": ""}, {"digits": 5}, {"digits": "x"}])
    def test_other_keys_are_refused(self, arguments: Mapping[str, Any]) -> None:
        control = Control()
        (tool,) = offhook_tools(control.call) or []
        with pytest.raises(ValueError, match="digits must be"):
            tool.run(arguments, control)
        assert control.pressed == []


class TestPlugin:
    def test_it_describes_itself(self) -> None:
        info = offhook_plugin()
        assert (info.kind, info.name, info.extra) == ("telephony", "simulated", "")
        assert info.capabilities == {"transfer", "dtmf"}

    def test_its_key_is_the_data_folders_or_the_options(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OFFHOOK_DATA", str(tmp_path))
        monkeypatch.setenv("CARRIER_SECRET", "another")
        by_default = offhook_create_telephony(SimulatedOptions())
        by_option = offhook_create_telephony(
            SimulatedOptions.model_validate({"secret": "env:CARRIER_SECRET"})
        )
        for telephony, key in ((by_default, shared_key(tmp_path)), (by_option, "another")):
            headers = {"x-twilio-signature": sign(key, URL, FORM)}
            telephony.verify_webhook(WebhookRequest("POST", URL, headers, FORM))
