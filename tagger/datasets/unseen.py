"""Which pictures of a set two models can be compared on: each once, and none that taught one of
them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.comparison import NotCompared
from tagger.arrays import Float64Array, Int64Array, Pixels
from tagger.datasets.split import near_duplicates
from tagger.imaging.file_facts import FileFacts

_TAUGHT = ("train", "validation")


class Unseen(NamedTuple):
    """Pictures to compare two models on.

    Attributes
    ----------
    rows : int64 (m,)
        Their positions.
    left_out : NotCompared
        How many others there are.
    copies : int64 (k, 2)
        Positions of duplicates and near-duplicates that are left out, and of what counts instead.
    """

    rows: Int64Array
    left_out: NotCompared
    copies: Int64Array


def unseen(
    facts: Sequence[FileFacts], thumbnails: Pixels, parts: Sequence[Mapping[str, str]]
) -> Unseen:
    """Return the pictures of a set that two models can be compared on.

    A picture that looks the same as one that taught a model is left out with it, if that one is in
    the set too: nothing else of it is kept. Of several that look the same the first one stays.

    Parameters
    ----------
    facts : sequence of FileFacts, n
    thumbnails : uint8 (n, SIDE, SIDE, 3)
        See `tagger.datasets.split`; read where a picture is ok.
    parts : sequence of mapping
        Of each model: content_sha256 to train, validation or test.
    """
    ok = np.array([fact.status == "ok" for fact in facts], bool)
    places = np.flatnonzero(ok).tolist()
    readable = [facts[place] for place in places]
    digests = [fact.content_sha256 or "" for fact in readable]
    taught = [_taught(digest, parts) for digest in digests]
    clusters = near_duplicates(thumbnails[places], _aspects(readable), digests)
    of_taught = {cluster for cluster, part in zip(clusters.tolist(), taught, strict=True) if part}
    counts = dict.fromkeys(NotCompared.__struct_fields__, 0)
    counts["unreadable"] = int((~ok).sum())
    contents: set[str] = set()
    seen: dict[int, int] = {}
    kept = []
    copies = []
    for place, digest, cluster, part in zip(
        places, digests, clusters.tolist(), taught, strict=True
    ):
        if part:
            counts[part] += 1
        elif cluster in of_taught:
            counts["like_trained"] += 1
        elif cluster in seen:
            counts["duplicate" if digest in contents else "near_duplicate"] += 1
            copies.append((place, seen[cluster]))
        else:
            kept.append(place)
            seen[cluster] = place
        contents.add(digest)
    return Unseen(
        np.array(kept, np.int64),
        NotCompared(**counts),
        np.array(copies, np.int64).reshape(-1, 2),
    )


def _taught(digest: str, parts: Sequence[Mapping[str, str]]) -> str | None:
    """Return the part by which a picture taught one of the models; None if it taught none."""
    mine = {part.get(digest) for part in parts}
    return next((part for part in _TAUGHT if part in mine), None)


def _aspects(facts: Sequence[FileFacts]) -> Float64Array:
    """Return float64 (n,): width over height."""
    return np.array([(fact.width or 1) / (fact.height or 1) for fact in facts], np.float64)
