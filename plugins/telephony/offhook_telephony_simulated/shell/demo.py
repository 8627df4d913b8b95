"""``offhook demo``: a restaurant's agent, and somebody who calls it."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from contextlib import ExitStack, closing, suppress
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.text import Text

from offhook.businesses import Loaded
from offhook.config import Settings
from offhook.errors import OffhookError
from offhook.registry import Registry
from offhook.web.server import EmbeddedServer, bind
from offhook_telephony_simulated.shell import goal
from offhook_telephony_simulated.shell.caller import Line, agent_done, interrupting
from offhook_telephony_simulated.shell.log_file import log_to_file
from offhook_telephony_simulated.shell.screen import Screen
from offhook_telephony_simulated.shell.spoken import (
    PREPARE_SECONDS,
    Outcome,
    Target,
    hold,
    show_end,
)
from offhook_telephony_simulated.shell.voice import CallerVoice
from offhook_telephony_simulated.shell.whom import check_reachable, find_business

FILE = "trattoria.toml"
_HOST = "127.0.0.1"
_PORTS_TRIED = 20

SCRIPT = (
    ("Hi, what are your opening hours?", agent_done),
    ("Sorry, I would like to book a table for four.", interrupting(1.5)),
    ("Tomorrow at seven, please.", agent_done),
    ("My name is Anna.", agent_done),
    ("That's all, thank you. Goodbye!", agent_done),
)


def business_folder(settings: Settings) -> Path:
    """The folder of business files that has the demo's restaurant.

    That is the user's own if the restaurant is there, or if there is no folder yet: then it is
    made. A folder of other businesses is left alone; the restaurant goes into the data folder.
    Raises OffhookError if the file cannot be written.
    """
    folder = settings.businesses
    if folder.is_dir() and not (folder / FILE).exists():
        folder = settings.data / "demo"
    file = folder / FILE
    if not file.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(files("offhook_telephony_simulated").joinpath(FILE).read_bytes())
        except OSError as error:
            raise OffhookError(
                f"the demo cannot write its business file {file} ({error.strerror}): run it in a "
                "folder of your own"
            ) from None
    return folder


def run_demo(settings: Settings, port: int, once: bool, console: Console) -> bool:
    """Serve, and hold the demo's call; True if it reached its goal.

    Unless ``once``, goes on serving until Ctrl-C; pressed during the call, that ends it all.
    Raises OffhookError if there can be no call.
    """
    log_to_file(settings)
    settings = settings.model_copy(update={"businesses": business_folder(settings)})
    screen = Screen(console)
    registry = Registry()
    loaded = find_business(settings, registry, Path(FILE).stem)
    check_reachable(loaded)
    with ExitStack() as cleanup:
        free = _free_port(port)
        with console.status("Starting the server"):
            server = cleanup.enter_context(EmbeddedServer(settings, registry, _HOST, free))
        if free != port:
            screen.note(
                f"Port {port} is taken, so the server took {server.url.rpartition(':')[2]}."
            )
        with console.status("Preparing what will be said"):
            voice = cleanup.enter_context(closing(CallerVoice(registry, "local", "en")))
            lines = [Line(text, voice.speak(text), cue) for text, cue in SCRIPT]
            server.runtime.phrases.prepare(loaded).wait(PREPARE_SECONDS)
        outcome = hold(Target.embedded(server), loaded, lines, screen)
        _show_outcome(outcome, loaded, screen)
        lacks = goal.missing(outcome.row, outcome.turns)
        _show_goal(outcome, lacks, screen)
        if not (once or outcome.broken_off):
            _show_hints(settings, loaded, screen)
            _serve_on(server, screen)
    return not lacks


def _free_port(wanted: int) -> int:
    """The port that is wanted, or the next that is free; 0 (any) if none is."""
    for port in range(wanted, min(wanted + _PORTS_TRIED, 65536)):
        with suppress(OffhookError):
            bind(_HOST, port).close()
            return port
    return 0


def _show_outcome(outcome: Outcome, loaded: Loaded, screen: Screen) -> None:
    more = []
    if outcome.row.recording_path:
        recording = Path(outcome.row.recording_path)
        transcript = recording.with_suffix(".txt")
        with transcript.open("w", encoding="utf-8") as file:
            written = Screen(Console(file=file, width=100))
            written.heading(loaded.business.name, loaded.business.numbers[0])
            for turn in outcome.turns:
                written.turn(turn)
            show_end(outcome, written, ())
        more = [
            ("recording", str(recording)),
            ("transcript", str(transcript)),
        ]
    show_end(outcome, screen, more)


def _show_goal(outcome: Outcome, lacks: list[str], screen: Screen) -> None:
    screen.console.print()
    if outcome.broken_off:
        screen.note("You hung up.")
    elif lacks:
        screen.note("The call did not reach its goal:", "bold red")
        for lack in lacks:
            screen.note(f"- {lack}", "red")
    else:
        screen.note(
            "The caller interrupted, booked a table, and the agent said goodbye.", "bold green"
        )


def _show_hints(settings: Settings, loaded: Loaded, screen: Screen) -> None:
    # What a make target starts is not on the PATH.
    command = "offhook" if shutil.which("offhook") else os.path.relpath(sys.argv[0])
    call = f"{command} call --business {loaded.id}"
    if settings.businesses != Settings().businesses:
        call += f" --businesses {settings.businesses}"
    screen.facts(
        [
            ("type with it", f"{call} --text"),
            ("talk with it", f'{call} --say "Where are you?"'),
            ("your recording", f"{call} --audio me.wav"),
            ("change it", f"edit {loaded.path}; the next call uses it"),
            ("a Twilio number", f'add "twilio" to telephony in {loaded.path}, and'),
            ("", f"OFFHOOK_PUBLIC_URL=https://YOUR.HOST {command} serve"),
            ("", "voice webhook: https://YOUR.HOST/webhooks/twilio/voice"),
        ]
    )


def _serve_on(server: EmbeddedServer, screen: Screen) -> None:
    screen.console.print()
    screen.console.print(Text(f"Serving at {server.url} until Ctrl-C."))
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
