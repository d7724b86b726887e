"""Which rows a person wants to look at, and in which order. Each condition is one pass over an
array of a byte or two a row."""

import math
import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.review import Wanted
from tagger.arrays import BoolArray, Int64Array
from tagger.errors import InputError
from tagger.index.night_labels import MISSING, SCALE, NightLabels, UInt16Array
from tagger.review.lines import Log
from tagger.review.products import NightProducts
from tagger.review.rows import STATUS_NAMES, NightRows
from tagger.review.standing import WITHDRAWN
from tagger.review.words import Words

_ROUNDING = 1e-6


class Filters:
    """Finds rows.

    Parameters
    ----------
    rows : NightRows
    labels : NightLabels
    log : Log
    words : Words
    findings : bool (n,)
        Rows of whose contents the audit found something.
    samples : mapping of str to int64 (k,)
        The rows of each sample by its id, in the order of asking.
    products : NightProducts or None
        None: nothing says which product a row shows.
    """

    def __init__(
        self,
        rows: NightRows,
        labels: NightLabels,
        log: Log,
        words: Words,
        *,
        findings: BoolArray,
        samples: Mapping[str, Int64Array],
        products: NightProducts | None,
    ) -> None:
        self._rows = rows
        self._labels = labels
        self._log = log
        self._words = words
        self._findings = findings
        self._samples = samples
        self._products = products

    def find(self, wanted: Wanted) -> Int64Array:
        """Return the places of the rows that are wanted, in the order that is wanted.

        Raises
        ------
        InputError
            If a group, status, score or sample that is named is not there.
        """
        found = np.ones(len(self._rows), bool)
        for group, answer in wanted.answers.items():
            found &= self._answers(group, answer)
        for key in wanted.tags:
            found &= self._has_tag(key)
        if wanted.status is not None:
            found &= self._has_status(wanted.status)
        if wanted.path:
            found &= self._has_path(wanted.path)
        if wanted.label is not None:
            found &= self._scored(wanted.label, wanted.least, wanted.most)
        if wanted.changed:
            found &= self._rows.changed
        if wanted.said is not None:
            found &= self._said(wanted.said)
        if wanted.sample is not None:
            found &= self._in_sample(wanted.sample)
        if wanted.audit:
            found &= self._findings
        if wanted.sku is not None:
            found &= self._of_products().shows(wanted.sku)
        if wanted.disagree is not None:
            answers = self._words.now[self._group(wanted.disagree)]
            found &= self._of_products().disagreeing(answers, self._rows.ok)
        return self._ordered(found, wanted)

    def _answers(self, group: str, answer: str | None) -> BoolArray:
        i = self._group(group)
        now = self._words.now[i]
        if answer is None:
            return np.asarray(self._rows.ok & (now < 0))
        if answer not in self._log.names[i]:
            return np.zeros(len(now), bool)
        return np.asarray(now == self._log.names[i].index(answer))

    def _group(self, group: str) -> int:
        """Return the number of an exclusive group."""
        if group not in self._labels.exclusive:
            there = ", ".join(self._labels.exclusive) or "there are none"
            raise InputError(
                f"group {group!r} is no exclusive group of this night; choose one of: {there}"
            )
        return self._labels.exclusive.index(group)

    def _has_tag(self, key: str) -> BoolArray:
        group, _, name = key.partition(":")
        if not name or group in self._labels.exclusive:
            raise InputError(
                f"tag {key!r}: give group:label, of a group that is not exclusive; for another "
                "group ask for its answer"
            )
        return self._words.holds(group, name)

    def _has_status(self, status: str) -> BoolArray:
        if status not in STATUS_NAMES:
            raise InputError(f"status {status!r}; choose one of: {', '.join(STATUS_NAMES)}")
        return np.asarray(self._rows.status == STATUS_NAMES.index(status))

    def _has_path(self, part: str) -> BoolArray:
        small = pc.utf8_lower(pa.scalar(part, pa.large_string())).as_py()
        # As a pattern it takes half the time that it takes as a plain text.
        found = pc.match_substring_regex(self._rows.lowered, re.escape(small))
        return np.asarray(found.to_numpy(zero_copy_only=False), bool)

    def _scored(self, key: str, least: float, most: float) -> BoolArray:
        """Return bool (n,): rows with a score within these, as their four decimals say."""
        scores = self._rows.scores[self._label(key)]
        low = min(max(math.ceil(least * SCALE - _ROUNDING), 0), SCALE + 1)
        high = min(max(math.floor(most * SCALE + _ROUNDING), -1), SCALE)
        if high < low:
            return np.zeros(len(scores), bool)
        return np.asarray((scores >= low) & (scores <= high))

    def _label(self, key: str) -> int:
        group, _, name = key.partition(":")
        place = self._labels.at(group, name)
        if place is None:
            raise InputError(f"label {key!r} has no scores in this night; give group:label")
        return place

    def _said(self, by: str) -> BoolArray:
        words = self._words
        if by == "nobody":
            return ~words.anyone()
        if by == "asked_again":
            found = np.zeros(len(self._rows), bool)
            found[words.asking().row] = True
            return found
        kinds = {
            "anyone": words.anyone,
            "against_model": words.against_model,
            "proposed": words.proposed,
            "unknown": words.unknown,
        }
        return kinds[by]()

    def _in_sample(self, sample: str) -> BoolArray:
        if sample not in self._samples:
            raise InputError(f"sample {sample!r} is not open here; start 'tagger review --sample'")
        found = np.zeros(len(self._rows), bool)
        found[self._samples[sample]] = True
        return found

    def _of_products(self) -> NightProducts:
        if self._products is None:
            raise InputError(
                "which product a picture shows is not said here; start 'tagger review --products' "
                "or '--product-from'"
            )
        return self._products

    def _ordered(self, found: BoolArray, wanted: Wanted) -> Int64Array:
        if wanted.order == "path" and wanted.sample is not None:
            asked = self._samples[wanted.sample]
            return asked[found[asked]]
        if wanted.order == "path" and wanted.disagree is not None:
            return self._of_products().in_order(np.flatnonzero(found))
        if wanted.order == "path":
            return np.flatnonzero(found)
        if wanted.order == "least_sure":
            return self._least_sure(found, wanted)
        if wanted.label is None:
            raise InputError("order 'score' is by the score of a label: give the label too")
        rows = np.flatnonzero(found)
        scores = self._rows.scores[self._label(wanted.label), rows]
        return _by(np.subtract(SCALE, scores, dtype=np.uint16), rows)

    def _least_sure(self, found: BoolArray, wanted: Wanted) -> Int64Array:
        """Return rows that are ok, the least sure answer first.

        Answers of which a person has already spoken are left out, unless `said` asks for them.
        """
        names = self._labels.exclusive
        if not names:
            raise InputError("order 'least_sure': this night has no exclusive group")
        groups = range(len(names)) if wanted.group is None else [self._group(wanted.group)]
        rows = np.flatnonzero(found & self._rows.ok)
        spoken_too = wanted.said not in (None, "nobody")
        least = np.full(len(rows), MISSING, np.uint16)
        for i in groups:
            sure = self._rows.sure[i, rows]
            if not spoken_too:
                sure = np.where(self._words.said[i, rows] == WITHDRAWN, sure, MISSING)
            np.minimum(least, sure, out=least)
        left = least != MISSING
        return _by(least[left], rows[left])


def _by(keys: UInt16Array, rows: Int64Array) -> Int64Array:
    """Return the rows by their keys, uint16, the least first; equal ones stay in order."""
    return rows[np.argsort(keys, kind="stable")]
