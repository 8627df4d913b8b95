"""Everything a web process holds, built in one place, started and stopped in order."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from typing import cast

import structlog

from offhook.businesses import BusinessDirectory, Loaded
from offhook.call import chains
from offhook.call.brief import fixed_sentences
from offhook.call.observers import Observers
from offhook.call.services import Services
from offhook.call.sessions import Reaper, Sessions
from offhook.config import Settings
from offhook.errors import PluginError
from offhook.events import MULAW_8K, CallInfo
from offhook.media import vad
from offhook.providers import Telephony
from offhook.registry import Registry
from offhook.store.calls import CallStore
from offhook.store.engine import migrate, open_engine
from offhook.store.writer import StoreWriter

log = structlog.get_logger(__name__)

PREPARE_SECONDS = 30.0
"""How long one business's sentences may take before those of the next are begun as well."""

_ACCOUNTS_KEPT = 1000


class Accounts:
    """Carrier accounts, one per configuration version of a business. *Any thread.*"""

    def __init__(self, registry: Registry, public_url: str) -> None:
        self._registry = registry
        self._public_url = public_url
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[str, str], Telephony] = OrderedDict()

    def get(self, loaded: Loaded, plugin: str) -> Telephony:
        """The business's account with a carrier. Raises PluginError if it has none."""
        if plugin not in loaded.business.telephony:
            raise PluginError(f"business {loaded.id!r} does not use the telephony {plugin!r}")
        key = (loaded.config_hash, plugin)
        with self._lock:
            account = self._made.get(key)
            if account is not None:
                self._made.move_to_end(key)
                return account
        made = self._registry.create(
            "telephony",
            plugin,
            options=loaded.options["telephony", plugin],
            public_url=self._public_url,
        )
        if made is None:
            raise PluginError(f"the telephony plugin {plugin!r} cannot serve {loaded.id!r}")
        with self._lock:
            while len(self._made) >= _ACCOUNTS_KEPT:
                self._made.popitem(last=False)
            return self._made.setdefault(key, cast("Telephony", made))


class PhrasePreparer(threading.Thread):
    """Gets each business's vendors and fixed sentences ready before a call needs them."""

    def __init__(self, services: Services) -> None:
        super().__init__(name="offhook-phrases", daemon=True)
        self._services = services
        self._queue: queue.SimpleQueue[Loaded | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._done: dict[str, threading.Event] = {}  # by configuration version
        self._stopping = False

    def prepare(self, loaded: Loaded) -> threading.Event:
        """Ask for a business's sentences, at once and only once per configuration version; the
        event is set when they are there (or could not be had). *Any thread.*"""
        with self._lock:
            done = self._done.get(loaded.config_hash)
            if done is None:
                done = self._done[loaded.config_hash] = threading.Event()
                self._queue.put(loaded)
            return done

    def run(self) -> None:
        while (loaded := self._queue.get()) is not None:
            # A thread each: a vendor that hangs must not keep the other businesses waiting.
            one = threading.Thread(
                target=self._prepare, args=(loaded,), name=f"{self.name}-{loaded.id}", daemon=True
            )
            one.start()
            one.join(PREPARE_SECONDS)
            if one.is_alive():
                log.warning("phrases.late", business=loaded.id, seconds=PREPARE_SECONDS)

    def _prepare(self, loaded: Loaded) -> None:
        try:
            call = CallInfo("prepare", loaded.id, "", "", "", "", language=loaded.business.language)
            services = self._services
            self._warm_up(call, loaded)
            voice = chains.voice(call, loaded, services.registry, MULAW_8K, services.phrases)
            for sentence in fixed_sentences(loaded):
                if self._stopping:
                    break
                voice.prepare([sentence])
            voice.close()
        except Exception:
            log.exception("phrases.failed", business=loaded.id)
        finally:
            self.prepare(loaded).set()

    def _warm_up(self, call: CallInfo, loaded: Loaded) -> None:
        """Have the language model's modules loaded before the first caller asks something."""
        models = chains.models(call, loaded, self._services.registry)
        try:
            models.get()
        except Exception as error:
            log.warning("warm_up.failed", business=loaded.id, error=str(error))
        models.close()

    def stop(self, seconds: float) -> None:
        self._stopping = True
        self._queue.put(None)
        self.join(seconds)


class Runtime:
    """One web process. ``public_url`` is the http(s) root the carrier reaches it under."""

    def __init__(self, settings: Settings, registry: Registry, public_url: str) -> None:
        self.public_url = public_url.rstrip("/")
        engine = open_engine(settings.database)
        migrate(engine)
        store = CallStore(engine)
        self._engine = engine
        self.services = Services(
            settings=settings,
            registry=registry,
            directory=BusinessDirectory(settings.businesses, registry),
            store=store,
            writer=StoreWriter(store),
            observers=Observers(registry),
        )
        self.sessions = Sessions(settings.max_calls)
        self.accounts = Accounts(registry, self.public_url)
        self.phrases = PhrasePreparer(self.services)
        self._reaper = Reaper(self.sessions, store, self.services.node)

    def stream_url(self, telephony: str, token: str) -> str:
        """Where the carrier must connect a call's audio."""
        root = self.public_url.replace("http", "ws", 1)
        return f"{root}/media/{telephony}/{token}"

    def webhook_url(self, telephony: str, what: str) -> str:
        """Where the carrier must report to."""
        return f"{self.public_url}/webhooks/{telephony}/{what}"

    def start(self) -> None:
        """Begin to serve; returns once a heartbeat of this node is in the database."""
        self.services.store.heartbeat(self.services.node)
        self._reaper.start()
        self.phrases.start()
        businesses = self.services.directory.all()
        if any(loaded.business.turns.vad == "silero" for loaded in businesses):
            vad.warm_up()
        for loaded in businesses:
            self.phrases.prepare(loaded)

    def close(self) -> None:
        """End what is left, and write down how it ended."""
        for session in self.sessions:
            session.abandon("drained", "the node went down")
        self._reaper.stop()
        self.phrases.stop(2.0)
        self.services.observers.close()
        self.services.writer.close(10.0)
        self._engine.dispose()
