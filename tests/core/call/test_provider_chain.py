"""The plugins of one kind: one serves, the next steps in, and none is left open."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from offhook.call.provider_chain import ProviderChain
from offhook.errors import ProviderUnavailable


class Provider:
    def __init__(self, name: str, fails: bool = False) -> None:
        self.name = name
        self.closed = 0
        self._fails = fails

    def close(self) -> None:
        self.closed += 1
        if self._fails:
            raise RuntimeError("cannot be closed")


class Vendors:
    """Makes providers and remembers them; ``refuse`` are the names that serve nobody."""

    def __init__(self, refuse: tuple[str, ...] = (), fails: bool = False) -> None:
        self.refuse = refuse
        self.fails = fails
        self.made: list[Provider] = []

    def __call__(self, name: str) -> Provider | None:
        if name in self.refuse:
            return None
        self.made.append(Provider(name, self.fails))
        return self.made[-1]

    @property
    def open(self) -> list[str]:
        return [provider.name for provider in self.made if not provider.closed]


class Slow(Vendors):
    """Makes the first provider only once ``go`` is set; ``asked`` says that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.go = threading.Event()

    def __call__(self, name: str) -> Provider | None:
        if not self.asked.is_set():
            self.asked.set()
            assert self.go.wait(10)
        return super().__call__(name)


def chain(vendors: Vendors, *names: str) -> ProviderChain[Provider]:
    return ProviderChain("tts", names, vendors)


def get_meanwhile(
    vendors: Slow, made: ProviderChain[Provider], act: Callable[[], object]
) -> Provider | Exception:
    """What ``get`` gives if that happens while the vendor is at work."""
    results: list[Provider | Exception] = []

    def get() -> None:
        try:
            results.append(made.get())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=get)
    thread.start()
    assert vendors.asked.wait(10)
    act()
    vendors.go.set()
    thread.join(10)
    return results[0]


def test_a_provider_is_made_when_needed_and_kept() -> None:
    vendors = Vendors()
    voices = chain(vendors, "one", "two")
    assert vendors.made == []
    assert voices.get() is voices.get()
    assert (voices.name, len(vendors.made)) == ("one", 1)


def test_who_does_not_serve_this_call_is_passed_over() -> None:
    voices = chain(Vendors(refuse=("one", "two")), "one", "two", "three")
    assert voices.get().name == voices.name == "three"


def test_nobody_serves() -> None:
    voices = chain(Vendors(refuse=("one", "two")), "one", "two")
    with pytest.raises(ProviderUnavailable, match="two: no tts serves this call"):
        voices.get()


def test_the_next_steps_in_and_the_last_is_made_anew() -> None:
    vendors = Vendors()
    voices = chain(vendors, "one", "two")
    for expected in ("one", "two", "two"):
        assert voices.get().name == voices.name == expected
        assert vendors.open == [expected]
        voices.replace()
    assert vendors.open == []


def test_a_provider_comes_with_the_name_it_was_made_by() -> None:
    vendors = Vendors(refuse=("first",))
    names = ("first", "second", "third")
    chain: ProviderChain[Provider] = ProviderChain("tts", names, vendors)
    name, provider = chain.get_named()
    chain.replace()  # what was handed out keeps its name, whatever serves now
    assert (name, provider.name, chain.name) == ("second", "second", "third")
    assert chain.get_named()[0] == chain.get().name == "third"


def test_a_vendor_that_cannot_be_made_is_told_and_may_be_asked_again() -> None:
    answers: list[Exception | Provider] = [RuntimeError("no key"), Provider("one")]

    def create(_: str) -> Provider:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    voices = ProviderChain("tts", ["one"], create)
    with pytest.raises(RuntimeError, match="no key"):
        voices.get()
    assert voices.get().name == "one"


def test_after_the_call_there_is_nothing_to_get() -> None:
    vendors = Vendors()
    voices = chain(vendors, "one")
    voices.get()
    voices.close()
    voices.close()
    assert [provider.closed for provider in vendors.made] == [1]
    with pytest.raises(ProviderUnavailable, match="the call is over"):
        voices.get()


def test_a_provider_that_cannot_be_closed_is_no_trouble() -> None:
    vendors = Vendors(fails=True)
    voices = chain(vendors, "one", "two")
    voices.get()
    voices.replace()
    assert voices.get().name == "two"
    voices.close()


def test_what_is_made_as_the_call_ends_is_closed() -> None:
    vendors = Slow()
    voices = chain(vendors, "one")
    assert isinstance(get_meanwhile(vendors, voices, voices.close), ProviderUnavailable)
    assert vendors.open == []


def test_what_is_made_as_it_is_given_up_is_closed_and_the_next_serves() -> None:
    vendors = Slow()
    voices = chain(vendors, "one", "two")
    got = get_meanwhile(vendors, voices, voices.replace)
    assert isinstance(got, Provider)
    assert got.name == voices.name == "two"
    assert vendors.open == ["two"]


def test_of_two_made_at_once_one_serves_and_one_is_closed() -> None:
    vendors = Slow()
    voices = chain(vendors, "one")
    other: list[Provider] = []
    assert get_meanwhile(vendors, voices, lambda: other.append(voices.get())) is other[0]
    assert (len(vendors.made), vendors.open) == (2, ["one"])
