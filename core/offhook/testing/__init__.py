"""For tests of plugins and of the engine: vendors by script, and a call on a virtual clock."""

from offhook.testing.fakes import (
    HANG,
    FakeModel,
    FakeRecognizer,
    FakeVoice,
    RecordingLine,
    Step,
)
from offhook.testing.virtual_call import VirtualCall

__all__ = [
    "HANG",
    "FakeModel",
    "FakeRecognizer",
    "FakeVoice",
    "RecordingLine",
    "Step",
    "VirtualCall",
]
