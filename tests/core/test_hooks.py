"""Every hook is documented, used by a built-in plugin and tested; a new one cannot come without."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from offhook import hookspecs
from offhook.registry import Registry

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
HOOKS = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if hasattr(function, f"{hookspecs.PROJECT}_spec")
}


def sections() -> dict[str, str]:
    """The text of the guide's section on each hook."""
    _, *parts = re.split(r"^#+ `(offhook_\w+)`$", GUIDE, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_there_are_hooks() -> None:
    assert "offhook_plugin" in HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_its_docstring_says_when_on_which_thread_and_what_none_means(hook: str) -> None:
    text = inspect.getdoc(HOOKS[hook]) or ""
    assert re.search(r"\b[Ff]ires?\b", text), f"{hook} does not say when it fires"
    assert "thread" in text, f"{hook} does not say on which thread it fires"
    # One word may be at the end of a line and the next at the start of another.
    assert re.search(r"\bNone\b|result\s+is\s+ignored", text), (
        f"{hook} does not say what None means"
    )


@pytest.mark.parametrize("hook", HOOKS)
def test_the_guide_has_a_section_on_it(hook: str) -> None:
    section = sections().get(hook, "")
    assert section, f"docs/hooks.md has no section called `{hook}`"
    for argument in inspect.signature(HOOKS[hook]).parameters:
        assert f"`{argument}`" in section, f"docs/hooks.md does not explain {argument} of {hook}"
    assert "thread" in section, f"docs/hooks.md does not say on which thread {hook} fires"


def test_the_guide_describes_no_hook_that_is_gone() -> None:
    assert set(re.findall(r"\boffhook_(?:create_)?[a-z]+(?:_[a-z]+)*\b", GUIDE)) <= set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_built_in_plugin_uses_it(hook: str) -> None:
    users = [
        plugin.entry_point
        for plugin in Registry()
        if plugin.distribution == "offhook" and hasattr(plugin.module, hook)
    ]
    assert users, f"no built-in plugin implements {hook}: a hook ships with a plugin that needs it"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_test_names_it(hook: str) -> None:
    here = Path(__file__)
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != here]
    # A provider may also be made the way the engine does it, through the registry.
    kind = hook.removeprefix("offhook_create_")
    called = re.compile(rf"\b{hook}\b|\.create\(\s*[\"']{kind}[\"']")
    assert any(called.search(path.read_text(encoding="utf-8")) for path in tests), (
        f"no test names {hook}"
    )
