"""``offhook call``: what is typed, and what is refused with one sentence before anything starts."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from offhook.errors import OffhookError
from offhook_telephony_simulated.shell import call as call_module
from offhook_telephony_simulated.shell.commands import add_commands

from .shell import write_shop


class Shell:
    """Runs commands in this process, in a folder of the test."""

    def __init__(self) -> None:
        self._app = typer.Typer()
        add_commands(self._app)

    def run(self, *arguments: str, stdin: str = "") -> str:
        result = CliRunner().invoke(self._app, arguments, input=stdin)
        if isinstance(result.exception, OffhookError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    def refused(self, *arguments: str) -> str:
        with pytest.raises(OffhookError) as refusal:
            self.run(*arguments)
        return str(refusal.value)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OFFHOOK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    # The log's set-up is the process's, and would outlive the test.
    monkeypatch.setattr(call_module, "log_to_file", lambda settings: None)
    return Shell()


def test_a_typed_call_from_a_pipe(shell: Shell, tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses")
    said = shell.run("call", "--text", stdin="When are you open?\n\nGoodbye.\nnever read\n")
    lines = [line.split(maxsplit=1) for line in said.splitlines() if line.strip()]
    assert [speaker for speaker, *_ in lines[1:]] == [
        "agent", "you", "agent", "agent", "you", "agent", "ended",
    ]  # fmt: skip
    assert "agent-ended" in said


def test_the_end_of_the_input_hangs_up(shell: Shell, tmp_path: Path) -> None:
    write_shop(tmp_path / "elsewhere")
    said = shell.run("call", "--businesses", "elsewhere", "--business", "shop")
    assert "Corner Shop, good day." in said
    assert "caller-hung-up" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--business", "pub"], "there is no business 'pub' in businesses (there are: shop)"),
        (["--businesses", "none"], "none: the folder of business files cannot be read"),
        (["--businesses", "."], "there is no business file (*.toml) in .:"),
        (["--text", "--say", "Hi"], "give one of --text, --say and --audio"),
        (["--save", "call.wav"], "--save is of use only with --say or --audio"),
        (["--turns", "--say", "Hi"], "--turns is of use only with --audio"),
        (["--url", "http://127.0.0.1:1"], "--url is of use only with --say or --audio"),
        (["--audio", "none.wav"], "there is no file none.wav"),
        (["--audio", "businesses/shop.toml"], "businesses/shop.toml cannot be read as WAV"),
        (["--audio", "wide.wav"], "wide.wav has 24-bit samples: convert it to 16-bit PCM"),
        (["--say", "Hi", "--save", "none/call.wav"], "the folder of --save none/call.wav"),
        (["--say", "Hi", "--url", "http://127.0.0.1:1", "--voice-plugin", "x"], "called 'x'"),
        (["--say", "...", "--url", "http://127.0.0.1:1"], "nothing to pronounce in --say '...'"),
    ],
)
def test_refusals(shell: Shell, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    write_shop(tmp_path / "businesses")
    with wave.open(str(tmp_path / "wide.wav"), "wb") as wav:
        wav.setparams((1, 3, 8000, 0, "NONE", ""))
        wav.writeframes(bytes(300))
    refusal = shell.refused("call", *arguments)
    assert sentence in refusal
    assert "\n" not in refusal


def test_nobody_answers(shell: Shell, tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses")
    with wave.open(str(tmp_path / "hi.wav"), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(bytes(16000))
    refusal = shell.refused("call", "--audio", "hi.wav", "--url", "http://127.0.0.1:1")
    assert "nobody answers at http://127.0.0.1:1/webhooks/simulated/voice" in refusal


def test_a_silent_recording_has_no_turns(shell: Shell, tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses")
    with wave.open(str(tmp_path / "hush.wav"), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(bytes(16000))
    refusal = shell.refused("call", "--audio", "hush.wav", "--turns", "--url", "http://127.0.0.1:1")
    assert "hush.wav is silent" in refusal


def test_several_businesses_need_a_name(shell: Shell, tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses")
    other = write_shop(tmp_path / "businesses", name="other")
    other.write_text(other.read_text(encoding="utf-8").replace("50107", "50108"), encoding="utf-8")
    assert "--business (there are: other, shop)" in shell.refused("call")


def test_a_broken_file_tells_its_line(shell: Shell, tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses", "language = 7")
    assert "businesses/shop.toml:5: language" in shell.refused("call")


def test_a_plugin_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    write_shop(tmp_path / "businesses", 'tts = "acme"')
    assert "there is no tts plugin called 'acme'" in shell.refused("call", "--text")


def test_a_business_on_another_carrier_only(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "t")
    file = write_shop(tmp_path / "businesses", 'telephony = "twilio"')
    with file.open("a", encoding="utf-8") as more:
        more.write('[options.telephony.twilio]\nauth_token = "env:TOKEN"\n')
        more.write(f'account_sid = "AC{"0" * 32}"\n')
    refusal = shell.refused("call", "--say", "Hi")
    assert 'write telephony = ["twilio", "simulated"]' in refusal
