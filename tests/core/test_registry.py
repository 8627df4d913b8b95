"""Plugins found by entry point; each broken one is a sentence, and the others work."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel
from tests.conftest import FakeEntryPoint, MakePlugin

from offhook import hookimpl
from offhook.errors import PluginError
from offhook.providers import PluginInfo
from offhook.registry import Plugin, Registry


def problem(registry: Registry, entry_point: str) -> str:
    return next(p.problem for p in registry if p.entry_point == entry_point)


def module(**functions: Any) -> ModuleType:
    made = ModuleType("acme_offhook")
    for name, function in functions.items():
        setattr(made, name, hookimpl(function))
    return made


def info(**fields: Any) -> PluginInfo:
    return PluginInfo(**{"kind": "stt", "name": "acme", "summary": "", **fields})


def test_a_plugin_is_found_and_created(make_plugin: MakePlugin) -> None:
    registry = Registry(
        [make_plugin("llm", "acme", offhook_create_llm=lambda options, call: (options, call))]
    )
    (plugin,) = registry
    assert (plugin.available, plugin.distribution, plugin.version) == (True, "acme-offhook", "1.2")
    assert registry.info("llm", "acme").name == "acme"
    assert registry.create("llm", "acme", options=1, call=2) == (1, 2)


def test_only_the_named_plugin_is_asked(make_plugin: MakePlugin) -> None:
    def refuse(**_: Any) -> None:
        raise AssertionError("the wrong plugin was asked")

    registry = Registry(
        [
            make_plugin("llm", "other", offhook_create_llm=lambda options, call: refuse()),
            make_plugin("llm", "acme", offhook_create_llm=lambda options, call: None),
        ]
    )
    assert registry.create("llm", "acme", options=None, call=None) is None


def test_names_are_those_that_can_be_used(make_plugin: MakePlugin) -> None:
    registry = Registry(
        [
            make_plugin("stt", "b"),
            make_plugin("stt", "a"),
            make_plugin("stt", "c", info={"requires": ("no_such_module",)}),
            make_plugin("tts", "d"),
        ]
    )
    assert registry.names("stt") == ["a", "b"]


def test_an_unknown_name_lists_those_there_are(make_plugin: MakePlugin) -> None:
    with pytest.raises(PluginError, match=r"no stt plugin called 'x' \(there are: acme\)"):
        Registry([make_plugin("stt", "acme")]).get("stt", "x")
    with pytest.raises(PluginError, match="none installed"):
        Registry([]).get("stt", "x")


def test_a_plugin_without_the_hook_is_named(make_plugin: MakePlugin) -> None:
    registry = Registry([make_plugin("telephony", "acme")])
    with pytest.raises(PluginError, match="'telephony-acme' of acme-offhook has no"):
        registry.create("telephony", "acme", options=None, public_url="")
    with pytest.raises(PluginError, match="offhook_read_webhook"):
        registry.read_webhook("acme", None)


def test_webhooks_go_to_their_carrier(make_plugin: MakePlugin) -> None:
    registry = Registry(
        [make_plugin("telephony", "acme", offhook_read_webhook=lambda request: ("read", request))]
    )
    assert registry.read_webhook("acme", "it") == ("read", "it")


def test_each_gives_the_plugins_with_the_hook(make_plugin: MakePlugin) -> None:
    def observer(name: str, **info: Any) -> FakeEntryPoint:
        return make_plugin(
            "observer", name, info=info, offhook_call_started=lambda call: f"{name} saw {call}"
        )

    registry = Registry(
        [
            observer("one"),
            observer("two"),
            observer("gone", requires=("no_such_module",)),
            make_plugin("stt", "acme"),
        ]
    )
    seen = [(p.entry_point, hook(call="it")) for p, hook in registry.each("offhook_call_started")]
    assert seen == [("observer-one", ["one saw it"]), ("observer-two", ["two saw it"])]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (
            ModuleNotFoundError("No module named 'acme'", name="acme.sdk"),
            "cannot be imported (ModuleNotFoundError: No module named 'acme'): "
            "install the missing module (pip install acme)",
        ),
        (
            SyntaxError("invalid syntax"),
            "cannot be imported (SyntaxError: invalid syntax): upgrade or uninstall acme-offhook",
        ),
        (SystemExit(2), "cannot be imported (SystemExit: 2): upgrade or uninstall acme-offhook"),
        (module(), "it has no offhook_plugin hook"),
        (module(offhook_plugin=lambda: None), "did not return a PluginInfo"),
        (module(offhook_plugin=lambda: info(kind="fax")), "its kind 'fax' is none of telephony"),
        (module(offhook_plugin=lambda: info(options=dict)), "are no pydantic model"),
        (module(offhook_plugin=lambda: 1 / 0), "is broken (ZeroDivisionError"),
        (
            module(offhook_plugin=info, offhook_call_begun=lambda call: None),
            "it implements offhook_call_begun, which is no hook of this offhook",
        ),
        (
            module(offhook_plugin=info, offhook_call_started=lambda phone: None),
            "is broken (PluginValidationError",
        ),
        (
            module(offhook_plugin=lambda: info(requires=("no_such_sdk",), extra="sdk")),
            "needs the module no_such_sdk: run pip install 'acme-offhook[sdk]'",
        ),
        (
            module(offhook_plugin=lambda: info(requires=("no_such.sdk", "json"))),
            "needs the module no_such.sdk: run pip install 'no_such.sdk'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_plugin_is_a_sentence_and_the_rest_works(
    make_plugin: MakePlugin, broken: object, says: str
) -> None:
    registry = Registry([FakeEntryPoint("broken", broken), make_plugin("tts", "good")])
    assert says in problem(registry, "broken")
    assert problem(registry, "broken").startswith("plugin 'broken' of acme-offhook ")
    assert registry.get("tts", "good").available


def test_an_unusable_plugin_gives_its_sentence(make_plugin: MakePlugin) -> None:
    registry = Registry([make_plugin("stt", "acme", info={"requires": ("no_such_module",)})])
    with pytest.raises(PluginError, match="needs the module no_such_module"):
        registry.create("stt", "acme")


def test_of_two_with_one_name_ours_stays(make_plugin: MakePlugin) -> None:
    registry = Registry(
        [
            make_plugin("stt", "acme", distribution="a-third-party"),
            make_plugin("stt", "acme", distribution="offhook"),
        ]
    )
    assert registry.get("stt", "acme").distribution == "offhook"
    loser = next(plugin for plugin in registry if not plugin.available)
    assert loser.problem == (
        "plugin 'stt-acme' of a-third-party calls itself stt 'acme', and so does 'stt-acme' of "
        "offhook: uninstall one of the two"
    )


def test_two_entry_points_of_one_module_leave_the_first(make_plugin: MakePlugin) -> None:
    first = make_plugin("stt", "acme")
    again = FakeEntryPoint("stt-acme-too", first.load())
    registry = Registry([first, again])
    assert registry.get("stt", "acme").entry_point == "stt-acme"
    assert "names the same module" in problem(registry, "stt-acme-too")


def test_an_entry_point_without_a_distribution() -> None:
    point = FakeEntryPoint("lost", module())
    point.dist = None  # type: ignore[assignment]
    assert "of an unknown distribution" in problem(Registry([point]), "lost")


def test_the_built_in_plugins_are_found() -> None:
    registry = Registry()
    found: list[Plugin] = [plugin for plugin in registry if plugin.distribution == "offhook"]
    assert {plugin.entry_point for plugin in found} >= {"telephony-simulated", "llm-script"}


def test_options_models_of_the_installed_plugins_make_a_schema() -> None:
    for plugin in Registry():
        if plugin.info is not None:
            assert issubclass(plugin.info.options, BaseModel)
            assert plugin.info.options.model_json_schema()["type"] == "object"
