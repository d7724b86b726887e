"""Times of records as persons read them."""

from datetime import UTC, datetime, timedelta

_CLOCKS = timedelta(minutes=5)
"""By how much the clocks of two machines may differ without a word."""


def moment(text: str) -> datetime | None:
    """Return a time of ISO 8601, in UTC where it names no zone; None if it is no time."""
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        return None


def ahead_of(text: str, now: datetime) -> bool:
    """Return whether a time of ISO 8601 is in the future, by more than clocks differ."""
    found = moment(text)
    return found is not None and found - now > _CLOCKS


def when(text: str) -> str:
    """Return a time of ISO 8601 to the minute; what is no time stays as it is."""
    found = moment(text)
    return text if found is None else f"{found.astimezone(UTC):%d %b %Y, %H:%M} UTC"
