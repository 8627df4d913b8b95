"""offhook: AI phone agents with pluggable telephony, speech and language vendors."""

from offhook.hookspecs import hookimpl

__all__ = ["__version__", "hookimpl"]
__version__ = "0.1.0"
