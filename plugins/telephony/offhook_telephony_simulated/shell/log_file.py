"""Where the log goes while a call owns the terminal."""

from __future__ import annotations

from pathlib import Path

from offhook import logs
from offhook.config import Settings
from offhook.errors import OffhookError


def log_to_file(settings: Settings) -> Path:
    """Send the process's log to ``call.log`` in the data folder from now on; its path.

    Raises OffhookError if the folder cannot be written.
    """
    path = settings.data / "call.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Loggers keep it for as long as the process lives, so nobody may close it.
        logs.configure(settings.log_level, path.open("a", encoding="utf-8", buffering=1))
    except OSError as error:
        raise OffhookError(
            f"the data folder {settings.data} cannot be written ({error.strerror}): set "
            "OFFHOOK_DATA to another"
        ) from None
    return path
