"""One simulated call as a script sees it."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from offhook.media.g711 import interleave
from offhook_telephony_simulated.driver import Driver
from offhook_telephony_simulated.talk import CallEvent, Ended, Moment, Talk

T = TypeVar("T")


class SimulatedCall:
    """A live call, or one that has ended. Any thread; none but the waits blocks.

    Audio is 8 kHz mu-law; times are milliseconds since the stream's start. The agent's *reply*
    is what it says after the caller's last word.
    """

    def __init__(self, call_sid: str, talk: Talk, driver: Driver) -> None:
        self.call_sid = call_sid
        self._talk = talk
        self._driver = driver

    # ---- act ------------------------------------------------------------------------------------

    def say(self, audio: bytes) -> None:
        """Queue what the caller says next, any length; silence is said when there is nothing."""
        with self._talk.changed:
            self._talk.handset.say(audio)

    def dtmf(self, keys: str) -> None:
        """Press keys."""
        with self._talk.changed:
            self._talk.keys.extend(keys)

    def hang_up(self) -> None:
        """Hang up within 20 ms, whatever is being said."""
        with self._talk.changed:
            self._talk.hanging_up = True

    # ---- wait -----------------------------------------------------------------------------------

    def wait_said(self, timeout: float) -> bool:
        """Wait until everything given to ``say`` was said; False after ``timeout`` seconds."""
        return self._wait(lambda: not self._talk.handset.saying, timeout)

    def wait_agent_speaking(
        self, timeout: float, for_ms: float = 0, quiet_ms: float = float("inf")
    ) -> bool:
        """Wait until ``for_ms`` of the agent's reply were audible, or until it replied more briefly
        and the caller has then heard ``quiet_ms`` of silence.

        False after ``timeout`` seconds or if the call ends first.
        """
        phone = self._talk.handset
        return self._wait(
            lambda: phone.reply_ms > 0 and (phone.reply_ms >= for_ms or phone.quiet_ms >= quiet_ms),
            timeout,
        )

    def wait_agent_done(self, timeout: float, quiet_ms: float = 800) -> bool:
        """Wait until the agent has replied and the caller has then heard ``quiet_ms`` of silence.

        False after ``timeout`` seconds or if the call ends first.
        """
        phone = self._talk.handset
        return self._wait(lambda: phone.reply_ms > 0 and phone.quiet_ms >= quiet_ms, timeout)

    def wait_event(self, kind: str, timeout: float, after_ms: float = 0) -> CallEvent | None:
        """Wait for the first event of a kind at or after a time; None if there was none."""

        def first() -> CallEvent | None:
            events = self._talk.events
            return next((e for e in events if e.kind == kind and e.at_ms >= after_ms), None)

        return self._wait(first, timeout)

    def wait_ended(self, timeout: float) -> Ended | None:
        """Wait for the call's end; None if it still goes on after ``timeout`` seconds."""
        return self._wait(lambda: self._talk.ended, timeout)

    # ---- look -----------------------------------------------------------------------------------

    @property
    def ended(self) -> Ended | None:
        """How the call ended; None while it goes on."""
        return self._talk.ended

    @property
    def moment(self) -> Moment:
        """Who is speaking now."""
        with self._talk.changed:
            phone = self._talk.handset
            return Moment(phone.now_ms, phone.saying, phone.playing)

    @property
    def events(self) -> list[CallEvent]:
        """What happened so far, in order."""
        with self._talk.changed:
            return list(self._talk.events)

    @property
    def said(self) -> bytes:
        """The caller's track so far, silence included."""
        with self._talk.changed:
            return bytes(self._talk.handset.said)

    @property
    def heard(self) -> bytes:
        """What the caller heard so far, silence included, aligned with ``said``."""
        with self._talk.changed:
            return bytes(self._talk.handset.heard)

    @property
    def agent_spoke_ms(self) -> int:
        """How much of the agent's reply was audible so far."""
        with self._talk.changed:
            return self._talk.handset.reply_ms

    @property
    def lag_ms(self) -> float:
        """How late the simulation itself was at worst; above some 20 ms it, and not the engine,
        may be why audio came late."""
        return self._talk.lag_ms

    def save(self, path: Path) -> None:
        """Write both tracks so far as a stereo WAV: the caller left, the agent right."""
        with self._talk.changed:
            said, heard = bytes(self._talk.handset.said), bytes(self._talk.handset.heard)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(interleave(said, heard))

    def join(self, timeout: float) -> None:
        """Wait for the call's thread; cut its connection if it takes longer."""
        self._driver.join(timeout)
        if self._driver.is_alive():
            self._driver.cut()
            self._driver.join(1)

    def _wait(self, condition: Callable[[], T], timeout: float) -> T:
        with self._talk.changed:
            self._talk.changed.wait_for(
                lambda: condition() or self._talk.ended is not None, timeout
            )
            return condition()
