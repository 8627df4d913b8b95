"""Signatures as Twilio makes them, and the key that both ends on one machine share."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from offhook.errors import PluginError

HEADER = "X-Twilio-Signature"
"""Twilio's own header, so that the simulated carrier can ring an engine set up for Twilio."""


def sign(key: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """Base64 of the HMAC-SHA1 over the URL and the form's sorted names and values."""
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha1)).decode()


def shared_key(data: Path) -> str:
    """The key in the data folder, made on first use; only its owner can read it. Any process.

    Raises PluginError if the file can be neither read nor made.
    """
    file = data / "simulated.key"
    try:
        if not file.exists():
            _make_once(file)
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(
            f"the simulated carrier's key file {file} cannot be used ({error}): make the data "
            "folder writable, or name a secret under options.telephony.simulated"
        ) from error


def _make_once(file: Path) -> None:
    """Write the whole key before it gets its name, and never replace another process's."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".simulated-key-")  # mode 600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as draft:
            draft.write(secrets.token_hex(32) + "\n")
        with suppress(FileExistsError):
            os.link(name, file)
    finally:
        Path(name).unlink()
