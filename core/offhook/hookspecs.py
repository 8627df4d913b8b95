"""Every hook a plugin can implement: when it fires, on which thread, what None means.

A plugin is a module named by an entry point of the group ``offhook``::

    [project.entry-points.offhook]
    stt-acme = "acme_offhook"

    # acme_offhook.py
    from offhook import hookimpl

    @hookimpl
    def offhook_plugin():
        return PluginInfo(kind="stt", name="acme", summary="Acme speech recognition")

One entry point is one plugin of one kind. The ``create`` hooks are called on the one plugin that a
business file names; the others on every available plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import typer
    from starlette.routing import BaseRoute

    from offhook.events import AudioFormat, CallEnded, CallInfo, CarrierEvent, Turn
    from offhook.providers import (
        Emit,
        JobQueue,
        LanguageModel,
        PluginInfo,
        SpeechToText,
        Telephony,
        TextToSpeech,
        Tool,
        WebhookRequest,
    )

PROJECT = "offhook"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# ---- describe -----------------------------------------------------------------------------------


@hookspec
def offhook_plugin() -> PluginInfo:  # type: ignore[empty-body]
    """Say what this plugin is.

    Fires once per plugin when the registry loads, on the main thread, before any other hook. It
    must not import an SDK or touch the network. Required: None is an error that names the plugin.
    """


# ---- create -------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def offhook_create_telephony(options: Any, public_url: str) -> Telephony | None:
    """Make the carrier account of one business.

    Fires once per configuration version of a business, on the thread that first needs it.
    ``options`` is an instance of the plugin's options model; ``public_url`` is the http(s) root
    the carrier reaches us under, without a trailing slash. None: this plugin cannot serve here,
    which is an error naming the plugin.
    """


@hookspec(firstresult=True)
def offhook_create_stt(
    options: Any, call: CallInfo, audio: AudioFormat, emit: Emit
) -> SpeechToText | None:
    """Make the recognizer of one call.

    Fires as a call begins (and again when a failed recognizer is replaced), on a helper thread of
    the call, so it may block while connecting. ``audio`` is one of the formats the plugin
    offered. None: not for this call; the next plugin of the business's list is asked.
    """


@hookspec(firstresult=True)
def offhook_create_llm(options: Any, call: CallInfo) -> LanguageModel | None:
    """Make the language model of one call.

    Fires on the first reply the call needs from this plugin, on that reply's thread; and once as
    the server starts, to have its modules and models loaded before a caller waits for them (that
    one is closed unused). None: not for this call; the next plugin of the list is asked.
    """


@hookspec(firstresult=True)
def offhook_create_tts(options: Any, call: CallInfo, audio: AudioFormat) -> TextToSpeech | None:
    """Make the voice of one call.

    Fires on the first sentence that is not in the cache, on the thread that speaks it. ``audio``
    is one of the formats the plugin offered. None: not for this call; the next plugin is asked.
    """


@hookspec(firstresult=True)
def offhook_create_queue(options: Any, url: str) -> JobQueue | None:
    """Make the queue that background workers share.

    Fires once per process that enqueues or works, on its main thread. ``url`` names the server.
    None: this plugin cannot serve that URL, which is an error naming the plugin.
    """


# ---- the carrier's webhooks ---------------------------------------------------------------------


@hookspec(firstresult=True)
def offhook_read_webhook(request: WebhookRequest) -> CarrierEvent | None:
    """Read a carrier's webhook, not yet verified, so that its business can be found.

    Fires for each webhook on the telephony plugin its path names, on a web worker thread. Pure
    computation. None: not a request this carrier sends; it is answered with 400.
    """


# ---- observe ------------------------------------------------------------------------------------


@hookspec
def offhook_call_started(call: CallInfo) -> None:
    """A call's media stream has begun.

    Observers fire on one background thread per plugin (``offhook-observer-NAME``), in order,
    never on a call's threads: one that raises is logged, one that hangs loses later events (a
    bounded queue) and never holds up a call. The result is ignored.
    """


@hookspec
def offhook_turn_finished(call: CallInfo, turn: Turn) -> None:
    """A turn of the caller or the agent is complete.

    Fires on the observer's thread, in the order of the turns; see ``offhook_call_started``. The
    result is ignored.
    """


@hookspec
def offhook_call_ended(call: CallInfo, ended: CallEnded) -> None:
    """A call is over and its recording is closed.

    Fires on the observer's thread, once per call that started; see ``offhook_call_started``. The
    result is ignored.
    """


# ---- add ----------------------------------------------------------------------------------------


@hookspec
def offhook_tools(call: CallInfo) -> list[Tool] | None:
    """Offer tools that the agent may call in this call.

    Fires once per call as its media socket opens, on a web worker thread: must return at once, and
    after ten seconds the call is refused. Two tools of one name: the later is dropped with a
    warning. None: no tools.
    """


@hookspec
def offhook_routes() -> list[BaseRoute] | None:
    """Add routes to the web application, under ``/plugins/NAME``.

    Fires once as the application is built, on the main thread. The plugin authenticates its own
    routes. None: no routes.
    """


@hookspec
def offhook_commands(app: typer.Typer) -> None:
    """Add commands to the ``offhook`` command line by decorating functions with ``app.command``.

    Fires once as the command line starts, on the main thread; import heavy modules inside the
    commands. The result is ignored.
    """
