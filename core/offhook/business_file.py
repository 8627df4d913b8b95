"""Reads one business file and checks it with the plugins that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from offhook.config.business import Business, PluginKind
from offhook.config.explain import nearest, validate
from offhook.config.inline import inline_secrets
from offhook.config.source import Source, dotted, read_source
from offhook.errors import ConfigError, Problem
from offhook.providers import PluginInfo
from offhook.registry import Plugin, Registry

PLUGIN_KINDS: tuple[PluginKind, ...] = get_args(PluginKind)

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version of a business: what its file says, every plugin's options validated.

    ``id`` is the file's name without ``.toml``; ``options`` holds an instance of the plugin's
    options model for each (kind, name) the business uses; ``config_hash`` is the SHA-256 of the
    file. Immutable: a call keeps the version it began with.
    """

    id: str
    business: Business
    options: Mapping[tuple[PluginKind, str], BaseModel]
    config_hash: str
    path: Path
    loaded_at: datetime


def read_business(path: Path, registry: Registry) -> Loaded:
    """Read and check one business file; ConfigError with everything that is wrong with it."""
    return check_business(path, read_source(path), registry)


def check_business(path: Path, source: Source, registry: Registry) -> Loaded:
    """Check what a business file says; ConfigError with everything that is wrong with it."""
    problems = list(_inline(source))
    if not _ID.fullmatch(path.stem):
        problems.append(
            source.problem(
                (),
                "the file's name is the business's id, and may only have a-z, 0-9, - and _",
                "Rename the file",
            )
        )
    business = validate(Business, source.data, source)
    options: dict[tuple[PluginKind, str], BaseModel] = {}
    others: list[Problem] = [] if isinstance(business, Business) else business
    understood = all(problem.where != "language" for problem in others)
    for kind in PLUGIN_KINDS:
        for name in _names(source, kind):
            plugin = _find(registry, kind, name)
            others += _usable(source, registry, plugin, kind, name)
            if plugin is None or plugin.info is None:
                continue
            others += _language(source, plugin.info) if understood else ()
            made = _options(source, plugin.info)
            if isinstance(made, BaseModel):
                options[kind, name] = made
            else:
                others += made
        others += _strays(source, kind)
    if isinstance(business, Business):
        others += _speech_events(source, business, registry)
    # A secret in the file is told once, whatever else is wrong with that key.
    secret = {problem.where for problem in problems}
    problems += [problem for problem in others if problem.where not in secret]
    if problems or not isinstance(business, Business):
        raise ConfigError(sorted(problems, key=lambda problem: problem.line or 0))
    return Loaded(path.stem, business, options, source.digest, path, datetime.now(UTC))


def _inline(source: Source) -> Iterator[Problem]:
    for key in inline_secrets(source.data):
        yield source.problem(
            key,
            "a secret must not stand in a file",
            f"Write env:NAME or file:PATH for {dotted(key[-1:])}, and put the secret there",
        )


def _names(source: Source, kind: PluginKind) -> tuple[str, ...]:
    """The plugins of a kind, as far as the file can be understood."""
    given = source.data.get(kind, Business.model_fields[kind].default)
    names = [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else []
    return tuple(name for name in names if isinstance(name, str))


def _tables(source: Source, kind: PluginKind) -> dict[str, Any]:
    """The option tables of a kind, as far as the file can be understood."""
    options = source.data.get("options")
    tables = options.get(kind) if isinstance(options, dict) else None
    return tables if isinstance(tables, dict) else {}


def _find(registry: Registry, kind: PluginKind, name: str) -> Plugin | None:
    """The plugin of that name, usable or not."""
    found = (p for p in registry if p.info and (p.info.kind, p.info.name) == (kind, name))
    # One that cannot be imported has not told its name; its entry point may still show it.
    broken = (p for p in registry if p.info is None and p.entry_point == f"{kind}-{name}")
    return next(found, None) or next(broken, None)


def _usable(
    source: Source, registry: Registry, plugin: Plugin | None, kind: PluginKind, name: str
) -> Iterator[Problem]:
    if plugin is None:
        yield source.problem(
            (kind,),
            f"there is no {kind} plugin called {name!r}",
            nearest(name, registry.names(kind)),
        )
    elif plugin.problem:
        what, _, mend = plugin.problem.rpartition(": ")
        yield source.problem((kind,), what, mend[:1].upper() + mend[1:])


def _options(source: Source, info: PluginInfo) -> BaseModel | list[Problem]:
    prefix = ("options", info.kind, info.name)
    table = source.data.get("options", {})
    for part in prefix[1:]:
        table = table.get(part, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return []  # the business's own model tells
    try:
        return validate(info.options, table, source, prefix)
    except Exception as error:
        # The message stays out: a validator that fails may quote a secret.
        return [
            source.problem(
                prefix,
                f"the {info.kind} plugin {info.name!r} cannot check its options "
                f"({type(error).__name__})",
                "Tell its author",
            )
        ]


def _language(source: Source, info: PluginInfo) -> Iterator[Problem]:
    language = source.data.get("language", Business.model_fields["language"].default)
    if info.languages and not any(_serves(tag, language) for tag in info.languages):
        yield source.problem(
            ("language",),
            f"the {info.kind} plugin {info.name!r} does not speak {language!r}",
            f"Write one of {', '.join(info.languages)}, or choose another {info.kind} plugin",
        )


def _serves(offered: str, wanted: str) -> bool:
    """Whether the tags agree as far as both go: ``en`` serves ``en-GB`` and the reverse."""
    pairs = zip(offered.lower().split("-"), wanted.lower().split("-"), strict=False)
    return all(a == b for a, b in pairs)


def _strays(source: Source, kind: PluginKind) -> Iterator[Problem]:
    names = _names(source, kind)
    for name in _tables(source, kind):
        if name not in names:
            yield source.problem(
                ("options", kind, name),
                f"these options are for a {kind} plugin that the business does not use",
                f"Add {name!r} to {kind}, or remove the table",
            )


def _speech_events(source: Source, business: Business, registry: Registry) -> Iterator[Problem]:
    if business.turns.vad != "stt":
        return
    for name in business.stt:
        plugin = _find(registry, "stt", name)
        if plugin and plugin.info and "vad" not in plugin.info.capabilities:
            yield source.problem(
                ("turns", "vad"),
                f"the stt plugin {name!r} does not tell when the caller speaks",
                'Write "silero" or "energy"',
            )
