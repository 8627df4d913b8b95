"""One SDK client, with its pool of connections, for all calls that speak to one service.

It lives as long as a call uses it: the first call's first reply opens it, the last call's end
closes it, so that nothing is left open when no call is on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import httpx2
import openai

from offhook_llm_openai.line import Transport
from offhook_llm_openai.options import OpenAIOptions

OPENAI_URL = "https://api.openai.com/v1"
_KEPT_SECONDS = 120.0
_MOST_CONNECTIONS = 1000
_MOST_CONNECT_SECONDS = 5.0


@dataclass(slots=True)
class _Shared:
    client: openai.OpenAI
    users: int = 0


_lock = threading.Lock()
_shared: dict[tuple[str, str, float], _Shared] = {}


class Lease:
    """A call's share in a client. ``client`` may be used until ``end()``; any thread."""

    def __init__(self, options: OpenAIOptions) -> None:
        key = options.api_key.reveal() if options.api_key else "none"
        self._key = (options.base_url or OPENAI_URL, key, options.timeout_seconds)
        self._ended = False
        with _lock:
            shared = _shared.get(self._key)
            if shared is None:
                shared = _shared[self._key] = _Shared(_open(*self._key))
            shared.users += 1
        self.client = shared.client

    def end(self) -> None:
        """Give the share back; the last one closes the client. May be called again."""
        with _lock:
            if self._ended:
                return
            self._ended = True
            shared = _shared[self._key]
            shared.users -= 1
            if shared.users:
                return
            del _shared[self._key]
        shared.client.close()


def _open(base_url: str, key: str, timeout: float) -> openai.OpenAI:
    limits = httpx2.Limits(
        max_connections=_MOST_CONNECTIONS,
        max_keepalive_connections=_MOST_CONNECTIONS,
        # A caller may well talk for longer than httpx's five seconds.
        keepalive_expiry=_KEPT_SECONDS,
    )
    return openai.OpenAI(
        api_key=key,
        base_url=base_url,
        timeout=httpx2.Timeout(timeout, connect=min(timeout, _MOST_CONNECT_SECONDS)),
        # The SDK sleeps between its tries, and nothing could wake it.
        max_retries=0,
        http_client=openai.DefaultHttpxClient(transport=Transport(limits)),
    )
