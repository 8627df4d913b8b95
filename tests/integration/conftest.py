"""A whole server on a thread of the test, vendors by script, and a carrier that rings it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from offhook.config import Settings
from offhook.events import MULAW_8K
from offhook.registry import GROUP, EntryPoint, Registry
from offhook.web.server import EmbeddedServer
from offhook_telephony_simulated.carrier import SimulatedCarrier

from .scripted import Script, ScriptedLlm, ScriptedStt, ScriptedTts

NUMBER = "+14155550100"

BUSINESS = f"""
name = "Acme"
numbers = ["{NUMBER}"]
greeting = "Hello."
telephony = "simulated"
stt = "scripted"
llm = "scripted"
tts = "scripted"

[turns]
vad = "energy"
endpoint_ms = 200
pause_ms = 100

[recording]
enabled = true

[limits]
concurrent_calls = 1000
"""

MakeServer = Callable[..., EmbeddedServer]
MakeCarrier = Callable[..., SimulatedCarrier]


@pytest.fixture
def script() -> Script:
    """What the scripted vendors say; a test may change it at any moment."""
    return Script()


@pytest.fixture
def scripted_plugins(make_plugin: Any, script: Script) -> list[EntryPoint]:
    """The scripted vendors, and the carriers as installed."""
    mulaw = {"formats": (MULAW_8K,)}
    installed = importlib.metadata.entry_points(group=GROUP)
    return [
        make_plugin(
            "stt",
            "scripted",
            info=mulaw,
            offhook_create_stt=lambda options, call, audio, emit: ScriptedStt(script, emit),
        ),
        make_plugin(
            "llm", "scripted", offhook_create_llm=lambda options, call: ScriptedLlm(script)
        ),
        make_plugin(
            "tts",
            "scripted",
            info=mulaw,
            offhook_create_tts=lambda options, call, audio: ScriptedTts(),
        ),
        *(e for e in installed if e.name in ("telephony-simulated", "telephony-twilio")),
    ]


@pytest.fixture
def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripted_plugins: list[EntryPoint]
) -> Iterator[MakeServer]:
    """Starts a server: ``server(toml, plugins=[...], **settings)``.

    ``toml`` is the file ``businesses/acme.toml``; ``plugins`` are entry points beside the scripted
    ones; ``settings`` are fields of Settings. It returns once the business's fixed sentences are
    ``prepared``, if that is asked for.
    """
    monkeypatch.setenv("OFFHOOK_DATA", str(tmp_path))
    folder = tmp_path / "businesses"
    folder.mkdir(exist_ok=True)
    with ExitStack() as running:

        def start(
            toml: str = BUSINESS,
            plugins: list[EntryPoint] | None = None,
            *,
            prepared: bool = True,
            **settings: Any,
        ) -> EmbeddedServer:
            (folder / "acme.toml").write_text(toml, encoding="utf-8")
            registry = Registry([*scripted_plugins, *(plugins or [])])
            chosen = Settings(businesses=folder, data=tmp_path, **settings)
            server = running.enter_context(EmbeddedServer(chosen, registry))
            acme = server.runtime.services.directory.get("acme")
            assert acme is not None, server.runtime.services.directory.problems()
            assert not prepared or server.runtime.phrases.prepare(acme).wait(10)
            return server

        yield start


@pytest.fixture
def carrier(server: MakeServer, tmp_path: Path) -> Iterator[MakeCarrier]:
    """Makes the carrier of a server: ``carrier(server, telephony="simulated", **options)``.

    It hangs up at the end of the test. ``root`` is the server's public URL where that is not its
    own; ``options`` are those of SimulatedCarrier.
    """
    with ExitStack() as open_carriers:

        def make(
            running: EmbeddedServer, telephony: str = "simulated", root: str = "", **options: Any
        ) -> SimulatedCarrier:
            voice_url = f"{root or running.url}/webhooks/{telephony}/voice"
            return open_carriers.enter_context(
                SimulatedCarrier(voice_url, data=tmp_path, **options)
            )

        yield make
