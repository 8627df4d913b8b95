"""What a business file may write under ``[options.llm.script]``."""

from __future__ import annotations

import string
from collections.abc import Iterable
from datetime import time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from offhook.config import one_or_more
from offhook.config.business import parse_span

END_CALL = "end_call"
TRANSFER = "transfer_call"
CALLER_SLOTS = ("name", "phone")
"""Slot types that describe the caller, not the request: kept when an intent begins anew."""

_MISTAKEN_ACTIONS = {"transfer": TRANSFER, "hangup": END_CALL, "hang_up": END_CALL, "end": END_CALL}
_CALL_VARIABLES = frozenset({"result", "from_number", "to_number"})


def placeholders(template: str) -> set[str]:
    """The names in braces of a template. Raises ValueError, with the mend, if it is broken."""
    try:
        names = {
            field for _, field, _, _ in string.Formatter().parse(template) if field is not None
        }
    except ValueError:
        raise ValueError(
            f"{template!r} has a lone brace: write {{slot}}, or {{{{ for a brace"
        ) from None
    for name in names:
        if not name.isidentifier():
            raise ValueError(f"{{{name}}} in {template!r} is no slot's name: write {{people}}, say")
    return names


def _template(text: str) -> str:
    placeholders(text)
    return text


def _zone(value: str) -> str:
    try:
        if value:
            ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone; write one such as Europe/Rome") from None
    return value


Template = Annotated[str, Field(min_length=1), AfterValidator(_template)]
Templates = Annotated[tuple[Template, ...], BeforeValidator(one_or_more)]
"""One text or several; several are said in turn, so that the agent does not repeat itself."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Slot(_Model):
    """Something the agent must learn before an intent is done."""

    type: Literal["number", "time", "date", "name", "phone", "choice", "text"]
    ask: Templates = Field(min_length=1, description="the question that is asked for it")
    retry: Templates = Field((), description="said when the answer was not understood")
    values: tuple[str, ...] = Field((), description="what a choice is chosen from")
    min: int | None = Field(None, description="smallest number that is accepted")
    max: int | None = Field(None, description="largest number that is accepted")
    between: str = Field("", description="times that are accepted, such as 12:00-23:00")

    @field_validator("between")
    @classmethod
    def _span(cls, value: str) -> str:
        if value:
            parse_span(value)
        return value

    @model_validator(mode="after")
    def _fits_its_type(self) -> Slot:
        if (self.type == "choice") != bool(self.values):
            raise ValueError(
                "values = [...] belongs to a slot of type choice, and a choice needs it"
            )
        if self.between and self.type != "time":
            raise ValueError("between belongs to a slot of type time")
        if (self.min is not None or self.max is not None) and self.type != "number":
            raise ValueError("min and max belong to a slot of type number")
        return self

    @property
    def span(self) -> tuple[time, time] | None:
        return parse_span(self.between) if self.between else None


class Intent(_Model):
    """One thing a caller may want: how it sounds, what must be learnt, what is answered."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    examples: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = Field(
        min_length=1, description="sentences a caller might say; five are better than one"
    )
    opening: Templates = Field((), description="said before the first question")
    slots: dict[str, Slot] = Field({}, description="what must be learnt, in the order of asking")
    confirm: Templates = Field((), description="a yes-or-no question once all slots are known")
    replies: Templates = Field((), description="the answer, once all slots are known")
    action: str = Field("", description="a tool to call then: end_call, transfer_call or another")
    arguments: dict[str, Any] = Field({}, description="the tool's arguments; texts may name slots")
    after: Templates = Field((), description="said once the tool has answered; may name {result}")

    @field_validator("slots")
    @classmethod
    def _slot_names(cls, slots: dict[str, Slot]) -> dict[str, Slot]:
        for name in slots:
            if not name.isidentifier() or name in _CALL_VARIABLES:
                raise ValueError(f"{name!r} cannot be a slot's name: use letters, such as people")
        return slots

    @model_validator(mode="after")
    def _complete(self) -> Intent:
        if not self.replies and not self.action:
            raise ValueError(f"intent {self.name!r} needs replies, an action, or both")
        if mend := _MISTAKEN_ACTIONS.get(self.action):
            raise ValueError(f"action {self.action!r} is called {mend!r}: write that")
        if self.action == TRANSFER and not self.arguments.get("to_number"):
            raise ValueError('transfer_call needs arguments = { to_number = "+14155550199" }')
        if self.arguments and not self.action:
            raise ValueError("arguments belong to an action: name the tool")
        if self.after and self.action in ("", END_CALL, TRANSFER):
            raise ValueError("after belongs to an action that returns something to the agent")
        return self

    def templates(self) -> Iterable[str]:
        """Every text of the intent that may name slots."""
        for slot in self.slots.values():
            yield from (*slot.ask, *slot.retry)
        yield from (*self.opening, *self.confirm, *self.replies, *self.after)
        yield from (value for value in self.arguments.values() if isinstance(value, str))


class Phrases(_Model):
    """What the agent says when the conversation is off its path."""

    again: Templates = Field(("Sorry, I didn't catch that.",), min_length=1)
    restart: Templates = Field(("Sorry about that, let's go through it again.",), min_length=1)
    dropped: Templates = Field(
        ("All right, never mind. What else can I do for you?",), min_length=1
    )
    go_on: Templates = Field(("How can I help you?", "What can I do for you?"), min_length=1)
    goodbye: Templates = Field(("Thank you for calling. Goodbye!",), min_length=1)
    ask_message: Templates = Field(("Of course. What would you like me to pass on?",), min_length=1)
    message_taken: Templates = Field(
        ("Thank you, I have noted that down. Is there anything else?",), min_length=1
    )


class ScriptOptions(_Model):
    """The dialogue. Without intents the agent apologises, takes a message and says goodbye.

    Number, date, time, name, yes and no are understood in English; choices, texts, digits and the
    matching of examples work in any language (with embeddings, best in English).
    """

    intents: tuple[Intent, ...] = ()
    fallback: Templates = Field(
        (), description="said when nothing matches; by default an apology and an offer"
    )
    yes: tuple[str, ...] = Field((), description="further words for yes")
    no: tuple[str, ...] = Field((), description="further words for no")
    phrases: Phrases = Phrases()
    matching: Literal["auto", "words"] = Field(
        "auto", description="auto: by embeddings if their packages are installed, else by words"
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "", description="where today is today, such as Europe/Rome; empty: this machine's"
    )

    @model_validator(mode="after")
    def _consistent(self) -> ScriptOptions:
        names = [intent.name for intent in self.intents]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two intents are called {sorted(twice)[0]!r}: rename one")
        known = {slot for intent in self.intents for slot in intent.slots} | _CALL_VARIABLES
        for intent in self.intents:
            self._check_texts(intent, known)
        return self

    def _check_texts(self, intent: Intent, known: set[str]) -> None:
        for template in intent.templates():
            if strange := placeholders(template) - known:
                raise ValueError(
                    f"intent {intent.name!r} names {{{sorted(strange)[0]}}} in {template!r}, and "
                    "no intent has such a slot: add the slot or mend the name"
                )
        own = set(intent.slots) | _CALL_VARIABLES
        if intent.replies and all(placeholders(reply) - own for reply in intent.replies):
            raise ValueError(
                f"every reply of intent {intent.name!r} names a slot of another intent, which may "
                "be unknown: add a reply without it"
            )
