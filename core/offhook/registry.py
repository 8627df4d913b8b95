"""Finds plugins by entry point and hands out the one a business file names.

Nothing here is fatal: a plugin that fails to import, has no SDK, describes itself wrongly or takes
a name that is in use becomes an entry with a ``problem`` sentence that names its distribution and
the mend, and every other plugin works.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pluggy
from pydantic import BaseModel

from offhook import hookspecs
from offhook.errors import PluginError
from offhook.providers import KINDS, Kind, PluginInfo

GROUP = "offhook"


class EntryPoint(Protocol):
    """The part of ``importlib.metadata.EntryPoint`` that the registry uses."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def dist(self) -> Any: ...
    def load(self) -> Any: ...


@dataclass(slots=True)
class Plugin:
    """One entry point, usable or not. ``info`` is None if it never got as far as describing
    itself; ``problem`` is empty if it can be used."""

    entry_point: str
    distribution: str
    version: str
    info: PluginInfo | None = None
    problem: str = ""
    module: Any = field(default=None, repr=False)

    @property
    def available(self) -> bool:
        return not self.problem


class Registry:
    """All installed plugins. Built once per process; safe to read from any thread."""

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._plugins: list[Plugin] = []
        self._by_name: dict[tuple[Kind, str], Plugin] = {}
        found = (
            importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points
        )
        for entry_point in sorted(found, key=_built_in_first):
            self._plugins.append(self._load(entry_point))

    def __iter__(self) -> Iterator[Plugin]:
        return iter(self._plugins)

    def names(self, kind: Kind) -> list[str]:
        """The names of the usable plugins of a kind, sorted."""
        return sorted(name for (k, name), p in self._by_name.items() if k == kind and p.available)

    def get(self, kind: Kind, name: str) -> Plugin:
        """The usable plugin of that kind and name; PluginError with the mend otherwise."""
        plugin = self._by_name.get((kind, name))
        if plugin is None:
            known = ", ".join(self.names(kind)) or "none installed"
            raise PluginError(f"there is no {kind} plugin called {name!r} (there are: {known})")
        if not plugin.available:
            raise PluginError(plugin.problem)
        return plugin

    def info(self, kind: Kind, name: str) -> PluginInfo:
        """What the usable plugin of that kind and name says of itself."""
        info = self.get(kind, name).info
        assert info is not None  # a plugin without info is never available
        return info

    def create(self, kind: Kind, name: str, **arguments: Any) -> Any:
        """Call the plugin's ``offhook_create_KIND`` hook; None if the plugin declines."""
        return self._call_one(self.get(kind, name), f"offhook_create_{kind}", arguments)

    def read_webhook(self, name: str, request: Any) -> Any:
        """Let the telephony plugin of that name read a carrier's webhook."""
        return self._call_one(
            self.get("telephony", name), "offhook_read_webhook", {"request": request}
        )

    def each(self, hook: str) -> Iterator[tuple[Plugin, Any]]:
        """Usable plugins that implement ``hook``, each with its own caller of that hook."""
        for plugin in self._plugins:
            if plugin.available and getattr(plugin.module, hook, None) is not None:
                yield plugin, self._caller(plugin, hook)

    def _call_one(self, plugin: Plugin, hook: str, arguments: dict[str, Any]) -> Any:
        if not hasattr(plugin.module, hook):
            raise PluginError(
                f"plugin {plugin.entry_point!r} of {plugin.distribution} has no {hook} hook: "
                "its author must add it"
            )
        return self._caller(plugin, hook)(**arguments)

    def _caller(self, plugin: Plugin, hook: str) -> Any:
        others = [p.module for p in self._plugins if p.module is not None and p is not plugin]
        return self._manager.subset_hook_caller(hook, others)

    def _load(self, entry_point: EntryPoint) -> Plugin:
        dist = entry_point.dist
        plugin = Plugin(
            entry_point=entry_point.name,
            distribution=dist.name if dist else "an unknown distribution",
            version=dist.version if dist else "",
        )
        label = f"plugin {plugin.entry_point!r} of {plugin.distribution}"
        try:
            module = entry_point.load()
        except (Exception, SystemExit) as error:  # a script named as a plugin may just exit
            plugin.problem = (
                f"{label} cannot be imported ({_describe(error)}): {_mend_import(error, plugin)}"
            )
            return plugin
        if first := next((p for p in self._plugins if p.module is module), None):
            plugin.problem = (
                f"{label} names the same module as its {first.entry_point!r}: "
                "tell its author to keep one of the two"
            )
            return plugin
        try:
            self._manager.register(module, name=f"{plugin.distribution}:{plugin.entry_point}")
            plugin.module = module
            if unknown := self._unknown_hooks(module):
                raise TypeError(f"it implements {unknown}, which is no hook of this offhook")
            if not hasattr(module, "offhook_plugin"):
                raise TypeError("it has no offhook_plugin hook")
            plugin.info = _checked(self._caller(plugin, "offhook_plugin")())
        except Exception as error:
            plugin.problem = (
                f"{label} is broken ({_describe(error)}): tell its author, or uninstall it"
            )
            if self._manager.is_registered(module):
                self._manager.unregister(module)
            plugin.module = None
            return plugin
        self._claim_name(plugin, label)
        return plugin

    def _unknown_hooks(self, module: Any) -> str:
        callers = self._manager.get_hookcallers(module) or []
        return ", ".join(caller.name for caller in callers if caller.spec is None)

    def _claim_name(self, plugin: Plugin, label: str) -> None:
        info = plugin.info
        assert info is not None
        missing = [name for name in info.requires if not _installed(name)]
        if missing:
            target = f"{plugin.distribution}[{info.extra}]" if info.extra else " ".join(missing)
            plugin.problem = (
                f"{label} needs the module {', '.join(missing)}: run pip install '{target}'"
            )
        owner = self._by_name.setdefault((info.kind, info.name), plugin)
        if owner is not plugin:
            plugin.problem = (
                f"{label} calls itself {info.kind} {info.name!r}, and so does "
                f"{owner.entry_point!r} of {owner.distribution}: uninstall one of the two"
            )
            self._manager.unregister(plugin.module)
            plugin.module = None


def _built_in_first(entry_point: EntryPoint) -> tuple[bool, str, str]:
    dist = entry_point.dist
    name = dist.name if dist else ""
    return (name != "offhook", name, entry_point.name)


def _checked(results: Any) -> PluginInfo:
    info = results[0] if isinstance(results, list) and results else None
    if not isinstance(info, PluginInfo):
        raise TypeError("its offhook_plugin hook did not return a PluginInfo")
    if info.kind not in KINDS:
        raise TypeError(f"its kind {info.kind!r} is none of {', '.join(KINDS)}")
    if not (isinstance(info.options, type) and issubclass(info.options, BaseModel)):
        raise TypeError("the options of its PluginInfo are no pydantic model")
    return info


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # the package around it is missing, or half imported
        return False


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _mend_import(error: BaseException, plugin: Plugin) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install the missing module (pip install {error.name.partition('.')[0]})"
    return f"upgrade or uninstall {plugin.distribution}"
