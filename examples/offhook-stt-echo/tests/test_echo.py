"""A plugin's own test needs no server and no socket: the contract is a few plain calls."""

from offhook.events import MULAW_8K, CallInfo, Final
from offhook.registry import Registry

CALL = CallInfo("call", "business", "simulated", "CA1", "+14155550101", "+14155550100")


def test_it_is_found_through_its_entry_point_and_hears() -> None:
    registry = Registry()
    info = registry.info("stt", "echo")
    heard: list[object] = []
    recognizer = registry.create(
        "stt", "echo", options=info.options(), call=CALL, audio=MULAW_8K, emit=heard.append
    )
    recognizer.feed(b"\x00" * 8000 + b"\xff" * 8000)
    recognizer.flush()
    recognizer.flush()
    recognizer.close()
    recognizer.flush()
    assert heard == [Final("I spoke for 1.0 seconds"), Final("")]
