"""The ``offhook`` command line. Heavy modules are imported inside the commands that need them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offhook.errors import OffhookError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from offhook.registry import Plugin, Registry

app = typer.Typer(
    help="AI phone agents with pluggable telephony, speech and language vendors.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with variables would print secrets.
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line and exit: 0, 1 with one sentence on stderr, or 130 on Ctrl-C."""
    try:
        from offhook.registry import Registry

        add_plugin_commands(app, Registry())
        app()
    except OffhookError as error:
        typer.echo(f"offhook: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


# ---- commands -----------------------------------------------------------------------------------


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one per core at most.")] = 1,
) -> None:
    """Serve calls: the carrier's webhooks and media sockets. Ctrl-C or SIGTERM drains."""
    from offhook import logs
    from offhook.config import Settings
    from offhook.web import server

    settings = Settings()
    logs.configure(settings.log_level)
    server.serve(settings, host, port, workers)


@app.command()
def check(
    path: Annotated[
        Path | None,
        typer.Argument(help="A business file or a folder of them.", show_default="businesses"),
    ] = None,
) -> None:
    """Check business files with the plugins they name; lists every problem, exits 1 if any."""
    from offhook.business_file import read_business
    from offhook.businesses import BusinessDirectory
    from offhook.config import Settings
    from offhook.errors import ConfigError, Problem
    from offhook.registry import Registry

    path = path or Settings().businesses
    problems: list[Problem] = []
    if path.is_dir():
        # Reported to nobody: this command prints them itself.
        directory = BusinessDirectory(path, Registry(), lambda _: None)
        problems = list(directory.problems())
        good = [loaded.path for loaded in directory.all()]
        if not good and not problems:
            raise OffhookError(f"there is no business file (*.toml) in {path}: name another folder")
    elif not path.exists():
        raise OffhookError(f"there is no {path}: name a business file or a folder of them")
    else:
        try:
            good = [read_business(path, Registry()).path]
        except ConfigError as error:
            good, problems = [], error.problems
    for file in good:
        typer.echo(f"{file}: good")
    for problem in problems:
        typer.echo(str(problem), err=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a business file, the installed plugins' options included.

    For completion and checks in an editor with Taplo or Even Better TOML: save it with
    `offhook schema > business.schema.json`, and begin each business file with the line
    `#:schema ../business.schema.json`.
    """
    import json

    from offhook.config.schema import business_schema
    from offhook.registry import Registry

    options: dict[tuple[str, str], type[BaseModel]] = {
        (plugin.info.kind, plugin.info.name): plugin.info.options
        for plugin in Registry()
        if plugin.info
    }
    typer.echo(json.dumps(business_schema(options), indent=2, ensure_ascii=False))


@app.command()
def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the installed plugins, what they can do, and why one cannot be used."""
    from offhook.registry import Registry

    registry = Registry()
    if as_json:
        import json

        typer.echo(json.dumps([_described(plugin) for plugin in registry], indent=2))
    else:
        _print_table(registry)


@app.command()
def version() -> None:
    """Print the version of offhook."""
    from offhook import __version__

    typer.echo(f"offhook {__version__}")


# ---- commands that plugins bring ----------------------------------------------------------------


def add_plugin_commands(app: typer.Typer, registry: Registry) -> None:
    """Let each plugin add commands; one that fails adds none, and is named on stderr."""
    for plugin, hook in registry.each("offhook_commands"):
        label = f"plugin {plugin.entry_point!r} of {plugin.distribution}"
        theirs = typer.Typer()  # of its own, so that a plugin cannot change another's commands
        try:
            hook(app=theirs)
            names = _command_names(theirs)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            typer.echo(f"offhook: {label} cannot add its commands ({reason})", err=True)
            continue
        if taken := names & _command_names(app):
            typer.echo(
                f"offhook: {label} adds the command {', '.join(sorted(taken))}, which exists "
                "already: its commands are left out",
                err=True,
            )
            continue
        app.registered_commands += theirs.registered_commands
        app.registered_groups += theirs.registered_groups


def _command_names(app: typer.Typer) -> set[str]:
    from typer.main import get_command_name

    named = {
        command.name or get_command_name(command.callback.__name__)
        for command in app.registered_commands
        if command.callback is not None
    }
    return named | {str(group.name) for group in app.registered_groups}


# ---- the list of plugins ------------------------------------------------------------------------


def _described(plugin: Plugin) -> dict[str, object]:
    info = plugin.info
    return {
        "kind": info.kind if info else "",
        "name": info.name if info else "",
        "summary": info.summary if info else "",
        "version": plugin.version,
        "distribution": plugin.distribution,
        "entry_point": plugin.entry_point,
        "capabilities": sorted(info.capabilities) if info else [],
        "formats": [str(audio) for audio in info.formats] if info else [],
        "languages": list(info.languages) if info else [],
        "available": plugin.available,
        "problem": plugin.problem,
    }


def _print_table(registry: Registry) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))  # as narrow as can be: 80 columns are few
    for title in ("Kind", "Name", "From", "Can", "Audio", "Languages", "Usable"):
        table.add_column(title, min_width=len(title), overflow="fold")
    for plugin in sorted(registry, key=lambda p: (p.info.kind, p.info.name) if p.info else ()):
        info = plugin.info
        # As Text, because what plugins say of themselves is not markup.
        cells = [
            info.kind if info else "?",
            info.name if info else plugin.entry_point,
            f"{plugin.distribution} {plugin.version}",
            "\n".join(sorted(info.capabilities)) if info else "",
            "\n".join(str(audio) for audio in info.formats) if info else "",
            (" ".join(info.languages) or "any") if info else "",
        ]
        usable = Text("yes", "green") if plugin.available else Text("no", "red")
        table.add_row(*(Text(cell) for cell in cells), usable)
    console = Console()
    console.print(table)
    for plugin in registry:
        if plugin.problem:
            console.print(Text(plugin.problem, "red"), soft_wrap=True)


if __name__ == "__main__":
    main()
