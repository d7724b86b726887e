"""Bulk requests of Elasticsearch and OpenSearch: cut to a size that servers take, and read item by
item."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tagger.search.elastic_client import Declined
from tagger.search.patience import Busy, Patience, Verdicts, until_taken

BUSY = (429, 502, 503, 504)
"""Statuses of what may be asked again."""

_NOT_THERE = 404
_TOO_LARGE = 413
_REQUEST_BYTES = 5_000_000  # small servers take ten million, proxies before them less

Entries = dict[str, bytes]
"""Id of each document to the lines that say what to do with it."""


def bulk(entries: Entries, send: Callable[[bytes], Any], patience: Patience) -> dict[str, str]:
    """Do what each entry says; return the ids of those that were refused, and why.

    Parameters
    ----------
    send : callable
        Sends the body of a request and returns its answer; raises `Declined` or `Busy`.

    Raises
    ------
    EngineError
        If the server is away or busy for too long, and took none.
    Declined
        If it refuses the request as a whole.
    """
    refused: dict[str, str] = {}
    for some in _cut(entries):
        refused |= _one(some, send, patience)
    return refused


def _cut(entries: Entries) -> Iterator[Entries]:
    """Yield the entries in parts of a size that servers take; a part has one at least."""
    part: Entries = {}
    size = 0
    for one, entry in entries.items():
        if part and size + len(entry) > _REQUEST_BYTES:
            yield part
            part = {}
            size = 0
        part[one] = entry
        size += len(entry)
    if part:
        yield part


def _one(entries: Entries, send: Callable[[bytes], Any], patience: Patience) -> dict[str, str]:
    """Do what is in one request; where it is too large, halves are tried."""
    try:
        return until_taken(
            entries, lambda some: _answered(send(b"".join(some.values())), some), patience.ask
        )
    except Declined as declined:
        if declined.status != _TOO_LARGE:
            raise
        if len(entries) == 1:
            return dict.fromkeys(entries, f"too large: {declined.reason}")
    items = list(entries.items())
    half = len(items) // 2
    parts = dict(items[:half]), dict(items[half:])
    return _one(parts[0], send, patience) | _one(parts[1], send, patience)


def _answered(answer: Any, entries: Mapping[str, bytes]) -> Verdicts:
    """Return what a bulk request's answer says of its entries."""
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) != len(entries):
        raise Busy("its answer has not an item for each document")
    said = Verdicts({}, {})
    for item in items:
        (result,) = item.values()
        status = int(result["status"])
        one = str(result["_id"])
        gone = status == _NOT_THERE and entries.get(one, b"").startswith(b'{"delete"')
        if status in BUSY:
            said.busy[one] = _reason(result)
        elif status >= 300 and not gone:
            said.refused[one] = _reason(result)
    return said


def _reason(result: dict[str, Any]) -> str:
    error = result.get("error", {})
    said = error.get("reason", error.get("type", "")) if isinstance(error, dict) else str(error)
    return str(said or f"status {result.get('status')}")[:300]
