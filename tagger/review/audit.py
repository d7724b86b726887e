"""The findings of `tagger evaluate --audit`, by the content of the pictures."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from tagger.errors import InputError

_NEEDED = ("finding", "group", "given", "suggested", "p_suggested", "content_sha256")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_WORDS = 500


def read_findings(path: str) -> dict[str, str]:
    """Return digest to what the audit found of that picture, in words.

    Raises
    ------
    InputError
        If the file is no audit of `tagger evaluate`, or of a version that did not name contents.
    """
    try:
        with open(Path(path), encoding="utf-8-sig", newline="") as file:
            return _findings(csv.DictReader(file, strict=True), path)
    except OSError as error:
        raise InputError(f"--audit {path!r} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"--audit {path!r} is no table of 'tagger evaluate --audit': {error}"
        ) from error


def _findings(rows: "csv.DictReader[str]", path: str) -> dict[str, str]:
    missing = [column for column in _NEEDED if column not in (rows.fieldnames or ())]
    if missing == ["content_sha256"]:
        raise InputError(
            f"--audit {path!r} was written by an earlier version, which did not say which bytes a "
            "picture has; run 'tagger evaluate --audit' again"
        )
    if missing:
        raise InputError(
            f"--audit {path!r} is no table of 'tagger evaluate --audit': it lacks the columns "
            f"{', '.join(missing)}. Name the audit.csv that it wrote"
        )
    words: dict[str, list[str]] = {}
    for row in rows:
        content = row["content_sha256"] or ""
        if _DIGEST.fullmatch(content):
            words.setdefault(content, []).append(_words(row))
    return {content: "; ".join(said)[:_MOST_WORDS] for content, said in words.items()}


def _words(row: Mapping[str, str]) -> str:
    """Return a finding in words: the group, the label that is given, the one that is suggested."""
    given = f"{row['group']}: given {row['given'] or 'none'}"
    if row["finding"] == "contradiction":
        return f"{given}, another picture like it has another label"
    sure = f" ({row['p_suggested']})" if row["p_suggested"] else ""
    return f"{given}, suggested {row['suggested'] or 'none'}{sure}"
