"""Whether a business is open at a given moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from offhook.config.business import Hours, parse_span

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def is_open(hours: Hours | None, now: datetime) -> bool:
    """Whether ``now`` (aware) lies in the opening hours; a business without hours never closes.

    Spans count by the clock on the business's wall, also on the days that clock is changed: one
    that closes at a time which comes twice closes the first time.
    """
    if hours is None:
        return True
    zone = ZoneInfo(hours.timezone)
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):  # yesterday's may last over midnight
        for span in getattr(hours, _DAYS[day.weekday()]):
            opens, closes = _moments(span, day, zone)
            if opens <= now < closes:
                return True
    return False


def _moments(span: str, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    opens, closes = parse_span(span)
    last = day
    if closes == time.max:
        closes = time.min
    if closes <= opens:
        last = day + timedelta(days=1)
    # In UTC, because datetimes of one zone are compared by the wall clock alone.
    return (
        datetime.combine(day, opens, zone).astimezone(UTC),
        datetime.combine(last, closes, zone).astimezone(UTC),
    )
