"""The voice of one call, and the small pool of threads on which all calls' engines run."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from offhook.errors import ProviderUnavailable
from offhook.events import AudioFormat
from offhook_tts_local.audio import for_line
from offhook_tts_local.engines import Samples, Voice

# As many as there are cores: an engine computes all the time. Idle between sentences, never many
# jobs behind: a stream has one clause under way at most.
_pool = ThreadPoolExecutor(
    max_workers=max(1, min(8, os.cpu_count() or 1)), thread_name_prefix="offhook-tts-local"
)


class LocalSpeech:
    """One sentence on its way. Iterated by one thread, once.

    The engine works clause by clause on the pool, one clause ahead of what was taken, in turn with
    other calls. ``cancel`` frees the iterating thread at once; a clause that is being computed (at
    most a few tenths of a second) is thrown away.
    """

    def __init__(self, voice: Voice, audio: AudioFormat, text: str) -> None:
        self._sample_rate = voice.sample_rate
        self._format = audio
        self._clauses = voice.speak(text)
        self._changed = threading.Event()
        self._cancelled = False
        self._job: Future[bytes | None] | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Yield the clauses' audio. Raises ProviderUnavailable if the engine fails."""
        job = self._begin()
        while job is not None:
            self._changed.wait()
            if self._cancelled:
                return
            try:
                audio = job.result()
            except Exception as error:
                raise ProviderUnavailable(
                    "local", f"the voice failed ({error}); try another engine or voice"
                ) from error
            if audio is None:
                return
            job = self._begin()
            if audio and not self._cancelled:
                yield audio

    def cancel(self) -> None:
        """Stop: the iteration ends and yields nothing more. *Any thread.*"""
        self._cancelled = True
        job = self._job
        if job is not None:
            job.cancel()
        self._changed.set()

    def _begin(self) -> Future[bytes | None] | None:
        self._changed.clear()
        # Checked after the clear: a cancel that the clear wiped out is seen here.
        if self._cancelled:
            return None
        job = self._job = _pool.submit(self._next_clause)
        job.add_done_callback(lambda _: self._changed.set())
        return job

    def _next_clause(self) -> bytes | None:
        if self._cancelled:
            return None
        clause: Samples | None = next(self._clauses, None)
        return None if clause is None else for_line(clause, self._sample_rate, self._format)


class LocalTextToSpeech:
    """The voice of one call. *Any thread.*"""

    def __init__(self, voice: Voice, audio: AudioFormat) -> None:
        self._voice = voice
        self._format = audio
        self._lock = threading.Lock()
        self._closed = False
        self._streams: weakref.WeakSet[LocalSpeech] = weakref.WeakSet()

    def synthesize(self, text: str) -> LocalSpeech:
        """Prepare one sentence; nothing is computed until it is iterated."""
        stream = LocalSpeech(self._voice, self._format, text)
        with self._lock:
            self._streams.add(stream)
            closed = self._closed
        if closed:
            stream.cancel()
        return stream

    def close(self) -> None:
        """Cancel what is under way. The loaded voice and the pool serve other calls."""
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()
