"""Requests that are forged, broken or out of place cost at most the call they belong to."""

from __future__ import annotations

import secrets
from pathlib import Path

import httpx
import pytest
from structlog.testing import CapturingLogger
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from offhook.call import session
from offhook.web import media, webhooks
from offhook.web.server import EmbeddedServer
from offhook_telephony_simulated.carrier import Misbehaviour
from offhook_telephony_simulated.misbehaviour import BINARY, MALFORMED, OVERSIZED
from offhook_telephony_simulated.network import Form, Network
from offhook_telephony_simulated.signing import shared_key
from offhook_telephony_simulated.twiml import Stream, read_answer
from offhook_telephony_simulated.wire import CONNECTED, Wire

from .conftest import NUMBER, MakeCarrier, MakeServer
from .scripted import no_threads_left, settled, tone, wait_for


def ringing(to_number: str = NUMBER) -> Form:
    """The form of a new call."""
    call_sid = "CA" + secrets.token_hex(16)
    return (
        ("CallSid", call_sid),
        ("From", "+14155550199"),
        ("To", to_number),
        ("CallStatus", "ringing"),
    )


def ring(server: EmbeddedServer, network: Network) -> tuple[str, str]:
    """Ring without opening the stream: the CallSid, and the stream's URL."""
    form = ringing()
    status, body = network.post(f"{server.url}/webhooks/simulated/voice", form)
    assert status == 200
    answer = read_answer(body)
    assert isinstance(answer, Stream)
    return form[0][1], answer.url


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """Signs as the server's carrier does."""
    return Network(shared_key(tmp_path))


@pytest.fixture
def running(server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> EmbeddedServer:
    monkeypatch.setattr(session, "START_SECONDS", 1.0)
    return server()


def test_a_webhook_without_a_valid_signature(running: EmbeddedServer) -> None:
    url = f"{running.url}/webhooks/simulated/voice"
    assert httpx.post(url, data=dict(ringing())).status_code == 403
    assert Network("another key").post(url, ringing())[0] == 403
    assert running.runtime.services.store.recent() == []


def test_a_webhook_for_nobody(running: EmbeddedServer, network: Network) -> None:
    root = f"{running.url}/webhooks"
    assert network.post(f"{root}/simulated/voice", ringing("+14155550111"))[0] == 404
    assert network.post(f"{root}/nobody/voice", ringing())[0] == 404
    assert network.post(f"{root}/twilio/voice", ringing())[0] == 404  # not this business's
    assert network.post(f"{root}/simulated/voice", ())[0] == 400
    assert running.runtime.services.store.recent() == []


def test_a_webhook_that_is_too_large(running: EmbeddedServer) -> None:
    url = f"{running.url}/webhooks/simulated/voice"
    assert httpx.post(url, content=b"a" * 70_000).status_code == 413


def refused(network: Network, url: str) -> int:
    """The status with which the media socket refuses."""
    with pytest.raises(InvalidStatus) as refusal:
        network.open_stream(url, "test-reader")
    return refusal.value.response.status_code


class Unsigned(Network):
    """Opens media sockets without any signature."""

    def __init__(self) -> None:
        super().__init__("")

    def open_stream(self, url: str, name: str) -> ClientConnection:
        with connect(url, proxy=None) as stream:
            return stream


def test_a_stream_token_that_was_made_up(running: EmbeddedServer, network: Network) -> None:
    url = ring(running, network)[1]
    assert refused(network, url[:-4] + "abcd") == 403


def test_a_stream_token_serves_once(running: EmbeddedServer, network: Network) -> None:
    url = ring(running, network)[1]
    with network.open_stream(url, "test-reader"):
        assert refused(network, url) == 403


def test_a_stream_token_that_came_too_late(
    running: EmbeddedServer, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TOKEN_SECONDS", 0.0)
    call_sid, url = ring(running, network)
    assert refused(network, url) == 403
    assert settled(running, call_sid).end_reason == "never-started"


def test_a_refusal_is_one_sentence_in_the_log(
    running: EmbeddedServer, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(media, "log", log)
    monkeypatch.setattr(webhooks, "log", log)
    Network("another key").post(f"{running.url}/webhooks/simulated/voice", ringing())
    url = ring(running, network)[1]
    refused(network, url[:-4] + "abcd")
    with network.open_stream(url, "test-reader"):
        refused(network, url)
    (signature, unknown, used) = (entry.kwargs["reason"] for entry in log.calls)
    assert signature.startswith("the X-Twilio-Signature is missing or does not fit")
    assert unknown == "this stream token is unknown"
    assert used.endswith("was used already")


def test_a_handshake_without_a_valid_signature_ends_its_call(
    running: EmbeddedServer, network: Network
) -> None:
    for forger in (Unsigned(), Network("another key")):
        call_sid, url = ring(running, network)
        assert refused(forger, url) == 403
        assert settled(running, call_sid).end_reason == "never-started"
    assert running.runtime.services.store.count_live() == 0


BROKEN = {
    "malformed": (Misbehaviour(messages=(MALFORMED,)), "protocol-error", {1007}),
    # What was not read of it resets the connection, which may overtake the close frame.
    "oversized": (Misbehaviour(messages=(OVERSIZED,)), "protocol-error", {1009, 1006}),
    "binary": (Misbehaviour(messages=(BINARY,)), "protocol-error", {1003}),
    "second start": (Misbehaviour(second_start=True), "protocol-error", {1002}),
    "media before start": (Misbehaviour(media_before_start=True), "never-started", {1002}),
    "no start": (Misbehaviour(no_start=True), "never-started", {1000}),
    "closed before start": (
        Misbehaviour(no_start=True, hang_up_after_ms=100),
        "never-started",
        {1000},
    ),
}


def test_a_broken_stream_ends_only_its_own_call(
    running: EmbeddedServer, carrier: MakeCarrier
) -> None:
    exchange = carrier(running)
    good = exchange.ring(NUMBER)
    calls = {name: exchange.ring(NUMBER, misbehaviour=how) for name, (how, *_) in BROKEN.items()}
    for name, (_, reason, codes) in BROKEN.items():
        ended = calls[name].wait_ended(timeout=10)
        assert ended is not None, name
        assert ended.close_code in codes, name
        row = settled(running, calls[name].call_sid)
        assert (name, row.end_reason) == (name, reason)
        assert row.end_detail, name
        wait_for(lambda call_id=row.id: no_threads_left(call_id), 10)

    assert good.wait_agent_done(timeout=10, quiet_ms=200)
    good.say(tone(300))
    assert good.wait_agent_done(timeout=10, quiet_ms=200)
    good.hang_up()
    row = settled(running, good.call_sid)
    assert row.end_reason == "caller-hung-up"
    assert len(running.runtime.services.store.turns(row.id)) == 3


def test_a_start_of_another_call(running: EmbeddedServer, network: Network) -> None:
    call_sid, url = ring(running, network)
    with network.open_stream(url, "test-reader") as stream:
        wire = Wire("AC" + "0" * 32, "CA" + "f" * 32, "MZ" + "0" * 32)
        stream.send(CONNECTED)
        stream.send(wire.start())
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    row = settled(running, call_sid)
    assert row.end_reason == "never-started"
    assert "another call" in row.end_detail
