"""Persons who correct pictures, by the log that the review page writes too."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from schemas.corrections import Answer, Correction
from tagger.index.corrections import CorrectionLog


class Person:
    """Somebody who looks at the pictures of an index."""

    def __init__(self, index: Path, *, who: str = "ann") -> None:
        self._log, self._who = CorrectionLog(index), who

    def says(self, picture: Path, group: str, label: str | None, answer: Answer = "is") -> None:
        """Keep what the person says of the bytes that the picture has now."""
        correction = Correction(
            format_version=1,
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            who=self._who,
            content_sha256=hashlib.sha256(picture.read_bytes()).hexdigest(),
            image_id=picture.name,
            group=group,
            label=label,
            answer=answer,
        )
        self._log.append([correction])
