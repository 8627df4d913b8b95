"""The scripted delays, in one place for the plugin and for the peers that are measured with it."""

ENDPOINT_MS = 300
"""Silence after which a turn is over; configured in the server, not spent in a vendor."""
STT_MS = 90
"""From flush to the final text."""
LLM_MS = 200
"""To the first token; the rest follows at once."""
TTS_MS = 150
"""To the first audio."""
CHUNK_INTERVAL_MS = 20
"""Between chunks of 100 ms: five times faster than real time."""
RESPONSE_MS = 4000
"""How long the response's audio plays."""
MIN_SPEECH_MS = 60
"""Speech that interrupts; configured in the server."""

SCRIPTED_MS = ENDPOINT_MS + STT_MS + LLM_MS + TTS_MS
"""From the end of the caller's speech to the first audio, before the server adds anything."""
