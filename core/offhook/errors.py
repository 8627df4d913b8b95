"""Every error offhook raises on purpose.

::

    OffhookError
    ├── ConfigError            a business file or a setting is wrong (carries every problem found)
    ├── PluginError            a plugin is unknown, broken, named twice or lacks its SDK
    ├── ProviderError          a vendor failed in the middle of its work
    │   ├── ProviderRefused        it will refuse again: bad key, no credit, bad request
    │   ├── ProviderTimeout        it did not answer in time
    │   └── ProviderUnavailable    it could not be reached, or broke off; worth another try
    ├── ProtocolError          the peer on the media socket broke the protocol
    ├── WebhookRefused         a webhook or a media handshake that must not be served
    └── CallRefused            the call cannot be taken now: full, draining, over a limit

The message of each is one sentence for a person: what is wrong, where, and the mend.
"""

from __future__ import annotations

from dataclasses import dataclass


class OffhookError(Exception):
    """Base of everything offhook raises on purpose; its text can be shown to a user."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration file.

    ``where`` is the dotted key (``options.stt.local.language``), ``line`` counts from 1 where it
    is known, ``mend`` says what to write instead.
    """

    file: str
    where: str
    what: str
    mend: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.where}:" if self.where else ""
        return f"{place}:{key} {self.what}. {self.mend}"


class ConfigError(OffhookError):
    """One or more problems in configuration; ``problems`` lists all of them at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class PluginError(OffhookError):
    """A plugin that cannot be used; the text names the distribution and the mend."""


class ProviderError(OffhookError):
    """A vendor failed in the middle of its work; ``plugin`` is the name the business file uses."""

    def __init__(self, plugin: str, message: str) -> None:
        self.plugin = plugin
        super().__init__(f"{plugin}: {message}")


class ProviderRefused(ProviderError):
    """The vendor refuses and would refuse again (bad key, no credit, invalid request)."""


class ProviderTimeout(ProviderError):
    """The vendor did not answer in time."""


class ProviderUnavailable(ProviderError):
    """The vendor could not be reached or broke off; another try may succeed."""


class ProtocolError(OffhookError):
    """The peer on the media socket broke the protocol.

    ``close_code`` is the WebSocket close code to answer with (RFC 6455, section 7.4.1).
    """

    def __init__(self, message: str, close_code: int = 1002) -> None:
        self.close_code = close_code
        super().__init__(message)


class WebhookRefused(OffhookError):
    """A webhook or handshake that must not be served; ``status`` is the HTTP status to answer."""

    def __init__(self, message: str, status: int = 403) -> None:
        self.status = status
        super().__init__(message)


class CallRefused(OffhookError):
    """The call cannot be taken now (node full, draining, business over its limit)."""
