"""What the conversation promises whatever the order of its inputs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from offhook.call import signals as s
from offhook.events import (
    DtmfReceived,
    EndOfTurn,
    Final,
    Partial,
    RecognizerFailed,
    SpeechStarted,
    ToolCall,
)

from .driver import make

MAX_CALL_SECONDS = 60
GRACE_MS = 20_000

# Small numbers, so that stale, current, repeated and unknown ones all come up.
NUMBERS = st.integers(1, 8)
TIMES = st.floats(0, 60_000)
WORDS = st.sampled_from(
    ["", "yes", "Hello there. ", "One two three four. ", "no end ", "...", "\n"]
)
CALLS = st.builds(
    ToolCall,
    st.sampled_from(["t1", "t2"]),
    st.sampled_from(["look_up", "end_call", "transfer_call"]),
    st.sampled_from([{}, {"to_number": "+14155550123"}, {"to_number": 7}]),
)
SIGNALS: st.SearchStrategy[s.Input] = st.one_of(
    st.just(s.Begin()),
    st.builds(s.CallerSpoke, TIMES),
    st.builds(s.CallerPaused, TIMES),
    st.just(SpeechStarted()),
    st.builds(Partial, WORDS),
    st.builds(Final, WORDS),
    st.just(EndOfTurn()),
    st.just(RecognizerFailed(RuntimeError("gone"))),
    st.builds(DtmfReceived, st.sampled_from("0#")),
    st.builds(s.ReplyText, NUMBERS, WORDS),
    st.builds(s.ReplyTool, NUMBERS, CALLS),
    st.builds(s.ReplyEnded, NUMBERS),
    st.builds(s.ReplyFailed, NUMBERS, st.just("down")),
    st.builds(s.ToolReturned, NUMBERS, st.sampled_from(["t1", "t2"]), WORDS),
    st.builds(s.AudioSent, NUMBERS),
    st.builds(s.Synthesized, NUMBERS, st.sampled_from([0.0, 300.0, 2000.0])),
    st.builds(s.SpeechFailed, NUMBERS, st.just("no voice")),
    st.builds(s.Played, NUMBERS, st.sampled_from([0.0, 300.0, 1000.0]), st.booleans()),
    st.builds(s.AskedToEnd, st.just("tool"), st.sampled_from(["", "+14155550123"])),
    st.just(s.Draining()),
    st.builds(s.LineLost, st.just("caller-hung-up")),
    st.just(s.Tick()),
)
# The ways a call ends are rare, so that most sequences get far.
ENDINGS = (s.AskedToEnd, s.Draining, s.LineLost)
STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 10.0, 300.0, 900.0, 5000.0]), SIGNALS), max_size=40
).map(
    lambda steps: [
        step
        for number, step in enumerate(steps)
        if not isinstance(step[1], ENDINGS) or number > len(steps) * 0.7
    ]
)
FILES = st.fixed_dictionaries(
    {
        "limits": st.just({"max_call_seconds": MAX_CALL_SECONDS}),
        "turns": st.fixed_dictionaries({"vad": st.sampled_from(["silero", "stt"])}),
        "barge_in": st.fixed_dictionaries({"enabled": st.booleans(), "greeting": st.booleans()}),
    }
)


@settings(deadline=None, max_examples=300)
@given(FILES, st.booleans(), STEPS)
def test_whatever_happens_the_conversation_keeps_its_promises(
    file: dict[str, object], ends_turns: bool, steps: list[tuple[float, s.Input]]
) -> None:
    machine = make({"recognizer_ends_turns": ends_turns}, **file)
    commands: list[s.Command] = []
    spoken: dict[int, str] = {}
    sent: set[int] = set()
    awaited: set[int] = set()  # replies
    stopped: set[int] = set()  # utterances
    now = 0.0

    def tell(signal: s.Input) -> None:
        # A mark that came back proves as well that audio was sent.
        if isinstance(signal, s.AudioSent | s.Played) and signal.utterance in spoken:
            sent.add(signal.utterance)
        stale = is_stale(signal)
        if isinstance(signal, s.ReplyEnded | s.ReplyFailed):
            awaited.discard(signal.reply)
        for command in machine.handle(signal, now):
            assert not stale
            commands.append(command)
            match command:
                case s.Speak(utterance, text):
                    assert utterance > max(spoken, default=0)
                    spoken[utterance] = text
                case s.StopSpeaking():
                    stopped.update(spoken)
                case s.CancelReply(reply):
                    awaited.discard(reply)
                case s.Think(reply):
                    assert not awaited, "one reply at a time"
                    awaited.add(reply)
                case s.RunTool(reply):
                    assert reply in awaited
                case s.ReportTurn(turn):
                    assert turn.text.startswith(turn.heard)
        words = {word for number in sent for word in spoken[number].split()}
        for message in machine.context:
            if message.role == "assistant":
                assert set(message.text.split()) <= words

    def is_stale(signal: s.Input) -> bool:
        """It tells of something that was stopped: nothing may come of it."""
        match signal:
            case s.ReplyText() | s.ReplyTool() | s.ReplyEnded() | s.ReplyFailed():
                return signal.reply not in awaited
            case s.AudioSent() | s.Synthesized() | s.SpeechFailed() | s.Played():
                return signal.utterance in stopped or signal.utterance not in spoken
        return False

    tell(s.Begin())
    for wait, signal in steps:
        now += wait
        tell(s.Tick())  # so that what comes next comes of the signal
        tell(signal)

    ticks = 0
    while (deadline := machine.deadline()) is not None:
        now = max(now, deadline)
        tell(s.Tick())
        again = machine.deadline()
        assert again is None or again > now, "a tick must move the deadline"
        ticks += 1
        assert ticks < 100
    started = sum(wait for wait, _ in steps)
    assert now <= max(started, MAX_CALL_SECONDS * 1000) + GRACE_MS

    assert [c for c in commands if isinstance(c, s.Finish)] == commands[-1:]
    turns = [command.turn for command in commands if isinstance(command, s.ReportTurn)]
    assert [turn.index for turn in turns] == list(range(len(turns)))
    for turn in turns:
        assert turn.speaker == "agent" or not turn.interrupted
