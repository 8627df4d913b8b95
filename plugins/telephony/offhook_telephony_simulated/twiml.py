"""How the carrier reads the engine's answer to a ringing call."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.etree import ElementTree


@dataclass(frozen=True, slots=True)
class Stream:
    """Connect the call's audio to this URL, and tell the other how the stream fares."""

    url: str
    status_url: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Turn the caller away; ``reason`` is ``busy`` or ``rejected``."""

    reason: str


def read_answer(body: str) -> Stream | Rejected:
    """The engine's instructions. Raises ValueError with a sentence if there are none to follow."""
    try:
        response = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ValueError(f"the engine's answer is not XML ({error})") from None
    if response.tag != "Response" or len(response) == 0:
        raise ValueError("the engine's answer holds no instructions")
    first = response[0]
    if first.tag == "Reject":
        return Rejected(first.get("reason", "rejected"))
    if first.tag == "Hangup":
        return Rejected("rejected")
    stream = first.find("Stream") if first.tag == "Connect" else None
    if stream is None or not stream.get("url"):
        raise ValueError(f"the engine's answer begins with <{first.tag}>, not with a stream's URL")
    parameters = {p.get("name", ""): p.get("value", "") for p in stream.findall("Parameter")}
    # Twilio takes the query off a stream's URL; whoever relies on one must find out here.
    url = urlsplit(stream.get("url", ""))._replace(query="", fragment="").geturl()
    return Stream(url, stream.get("statusCallback", ""), parameters)
