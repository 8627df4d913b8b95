"""The commands ``offhook call`` and ``offhook demo``; what is heavy is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offhook.errors import OffhookError

if TYPE_CHECKING:
    from offhook.config import Settings

Businesses = Annotated[
    Path | None,
    typer.Option(help="The folder of business files.", metavar="DIR", show_default="businesses"),
]


def add_commands(app: typer.Typer) -> None:
    """Put the commands on the command line."""
    app.command("call")(call)
    app.command("demo")(demo)


def call(
    business: Annotated[
        str,
        typer.Option(help="Whom to call: a file's name without .toml.", show_default="the only"),
    ] = "",
    text: Annotated[
        bool, typer.Option("--text", help="Type, without audio (the default).")
    ] = False,
    say: Annotated[
        list[str] | None,
        typer.Option(
            help="Say this once the agent is done; '@1.5 No, wait' interrupts it when 1.5 s of "
            "its answer were heard. May be repeated.",
            metavar="LINE",
        ),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(help="Play this WAV file as the caller, from the start on.", metavar="FILE"),
    ] = None,
    turns: Annotated[
        bool,
        typer.Option(
            "--turns", help="With --audio: cut it at silences of a second, and wait for the agent."
        ),
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Write what the caller said (left) and heard (right) as WAV.", metavar="FILE"
        ),
    ] = None,
    voice_plugin: Annotated[
        str, typer.Option(help="The tts plugin that speaks for --say.", metavar="NAME")
    ] = "local",
    url: Annotated[
        str,
        typer.Option(
            help="A server that runs on this machine.", show_default="one of its own", metavar="URL"
        ),
    ] = "",
    businesses: Businesses = None,
) -> None:
    """Call a business's agent: typed, spoken by a voice, or from a recording."""
    from rich.console import Console

    from offhook_telephony_simulated.shell.call import SpokenRequest, spoken_call, typed_call

    if sum([text, bool(say), audio is not None]) > 1:
        raise OffhookError("a call is typed, said or played: give one of --text, --say and --audio")
    spoken = bool(say) or audio is not None
    for option, given, fits, needs in (
        ("--turns", turns, audio is not None, "--audio"),
        ("--save", save is not None, spoken, "--say or --audio"),
        ("--url", bool(url), spoken, "--say or --audio"),
    ):
        if given and not fits:
            raise OffhookError(f"{option} is of use only with {needs}")
    settings = _settings(businesses)
    console = Console(highlight=False)
    if spoken:
        request = SpokenRequest(business, tuple(say or ()), audio, turns, save, voice_plugin, url)
        spoken_call(settings, request, console)
    else:
        typed_call(settings, business, console)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the call.")] = False,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where to serve; if it is taken, elsewhere.")
    ] = 8000,
    businesses: Businesses = None,
) -> None:
    """Hear a restaurant's agent take a booking, then call it yourself."""
    from rich.console import Console

    from offhook_telephony_simulated.shell.demo import run_demo

    if not run_demo(_settings(businesses), port, once, Console(highlight=False)):
        raise typer.Exit(1)


def _settings(businesses: Path | None) -> Settings:
    from offhook.config import Settings

    return Settings(businesses=businesses) if businesses else Settings()
