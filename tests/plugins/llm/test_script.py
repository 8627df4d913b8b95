"""The dialogue, through the plugin's door and as an engine would drive it."""

from __future__ import annotations

import threading
import tomllib
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from offhook.events import CallInfo, Message, ReplyRequest, TextDelta, ToolCall
from offhook_llm_script import matching, offhook_create_llm, offhook_plugin
from offhook_llm_script.model import ScriptModel
from offhook_llm_script.options import ScriptOptions

CALL = CallInfo("c1", "trattoria", "simulated", "CA1", "+14155550111", "+14155550100")
TRATTORIA = Path(__file__).parents[3] / "businesses" / "trattoria.toml"
WAYS = ["words", "auto"] if matching.embeddings_installed() else ["words"]


def trattoria(matching: str = "words") -> ScriptOptions:
    options = tomllib.loads(TRATTORIA.read_text(encoding="utf-8"))["options"]["llm"]["script"]
    return ScriptOptions.model_validate(options | {"matching": matching})


def script(**options: Any) -> ScriptOptions:
    return ScriptOptions.model_validate({"matching": "words", **options})


class Conversation:
    """Keeps the messages as the engine does."""

    def __init__(self, options: ScriptOptions, greeting: str = "Hello.") -> None:
        model = offhook_create_llm(options, CALL)
        assert isinstance(model, ScriptModel)
        self.model = model
        self.messages = [Message("system", "..."), Message("assistant", greeting)]
        self.calls: list[ToolCall] = []

    def ask(self, *more: Message) -> str:
        events = list(self.model.reply(ReplyRequest((*self.messages, *more))))
        self.calls = [event for event in events if isinstance(event, ToolCall)]
        return "".join(event.text for event in events if isinstance(event, TextDelta))

    def say(self, text: str, *, heard: int | None = None) -> str:
        """``heard``: how much of the answer the caller hears before barging in."""
        answer = self.ask(Message("user", text))
        kept = answer[:heard]
        self.messages += [Message("user", text), Message("assistant", kept, tuple(self.calls))]
        return answer


def test_the_plugin_describes_itself() -> None:
    info = offhook_plugin()
    assert (info.kind, info.name, info.requires) == ("llm", "script", ())
    assert "tools" in info.capabilities
    assert info.options is ScriptOptions


# ---- the demo's call ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_the_demo_reaches_its_goal(way: str) -> None:
    call = Conversation(trattoria(way))
    assert "Tuesday to Sunday" in call.say("Hi, what are your opening hours?", heard=60)
    assert "a table for four" in call.say("Sorry, can I book a table for four?")
    assert "name" in call.say("Tomorrow at seven")
    booked = call.say("My name is Anna")
    assert "Anna" in booked
    assert "four" in booked
    assert "tomorrow at 7 pm" in booked
    assert "Anna" in call.say("No that's all, thank you, goodbye")
    assert [(c.name, c.arguments) for c in call.calls] == [("end_call", {})]


@pytest.mark.parametrize("way", WAYS)
def test_the_demo_reaches_its_goal_through_a_recognizers_errors(way: str) -> None:
    call = Conversation(trattoria(way))
    assert "Tuesday to Sunday" in call.say("Hi what are your open in ours", heard=0)
    call.say("Sorry can I brook a table for for")
    call.say("to morrow at seven.")
    booked = call.say("My name is Ana.")
    assert "Ana. Your table for four is booked tomorrow at 7 pm" in booked
    call.say("No that's all. Thank you. Good bye.")
    assert [c.name for c in call.calls] == ["end_call"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("where are you", "Harbour Street"),
        ("What do you have on the menu?", "pasta"),
        ("do you have parking", "car park"),
        ("are you open on sunday?", "Tuesday to Sunday"),
        ("Hello?", "help you"),
        ("Yes please.", "help you"),
    ],
)
def test_questions_find_their_answers(way: str, said: str, answer: str) -> None:
    assert answer in Conversation(trattoria(way)).say(said)


@pytest.mark.parametrize("way", WAYS)
def test_what_matches_nothing_gets_varied_fallbacks(way: str) -> None:
    call = Conversation(trattoria(way))
    answers = [call.say(s) for s in ("the weather is awful", "blah blah", "my umbrella is blue")]
    assert answers[0] != answers[1]
    assert answers[2] == answers[0]


# ---- filling slots ------------------------------------------------------------------------------


def test_everything_at_once_needs_no_question() -> None:
    call = Conversation(trattoria())
    answer = call.say("Can I book a table for two tonight at eight, under the name Rossi?")
    assert "Wonderful, Rossi. Your table for two is booked today at 8 pm" in answer


def test_a_question_in_the_middle_is_answered_and_the_slot_asked_again() -> None:
    call = Conversation(trattoria())
    question = call.say("I want to book a table").rpartition(". ")[2]
    answer = call.say("Where are you?")
    assert "Harbour Street" in answer
    assert answer.endswith(question)
    assert answer.count("?") == 1


def test_a_correction_replaces_a_value() -> None:
    call = Conversation(trattoria())
    call.say("A table for two please")
    call.say("tomorrow, and actually make it five people")
    call.say("at eight")
    assert "table for five is booked tomorrow at 8 pm" in call.say("Anna")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "said",
    ["Sorry, can I both disable for four?", "for four people, tomorrow", "Can a contagil for 4?"],
)
def test_what_fills_a_slot_tells_what_is_wanted(way: str, said: str) -> None:
    assert "table for four" in Conversation(trattoria(way)).say(said)


def test_never_mind_leaves_the_intent() -> None:
    call = Conversation(trattoria())
    call.say("Book a table")
    assert "never mind" in call.say("Oh, never mind")
    assert "car park" in call.say("Is there parking?")


def test_the_same_question_is_not_asked_for_ever() -> None:
    call = Conversation(trattoria())
    call.say("Book a table")
    assert "how many" in call.say("mumble")
    assert "how many" in call.say("mumble")
    assert "didn't quite get that" in call.say("mumble")


def test_goodbye_ends_also_in_the_middle_of_a_booking() -> None:
    call = Conversation(trattoria())
    call.say("Book a table for two tomorrow at seven")
    call.say("Goodbye.")
    assert [c.name for c in call.calls] == ["end_call"]


def test_a_second_booking_asks_anew_but_knows_the_name() -> None:
    call = Conversation(trattoria())
    call.say("A table for two tomorrow at seven, my name is Anna")
    assert "a table for six" in call.say("I'd like to book another table for six")
    assert "Wonderful, Anna. Your table for six" in call.say("on Friday at eight")


# ---- what an engine does ------------------------------------------------------------------------


def test_a_turn_asked_again_with_more_words_is_answered_as_if_said_at_once() -> None:
    call = Conversation(trattoria())
    first = call.ask(Message("user", "Can I book a table"))
    assert "How many" in first
    again = call.ask(Message("user", "Can I book a table for four tomorrow"))
    assert "a table for four" in again
    assert "what time" in again


def test_an_answer_never_heard_does_not_matter() -> None:
    call = Conversation(trattoria())
    call.messages += [Message("user", "Can I book a table"), Message("user", "for four")]
    assert "which day" in call.say("please")


def test_replies_come_word_by_word_and_join_to_the_text() -> None:
    call = Conversation(trattoria())
    events = list(call.model.reply(ReplyRequest((Message("user", "Where are you?"),))))
    assert len(events) > 10
    assert all(isinstance(event, TextDelta) for event in events)


def test_without_the_callers_words_it_asks_for_them() -> None:
    assert Conversation(trattoria()).ask() == "How can I help you?"


def test_cancelled_it_says_nothing_more() -> None:
    call = Conversation(trattoria())
    reply = call.model.reply(ReplyRequest((Message("user", "goodbye"),)))
    pieces = iter(reply)
    next(pieces)
    reply.cancel()
    reply.cancel()
    assert list(pieces) == []
    call.model.close()


def test_cancelling_does_not_wait_for_the_model_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    never: Future[matching.Matcher] = Future()
    monkeypatch.setattr(matching, "load", lambda *_, **__: never)
    reply = Conversation(trattoria()).model.reply(ReplyRequest((Message("user", "hi"),)))
    events: list[Any] = []
    thread = threading.Thread(target=lambda: events.extend(reply))
    thread.start()
    reply.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert events == []


def test_a_broken_embedding_model_leaves_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no such file")

    monkeypatch.setattr(matching, "embeddings_installed", lambda: True)
    monkeypatch.setattr(matching, "_encoder", broken)
    matcher = matching.load({"a": ["an example nobody else has"]}).result(10)
    assert isinstance(matcher, matching.WordMatcher)
    assert matcher.match("something else") is None


def test_matchers_are_shared_by_calls() -> None:
    assert Conversation(trattoria()).model.matcher is Conversation(trattoria()).model.matcher


# ---- standing in for another model --------------------------------------------------------------


def test_without_a_dialogue_it_apologises_takes_a_message_and_says_goodbye() -> None:
    call = Conversation(script())
    assert "take a message" in call.say("What are your hours?")
    assert "noted" in call.say("Tell Lina that her brother called.")
    assert "Goodbye" in call.say("No, thank you.")
    assert [c.name for c in call.calls] == ["end_call"]


def test_stepping_in_late_it_takes_nothing_for_a_message_that_it_did_not_ask_for() -> None:
    call = Conversation(script())
    for said, answer in (("Hello", "Hi!"), ("A table for two", "When?"), ("At seven", "Sure.")):
        call.messages += [Message("user", said), Message("assistant", answer)]
    assert "take a message" in call.say("My name is Anna")
    assert "noted" in call.say("Please keep me a table at seven")


def test_an_offer_that_was_cut_off_still_counts() -> None:
    call = Conversation(script())
    call.messages.append(Message("user", "What are your hours?"))
    call.messages += [
        Message("assistant", "One moment, please."),
        Message("assistant", "I'm sorry, I"),
    ]
    assert "noted" in call.say("Tell Lina to ring me")


def test_its_fallback_can_be_written_in_the_file() -> None:
    call = Conversation(script(fallback="Our computer is ill. What shall I tell Lina?"))
    assert call.say("Hello there, a question") == "Our computer is ill. What shall I tell Lina?"


def test_a_message_can_be_asked_for() -> None:
    call = Conversation(trattoria())
    assert "pass on" in call.say("Can I leave a message?")
    assert "noted" in call.say("Tell Lina that her brother called")


# ---- confirming and acting ----------------------------------------------------------------------

RING_BACK = {
    "name": "ring_back",
    "examples": ["Can you ring me back?", "Please call me back"],
    "slots": {
        "phone": {"type": "phone", "ask": "On which number?"},
        "people": {"type": "number", "ask": "How many?"},
    },
    "confirm": "So {phone}, for {people}, is that right?",
    "replies": "We will ring {phone}.",
    "action": "ring_back",
    "arguments": {"number": "{phone}", "people": "{people}", "note": "from {from_number}", "n": 1},
    "after": ["The system says {result}."],
}


def _until_confirmed() -> Conversation:
    call = Conversation(script(intents=[RING_BACK]))
    call.say("Please ring me back")
    call.say("415 555 0100")
    assert call.say("four") == "So 4 1 5 5 5 5 0 1 0 0, for four, is that right?"
    return call


def test_yes_confirms_and_the_tool_gets_values() -> None:
    call = _until_confirmed()
    assert call.say("Yes, that's right") == "We will ring 4 1 5 5 5 5 0 1 0 0."
    assert [(c.name, dict(c.arguments)) for c in call.calls] == [
        (
            "ring_back",
            {"number": "4155550100", "people": 4, "note": "from +14155550111", "n": 1},
        )
    ]
    result = Message("tool", "done", tool_call_id=call.calls[0].id)
    assert call.ask(result) == "The system says done."
    assert call.calls == []


def test_no_begins_again_and_keeps_what_describes_the_caller() -> None:
    call = _until_confirmed()
    assert "How many?" in call.say("No, that's wrong")


def test_a_correction_is_confirmed_again() -> None:
    call = _until_confirmed()
    assert "for five, is that right?" in call.say("No, five people")
    assert "is that right?" in call.say("hm, the weather")
    assert "We will ring" in call.say("ok")


def test_a_transfer_names_its_number() -> None:
    transfer = {
        "name": "person",
        "examples": ["Let me talk to a person"],
        "replies": "One moment.",
        "action": "transfer_call",
        "arguments": {"to_number": "+14155550199"},
    }
    call = Conversation(script(intents=[transfer]))
    assert call.say("I want to talk to a person") == "One moment."
    assert call.calls == [ToolCall("script-1", "transfer_call", {"to_number": "+14155550199"})]
    assert call.ask(Message("tool", "ok", tool_call_id="script-1")) == ""


def test_a_reply_with_a_slot_that_is_unknown_is_passed_over() -> None:
    call = Conversation(trattoria())
    assert call.say("Goodbye") == "Thank you for calling Trattoria Lina. Arrivederci!"


# ---- what may be written ------------------------------------------------------------------------

OK = {"name": "a", "examples": ["x"], "replies": "y"}


@pytest.mark.parametrize(
    ("intents", "words"),
    [
        ([{**OK, "example": "x"}], "example"),
        ([{"name": "a", "examples": [], "replies": "y"}], "examples"),
        ([{"name": "a", "examples": ["x"]}], "needs replies, an action, or both"),
        ([OK, OK], "two intents are called 'a'"),
        ([{**OK, "replies": "hello {nam}"}], r"names \{nam\}.*no intent has such a slot"),
        ([{**OK, "replies": "hello {"}], "lone brace"),
        ([{**OK, "replies": "hello {0}"}], "no slot's name"),
        ([{**OK, "action": "transfer"}], "is called 'transfer_call'"),
        ([{**OK, "action": "transfer_call"}], "to_number"),
        ([{**OK, "arguments": {"a": 1}}], "belong to an action"),
        ([{**OK, "after": "done"}], "after belongs"),
        ([{**OK, "slots": {"x": {"type": "choice", "ask": "?"}}}], "values"),
        ([{**OK, "slots": {"x": {"type": "number", "ask": "?", "between": "1:00-2:00"}}}], "span"),
        (
            [{**OK, "slots": {"x": {"type": "date", "ask": "?", "between": "01:00-02:00"}}}],
            "between",
        ),
        ([{**OK, "slots": {"x": {"type": "date", "ask": "?", "max": 2}}}], "min and max"),
        ([{**OK, "slots": {"x": {"type": "data", "ask": "?"}}}], "type"),
        ([{**OK, "slots": {"result": {"type": "text", "ask": "?"}}}], "cannot be a slot's name"),
        (
            [
                {**OK, "replies": "bye {who}"},
                {**OK, "name": "b", "slots": {"who": {"type": "name", "ask": "?"}}},
            ],
            "add a reply without it",
        ),
    ],
)
def test_mistakes_in_the_file_are_named(intents: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        script(intents=intents)


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(ValidationError, match="Europe/Rome"):
        script(timezone="Mars")
    assert Conversation(script(timezone="Europe/Rome")).ask()
