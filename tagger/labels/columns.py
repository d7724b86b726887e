"""Columns of labels: names that can be typed, whatever script the label is written in."""

import re
from collections.abc import Collection
from itertools import count

from anyascii import anyascii

AS_TYPED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
"""How Germans write these letters where there are none: in addresses, passports and file names."""


def slug(name: str) -> str:
    """Return `name` in lower case a-z and 0-9, all other runs as one `_`.

    Other scripts are transliterated by anyascii, German umlauts as Germans type them. A name
    that only has signs without a sound is spelled by their code points.

    Examples
    --------
    >>> slug("Navy Blue / dark"), slug("grün"), slug("红色"), slug("★")
    ('navy_blue_dark', 'gruen', 'hongse', 'u2605')
    """
    return latin(name.lower().translate(AS_TYPED)) or "_".join(f"u{ord(sign):04x}" for sign in name)


def latin(text: str) -> str:
    """Return `text` in a-z and 0-9, all other runs as one `_`; empty if nothing has a sound."""
    return re.sub(r"[^a-z0-9]+", "_", anyascii(text).lower()).strip("_")


def new_column(group: str, name: str, taken: Collection[str]) -> str:
    """Return the column of a new label: `score_<slug>`, unless that is taken.

    Then the group stands before the slug, and if that is taken too, a number behind it.
    """
    column = f"score_{slug(name)}"
    if column not in taken:
        return column
    column = f"score_{group}_{slug(name)}"
    numbered = (f"{column}_{number}" for number in count(2))
    return column if column not in taken else next(x for x in numbered if x not in taken)
