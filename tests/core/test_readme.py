"""What the README shows must work as shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from offhook.business_file import read_business
from offhook.registry import Registry

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_business_file_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert len([line for line in shown.splitlines() if line.strip()]) <= 25
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t" * 32)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    file = tmp_path / "trattoria.toml"
    file.write_text(shown, encoding="utf-8")
    assert read_business(file, Registry()).business.llm == ("openai", "script")


def test_every_command_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    commands = set(re.findall(r"\boffhook (call|serve|check|schema|plugins|demo)\b", README))
    assert commands >= {"call", "serve", "check", "schema", "plugins"}
    for command in commands:
        script = Path(sys.executable).parent / "offhook"
        done = subprocess.run([script, command, "--help"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_every_link_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
