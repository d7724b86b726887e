"""What pictures say of groups whose names and labels are random words. `make accuracy`; skipped
without the pictures.

All limits were chosen on `apparel`; the other two sets were only measured on.
"""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_accuracy import say

from tagger.cpus import usable_cpus
from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import Example, LabelledSet
from tagger.datasets.prepared_set import PreparedSet, prepare
from tagger.imaging.preprocessing import Reading
from tagger.labels.vocabulary import Group, Vocabulary, parse_groups
from tagger.pipeline.evidence import judged_by_pictures, judged_by_words

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
TRUTH = {
    "apparel": {"color": "pixels", "garment": "shape"},
    "fashion6": {"color": "pixels", "garment": "shape"},
    "products/styles.csv": {
        "color": "pixels",
        "type": "shape",
        "gender": "both",
        "category": "shape",
        "subcategory": "shape",
        "season": "both",
        "year": "both",
        "usage": "both",
    },
}
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def random_words(things: Iterable[str], random: np.random.Generator) -> dict[str, str]:
    """Return a word that means nothing for each of these."""
    letters = [CONSONANTS, VOWELS] * 4
    return {
        thing: "".join(random.choice(list(kind)) for kind in letters) + f"{i}x"
        for i, thing in enumerate(things)
    }


def renamed(labelled: LabelledSet, random: np.random.Generator) -> tuple[LabelledSet, list[str]]:
    """Return the set with random words for groups and labels, and what its groups are called."""
    groups = random_words([group.name for group in labelled.groups], random)
    names = sorted({name for each in labelled.examples for _, name in each.present})
    words = random_words(names, random)

    def said(example: Example) -> Example:
        present = frozenset((groups[group], words[name]) for group, name in example.present)
        return replace(
            example, present=present, known=frozenset(groups[group] for group in example.known)
        )

    examples = [said(example) for example in labelled.examples]
    silent = tuple(Group(word, source="nothing", why="withheld") for word in groups.values())
    return replace(labelled, examples=examples, groups=silent), list(groups.values())


@pytest.fixture(scope="module")
def prepared_sets(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreparedSet]:
    found = {}
    for name, truth in TRUTH.items():
        labelled = read_dataset(shared / name, groups=parse_groups(",".join(truth)))
        folder = tmp_path_factory.mktemp("decoded")
        found[name] = prepare(
            labelled, folder, Reading(96), workers=usable_cpus(), progress=lambda n: None
        )
    return found


@pytest.mark.parametrize("together", [True, False], ids=["all groups", "one group at a time"])
@pytest.mark.parametrize("name", TRUTH)
def test_pictures_propose_what_is_right_or_nothing(
    prepared_sets: dict[str, PreparedSet], name: str, together: bool
) -> None:
    whole = prepared_sets[name]
    truth = TRUTH[name]
    sets = [list(truth)] if together else [[group] for group in truth]
    wrong = []
    for columns in sets:
        labelled, words = renamed(of_groups(whole.labelled, columns), np.random.default_rng(7))
        vocabulary = judged_by_words(labelled, labelled.vocabulary())
        began = time.perf_counter()
        judged = judged_by_pictures(replace(whole, labelled=labelled), vocabulary)
        seconds = time.perf_counter() - began
        for column, word in zip(columns, words, strict=True):
            wrong += outcome(name, column, judged, word, truth[column], seconds)
    assert not wrong


def outcome(
    name: str, column: str, judged: Vocabulary, word: str, truth: str, seconds: float
) -> list[str]:
    group = judged.group(word)
    result = "right" if group.evidence == truth else "wrong"
    if group.source == "nothing" and truth != "both":
        result = "withheld"
    say(f"{name} {column}", f"{group.evidence}, {result}, {group.why}; {seconds:.0f} s in all")
    return [column] if result == "wrong" else []


def of_groups(labelled: LabelledSet, columns: list[str]) -> LabelledSet:
    """Return the set as if it had these groups alone."""
    examples = [
        replace(
            example,
            present=frozenset(key for key in example.present if key[0] in columns),
            known=example.known & set(columns),
        )
        for example in labelled.examples
    ]
    groups = tuple(group for group in labelled.groups if group.name in columns)
    return replace(labelled, examples=examples, groups=groups)
