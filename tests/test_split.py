"""The split: near-duplicates stay together, shares hold, the same seed gives the same parts."""

import numpy as np
from conftest import textured
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.datasets.split import SIDE, near_duplicates, split_clusters


def test_near_duplicates_are_found_and_other_shapes_are_not() -> None:
    one, other = textured(SIDE, SIDE, 1), textured(SIDE, SIDE, 2)
    noisy = np.clip(
        one.astype(int) + np.random.default_rng(0).integers(-6, 7, one.shape), 0, 255
    ).astype(np.uint8)
    thumbnails = np.stack([one, other, noisy, one, other])
    clusters = near_duplicates(thumbnails, np.array([1.0, 1, 1, 1.5, 1]), list("abcde"))
    assert clusters.tolist() == [0, 1, 0, 3, 1]


def test_equal_bytes_are_one_cluster_whatever_they_look_like() -> None:
    thumbnails = np.stack([textured(SIDE, SIDE, i) for i in range(3)])
    assert near_duplicates(thumbnails, np.ones(3), ["a", "b", "a"]).tolist() == [0, 1, 0]


def test_the_window_by_mean_loses_no_pair() -> None:
    random = np.random.default_rng(5)
    base = random.integers(0, 256, (40, 1, 1, 3))
    thumbnails = np.clip(base + random.integers(-4, 5, (40, SIDE, SIDE, 3)), 0, 255).astype(
        np.uint8
    )
    found = near_duplicates(thumbnails, np.ones(40), [str(i) for i in range(40)])
    flat = thumbnails.reshape(40, -1).astype(float)
    close = np.sqrt(((flat[:, None] - flat[None]) ** 2).mean(axis=2)) < 8
    for i, j in np.argwhere(close):
        assert found[i] == found[j]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=200),
    st.integers(0, 5),
)
def test_a_cluster_is_never_divided_and_the_seed_decides(
    pairs: list[tuple[int, int]], seed: int
) -> None:
    first: dict[int, int] = {}
    clusters = np.array([first.setdefault(cluster, i) for i, (cluster, _) in enumerate(pairs)])
    strata = [stratum for _, stratum in pairs]
    parts = split_clusters(clusters, strata, seed=seed)
    for cluster in set(clusters.tolist()):
        assert len(set(parts[clusters == cluster])) == 1
    assert np.array_equal(parts, split_clusters(clusters, strata, seed=seed))


def test_many_rare_combinations_are_split_together() -> None:
    parts = split_clusters(np.arange(1000), [f"pair {i // 3}" for i in range(1000)], seed=0)
    counts = [int((parts == part).sum()) for part in ("train", "validation", "test")]
    assert np.abs(np.array(counts) - (700, 100, 200)).max() <= 2


def test_the_shares_are_seventy_ten_twenty_in_every_combination() -> None:
    strata = ["red dress"] * 500 + ["blue jeans"] * 100
    parts = split_clusters(np.arange(600), strata, seed=0)
    for stratum, total in (("red dress", 500), ("blue jeans", 100)):
        chosen = parts[np.array(strata) == stratum]
        counts = [int((chosen == part).sum()) for part in ("train", "validation", "test")]
        assert np.abs(np.array(counts) - np.array([0.7, 0.1, 0.2]) * total).max() <= 1
