"""The conversation: replayed from the caller's words each time, so that it keeps no state.

A turn can be cancelled and asked again with more words, an answer can be cut by a barge-in: whoever
replays everything the caller has said cannot be led astray by that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from offhook.events import Message
from offhook_llm_script.matching import Match
from offhook_llm_script.memory import Memory
from offhook_llm_script.options import END_CALL, Intent, ScriptOptions, Slot
from offhook_llm_script.text import DROP, Polarity, normalize

CONFIRM = "?"
"""Stands for the question whether everything is right, where a slot's name would stand."""
_MOST_MISSES = 3
_GOODBYES = (
    "Goodbye.",
    "Bye, thank you.",
    "No, that's all, thank you.",
    "That would be all.",
    "Nothing else, have a nice day.",
    "Thanks for your help, goodbye.",
)
_MESSAGES = (
    "Can I leave a message?",
    "Could you take a message?",
    "Please tell them something from me.",
    "Can someone call me back?",
    "I want to speak to a person.",
)
_OFFERS = (
    "I'm sorry, I didn't understand that. Could you say it another way?",
    "I'm sorry, I can't help with that. Would you like to leave a message?",
)
_APOLOGY = (
    "I'm sorry, I can't help you with that right now, but I can take a message. "
    "What would you like me to pass on?"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent says, and the tool it then calls."""

    text: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] | None = None
    after: tuple[str, ...] = ()


def intents_of(options: ScriptOptions) -> dict[str, Intent]:
    """The file's intents, and those every dialogue needs: to say goodbye and to take a message."""
    intents = {intent.name: intent for intent in options.intents}
    phrases = options.phrases
    if "message" not in intents:
        ask = options.fallback or (_APOLOGY,)
        slot = Slot(type="text", ask=phrases.ask_message if intents else ask)
        intents["message"] = Intent(
            name="message",
            examples=_MESSAGES,
            slots={"message": slot},
            replies=phrases.message_taken,
        )
    if all(intent.action != END_CALL for intent in intents.values()):
        intents["goodbye"] = Intent(
            name="goodbye", examples=_GOODBYES, replies=phrases.goodbye, action=END_CALL
        )
    return intents


class Dialogue:
    """One replay of a conversation. ``match`` finds the intent of a normalized sentence."""

    def __init__(
        self,
        options: ScriptOptions,
        match: Callable[[str], Match | None],
        today: date,
        variables: Mapping[str, str],
    ) -> None:
        self._options = options
        self._intents = intents_of(options)
        self._ending = next(i for i in self._intents.values() if i.action == END_CALL)
        self._match = match
        self._memory = Memory(today, variables)
        self._polarity = Polarity(options.yes, options.no)
        self._intent: Intent | None = None
        self._asked = ""
        self._misses = 0

    def replay(self, messages: Sequence[Message]) -> Answer:
        """The answer to the last thing in ``messages``: the caller's words or a tool's result."""
        answer = Answer()
        heard: list[str] = []
        for message in messages:
            if message.role == "user":
                self._forget_unheard(answer.text, heard)
                answer = self._hear(normalize(message.text))
                heard = []
            elif message.role == "assistant":
                heard.append(message.text)
        if all(message.role != "user" for message in messages):
            return Answer(self._memory.say(self._options.phrases.go_on))
        if messages[-1].role == "tool":
            return Answer(self._memory.say(answer.after, {"result": messages[-1].text}))
        return answer

    def _forget_unheard(self, question: str, heard: Sequence[str]) -> None:
        # Somebody else may have spoken for the agent until now (this plugin steps in for others),
        # and any words at all would pass for a message that was never asked for.
        if self._asked_type == "text" and not _was_heard(question, heard):
            self._intent = None

    @property
    def _asked_type(self) -> str:
        slot = self._intent.slots.get(self._asked) if self._intent else None
        return slot.type if slot else ""

    # ---- one thing the caller said ----------------------------------------------------------

    def _hear(self, text: str) -> Answer:
        if self._intent is not None:
            return self._go_on(self._intent, text)
        if self._polarity.is_only_no(text):
            return self._begin(self._ending, text)
        if self._polarity.is_only_yes(text):
            return Answer(self._memory.say(self._options.phrases.go_on))
        found = self._match(text)
        if found is None or not found.sure:
            guessed = self._by_slots(text, fewest=2 if found else 1)
            if guessed is not None:
                return self._begin(guessed, text)
        return self._begin(self._intents[found.intent], text) if found else self._lost()

    def _by_slots(self, text: str, *, fewest: int) -> Intent | None:
        """The intent that what was said would fill: "... for four, tomorrow" is a booking, however
        badly the rest was heard. None if fewer slots are filled, or two intents compete."""
        filled = {name: self._memory.count(intent, text) for name, intent in self._intents.items()}
        best, *others = sorted(filled, key=lambda name: -filled[name])
        if filled[best] < fewest or any(filled[name] == filled[best] for name in others):
            return None
        return self._intents[best]

    def _go_on(self, intent: Intent, text: str) -> Answer:
        if DROP.search(text):
            self._intent = None
            return Answer(self._memory.say(self._options.phrases.dropped))
        if self._asked == CONFIRM:
            return self._settle(intent, text)
        found = self._match(text) if text else None
        other = self._intents[found.intent] if found and found.intent != intent.name else None
        if other and found and found.sure and self._asked_type in ("name", "text", "choice"):
            return self._turn_aside(intent, other, text)
        if self._memory.learn(intent, text, self._asked):
            return self._next(intent)
        if other:
            return self._turn_aside(intent, other, text)
        if found:
            return self._next(intent)
        return self._miss(intent)

    def _settle(self, intent: Intent, text: str) -> Answer:
        agreed = self._polarity.of(text)
        if agreed is not True and self._memory.learn(intent, text, self._asked, correcting=True):
            return self._next(intent)
        if agreed:
            return self._complete(intent)
        if agreed is None:
            return self._miss(intent)
        self._memory.forget(intent)
        return self._next(intent, self._memory.say(self._options.phrases.restart))

    def _turn_aside(self, intent: Intent, other: Intent, text: str) -> Answer:
        if other.slots or other.action:
            return self._begin(other, text)
        return self._next(intent, _without_question(self._memory.say(other.replies)))

    def _begin(self, intent: Intent, text: str) -> Answer:
        self._intent, self._asked, self._misses = intent, "", 0
        self._memory.forget(intent)
        self._memory.learn(intent, text, self._asked)
        return self._next(
            intent, self._memory.say(intent.opening) if self._memory.missing(intent) else ""
        )

    def _next(self, intent: Intent, lead: str = "") -> Answer:
        self._misses = 0
        missing = self._memory.missing(intent)
        if missing is None and not intent.confirm:
            return self._complete(intent)
        self._asked = missing or CONFIRM
        question = intent.slots[missing].ask if missing else intent.confirm
        return Answer(_join(lead, self._memory.say(question)))

    def _complete(self, intent: Intent) -> Answer:
        self._intent = None
        arguments = {key: self._memory.argument(value) for key, value in intent.arguments.items()}
        return Answer(self._memory.say(intent.replies), intent.action, arguments, intent.after)

    def _miss(self, intent: Intent) -> Answer:
        self._misses += 1
        if self._misses >= _MOST_MISSES:
            self._intent = None
            return self._lost()
        slot = intent.slots.get(self._asked)
        if slot and slot.retry:
            return Answer(self._memory.say(slot.retry))
        question = slot.ask if slot else intent.confirm
        return Answer(
            _join(self._memory.say(self._options.phrases.again), self._memory.say(question))
        )

    def _lost(self) -> Answer:
        if not self._options.intents:
            return self._begin(self._intents["message"], "")
        return Answer(self._memory.say(self._options.fallback or _OFFERS))


def _was_heard(question: str, heard: Sequence[str]) -> bool:
    # A barge-in leaves only the beginning of what was said, and other sentences may precede it.
    start = question[:12]
    return start in " ".join(heard) or any(
        text.strip() and question.startswith(text.strip()) for text in heard
    )


def _without_question(text: str) -> str:
    # Two questions in a row would leave the caller to guess which one to answer.
    return re.sub(r"(?<=[.!?]) [^.!?]*\?$", "", text)


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)
