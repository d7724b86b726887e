"""Times of records as persons read them."""

from datetime import UTC, datetime


def moment(text: str) -> datetime | None:
    """Return a time of ISO 8601, in UTC where it names no zone; None if it is no time."""
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        return None


def when(text: str) -> str:
    """Return a time of ISO 8601 to the minute; what is no time stays as it is."""
    found = moment(text)
    return text if found is None else f"{found.astimezone(UTC):%d %b %Y, %H:%M} UTC"
