"""What has been learnt from the caller, and the agent's texts with it filled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from offhook_llm_script.options import CALLER_SLOTS, Intent, placeholders
from offhook_llm_script.slots import EXTRACTION_ORDER, Ask, Found, find
from offhook_llm_script.text import CORRECTION


class Memory:
    """The slots known so far. ``variables`` are the call's, which texts may name too."""

    def __init__(self, today: date, variables: Mapping[str, str]) -> None:
        self._today = today
        self._variables = variables
        self._known: dict[str, Found] = {}
        self._said: Counter[tuple[str, ...]] = Counter()

    def missing(self, intent: Intent) -> str | None:
        """The first slot of the intent that is still unknown."""
        return next((name for name in intent.slots if name not in self._known), None)

    def forget(self, intent: Intent) -> None:
        """Forget the intent's slots, except those that describe the caller."""
        for name, slot in intent.slots.items():
            if slot.type not in CALLER_SLOTS:
                self._known.pop(name, None)

    def learn(self, intent: Intent, text: str, asked: str, *, correcting: bool = False) -> bool:
        """Fill slots from what was said, ``asked`` being the one just asked for.

        Known slots are replaced only by a correction. Tells whether anything has changed.
        """
        correcting = correcting or bool(CORRECTION.search(text))
        wanted = [name for name in intent.slots if correcting or name not in self._known]
        wanted.sort(
            key=lambda name: (name != asked, EXTRACTION_ORDER.index(intent.slots[name].type))
        )
        before = self._values()
        for name in wanted:
            text = self._fill(Ask(name, intent.slots[name], self._today), text)
        # Only now a bare answer: what has a cue of its own must not be taken for it.
        if asked in wanted and self._values().get(asked) == before.get(asked):
            self._fill(Ask(asked, intent.slots[asked], self._today, True), text)
        return self._values() != before

    def count(self, intent: Intent, text: str) -> int:
        """How many of the intent's slots a text would fill, known or not."""
        count = 0
        for kind in EXTRACTION_ORDER:
            for name, slot in intent.slots.items():
                if slot.type == kind and (found := find(Ask(name, slot, self._today), text)):
                    count, text = count + 1, found.rest
        return count

    def _fill(self, ask: Ask, text: str) -> str:
        found = find(ask, text)
        if found is None:
            return text
        self._known[ask.name] = found
        return found.rest

    def _values(self) -> dict[str, Any]:
        return {name: found.value for name, found in self._known.items()}

    def say(self, templates: tuple[str, ...], more: Mapping[str, str] | None = None) -> str:
        """The next of those texts whose slots are all known, those that name most preferred."""
        spoken = {name: found.spoken for name, found in self._known.items()}
        values = {**self._variables, **spoken, **(more or {})}
        fitting = [text for text in templates if placeholders(text) <= values.keys()]
        if not fitting:
            return ""
        most = max(len(placeholders(text)) for text in fitting)
        best = [text for text in fitting if len(placeholders(text)) == most]
        turn = self._said[templates] % len(best)
        self._said[templates] += 1
        return best[turn].format_map(values)

    def argument(self, value: Any) -> Any:
        """A tool's argument, slots filled in; a slot that stands alone keeps its JSON type."""
        if not isinstance(value, str):
            return value
        names = placeholders(value)
        values: dict[str, Any] = {**self._variables, **self._values()}
        if len(names) == 1 and value == f"{{{next(iter(names))}}}":
            return values.get(next(iter(names)), "")
        return value.format_map({name: values.get(name, "") for name in names})
