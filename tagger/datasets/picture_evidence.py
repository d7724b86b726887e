"""What tells a group's labels apart in pictures: their colors, or their outlines?

Color and garment come together in most shops: where all black things are jeans, colors tell
garments too. So pictures are compared in pairs that agree in every other group and differ in this
one, and the question is which description of them tells the two apart. Where neither is far better
than the other nothing is proposed: a wrong proposal costs more than none.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from tagger.arrays import Float64Array, Int64Array, Pixels
from tagger.datasets.descriptions import color_description, outline_description

SAMPLE = 2000
"""At most so many pictures are looked at, one of each family of near-duplicates."""

LEAST = 100
"""With fewer pictures in pairs, nothing is proposed."""

_FEW = 10  # pictures of a label, below which it is left out
_FOLDS = 4
_PARTNERS = 6  # drawn for each picture
_AXES = {"colors": 40, "outlines": 60}  # principal ones that are kept of a description
_SHARE = 0.25  # of the pictures with a label of the group that must be in pairs


class Proposal(NamedTuple):
    """What a group's pictures say.

    Attributes
    ----------
    evidence : pixels, shape, or None
        None: they do not say.
    colors, outlines : float
        Share of pairs that colors alone, and outlines alone, tell apart; 0.5 is chance; nan where
        there are too few to ask.
    pictures : int
        How many are in pairs.
    """

    evidence: Literal["pixels", "shape"] | None
    colors: float
    outlines: float
    pictures: int


class _Limit(NamedTuple):
    """Shares of pairs: what the better description must reach, and the other must not."""

    better: float
    other: float


# Chosen on 5,460 pictures of 24 color and garment pairs, and on groups made of them that are
# neither: noise, both at once, brightness, backdrop. Colors tell colors better than any outline
# tells garments, and a garment's cloth says something of it.
_PIXELS = _Limit(0.90, 0.78)
_SHAPE = _Limit(0.95, 0.88)
_ODDS = 5.0


def sample(clusters: Int64Array, *, size: int = SAMPLE) -> Int64Array:
    """Return int64, sorted: which pictures to look at, one of each cluster, drawn by themselves.

    Parameters
    ----------
    clusters : int64 (n,)
        The near-duplicate cluster of each.
    """
    random = np.random.default_rng(0)
    order = random.permutation(len(clusters))
    _, first = np.unique(clusters[order], return_index=True)
    return np.sort(order[np.sort(first)[:size]])


def describe(pixels: Pixels, rows: Int64Array) -> dict[str, Float64Array]:
    """Return the descriptions of some pictures, `colors` and `outlines`, each float64 (n, axes).

    Parameters
    ----------
    pixels : uint8 (n_pictures, size, size, 3) RGB
    rows : int64 (n,)
    """
    from sklearn.decomposition import PCA  # loaded only where pictures have to be asked

    found = {}
    for name, function in (("colors", color_description), ("outlines", outline_description)):
        described = np.stack([function(np.asarray(pixels[row])) for row in rows])
        axes = min(_AXES[name], *described.shape)
        reduced = PCA(axes, svd_solver="covariance_eigh").fit_transform(described)
        found[name] = np.asarray(reduced, np.float64)
    return found


def propose(
    described: Mapping[str, Float64Array], labels: Int64Array, others: Int64Array
) -> Proposal:
    """Return what pictures say of a group.

    Parameters
    ----------
    described : mapping
        See `describe`; no two of the n pictures are near-duplicates.
    labels : int64 (n,)
        The label of each in the group; -1 where it has none or nobody knows.
    others : int64 (n,)
        Equal where pictures agree in every other group.
    """
    kept = np.flatnonzero(_frequent(labels))
    _, mine = np.unique(labels[kept], return_inverse=True)
    pairs = _pairs(mine, others[kept])
    pictures = len(np.unique(pairs))
    if pictures < max(LEAST, _SHARE * len(kept)):
        return Proposal(None, np.nan, np.nan, pictures)
    told = {
        name: _told_apart(_scores(values[kept], mine), mine, pairs)
        for name, values in described.items()
    }
    colors, outlines = told["colors"], told["outlines"]
    evidence: Literal["pixels", "shape"] | None = None
    if _far_better(colors, outlines, _PIXELS, pictures):
        evidence = "pixels"
    elif _far_better(outlines, colors, _SHAPE, pictures):
        evidence = "shape"
    return Proposal(evidence, colors, outlines, pictures)


def _frequent(labels: Int64Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    names, counts = np.unique(labels, return_counts=True)
    return np.isin(labels, names[(counts >= _FEW) & (names >= 0)])


def _pairs(labels: Int64Array, others: Int64Array) -> Int64Array:
    """Return int64 (n, 2): pictures that differ in the label and agree in every other group.

    A partner's label is drawn first, so that rare labels are asked about as often as common ones.
    """
    random = np.random.default_rng(0)
    found = [np.zeros((0, 2), np.int64)]
    order = np.argsort(others, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(others[order])) + 1):
        members = [rows[labels[rows] == label] for label in np.unique(labels[rows])]
        if len(members) < 2:
            continue
        for _ in range(_PARTNERS):
            drawn = random.integers(len(members), size=len(rows))
            partners = np.array([random.choice(members[i]) for i in drawn])
            pairs = np.stack([rows, partners], axis=1)
            found.append(pairs[labels[rows] != labels[partners]])
    return np.concatenate(found)


def _scores(described: Float64Array, labels: Int64Array) -> Float64Array:
    """Return float64 (n, n_labels): a linear discriminant's score of each, fitted without it."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    fold = np.random.default_rng(0).permutation(len(labels)) % _FOLDS
    scores = np.zeros((len(labels), labels.max() + 1))
    for k in range(_FOLDS):
        model = LinearDiscriminantAnalysis()
        model.fit(described[fold != k], labels[fold != k])
        of_these = model.decision_function(described[fold == k])
        if of_these.ndim == 1:  # of two labels: how much more the second
            of_these = np.stack([-of_these / 2, of_these / 2], axis=1)
        scores[np.ix_(fold == k, model.classes_)] = of_these
    return scores


def _told_apart(scores: Float64Array, labels: Int64Array, pairs: Int64Array) -> float:
    """Return the share of pairs whose two labels, given to the two, score higher than swapped.

    How common a label is cancels out. Pairs of labels count by the root of their pictures, so that
    neither the commonest nor the rarest decides.
    """
    one, other = pairs.T
    right = scores[one, labels[one]] + scores[other, labels[other]]
    swapped = scores[one, labels[other]] + scores[other, labels[one]]
    which = np.sort(labels[pairs], axis=1) @ [len(labels), 1]
    _, inverse, counts = np.unique(which, return_inverse=True, return_counts=True)
    hits = (right > swapped) + 0.5 * (right == swapped)
    return float(np.average(hits, weights=1 / np.sqrt(counts[inverse])))


def _far_better(better: float, other: float, limit: _Limit, pictures: int) -> bool:
    """Return whether one description surely reaches what it must, and the other surely does not."""
    # One hit and one miss more, as Laplace's rule has it: neither share is ever 0 or 1.
    one, two = ((share * pictures + 1) / (pictures + 2) for share in (better, other))
    low = one - 2 * np.sqrt(one * (1 - one) / pictures)
    high = two + 2 * np.sqrt(two * (1 - two) / pictures)
    if low < limit.better or high > limit.other:
        return False
    return bool(low / (1 - low) >= _ODDS * high / (1 - high))
