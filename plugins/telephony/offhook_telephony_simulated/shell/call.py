"""``offhook call``: talk with a business's agent from the shell."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from offhook.businesses import Loaded
from offhook.config import Settings
from offhook.errors import OffhookError
from offhook.media.wav import read_wav
from offhook.registry import Registry
from offhook.web.server import EmbeddedServer
from offhook_telephony_simulated.shell.caller import (
    Cue,
    Line,
    agent_done,
    at_once,
    interrupting,
    split_turns,
)
from offhook_telephony_simulated.shell.log_file import log_to_file
from offhook_telephony_simulated.shell.screen import Screen
from offhook_telephony_simulated.shell.spoken import (
    PREPARE_SECONDS,
    Target,
    hold,
    show_end,
)
from offhook_telephony_simulated.shell.typed import TypedCall
from offhook_telephony_simulated.shell.voice import CallerVoice
from offhook_telephony_simulated.shell.whom import check_reachable, find_business

_INTERRUPTING = re.compile(r"@(\d+(?:\.\d+)?)\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class SpokenRequest:
    """What the command line asked for: lines to ``say``, or an ``audio`` file to play."""

    business: str
    say: tuple[str, ...]
    audio: Path | None
    turns: bool
    save: Path | None
    voice_plugin: str
    url: str


# ---- spoken -------------------------------------------------------------------------------------


def spoken_call(settings: Settings, request: SpokenRequest, console: Console) -> None:
    """Hold a call through the real media socket. Raises OffhookError if there was none."""
    if request.save is not None and not request.save.absolute().parent.is_dir():
        raise OffhookError(f"the folder of --save {request.save} does not exist: make it first")
    # Before anything is started, so that a mistake in the command line is told at once.
    recording = read_wav(_existing(request.audio)) if request.audio else b""
    registry = Registry()
    loaded = find_business(settings, registry, request.business)
    check_reachable(loaded)
    log_to_file(settings)
    screen = Screen(console)
    with ExitStack() as cleanup:
        server = None if request.url else EmbeddedServer(settings, registry)
        with console.status("Preparing what will be said"):
            if server is not None:
                cleanup.enter_context(server)
            lines = list(_played(request, recording) if request.audio else ())
            if request.say:
                language = loaded.business.language
                voice = CallerVoice(registry, request.voice_plugin, language)
                cleanup.enter_context(closing(voice))
                lines = list(_said(request.say, voice, loaded))
            if server is not None:
                server.runtime.phrases.prepare(loaded).wait(PREPARE_SECONDS)
        target = Target.embedded(server) if server else Target.running(request.url, settings)
        outcome = hold(target, loaded, lines, screen, request.save)
        recordings = [
            (name, str(path))
            for name, path in (("recording", outcome.row.recording_path), ("saved", request.save))
            if path
        ]
        off = ("recording", f"none: {loaded.path} has recording off, and there was no --save")
        show_end(outcome, screen, recordings or [off])


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise OffhookError(f"there is no file {file}: give --audio the path of a WAV file")
    return file


def _played(request: SpokenRequest, recording: bytes) -> Iterator[Line]:
    assert request.audio is not None
    if not request.turns:
        yield Line(request.audio.name, recording, at_once)
        return
    pieces = split_turns(recording)
    if not pieces:
        raise OffhookError(f"{request.audio} is silent: there is no turn in it")
    for number, piece in enumerate(pieces, 1):
        yield Line(f"{request.audio.name}, turn {number} of {len(pieces)}", piece, agent_done)


def _said(say: tuple[str, ...], voice: CallerVoice, loaded: Loaded) -> Iterator[Line]:
    recording = loaded.business.recording
    greeted = bool(loaded.business.greeting or (recording.enabled and recording.consent))
    for number, given in enumerate(say):
        interrupts = _INTERRUPTING.match(given)
        text = given[interrupts.end() :] if interrupts else given
        cue: Cue = agent_done if greeted or number else at_once
        if interrupts:
            cue = interrupting(float(interrupts[1]))
        audio = voice.speak(text)
        if not audio:
            raise OffhookError(f"there is nothing to pronounce in --say {given!r}")
        yield Line(text, audio, cue)


# ---- typed --------------------------------------------------------------------------------------


def typed_call(settings: Settings, business: str, console: Console) -> None:
    """Hold a conversation in writing, from the terminal or from what is piped in.

    Raises OffhookError if there is no such business.
    """
    registry = Registry()
    loaded = find_business(settings, registry, business)
    log_to_file(settings)
    screen = Screen(console)
    screen.heading(loaded.business.name, f"{loaded.path}; end with Ctrl-D")
    with closing(TypedCall(loaded, registry, screen.note)) as call:
        try:
            for sentence in call.begin():
                screen.typed("agent", sentence)
            while call.ended is None and (line := _read(screen)) is not None:
                if line:
                    _answer(call.say(line), screen)
        except KeyboardInterrupt:
            console.print()
        call.hang_up()
        assert call.ended is not None
        detail = f": {call.ended.detail}" if call.ended.detail else ""
        screen.facts([("ended", f"{call.ended.reason}{detail}")])


def _answer(sentences: Iterator[str], screen: Screen) -> None:
    began = time.monotonic()
    for number, sentence in enumerate(sentences):
        after = f"{(time.monotonic() - began) * 1000:.0f} ms" if number == 0 else ""
        screen.typed("agent", sentence, after)


def _read(screen: Screen) -> str | None:
    """The next line, or None at the end of the input."""
    if sys.stdin.isatty():
        try:
            return screen.console.input("[bold magenta]you   [/]  ").strip()
        except EOFError:
            screen.console.print()
            return None
    if not (line := sys.stdin.readline()):
        return None
    if line := line.strip():
        screen.typed("you", line)
    return line
