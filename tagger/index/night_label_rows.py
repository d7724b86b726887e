"""How many rows of two nights have each label."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.comparison import LabelRows
from tagger.arrays import Int16Array, Int64Array
from tagger.index.night_questions import Asked


def given_by(rows: pa.Table, answers: Int16Array, asked: Sequence[Asked]) -> Int64Array:
    """Return int64: rows with scores by each answer of each question, none first."""
    ok = np.asarray(pc.equal(rows["status"], "ok").to_numpy(), bool)
    counts = [
        np.bincount(answer[ok] + 1, minlength=len(one.names) + 1)
        for answer, one in zip(answers, asked, strict=True)
    ]
    return np.concatenate(counts).astype(np.int64)


def label_rows_of(asked: Sequence[Asked], given: Int64Array) -> list[LabelRows]:
    """Return the counts of each label; given: int64 (2, answers), in the order of `given_by`."""
    rows = []
    at = 0
    for one in asked:
        counts = given[:, at : at + len(one.names) + 1]  # (2, answers)
        at += counts.shape[1]
        totals = counts.sum(axis=1)  # (2,): rows with scores
        for place, name in enumerate(("none", *one.names)):
            if name == "none" and place == 0 and one.label is not None:
                continue
            a, b = (int(count) for count in counts[:, place])
            rows.append(
                LabelRows(
                    label=f"{one.group}:{name}",
                    a=a,
                    b=b,
                    a_share=a / int(totals[0]) if totals[0] else None,
                    b_share=b / int(totals[1]) if totals[1] else None,
                )
            )
    return rows
