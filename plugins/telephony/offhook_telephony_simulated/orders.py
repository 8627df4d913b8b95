"""How the engine's side reaches a call of the carrier's: a folder per live call.

Twilio has a REST API for this. Both ends of the simulated carrier share a data folder, so a file
in the call's folder is enough, and a folder that is gone says that the call is over.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Literal, NamedTuple

Verb = Literal["hang-up", "transfer"]
_CALL_SID = re.compile(r"CA[0-9a-f]{32}")


class Order(NamedTuple):
    """What the engine wants of a call; ``to_number`` is where a transfer goes."""

    verb: str
    to_number: str = ""


class Orders:
    """The orders of all live calls under one data folder. Any thread, any process."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "simulated-calls"

    def open(self, call_sid: str) -> None:
        """The call begins: it can be given orders."""
        (self._folder / call_sid).mkdir(mode=0o700, parents=True)

    def close(self, call_sid: str) -> None:
        """The call is over."""
        shutil.rmtree(self._folder / call_sid, ignore_errors=True)

    def give(self, call_sid: str, verb: Verb, to_number: str = "") -> bool:
        """Leave an order for the call; False if it is over."""
        if not _CALL_SID.fullmatch(call_sid):  # it becomes part of a path
            return False
        folder = self._folder / call_sid
        draft = folder / f"draft-{os.urandom(4).hex()}"
        try:
            draft.write_text(f"{verb} {to_number}", encoding="utf-8")
            draft.replace(folder / "order")
        except FileNotFoundError:
            return False
        return True

    def take(self, call_sid: str) -> Order | None:
        """The call's order, if there is one."""
        try:
            text = (self._folder / call_sid / "order").read_text(encoding="utf-8")
        except OSError:
            return None
        verb, _, to_number = text.partition(" ")
        return Order(verb, to_number)
