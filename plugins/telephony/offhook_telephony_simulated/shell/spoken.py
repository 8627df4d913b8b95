"""Rings a server's agent, lets the caller talk with it, and shows the call as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from offhook.businesses import Loaded
from offhook.config import Settings
from offhook.events import Turn
from offhook.store.calls import CallStore
from offhook.store.engine import migrate, open_engine
from offhook.store.schema import CallRow
from offhook.web.server import EmbeddedServer
from offhook_telephony_simulated import SimulatedOptions
from offhook_telephony_simulated.carrier import SimulatedCall, SimulatedCarrier
from offhook_telephony_simulated.server import NAME
from offhook_telephony_simulated.shell.caller import Caller, Line
from offhook_telephony_simulated.shell.screen import Screen, answer_times
from offhook_telephony_simulated.shell.stored import StoredCall

_LOOK_SECONDS = 0.1
PREPARE_SECONDS = 30.0
"""How long a command waits for a business's fixed sentences before it rings."""
_LATE_MS = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A server on this machine, and the database it writes to.

    ``public_url`` is the root that signatures are made over, ``url`` the one that is connected to.
    """

    url: str
    public_url: str
    store: CallStore
    settings: Settings

    @classmethod
    def embedded(cls, server: EmbeddedServer) -> Target:
        services = server.runtime.services
        return cls(server.url, server.runtime.public_url, services.store, services.settings)

    @classmethod
    def running(cls, url: str, settings: Settings) -> Target:
        url = url.rstrip("/")
        engine = open_engine(settings.database)
        migrate(engine)  # the server's is there; where it is not, the call will not be found
        public_url = settings.public_url.rstrip("/") or url
        return cls(url, public_url, CallStore(engine), settings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A call that took place, as the server wrote it down.

    ``complaint`` is the Caller's, ``lag_ms`` the call's; ``broken_off`` by Ctrl-C.
    """

    row: CallRow
    turns: list[Turn]
    complaint: str
    lag_ms: float
    broken_off: bool


def hold(
    target: Target, loaded: Loaded, lines: Sequence[Line], screen: Screen, save: Path | None = None
) -> Outcome:
    """Hold one call with the business, showing it on ``screen``; Ctrl-C hangs up.

    Raises OffhookError if the call does not come about.
    """
    options = loaded.options["telephony", NAME]
    assert isinstance(options, SimulatedOptions)
    with SimulatedCarrier(
        f"{target.public_url}/webhooks/{NAME}/voice",
        status_url=f"{target.public_url}/webhooks/{NAME}/status",
        key=options.secret.reveal() if options.secret else "",
        connect_to=target.url,
        data=target.settings.data,
    ) as carrier:
        call = carrier.ring(loaded.business.numbers[0])
        stored = StoredCall(target.store, call.call_sid, target.settings.database)
        business = loaded.business
        screen.heading(business.name, f"{business.numbers[0]}, {loaded.path}, {target.url}")
        screen.legend()
        caller = Caller(call, lines)
        caller.start()
        with screen.live():
            broken_off = _watch(call, caller, stored, screen)
        caller.join()
        row = stored.settled()
        for turn in stored.new_turns():
            screen.turn(turn)
        if save is not None:
            call.save(save)
        return Outcome(row, stored.turns(), caller.complaint, call.lag_ms, broken_off)


def show_end(outcome: Outcome, screen: Screen, more: Sequence[tuple[str, str]]) -> None:
    """How the call ended, and ``more`` facts."""
    row = outcome.row
    detail = f": {row.end_detail}" if row.end_detail else ""
    facts = [("ended", f"{row.end_reason} after {(row.duration_ms or 0) / 1000:.1f} s{detail}")]
    if times := answer_times(outcome.turns):
        facts.append(("answers", times))
    screen.facts([*facts, *more])
    if outcome.complaint:
        screen.note(f"Note: {outcome.complaint}.", "yellow")
    if outcome.lag_ms > _LATE_MS:
        screen.note(
            f"Note: this machine was so busy that the caller's audio came up to "
            f"{outcome.lag_ms:.0f} ms late; the latencies are not the agent's own.",
            "yellow",
        )


def _watch(call: SimulatedCall, caller: Caller, stored: StoredCall, screen: Screen) -> bool:
    """Show the call until it ends; True if that was by Ctrl-C."""
    try:
        while call.wait_ended(_LOOK_SECONDS) is None:
            for turn in stored.new_turns():
                screen.turn(turn)
            now = call.moment
            if now.caller_speaks and caller.line is not None:
                screen.now(now.at_ms, "caller", caller.line.text)
            elif now.agent_speaks:
                screen.now(now.at_ms, "agent", "speaks")
            else:
                screen.now(now.at_ms, "", "")
    except KeyboardInterrupt:
        call.hang_up()
        return True
    return False
