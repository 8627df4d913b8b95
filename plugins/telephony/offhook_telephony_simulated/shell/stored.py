"""What the server has written down of a call, read from the database the two share."""

from __future__ import annotations

import time

from offhook.errors import OffhookError
from offhook.events import Turn
from offhook.store.calls import CallStore
from offhook.store.schema import CallRow

_RECENT = 100
_SETTLE_SECONDS = 15.0
_LOOK_SECONDS = 0.05


class StoredCall:
    """One call's row and turns, by the carrier's id. Used on one thread."""

    def __init__(self, store: CallStore, carrier_call_id: str, database: str) -> None:
        self._store = store
        self._told = 0
        for row in store.recent(_RECENT):
            if row.carrier_call_id == carrier_call_id:
                self.call_id = row.id
                return
        raise OffhookError(
            f"the server's call is not in the database {database}: set OFFHOOK_DATA and "
            "OFFHOOK_DATABASE_URL as the server has them"
        )

    def new_turns(self) -> list[Turn]:
        """The turns that were stored since this was asked last."""
        turns = self.turns()[self._told :]
        self._told += len(turns)
        return turns

    def turns(self) -> list[Turn]:
        """All turns so far."""
        return self._store.turns(self.call_id)

    def settled(self) -> CallRow:
        """The call's row once it says how the call ended; OffhookError if it never does."""
        until = time.monotonic() + _SETTLE_SECONDS
        while True:
            row = self._store.get(self.call_id)
            if row is not None and row.state == "ended":
                return row
            if time.monotonic() > until:
                raise OffhookError(f"the server has not settled the call {self.call_id}")
            time.sleep(_LOOK_SECONDS)
