"""Opening hours by the clock on the business's wall."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from pydantic import ValidationError

from offhook.config.business import Hours, parse_span
from offhook.config.hours import is_open


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


ROME = Hours(
    timezone="Europe/Rome",
    mon=("09:00-12:30", "14:00-18:00"),
    fri=("18:00-02:00",),
    sat=("22:00-02:30",),
    sun=("00:00-24:00",),
)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-02T09:00+01:00", True),  # Monday
        ("2026-03-02T08:59:59+01:00", False),
        ("2026-03-02T12:30+01:00", False),
        ("2026-03-02T14:00+01:00", True),
        ("2026-03-02T08:00+00:00", True),  # the same in another zone
        ("2026-03-03T10:00+01:00", False),  # Tuesday is not named
        ("2026-03-06T18:00+01:00", True),  # Friday night
        ("2026-03-06T17:59+01:00", False),
        ("2026-03-07T01:59+01:00", True),  # still Friday's
        ("2026-03-07T02:00+01:00", False),
        ("2026-03-06T01:00+01:00", False),  # Thursday has no night
        ("2026-03-08T23:59:59.9+01:00", True),  # Sunday, all day
        ("2026-03-09T00:00+01:00", False),
    ],
)
def test_opening_hours(moment: str, expected: bool) -> None:
    assert is_open(ROME, at(moment)) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # 29 March 2026: at 02:00 it becomes 03:00; Saturday's span to 02:30 lasts half an hour on.
        ("2026-03-29T00:59+00:00", True),
        # Sunday is open all day, so look at the day after the other change instead.
        ("2026-10-25T00:15+00:00", True),  # 02:15, the first time
        ("2026-10-25T22:59+00:00", True),
        ("2026-10-25T23:00+00:00", False),  # midnight: the day had 25 hours
    ],
)
def test_days_on_which_the_clock_changes(moment: str, expected: bool) -> None:
    assert is_open(ROME, at(moment)) is expected


def test_a_closing_time_that_comes_twice_closes_the_first_time() -> None:
    bar = Hours(timezone="Europe/Rome", sat=("22:00-02:30",))
    assert is_open(bar, at("2026-10-25T02:15+02:00"))
    assert not is_open(bar, at("2026-10-25T02:15+01:00"))


def test_a_closing_time_that_never_comes_closes_when_it_would_have() -> None:
    bar = Hours(timezone="Europe/Rome", sat=("22:00-02:30",))
    assert is_open(bar, at("2026-03-29T01:29+00:00"))
    assert not is_open(bar, at("2026-03-29T01:30+00:00"))


def test_without_hours_it_never_closes() -> None:
    assert is_open(None, datetime.now(UTC))


@pytest.mark.parametrize(
    "span", ["", "9-17", "09:00", "09:00-25:00", "09:00-17:00-18:00", "24:00-01:00", "09:00Z-17:00"]
)
def test_a_bad_span(span: str) -> None:
    with pytest.raises(ValueError, match="is no span of time; write one such as"):
        parse_span(span)


def test_good_spans() -> None:
    assert parse_span("09:00 - 17:30") == (time(9), time(17, 30))
    assert parse_span("00:00-24:00") == (time(0), time.max)


def test_a_span_that_opens_and_closes_at_once() -> None:
    with pytest.raises(ValidationError, match="write 00:00-24:00 for all day"):
        Hours(mon=("09:00-09:00",))
