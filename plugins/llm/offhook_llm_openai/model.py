"""The language model of one call, behind OpenAI's chat completions."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from offhook.errors import ProviderUnavailable
from offhook.events import ReplyEvent, ReplyRequest
from offhook_llm_openai.clients import Lease
from offhook_llm_openai.failures import NAME, retry_after, translate
from offhook_llm_openai.line import Line
from offhook_llm_openai.options import OpenAIOptions
from offhook_llm_openai.wire import Assembler, request_body


class OpenAIModel:
    """Speaks for one call, over connections that all calls share."""

    def __init__(self, options: OpenAIOptions) -> None:
        self._options = options
        self._lease = Lease(options)
        self._lock = threading.Lock()
        self._lines: set[Line] = set()
        self._closed = False

    def reply(self, request: ReplyRequest) -> OpenAIReply:
        return OpenAIReply(self, request)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            lines = list(self._lines)
        for line in lines:
            line.cancel()
        self._lease.end()

    @contextlib.contextmanager
    def _counted(self, line: Line) -> Iterator[None]:
        with self._lock:
            if self._closed:
                line.cancel()
            self._lines.add(line)
        try:
            yield
        finally:
            line.let_go()
            with self._lock:
                self._lines.discard(line)

    def stream(self, request: ReplyRequest, line: Line) -> Iterator[ReplyEvent]:
        """The events of a reply; ends without an error once ``line`` is cancelled."""
        body = request_body(request, self._options)
        with self._counted(line):
            for tries_left in range(self._options.max_retries, -1, -1):
                said = False
                try:
                    for event in self._attempt(body, line):
                        said = True
                        yield event
                    return
                except Exception as error:
                    if line.cancelled:
                        return
                    failure = translate(error, self._key)
                    again = isinstance(failure, ProviderUnavailable) and not said
                    if not again or not tries_left:
                        raise failure from None
                    line.wait(retry_after(error))

    @property
    def _key(self) -> str:
        return self._options.api_key.reveal() if self._options.api_key else "none"

    def _attempt(self, body: dict[str, Any], line: Line) -> Iterator[ReplyEvent]:
        if line.cancelled:
            return
        assembler = Assembler()
        with line.held():
            chunks = self._lease.client.chat.completions.create(**body)
        with contextlib.closing(chunks):
            for chunk in chunks:
                for event in assembler.take(chunk):
                    if line.cancelled:
                        return
                    yield event
        if line.cancelled:
            return
        if not assembler.finished and not line.complete:
            raise ProviderUnavailable(NAME, "the server broke off in the middle of its answer")
        yield from assembler.rest()


class OpenAIReply:
    """One reply on its way; the request goes out when it is iterated."""

    def __init__(self, model: OpenAIModel, request: ReplyRequest) -> None:
        self._model = model
        self._request = request
        self._line = Line()

    def __iter__(self) -> Iterator[ReplyEvent]:
        return self._model.stream(self._request, self._line)

    def cancel(self) -> None:
        self._line.cancel()
