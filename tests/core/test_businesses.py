"""Business files with their plugins: every mistake has its sentence, and changes are picked up."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator
from structlog.testing import capture_logs
from tests.conftest import FakeEntryPoint, MakePlugin

from offhook.business_file import Loaded, read_business
from offhook.businesses import BusinessDirectory
from offhook.config import Secret
from offhook.errors import ConfigError, Problem
from offhook.registry import Registry

SECRET = "sk-v3ry-s3cret"

GOOD = """\
name = "Luigi's"
numbers = ["+1 415 555 0100"]
telephony = "wire"
stt = ["ears", "spare"]
llm = "brain"
tts = "voice"

[options.stt.ears]
speed = 2
"""


class EarOptions(BaseModel, extra="forbid"):
    speed: int = Field(1, ge=1, le=9, description="how fast it hears")
    model: str = "small"
    api_key: str = ""
    words: tuple[str, ...] = ()

    @field_validator("model")
    @classmethod
    def _known(cls, value: str) -> str:
        if value == "crash":
            raise KeyError(SECRET)
        return value


class BrainOptions(BaseModel, extra="forbid"):
    login: Secret | None = None
    temperature: float = 0.5


class NeedyOptions(BaseModel, extra="forbid"):
    account: str = Field(description="the account's name")


@pytest.fixture
def registry(make_plugin: MakePlugin) -> Registry:
    return Registry(
        [
            make_plugin("telephony", "wire"),
            make_plugin("stt", "ears", info={"options": EarOptions, "languages": ("en", "it-IT")}),
            make_plugin("stt", "spare", info={"capabilities": frozenset({"vad"})}),
            make_plugin("stt", "nosdk", info={"requires": ("no_such_sdk",), "extra": "nosdk"}),
            FakeEntryPoint("stt-broken", SyntaxError("bad"), "other-dist"),
            make_plugin("llm", "brain", info={"options": BrainOptions}),
            make_plugin("llm", "needy", info={"options": NeedyOptions}),
            make_plugin("tts", "voice", info={"languages": ("en",)}),
        ]
    )


def problems_of(path: Path, registry: Registry) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        read_business(path, registry)
    assert SECRET not in str(caught.value)
    return caught.value.problems


def test_a_good_file(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "luigis.toml"
    path.write_text(GOOD)
    loaded = read_business(path, registry)
    assert (loaded.id, loaded.path) == ("luigis", path)
    assert loaded.business.numbers == ("+14155550100",)
    assert loaded.config_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.options["stt", "ears"] == EarOptions(speed=2)
    assert loaded.options["llm", "brain"] == BrainOptions()
    assert set(loaded.options) == {
        ("telephony", "wire"), ("stt", "ears"), ("stt", "spare"), ("llm", "brain"), ("tts", "voice")
    }  # fmt: skip


BAD_INPUT: dict[str, tuple[str, str, str, str]] = {
    # what is wrong: (replaced in GOOD, replacement, `where` with its line, part of the sentence)
    "broken TOML": ('name = "Luigi\'s"', "name = Luigi's", "@1", "is no valid TOML"),
    "unknown key": (
        "numbers",
        'greting = "hi"\nnumbers',
        "greting@2",
        "there is no setting 'greting' here. Did you mean 'greeting'?",
    ),
    "unknown key in a table": (
        "[options.stt.ears]",
        "[turns]\nendpoint = 5\n[options.stt.ears]",
        "turns.endpoint@9",
        "Did you mean 'endpoint_ms'?",
    ),
    "key under the wrong table": (
        "speed = 2",
        'speed = 2\n[turns]\ngreeting = "hi"',
        "turns.greeting@11",
        "Move it to the top of its table",
    ),
    "missing key": ('name = "Luigi\'s"\n', "", "name", "it is missing. Add it"),
    "wrong type": (
        "[options.stt.ears]",
        '[turns]\nendpoint_ms = "600"\n[options.stt.ears]',
        "turns.endpoint_ms@9",
        '"600" has the wrong type. Write a whole number, without quotes',
    ),
    "out of bounds": (
        "[options.stt.ears]",
        "[turns]\nendpoint_ms = 60\n[options.stt.ears]",
        "turns.endpoint_ms@9",
        "60 is not allowed. Write a number of at least 100",
    ),
    "not a choice": (
        "[options.stt.ears]",
        '[turns]\nvad = "ears"\n[options.stt.ears]',
        "turns.vad@9",
        "Write one of 'silero', 'energy' or 'stt'",
    ),
    "a table that is none": ("[options.stt.ears]\nspeed = 2", "turns = 5", "turns@8", "a table"),
    "unknown plugin": (
        'llm = "brain"',
        'llm = "brian"',
        "llm@5",
        "there is no llm plugin called 'brian'. Did you mean 'brain'?",
    ),
    "unknown plugin, nothing like it": (
        'llm = "brain"',
        'llm = "zzz"',
        "llm@5",
        "There are: brain, needy",
    ),
    "plugin without its SDK": (
        '"spare"',
        '"nosdk"',
        "stt@4",
        "needs the module no_such_sdk. Run pip install 'acme-offhook[nosdk]'",
    ),
    "plugin that is broken": (
        '"spare"',
        '"broken"',
        "stt@4",
        "plugin 'stt-broken' of other-dist cannot be imported (SyntaxError: bad). Upgrade",
    ),
    "no plugin": ('tts = "voice"', "tts = []", "tts@6", "Write at least 1"),
    "plugin is no text": ('llm = "brain"', "llm = 5", "llm@5", "has the wrong type"),
    "wrong option": (
        "speed = 2",
        "speed = 99",
        "options.stt.ears.speed@9",
        "99 is not allowed. Write a number of at most 9",
    ),
    "wrong option type": (
        "speed = 2",
        'speed = "fast"',
        "options.stt.ears.speed@9",
        '"fast" has the wrong type',
    ),
    "unknown option": (
        "speed = 2",
        "sped = 2",
        "options.stt.ears.sped@9",
        "Did you mean 'speed'?",
    ),
    "missing option": (
        'llm = "brain"',
        'llm = "needy"',
        "options.llm.needy.account",
        "it is missing. Add it: the account's name",
    ),
    "option in a list": (
        "speed = 2",
        'words = ["a", 5]',
        "options.stt.ears.words[1]@9",
        "5 has the wrong type. Write text in quotes",
    ),
    "options that crash their model": (
        "speed = 2",
        'model = "crash"',
        "options.stt.ears@8",
        "cannot check its options (KeyError). Tell its author",
    ),
    "options are no table": (
        "[options.stt.ears]\nspeed = 2",
        "[options.stt]\nears = 2",
        "options.stt.ears@9",
        "Write a table of settings",
    ),
    "options for an unused plugin": (
        "[options.stt.ears]",
        "[options.stt.nosdk]\n[options.stt.ears]",
        "options.stt.nosdk@8",
        "a stt plugin that the business does not use. Add 'nosdk' to stt, or remove the table",
    ),
    "options of an unknown kind": (
        "[options.stt.ears]",
        "[options.sst.ears]",
        "options.sst@8",
        "Did you mean 'stt'?",
    ),
    "missing secret": (
        "[options.stt.ears]",
        '[options.llm.brain]\nlogin = "env:NO_SUCH_VARIABLE"\n[options.stt.ears]',
        "options.llm.brain.login@9",
        "the secret is missing. Set the environment variable NO_SUCH_VARIABLE",
    ),
    "inline secret": (
        "[options.stt.ears]",
        f'[options.llm.brain]\nlogin = "{SECRET}"\n[options.stt.ears]',
        "options.llm.brain.login@9",
        "a secret must not stand in a file. Write env:NAME or file:PATH",
    ),
    "inline secret in an option typed as text": (
        "speed = 2",
        f'api_key = "{SECRET}"',
        "options.stt.ears.api_key@9",
        "a secret must not stand in a file. Write env:NAME or file:PATH for api_key",
    ),
    "inline secret under an unknown key": (
        "numbers",
        f'token = "{SECRET}"\nnumbers',
        "token@2",
        "a secret must not stand in a file",
    ),
    "bad number": (
        "+1 415 555 0100",
        "555 0100",
        "numbers[0]@2",
        '"555 0100" cannot be used. A phone number must be international, such as +14155550100',
    ),
    "no number": ('"+1 415 555 0100"', "", "numbers@2", "Write at least 1"),
    "bad language": ('llm = "brain"', 'llm = "brain"\nlanguage = "English"', "language@6",
                     'Write one such as "en-GB"'),
    "language that a plugin does not serve": (
        'llm = "brain"',
        'llm = "brain"\nlanguage = "it"',
        "language@6",
        "the tts plugin 'voice' does not speak 'it'. Write one of en, or choose another tts",
    ),
    "bad time zone": ("[options.stt.ears]", '[hours]\ntimezone = "Mars"\n[options.stt.ears]',
                      "hours.timezone@9", "No such time zone; write one such as Europe/Rome"),
    "bad hours": (
        "[options.stt.ears]",
        '[hours]\nmon = ["9-17"]\n[options.stt.ears]',
        "hours.mon[0]@9",
        "'9-17' is no span of time; write one such as 09:00-17:30",
    ),
    "speech events from a plugin that has none": (
        "[options.stt.ears]",
        '[turns]\nvad = "stt"\n[options.stt.ears]',
        "turns.vad@9",
        "the stt plugin 'ears' does not tell when the caller speaks",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "says"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input(
    tmp_path: Path, registry: Registry, old: str, new: str, where: str, says: str
) -> None:
    path = tmp_path / "luigis.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    (problem,) = problems_of(path, registry)
    key, _, line = where.partition("@")
    assert (problem.where, problem.line) == (key, int(line) if line else None)
    assert says in str(problem)
    assert str(problem).startswith(f"{path}:{line}:" if line else f"{path}:")


def test_all_problems_of_a_file_at_once_in_the_order_of_its_lines(
    tmp_path: Path, registry: Registry
) -> None:
    path = tmp_path / "luigis.toml"
    path.write_text(
        'nam = "x"\nnumbers = ["1"]\nstt = ["ears", "none"]\nllm = "brain"\ntts = "voice"\n'
        'telephony = "wire"\nlanguage = "fr"\n[options.stt.ears]\nspeed = "x"\n'
        f'[options.llm.brain]\ntemperature = true\napi_key = "{SECRET}"\n'
    )
    assert [problem.where for problem in problems_of(path, registry)] == [
        "name", "nam", "numbers[0]", "stt", "language", "language", "options.stt.ears.speed",
        "options.llm.brain.temperature", "options.llm.brain.api_key",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["Luigi's.toml", "UPPER.toml", "a b.toml", "-x.toml"])
def test_a_file_name_that_is_no_id(tmp_path: Path, registry: Registry, name: str) -> None:
    path = tmp_path / name
    path.write_text(GOOD)
    (problem,) = problems_of(path, registry)
    assert "the file's name is the business's id" in problem.what


@pytest.mark.parametrize("language", ["en", "en-GB", "EN-US"])
def test_a_region_of_a_language_is_served(
    tmp_path: Path, registry: Registry, language: str
) -> None:
    path = tmp_path / "luigis.toml"
    path.write_text(f'language = "{language.replace("EN", "en")}"\n{GOOD}')
    assert isinstance(read_business(path, registry), Loaded)


# ---- a folder ----------------------------------------------------------------------------------


class Folder:
    """A folder of business files and what the directory over it reported."""

    def __init__(self, path: Path, registry: Registry) -> None:
        self.path = path
        self.registry = registry
        self.reported: list[str] = []

    def open(self) -> BusinessDirectory:
        return BusinessDirectory(
            self.path, self.registry, lambda problem: self.reported.append(str(problem))
        )

    def write(self, name: str, text: str = GOOD, number: str = "+1 415 555 0100") -> Path:
        path = self.path / f"{name}.toml"
        path.write_text(text.replace("+1 415 555 0100", number))
        return path


@pytest.fixture
def folder(tmp_path: Path, registry: Registry) -> Folder:
    return Folder(tmp_path, registry)


A, B = "+14155550101", "+14155550102"


def test_businesses_are_found_by_id_and_number(folder: Folder) -> None:
    folder.write("b", number=B)
    folder.write("a", number=A)
    (folder.path / "notes.txt").write_text("not a business")
    (folder.path / ".#a.toml").write_text("an editor's lock")
    directory = folder.open()
    assert [loaded.id for loaded in directory.all()] == ["a", "b"]
    assert directory.get("a") is directory.route(" +1 (415) 555-0101 ")
    assert directory.get("c") is None
    assert directory.route("anonymous") is None
    assert directory.route("+14155550199") is None
    assert directory.problems() == ()


def test_a_changed_file_serves_the_next_call(folder: Folder) -> None:
    folder.write("a")
    directory = folder.open()
    before = directory.get("a")
    directory.refresh()
    assert directory.get("a") is before
    folder.write("a", GOOD.replace("Luigi's", "Mario's"))
    directory.refresh()
    after = directory.get("a")
    assert before is not None
    assert after is not None
    assert (before.business.name, after.business.name) == ("Luigi's", "Mario's")
    assert before.config_hash != after.config_hash


def test_a_broken_file_keeps_its_last_good_version(folder: Folder) -> None:
    folder.write("a", number=A)
    folder.write("b", number=B)
    directory = folder.open()
    good = directory.get("a")
    folder.write("a", "name = ", number=A)
    directory.refresh()
    directory.refresh()
    assert directory.get("a") is good
    assert directory.route(A) is good
    assert directory.get("b") is not None
    assert len(directory.problems()) == len(folder.reported) == 1
    folder.write("a", number=A)
    directory.refresh()
    assert directory.problems() == ()


def test_a_file_that_was_never_good_stops_no_other(folder: Folder) -> None:
    folder.write("a", "name = ")
    folder.write("b", number=B)
    directory = folder.open()
    assert [loaded.id for loaded in directory.all()] == ["b"]
    assert "a.toml:1: is no valid TOML" in folder.reported[0]


def test_files_come_and_go(folder: Folder) -> None:
    directory = folder.open()
    assert directory.all() == ()
    path = folder.write("a")
    directory.refresh()
    assert directory.get("a") is not None
    path.unlink()
    directory.refresh()
    assert directory.all() == ()
    assert directory.route("+14155550100") is None


def test_a_folder_that_is_not_there(tmp_path: Path, registry: Registry) -> None:
    folder = Folder(tmp_path / "none", registry)
    directory = folder.open()
    assert "the folder of business files cannot be read (No such file" in str(
        directory.problems()[0]
    )
    folder.path.mkdir()
    directory.refresh()
    assert directory.problems() == ()


def test_a_folder_that_is_away_for_a_moment(folder: Folder) -> None:
    folder.write("a")
    directory = folder.open()
    away = folder.path.rename(folder.path.with_name("away"))
    directory.refresh()
    assert directory.get("a") is not None
    assert len(directory.problems()) == 1
    away.rename(folder.path)
    directory.refresh()
    assert directory.problems() == ()
    assert directory.get("a") is not None


def test_two_businesses_with_one_number_at_the_start(folder: Folder) -> None:
    first, second = folder.write("a", number=A), folder.write("b", number=A)
    directory = folder.open()
    (problem,) = directory.problems()
    assert (problem.file, problem.where, problem.line) == (str(second), "numbers", 2)
    assert f"the number {A} is claimed by {first} too" in str(problem)
    assert [loaded.id for loaded in directory.all()] == ["a"]


def test_a_number_stays_with_the_business_that_serves_it(folder: Folder) -> None:
    folder.write("b", number=B)
    directory = folder.open()
    folder.write("a", number=B)
    directory.refresh()
    serving = directory.route(B)
    assert serving is not None
    assert serving.id == "b"
    assert "a.toml:2: numbers: the number +14155550102 is claimed by" in folder.reported[0]
    folder.write("b", number=A)  # it gives the number up: the other has it, untouched since
    directory.refresh()
    serving = directory.route(B)
    assert serving is not None
    assert serving.id == "a"
    assert directory.problems() == ()


def test_a_file_that_takes_a_number_keeps_its_last_good_version(folder: Folder) -> None:
    folder.write("a", number=A)
    folder.write("b", number=B)
    directory = folder.open()
    folder.write("a", GOOD.replace('"+1', f'"{A}", "+1'), number=B)
    directory.refresh()
    assert [loaded.id for loaded in directory.all()] == ["a", "b"]
    assert directory.route(A) is directory.get("a")
    assert directory.route(B) is directory.get("b")


def test_numbers_that_change_places_at_once(folder: Folder) -> None:
    folder.write("a", number=A)
    folder.write("b", number=B)
    directory = folder.open()
    folder.write("a", number=B)
    folder.write("b", number=A)
    directory.refresh()
    assert directory.problems() == ()
    assert directory.route(A) is directory.get("b")


def test_a_changed_secret_file_is_a_change(folder: Folder, tmp_path: Path) -> None:
    key = tmp_path / "key"
    text = f'{GOOD}[options.llm.brain]\nlogin = "file:{key}"\n'
    folder.write("a", text)
    directory = folder.open()
    assert "put it into the file" in folder.reported[0].lower()
    key.write_text("one")
    directory.refresh()
    assert directory.problems() == ()
    loaded = directory.get("a")
    assert loaded is not None
    brain: Any = loaded.options["llm", "brain"]
    assert brain.login.reveal() == "one"


def test_problems_are_warned_of_once(folder: Folder) -> None:
    folder.write("a", "name = ")
    with capture_logs() as logs:
        directory = BusinessDirectory(folder.path, folder.registry)
        directory.refresh()
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("business.broken", "warning")
    assert entry["file"].endswith("a.toml")


def test_readers_are_not_held_up_by_a_reload(folder: Folder) -> None:
    folder.write("a")
    reading, go_on = threading.Event(), threading.Event()

    def report(_: Problem) -> None:
        reading.set()
        assert go_on.wait(10)

    directory = BusinessDirectory(folder.path, folder.registry, report)
    good = directory.get("a")
    folder.write("a", "name = ")
    reload = threading.Thread(target=directory.refresh)
    reload.start()
    assert reading.wait(10)
    directory.refresh()  # returns although the other thread is in the middle of it
    assert directory.get("a") is good
    go_on.set()
    reload.join(10)
    assert not reload.is_alive()
