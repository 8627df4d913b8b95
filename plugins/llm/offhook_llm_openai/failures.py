"""The SDK's errors as ours, with nothing in their text that could be a secret."""

from __future__ import annotations

import httpx2
import openai

from offhook.errors import ProviderError, ProviderRefused, ProviderTimeout, ProviderUnavailable

NAME = "openai"
_LONGEST = 200


def translate(error: Exception, key: str) -> ProviderError:
    """The ProviderError for whatever the SDK raised; ``key`` is struck out of its text."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        return ProviderTimeout(NAME, "the server did not answer in time")
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, key)
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        cause = error.__cause__ or error
        return ProviderUnavailable(
            NAME, f"the server could not be reached or broke off ({_brief(str(cause), key)})"
        )
    if isinstance(error, openai.APIError):
        return ProviderUnavailable(
            NAME, f"the server reported an error ({_brief(error.message, key)})"
        )
    return ProviderUnavailable(
        NAME, f"the server sent something unreadable ({type(error).__name__})"
    )


def _of_status(error: openai.APIStatusError, key: str) -> ProviderError:
    status = error.status_code
    if status in (401, 403):
        # Never the server's own words: they like to repeat the key.
        return ProviderRefused(NAME, f"the server refused the key (HTTP {status}): check api_key")
    if status == 408:
        return ProviderTimeout(NAME, "the server did not answer in time (HTTP 408)")
    if status == 429:
        if error.code == "insufficient_quota":
            return ProviderRefused(NAME, "the account has no credit left: top it up")
        return ProviderUnavailable(NAME, "the server has had too many requests (HTTP 429)")
    if status >= 500 or status == 409:
        return ProviderUnavailable(NAME, f"the server failed (HTTP {status})")
    return ProviderRefused(
        NAME, f"the server refused the request (HTTP {status}): {_brief(error.message, key)}"
    )


def retry_after(error: Exception) -> float:
    """Seconds to wait before another try: what the server asks for, within a second."""
    if isinstance(error, openai.APIStatusError):
        try:
            return min(max(float(error.response.headers.get("retry-after", "")), 0.0), 1.0)
        except ValueError:
            pass
    return 0.2


def _brief(text: str, key: str) -> str:
    return " ".join(text.replace(key, "***").split())[:_LONGEST] or "no reason given"
