"""The dialogue written in the business file: no account, no key, no network.

It stands in for a hosted language model, and for one that fails. Examples are matched by sentence
embeddings where the packages of the extra ``local`` are installed, by words otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offhook import hookimpl
from offhook.providers import PluginInfo
from offhook_llm_script.options import ScriptOptions

if TYPE_CHECKING:
    from offhook.events import CallInfo
    from offhook.providers import LanguageModel


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(
        kind="llm",
        name="script",
        summary="a dialogue written in the business file, matched without a network",
        options=ScriptOptions,
        capabilities=frozenset({"tools"}),
    )


@hookimpl
def offhook_create_llm(options: ScriptOptions, call: CallInfo) -> LanguageModel:
    from offhook_llm_script.model import ScriptModel

    return ScriptModel(options, call)
