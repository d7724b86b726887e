"""When two spellings are one label: case, blanks and Unicode forms do not tell labels apart."""

import re
import unicodedata
from functools import lru_cache

_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff]")
_JOINERS = "\u200c\u200d"
"""Without width, too, but they tell words apart in Persian and Hindi: only at the ends they go."""

_GAP = re.compile(r"(?<=[^\W_])[\s_\u2010-\u2015-]+(?=[^\W_])")


@lru_cache(maxsize=4096)  # a table says the same few words over and over
def folded(name: str) -> str:
    """Return what all spellings of a label have in common.

    Its letters are in compatible form (NFKC) and without case, and runs of blanks, underscores and
    hyphens between letters or digits are one blank. At its ends and beside other signs they stay:
    `-1` is not `1`.

    >>> folded("T-Shirt ") == folded("t_shirt") == folded("T  shirt")
    True
    """
    before = None
    while name != before:  # casefolding may leave letters that compose, and the other way round
        before = name
        name = _folded_once(name)
    return name


def _folded_once(name: str) -> str:
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", name)).casefold()
    text = unicodedata.normalize("NFKC", text)
    return _GAP.sub(" ", text.strip().strip(_JOINERS).strip())
