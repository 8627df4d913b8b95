"""A model behind OpenAI's chat completions, hosted or local: Groq, vLLM, Ollama, llama.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offhook import hookimpl
from offhook.providers import PluginInfo
from offhook_llm_openai.options import OpenAIOptions

if TYPE_CHECKING:
    from offhook.events import CallInfo
    from offhook.providers import LanguageModel


@hookimpl
def offhook_plugin() -> PluginInfo:
    return PluginInfo(
        kind="llm",
        name="openai",
        summary="OpenAI's models, and any server that speaks its chat completions",
        options=OpenAIOptions,
        capabilities=frozenset({"tools"}),
        requires=("openai",),
        extra="openai",
    )


@hookimpl
def offhook_create_llm(options: OpenAIOptions, call: CallInfo) -> LanguageModel:  # noqa: ARG001
    from offhook_llm_openai.model import OpenAIModel

    return OpenAIModel(options)
