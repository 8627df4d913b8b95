"""The database: calls, their turns and the processes that serve them."""

from offhook.store.calls import CallStore, ClaimedCall, Node
from offhook.store.engine import migrate, open_engine
from offhook.store.schema import CallRow
from offhook.store.writer import StoreWriter

__all__ = ["CallRow", "CallStore", "ClaimedCall", "Node", "StoreWriter", "migrate", "open_engine"]
