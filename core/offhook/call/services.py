"""What all calls of a process share."""

from __future__ import annotations

from dataclasses import dataclass, field

from offhook.businesses import BusinessDirectory
from offhook.call.observers import Observers
from offhook.call.phrases import PhraseCache
from offhook.config import Settings
from offhook.registry import Registry
from offhook.store.calls import CallStore, Node
from offhook.store.writer import StoreWriter


@dataclass(slots=True)
class Services:
    """Built once per process, handed to everything that needs it; no global variables."""

    settings: Settings
    registry: Registry
    directory: BusinessDirectory
    store: CallStore
    writer: StoreWriter
    observers: Observers
    phrases: PhraseCache = field(default_factory=PhraseCache)
    node: Node = field(default_factory=Node.here)
