"""The pictures of a run that failed: how many of each status, and which came first."""

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.runs import Failure
from tagger.index.previous import counted

FIRST = 10
"""So many are named."""


class Failures:
    """The failures of a run, as they come in.

    Attributes
    ----------
    by_status : Counter
        Status to number of pictures.
    first : list of Failure
        The first ten.
    """

    def __init__(self) -> None:
        self.by_status = Counter[str]()
        self.first: list[Failure] = []

    def add(self, image_id: str, status: str, error: str | None) -> None:
        """Count a picture."""
        self.by_status[status] += 1
        if len(self.first) < FIRST:
            self.first.append(_failure(image_id, status, error))

    def add_tables(self, tables: Iterable[pa.Table]) -> None:
        """Count many pictures, of image_id, status and error; named are the first by name."""
        named: list[dict[str, Any]] = []
        for table in tables:
            self.by_status.update(counted(table["status"]))
            by_name = [("image_id", "ascending")]
            named += table.take(pc.select_k_unstable(table, FIRST, by_name)).to_pylist()
        named.sort(key=itemgetter("image_id"))
        for one in named[: FIRST - len(self.first)]:
            self.first.append(_failure(**one))

    def join(self, others: "Failures") -> None:
        """Count those that another process saw."""
        self.by_status.update(others.by_status)
        self.first = [*self.first, *others.first][:FIRST]


def failures_text(by_status: dict[str, int], first: list[Failure]) -> str:
    """Return the failures in words: how many of each status, then the first ones by reason.

    Empty if nothing failed. Paths are written as Python writes texts, so that whatever a stranger
    called a file stays on its line.
    """
    if not by_status:
        return ""
    most = sorted(by_status.items(), key=lambda pair: (-pair[1], pair[0]))
    counts = ", ".join(f"{n:,} {status}" for status, n in most)
    named: dict[str, list[str]] = {}
    for one in first:
        named.setdefault(_reason(one), []).append(repr(one.image_id))
    reasons = "; ".join(f"{reason}: {', '.join(ids)}" for reason, ids in named.items())
    whole = sum(by_status.values()) == len(first)
    return f"Failed: {counts}. {'They are' if whole else 'The first'}: {reasons}"


def _failure(image_id: str, status: str, error: str | None) -> Failure:
    return Failure(image_id=image_id, status=status, error=error or status)


def _reason(failure: Failure) -> str:
    """Return status and reason, on one line."""
    words = "".join(c if c.isprintable() else " " for c in failure.error)
    return f"{failure.status} ({words})"
