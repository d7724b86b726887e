"""Persons who correct, for tests: a line in the log for each thing they say."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from schemas.corrections import Correction
from tagger.index.corrections import CorrectionLog

_MOMENTS: Iterator[int] = count()


def said(content: str, group: str, answer: str = "is", **more: Any) -> Correction:
    """Return what Anna says of a content."""
    at = datetime.fromtimestamp(1.7e9 + next(_MOMENTS), UTC).isoformat(timespec="microseconds")
    facts = {"label": None, "who": "anna", "image_id": "where/it/lay.jpg"} | more
    return Correction(
        format_version=1, at=at, content_sha256=content, group=group, answer=answer, **facts
    )


def say(index: str | Path, content: str, group: str, answer: str = "is", **more: Any) -> None:
    """Keep what Anna says of a content."""
    CorrectionLog(Path(index)).append([said(content, group, answer, **more)])
