"""The real SDK against a server that misbehaves on purpose."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from offhook.config import Secret
from offhook.errors import ProviderError, ProviderRefused, ProviderTimeout, ProviderUnavailable
from offhook.events import (
    CallInfo,
    Message,
    ReplyEvent,
    ReplyRequest,
    TextDelta,
    ToolCall,
    ToolSpec,
    Usage,
)
from offhook_llm_openai import clients, offhook_create_llm, offhook_plugin
from offhook_llm_openai.line import Backend, Line
from offhook_llm_openai.model import OpenAIModel
from offhook_llm_openai.options import OpenAIOptions

from .chat_server import HEAD, ChatServer, always, answer, delta, event, refusal, send_each

KEY = "sk-very-secret-0123456789"
ASK = ReplyRequest((Message("system", "Be brief."), Message("user", "Hello?")))
CALL = CallInfo("c1", "b1", "simulated", "CA1", "+14155550111", "+14155550100")
TOOL = ToolSpec("end_call", "Hang up.", {"type": "object", "properties": {}})


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_OPENAI_KEY", KEY)


@contextmanager
def model(url: str, **options: Any) -> Iterator[OpenAIModel]:
    chosen = {
        "model": "m",
        "base_url": url,
        "api_key": Secret("env:TEST_OPENAI_KEY"),
        "timeout_seconds": 5,
        "max_retries": 0,
    } | options
    made = OpenAIModel(OpenAIOptions(**chosen))
    try:
        yield made
    finally:
        made.close()
        assert not clients._shared


def ask(
    script: Any, request: ReplyRequest = ASK, **options: Any
) -> tuple[list[ReplyEvent], ChatServer]:
    scripts = script if isinstance(script, list) else [script]
    with ChatServer(scripts) as server, model(server.url, **options) as llm:
        return list(llm.reply(request)), server


def text(events: list[ReplyEvent]) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta))


# ---- what is sent -------------------------------------------------------------------------------


def test_the_plugin_describes_itself() -> None:
    info = offhook_plugin()
    assert (info.kind, info.name, info.requires, info.extra) == (
        "llm",
        "openai",
        ("openai",),
        "openai",
    )
    assert info.options is OpenAIOptions


def test_a_conversation_goes_out_as_chat_completions() -> None:
    call = ToolCall("t1", "look_up", {"day": "monday"})
    request = ReplyRequest(
        (
            *ASK.messages,
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", "free", tool_call_id="t1"),
            Message("assistant", ""),
        ),
        tools=(TOOL,),
    )
    _, server = ask(
        always(answer(delta("stop", content="Hi"))),
        request,
        temperature=0.5,
        max_tokens=99,
        extra_body={"top_k": 3},
    )
    body = server.requests[0]
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "t1",
                    "type": "function",
                    "function": {"name": "look_up", "arguments": '{"day": "monday"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "free"},
    ]
    assert body["tools"][0]["function"]["name"] == "end_call"
    assert (body["temperature"], body["max_tokens"], body["top_k"]) == (0.5, 99, 3)
    assert body["stream"] is True
    assert f"authorization: bearer {KEY}" in server.headers[0].lower()


def test_tools_can_be_kept_from_a_model_that_cannot_use_them() -> None:
    _, server = ask(
        always(answer(delta("stop", content="Hi"))),
        ReplyRequest(ASK.messages, tools=(TOOL,)),
        tools=False,
    )
    assert "tools" not in server.requests[0]


def test_a_local_server_needs_no_key() -> None:
    events, _ = ask(always(answer(delta("stop", content="Hi"))), api_key=None)
    assert text(events) == "Hi"


def test_openai_itself_needs_a_key() -> None:
    with pytest.raises(ValidationError, match="OPENAI_API_KEY"):
        OpenAIOptions(model="m")


# ---- what comes back ----------------------------------------------------------------------------


def test_text_and_usage() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    events, _ = ask(
        always(
            answer(
                delta(role="assistant"), delta(content="Hel"), delta("stop", content="lo"), usage
            )
        )
    )
    assert events == [TextDelta("Hel"), TextDelta("lo"), Usage(7, 2)]


def _function(**fields: Any) -> dict[str, Any]:
    return {"function": fields}


def test_a_tool_call_in_fragments() -> None:
    events, _ = ask(
        always(
            answer(
                delta(content="Bye."),
                delta(tool_calls=[{"index": 0, "id": "a", **_function(name="f", arguments="")}]),
                delta(tool_calls=[{"index": 0, **_function(arguments='{"x":')}]),
                delta(tool_calls=[{"index": 0, **_function(arguments=" 1}")}]),
                delta(tool_calls=[{"index": 1, "id": "b", **_function(name="g", arguments="{}")}]),
                delta("tool_calls"),
            )
        )
    )
    assert events == [TextDelta("Bye."), ToolCall("a", "f", {"x": 1}), ToolCall("b", "g", {})]


@pytest.mark.parametrize(
    "calls",
    [
        [[_function(name="f", arguments='{"x": 1}')], [_function(name="g", arguments="")]],
        [
            [{"index": 0, **_function(name="f", arguments='{"x": 1}')}],
            [{"index": 0, **_function(name="g", arguments="{}")}],
        ],
        [
            [
                {"id": "", **_function(name="f", arguments={"x": 1})},
                _function(name="g", arguments=None),
            ]
        ],
    ],
    ids=["neither id nor index", "every index 0", "arguments as an object, all in one delta"],
)
def test_whole_tool_calls_from_lenient_servers(calls: list[list[dict[str, Any]]]) -> None:
    events, _ = ask(always(answer(*(delta(tool_calls=c) for c in calls), delta("stop"))))
    assert [(e.name, e.arguments) for e in events if isinstance(e, ToolCall)] == [
        ("f", {"x": 1}),
        ("g", {}),
    ]
    assert all(e.id for e in events if isinstance(e, ToolCall))


def test_empty_choices_and_unknown_fields_are_passed_over() -> None:
    events, _ = ask(
        always(
            answer(
                {"choices": []},
                {"choices": None, "x_groq": {"id": 1}},
                delta(content="Hi", reasoning="hm", refusal=None) | {"novel": [1]},
                delta("stop"),
            )
        )
    )
    assert events == [TextDelta("Hi")]


def test_a_slow_drip_arrives_whole() -> None:
    whole = answer(delta(content="Hel"), delta("stop", content="lo"))
    events, _ = ask(send_each(bytes([byte]) for byte in whole))
    assert text(events) == "Hello"


def test_connections_are_kept_from_turn_to_turn_and_shared_by_calls() -> None:
    with (
        ChatServer([always(answer(delta("stop", content="Hi")))]) as server,
        model(server.url) as one,
    ):
        two = offhook_create_llm(one._options, CALL)
        for llm in (one, two, one):
            assert text(list(llm.reply(ASK))) == "Hi"
        two.close()
        two.close()
        assert text(list(one.reply(ASK))) == "Hi"
    assert len(server.requests) == 4
    assert server.connections == 1


# ---- faults -------------------------------------------------------------------------------------


def _drop_mid_stream(connection: Any) -> None:
    connection.send(HEAD + event(delta(content="Hel")))
    connection.drop()


def _end_without_a_reason(connection: Any) -> None:
    connection.send(HEAD.replace(b"Transfer-Encoding: chunked", b"Connection: close"))
    connection.send(b"data: " + b'{"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n')
    connection.drop()


LEAKY = {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}
NO_CREDIT = {"message": "x", "code": "insufficient_quota"}
BROKEN_CALL = {"index": 0, **_function(name="f", arguments="{")}
FAULTS: dict[str, tuple[Any, type[ProviderError], str]] = {
    "401": (always(refusal(401, LEAKY)), ProviderRefused, "check api_key"),
    "400": (always(refusal(400, {"message": f"bad {KEY} field"})), ProviderRefused, "bad"),
    "404": (always(refusal(404, {"message": "no such model"})), ProviderRefused, "such model"),
    "408": (always(refusal(408)), ProviderTimeout, "in time"),
    "429": (always(refusal(429)), ProviderUnavailable, "too many requests"),
    "no credit": (always(refusal(429, NO_CREDIT)), ProviderRefused, "credit"),
    "500": (always(refusal(500)), ProviderUnavailable, "HTTP 500"),
    "closed before headers": (lambda c: c.drop(), ProviderUnavailable, "broke off"),
    "closed mid-stream": (_drop_mid_stream, ProviderUnavailable, "broke off"),
    "ended without a reason": (_end_without_a_reason, ProviderUnavailable, "broke off"),
    "no JSON": (
        always(answer(delta(content="Hel"), "{nonsense")),
        ProviderUnavailable,
        "unreadable",
    ),
    "no HTTP": (always(b"what?\r\n\r\n"), ProviderUnavailable, "broke off"),
    "error in the stream": (
        always(answer({"error": {"message": f"overloaded {KEY}"}})),
        ProviderUnavailable,
        "overloaded",
    ),
    "broken arguments": (
        always(answer(delta("tool_calls", tool_calls=[BROKEN_CALL]))),
        ProviderUnavailable,
        "unreadable",
    ),
}


@pytest.mark.parametrize(("script", "expected", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_named_and_tell_no_secret(
    script: Any, expected: type[ProviderError], words: str
) -> None:
    with pytest.raises(expected, match=words) as caught:
        ask(script)
    assert type(caught.value) is expected
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def _silent(before: bytes) -> Callable[[Any], None]:
    def script(connection: Any) -> None:
        connection.send(before)
        connection.silence()

    return script


SILENCES = {
    "before headers": b"",
    "after headers": HEAD,
    "in the middle": HEAD + event(delta(content="Hel")),
}


@pytest.mark.parametrize("before", SILENCES.values(), ids=SILENCES.keys())
def test_a_silent_server_times_out(before: bytes) -> None:
    with pytest.raises(ProviderTimeout, match="in time"):
        ask(_silent(before), timeout_seconds=0.2)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        model(f"http://127.0.0.1:{port}/v1") as llm,
        pytest.raises(ProviderUnavailable, match="could not be reached"),
    ):
        list(llm.reply(ASK))


def test_another_try_mends_a_passing_fault() -> None:
    good = always(answer(delta("stop", content="Hi")))
    busy = always(refusal(429, headers="Retry-After: 0\r\n"))
    for bad in (busy, lambda c: c.drop()):
        events, server = ask([bad, good], max_retries=1)
        assert text(events) == "Hi"
        assert len(server.requests) == 2


def test_what_has_been_said_is_not_said_twice() -> None:
    with pytest.raises(ProviderUnavailable):
        ask([_drop_mid_stream, always(answer(delta("stop", content="Hi")))], max_retries=1)


def test_a_refusal_is_not_tried_again() -> None:
    with ChatServer([always(refusal(401))]) as server, model(server.url, max_retries=1) as llm:
        with pytest.raises(ProviderRefused):
            list(llm.reply(ASK))
        assert len(server.requests) == 1


# ---- cancelling ---------------------------------------------------------------------------------


@contextmanager
def iterating(reply: Any) -> Iterator[list[ReplyEvent]]:
    """Iterate on a thread of its own; on exit it must have ended, without an exception."""
    events: list[ReplyEvent] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            for item in reply:
                events.append(item)  # noqa: PERF402 (a partial result must be seen)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="reply")
    thread.start()
    yield events
    # Far below the 30 s for which the server (or nobody) would keep it waiting.
    thread.join(10)
    assert not thread.is_alive()
    assert errors == []


@pytest.mark.parametrize("before", SILENCES.values(), ids=SILENCES.keys())
@pytest.mark.parametrize("by", ["cancel", "close"])
def test_cancelling_frees_a_reader_from_a_silent_server(before: bytes, by: str) -> None:
    with ChatServer([_silent(before)]) as server, model(server.url, timeout_seconds=30) as llm:
        reply = llm.reply(ASK)
        with iterating(reply) as events:
            assert server.silent.acquire(timeout=10)
            reply.cancel() if by == "cancel" else llm.close()
            assert server.broken_off.acquire(timeout=10)
        assert text(events) in ("", "Hel")
        reply.cancel()


def test_cancelling_frees_a_reader_on_a_kept_connection() -> None:
    scripts = [always(answer(delta("stop", content="Hi"))), _silent(b"")]
    with ChatServer(scripts) as server, model(server.url, timeout_seconds=30) as llm:
        assert text(list(llm.reply(ASK))) == "Hi"
        reply = llm.reply(ASK)
        with iterating(reply):
            assert server.silent.acquire(timeout=10)
            reply.cancel()
        assert server.connections == 1


def test_after_a_cancel_the_next_reply_works() -> None:
    scripts = [_silent(HEAD), always(answer(delta("stop", content="Hi")))]
    with ChatServer(scripts) as server, model(server.url, timeout_seconds=30) as llm:
        reply = llm.reply(ASK)
        with iterating(reply):
            assert server.silent.acquire(timeout=10)
            reply.cancel()
        assert text(list(llm.reply(ASK))) == "Hi"


def test_a_late_cancel_does_not_touch_the_connection_others_use() -> None:
    good = always(answer(delta("stop", content="Hi")))
    with ChatServer([good]) as server, model(server.url) as llm:
        first = llm.reply(ASK)
        list(first)
        first.cancel()
        assert text(list(llm.reply(ASK))) == "Hi"
        assert server.connections == 1


def test_cancelled_before_it_began() -> None:
    with ChatServer([always(answer(delta("stop", content="Hi")))]) as server:
        with model(server.url) as llm:
            reply = llm.reply(ASK)
            reply.cancel()
            assert list(reply) == []
        assert server.requests == []


def test_cancelled_in_the_middle_it_yields_nothing_more() -> None:
    script = always(answer(delta(content="Hel"), delta("stop", content="lo")))
    with ChatServer([script]) as server, model(server.url) as llm:
        reply = llm.reply(ASK)
        pieces = iter(reply)
        assert next(pieces) == TextDelta("Hel")
        reply.cancel()
        assert list(pieces) == []


def test_cancelled_while_it_waits_for_another_try() -> None:
    refused = threading.Event()

    def busy(connection: Any) -> None:
        connection.send(refusal(429, headers="Retry-After: 1\r\n"))
        refused.set()

    with ChatServer([busy]) as server, model(server.url, max_retries=1) as llm:
        reply = llm.reply(ASK)
        with iterating(reply):
            assert refused.wait(10)
            reply.cancel()
        assert len(server.requests) == 1


def test_cancelled_while_it_connects() -> None:
    # A listener whose queue is full answers no SYN: the connect hangs as with a dead host.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address)
            with model(f"http://127.0.0.1:{address[1]}/v1", timeout_seconds=60) as llm:
                reply = llm.reply(ASK)
                with iterating(reply):
                    reply.cancel()
        finally:
            for filler in fillers:
                filler.close()


def test_cancelled_while_it_looks_up_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = threading.Event(), threading.Event()
    look_up = socket.getaddrinfo

    def slow(host: Any, *rest: Any) -> Any:
        if host != "slow.test":
            return look_up(host, *rest)
        if socket.AI_NUMERICHOST in rest:
            raise socket.gaierror("a name")
        asked.set()
        answered.wait(30)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with model("http://slow.test/v1", timeout_seconds=60) as llm:
        reply = llm.reply(ASK)
        with iterating(reply):
            assert asked.wait(10)
            reply.cancel()
    answered.set()
    for thread in threading.enumerate():
        if thread.name == "offhook-openai-lookup":
            thread.join(10)


def test_cancelled_in_the_tls_handshake() -> None:
    # This server accepts and never says a word, so the handshake never ends.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with model(f"https://127.0.0.1:{port}/v1", timeout_seconds=60) as llm:
            reply = llm.reply(ASK)
            with iterating(reply):
                peer, _ = listener.accept()
                with peer:
                    assert peer.recv(5)
                    reply.cancel()


def test_an_unknown_host_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with (
        model("http://nowhere.test/v1") as llm,
        pytest.raises(ProviderUnavailable, match="no such host"),
    ):
        list(llm.reply(ASK))


def test_a_connection_is_made_without_a_line_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = Backend().connect_tcp("127.0.0.1", listener.getsockname()[1], timeout=5)
        peer, _ = listener.accept()
        with peer:
            assert stream.get_extra_info("is_readable") is False
            peer.sendall(b"x")
            assert stream.read(1, timeout=5) == b"x"
        Line().cancel()
        stream.close()
        assert stream.get_extra_info("is_readable") is True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": ""}, "model"),
        ({"model": "m", "base_url": "localhost"}, "base_url"),
        ({"model": "m", "api_key": "sk-inline"}, "must not stand in a file"),
        ({"model": "m", "base_url": "http://x", "temprature": 1}, "temprature"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        OpenAIOptions(**options)
