from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from offhook_telephony_simulated.carrier import SimulatedCarrier

from .engine import KEY, Engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    engine.close()


@pytest.fixture
def carrier(engine: Engine, tmp_path: Path) -> Iterator[SimulatedCarrier]:
    with SimulatedCarrier(
        engine.url + "/voice", status_url=engine.url + "/call-status", key=KEY, data=tmp_path
    ) as carrier:
        yield carrier
    left = [t.name for t in threading.enumerate() if t.name.startswith("offhook-carrier")]
    assert left == []
    assert not any((tmp_path / "simulated-calls").glob("*"))
