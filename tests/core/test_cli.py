"""The command line: what it prints, how it exits, and what plugins add to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.conftest import FakeEntryPoint, MakePlugin
from typer.testing import CliRunner, Result

from offhook import __version__, cli
from offhook.errors import OffhookError
from offhook.registry import Registry

GOOD = 'name = "Luigi\'s"\nnumbers = ["+14155550100"]\n'


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, make_plugin: MakePlugin) -> Callable[..., None]:
    """Replaces what is installed: by default one plugin of each kind a business needs."""

    def install(*points: FakeEntryPoint) -> None:
        usual = (
            make_plugin("telephony", "simulated"), make_plugin("stt", "local"),
            make_plugin("llm", "script"), make_plugin("tts", "local"),
        )  # fmt: skip
        monkeypatch.setattr(
            "offhook.registry.importlib.metadata.entry_points", lambda group: points or usual
        )

    install()
    return install


# ---- check ------------------------------------------------------------------------------------


def test_check_of_good_files(tmp_path: Path, only: Callable[..., None]) -> None:
    (tmp_path / "luigis.toml").write_text(GOOD)
    for path in (tmp_path, tmp_path / "luigis.toml"):
        result = run("check", str(path))
        assert result.exit_code == 0
        assert result.stdout == f"{tmp_path / 'luigis.toml'}: good\n"
        assert result.stderr == ""


def test_check_tells_every_problem_of_every_file(tmp_path: Path, only: Callable[..., None]) -> None:
    (tmp_path / "a.toml").write_text("name = 5\n")
    (tmp_path / "b.toml").write_text(GOOD)
    (tmp_path / "c.toml").write_text(GOOD)
    result = run("check", str(tmp_path))
    assert result.exit_code == 1
    assert result.stdout == f"{tmp_path / 'b.toml'}: good\n"
    a, also_a, c = sorted(result.stderr.splitlines())
    assert a.startswith(f"{tmp_path / 'a.toml'}: numbers: it is missing")
    assert also_a.startswith(f"{tmp_path / 'a.toml'}:1: name: 5 has the wrong type")
    assert f"is claimed by {tmp_path / 'b.toml'} too" in c


def test_check_of_one_bad_file(tmp_path: Path, only: Callable[..., None]) -> None:
    path = tmp_path / "a.toml"
    path.write_text("name = \n")
    result = run("check", str(path))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{path}:1: is no valid TOML")


def test_check_looks_into_the_folder_of_the_settings(
    tmp_path: Path, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "luigis.toml").write_text(GOOD)
    monkeypatch.setenv("OFFHOOK_BUSINESSES", str(tmp_path))
    assert run("check").exit_code == 0


@pytest.mark.parametrize(("path", "says"), [("", "no business file"), ("none", "there is no")])
def test_check_of_nothing(tmp_path: Path, only: Callable[..., None], path: str, says: str) -> None:
    result = run("check", str(tmp_path / path))
    assert isinstance(result.exception, OffhookError)
    assert says in str(result.exception)


# ---- schema -----------------------------------------------------------------------------------


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return []


def test_the_schema_has_the_plugins_and_their_options() -> None:
    result = run("schema")
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert "local" in schema["properties"]["stt"]["anyOf"][0]["enum"]
    options = schema["$defs"]["Options"]["properties"]
    assert options["llm"]["properties"]["script"]["type"] == "object"
    assert options["llm"]["additionalProperties"] is False
    assert schema["additionalProperties"] is False
    for reference in references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


# ---- plugins ----------------------------------------------------------------------------------


def test_plugins_as_json(only: Callable[..., None], make_plugin: MakePlugin) -> None:
    only(
        make_plugin("stt", "acme", info={"capabilities": frozenset({"vad", "partials"})}),
        FakeEntryPoint("tts-bad", SyntaxError("bad")),
    )
    result = run("plugins", "--json")
    good, bad = json.loads(result.stdout)
    assert good == {
        "kind": "stt", "name": "acme", "summary": "for tests", "version": "1.2",
        "distribution": "acme-offhook", "entry_point": "stt-acme",
        "capabilities": ["partials", "vad"], "formats": [], "languages": [],
        "available": True, "problem": "",
    }  # fmt: skip
    assert (bad["available"], bad["kind"], bad["entry_point"]) == (False, "", "tts-bad")
    assert "cannot be imported" in bad["problem"]


def test_plugins_as_a_table(only: Callable[..., None], make_plugin: MakePlugin) -> None:
    only(
        make_plugin("stt", "acme"),
        make_plugin("tts", "[red]x", info={"requires": ("no_such_sdk",), "extra": "x"}),
        FakeEntryPoint("tts-bad", SyntaxError("bad")),
    )
    result = run("plugins")
    assert result.exit_code == 0
    assert "acme" in result.stdout
    assert "[red]x" in result.stdout
    assert "run pip install 'acme-offhook[x]'" in result.stdout
    assert "plugin 'tts-bad' of acme-offhook cannot be imported" in result.stdout


def test_the_version() -> None:
    assert run("version").stdout == f"offhook {__version__}\n"


# ---- main -------------------------------------------------------------------------------------


def start(*arguments: str, program: str = "") -> subprocess.CompletedProcess[str]:
    code = f"from offhook import cli\n{program}\ncli.main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )


def test_a_wrong_command_is_a_usage_error() -> None:
    done = start("chek")
    assert done.returncode == 2
    assert "Did you mean 'check'" in done.stderr


def test_an_error_is_one_sentence_without_traceback() -> None:
    done = start("check", "/no/such/place")
    assert done.returncode == 1
    assert done.stderr == (
        "offhook: there is no /no/such/place: name a business file or a folder of them\n"
    )


def test_ctrl_c_is_130() -> None:
    program = "@cli.app.command()\ndef wait() -> None:\n    raise KeyboardInterrupt"
    done = start("wait", program=program)
    assert (done.returncode, done.stderr) == (130, "")


def test_ctrl_c_while_plugins_load_is_130() -> None:
    program = (
        "def interrupted(*_):\n    raise KeyboardInterrupt\ncli.add_plugin_commands = interrupted"
    )
    done = start("version", program=program)
    assert (done.returncode, done.stderr) == (130, "")


def test_the_command_line_starts_without_the_heavy_modules() -> None:
    program = (
        "import atexit, sys\n"
        "heavy = {'sqlalchemy', 'starlette', 'uvicorn', 'numpy', 'soxr'}\n"
        "atexit.register(lambda: print('loaded:', sorted(heavy & set(sys.modules))))"
    )
    done = start("version", program=program)
    assert done.stdout.splitlines()[-1] == "loaded: []", done.stdout


# ---- commands of plugins ----------------------------------------------------------------------


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()

    @app.command()
    def ours() -> None:
        typer.echo("ours")

    return app


def adding(name: str, *, then: Callable[[], object] = lambda: None) -> Callable[..., None]:
    def offhook_commands(app: typer.Typer) -> None:
        @app.command(name)
        def command() -> None:
            typer.echo(f"{name} of a plugin")

        then()

    return offhook_commands


def test_a_plugin_adds_commands(app: typer.Typer, make_plugin: MakePlugin) -> None:
    def offhook_commands(app: typer.Typer) -> None:
        group = typer.Typer()

        @group.command()
        def theirs_too() -> None:
            typer.echo("theirs too")

        group.command("other")(lambda: None)
        app.add_typer(group, name="group")

    cli.add_plugin_commands(
        app,
        Registry(
            [
                make_plugin("queue", "a", offhook_commands=adding("theirs")),
                make_plugin("queue", "b", offhook_commands=offhook_commands),
            ]
        ),
    )
    runner = CliRunner()
    assert runner.invoke(app, ["theirs"]).stdout == "theirs of a plugin\n"
    assert runner.invoke(app, ["group", "theirs-too"]).stdout == "theirs too\n"
    assert runner.invoke(app, ["ours"]).stdout == "ours\n"


@pytest.mark.parametrize("failure", [ZeroDivisionError("oh"), SystemExit(3)])
def test_a_plugin_that_fails_is_named_and_adds_nothing(
    app: typer.Typer,
    make_plugin: MakePlugin,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
) -> None:
    def fail() -> None:
        raise failure

    registry = Registry(
        [
            make_plugin("queue", "a", offhook_commands=adding("theirs", then=fail)),
            make_plugin("queue", "b", offhook_commands=adding("good")),
        ]
    )
    cli.add_plugin_commands(app, registry)
    assert "plugin 'queue-a' of acme-offhook cannot add its commands" in capsys.readouterr().err
    assert CliRunner().invoke(app, ["theirs"]).exit_code == 2
    assert CliRunner().invoke(app, ["good"]).exit_code == 0


def test_a_plugin_cannot_take_a_command_that_exists(
    app: typer.Typer, make_plugin: MakePlugin, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry([make_plugin("queue", "a", offhook_commands=adding("ours"))])
    app.command("more")(lambda: None)
    cli.add_plugin_commands(app, registry)
    assert "adds the command ours, which exists already" in capsys.readouterr().err
    assert CliRunner().invoke(app, ["ours"]).stdout == "ours\n"
