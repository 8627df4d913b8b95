"""What a carrier, a network or a hostile client may do to a call."""

from __future__ import annotations

from dataclasses import dataclass

MALFORMED = '{"event":"media","media":{'
"""A text message that is not JSON."""

BINARY = b"\x00\x01\x02\x03"
"""A binary message; the protocol has text only."""

OVERSIZED = '{"event":"media","media":{"payload":"' + "/" * 400_000 + '"}}'
"""A media message of 400 kB, five minutes of audio where 20 ms are usual."""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """The faults of one simulated call; the default is a call without any.

    ``jitter_ms``: each of the caller's frames is late by up to this. ``burst_frames``: frames are
    held back and sent so many at once. ``lost``: the share of frames (0 to 1) that never comes.
    ``hang_up_after_ms``: the caller hangs up this long after the stream's start. ``no_stop``: the
    socket closes without a stop message. ``reset``: it ends by a TCP reset, without a stop
    message or a close frame. ``no_start``: nothing follows ``connected``. ``second_start``,
    ``media_before_start``: messages out of place. ``minimal_start``: a start with only streamSid
    and callSid. ``bare_media``: media with only a payload. ``no_marks``: marks are never echoed.
    ``messages``: sent as they are, text or binary, ``messages_after_ms`` into the stream.
    ``seed`` makes jitter and loss repeatable.
    """

    jitter_ms: float = 0.0
    burst_frames: int = 1
    lost: float = 0.0
    hang_up_after_ms: float | None = None
    no_stop: bool = False
    reset: bool = False
    no_start: bool = False
    second_start: bool = False
    media_before_start: bool = False
    minimal_start: bool = False
    bare_media: bool = False
    no_marks: bool = False
    messages: tuple[str | bytes, ...] = ()
    messages_after_ms: float = 500.0
    seed: int = 0


WELL_BEHAVED = Misbehaviour()
