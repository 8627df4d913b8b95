"""The business file as frozen models: who answers, how it talks, and through which plugins."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import phonenumbers
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

PluginKind = Literal["telephony", "stt", "llm", "tts"]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", examples=["en-GB"])]


def normalize_number(value: str) -> str | None:
    """The number in E.164 (``+14155550100``), or None if it is no international number."""
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _e164(value: str) -> str:
    number = normalize_number(value)
    if number is None:
        raise ValueError("a phone number must be international, such as +14155550100")
    return number


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone; write one such as Europe/Rome") from None
    return value


def _opening(value: str) -> str:
    opens, closes = parse_span(value)
    if opens == closes:
        raise ValueError(f"{value!r} opens and closes at once; write 00:00-24:00 for all day")
    return value


def one_or_more(value: object) -> object:
    """For ``BeforeValidator`` on a tuple: one string may stand for a list of one."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


PhoneNumber = Annotated[str, AfterValidator(_e164)]
Span = Annotated[str, AfterValidator(_opening)]
PluginNames = Annotated[tuple[str, ...], BeforeValidator(one_or_more), Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Turns(_Model):
    """Turn-taking: how the agent knows that the caller speaks, and is done."""

    vad: Literal["silero", "energy", "stt"] = Field(
        "silero", description="what finds speech: a model, loudness, or the recognizer's events"
    )
    endpoint_ms: int = Field(
        600, ge=100, le=5000, description="silence after which the caller's turn is over"
    )
    pause_ms: int = Field(
        250, ge=60, le=2000, description="silence after which the recognizer is asked for a final"
    )
    final_timeout_ms: int = Field(
        3000, ge=200, le=20000, description="how long the recognizer may take for its final"
    )


class BargeIn(_Model):
    """What happens when the caller speaks while the agent does."""

    enabled: bool = True
    min_speech_ms: int = Field(
        100, ge=20, le=2000, description="speech shorter than this does not interrupt"
    )
    greeting: bool = Field(True, description="whether the greeting can be interrupted")


class Limits(_Model):
    """Bounds of a call and of the business."""

    max_call_seconds: float = Field(900, gt=0, le=14400)
    silence_seconds: float = Field(
        8, gt=0, le=120, description="silence of both sides after which the agent asks"
    )
    concurrent_calls: int = Field(10, ge=1)
    stall_seconds: float = Field(
        8, gt=0, le=60, description="how long a vendor may be silent before it counts as stalled"
    )


class Phrases(_Model):
    """Fixed sentences, synthesized ahead and kept."""

    silence: tuple[str, ...] = Field(
        ("Are you still there?",), description="said one after the other as silence goes on"
    )
    silence_goodbye: str = "I can't hear you, so I'll hang up now. Goodbye."
    hold_on: str = Field("One moment, please.", description="said when a vendor stalls or fails")
    again: str = Field(
        "Sorry, could you say that again?", description="said when the recognizer lost the words"
    )
    failure: str = "I'm sorry, I'm having technical trouble. Please call again later. Goodbye."
    time_up: str = "I'm sorry, we have to end the call here. Goodbye."
    closed: str = (
        "We are closed at the moment. Please call again during our opening hours. Goodbye."
    )


class Recording(_Model):
    """Whether calls are recorded, and what the caller is told."""

    enabled: bool = False
    consent: str = Field("", description="said before the greeting when recording is on")


class Hours(_Model):
    """Opening hours in the business's time zone; a day that is not named is closed.

    A span that closes before it opens (``18:00-02:00``) ends on the next day.
    """

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    mon: tuple[Span, ...] = ()
    tue: tuple[Span, ...] = ()
    wed: tuple[Span, ...] = ()
    thu: tuple[Span, ...] = ()
    fri: tuple[Span, ...] = ()
    sat: tuple[Span, ...] = ()
    sun: tuple[Span, ...] = ()
    # ``closed_calls`` keeps the decision in the file: many agents answer day and night.
    closed_calls: Literal["answer", "message"] = Field(
        "message", description="outside the hours: answer all the same, or say the closed phrase"
    )


class Options(_Model):
    """Options per plugin: ``[options.stt.deepgram]``; each table goes to that plugin's model."""

    telephony: dict[str, dict[str, Any]] = {}
    stt: dict[str, dict[str, Any]] = {}
    llm: dict[str, dict[str, Any]] = {}
    tts: dict[str, dict[str, Any]] = {}


class Business(_Model):
    """One business file, ``businesses/<id>.toml``.

    Each kind names one plugin, or several in the order in which they step in for each other.
    """

    name: str = Field(min_length=1)
    numbers: tuple[PhoneNumber, ...] = Field(
        min_length=1, description="numbers whose calls this business answers, as +14155550100"
    )
    language: Language = "en"
    greeting: str = Field("", description="the agent's first words; may name {variables}")
    prompt: str = Field("", description="what the language model is told; may name {variables}")

    telephony: PluginNames = ("simulated",)
    stt: PluginNames = ("local",)
    llm: PluginNames = ("script",)
    tts: PluginNames = ("local",)

    options: Options = Options()
    turns: Turns = Turns()
    barge_in: BargeIn = BargeIn()
    limits: Limits = Limits()
    phrases: Phrases = Phrases()
    recording: Recording = Recording()
    hours: Hours | None = None


def parse_span(span: str) -> tuple[time, time]:
    """Read ``09:00-17:30``; an end of ``24:00`` gives ``time.max``. Raises ValueError."""
    opens, _, closes = (part.strip() for part in span.partition("-"))
    try:
        times = (
            time.fromisoformat(opens),
            time.max if closes == "24:00" else time.fromisoformat(closes),
        )
        if any(moment.tzinfo for moment in times):
            raise ValueError
    except ValueError:
        raise ValueError(f"{span!r} is no span of time; write one such as 09:00-17:30") from None
    return times
