"""Published nights of any size without a picture: scores are drawn, answers follow from them, and
what is written is written by the job's own writer."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

import tagger.imaging.preprocessing
from schemas.corrections import Answer, Correction
from schemas.index import CHANGES, LABELS, Manifest
from schemas.rows import CORRECTED_TYPE, OVERRULED_TYPE, rows_schema
from schemas.runs import Counts
from tagger.index.buckets import bucket_of
from tagger.index.corrected_rows import Models, RowLabel
from tagger.index.snapshots import current_name, new_id
from tagger.index.store import Index
from tagger.labels.views import group_probabilities, logit, stored_scores

MODEL, OLDER = "b" * 64, "a" * 64


def row_labels(names: dict[str, Sequence[str]], threshold: float) -> list[RowLabel]:
    """Return labels by group, none retired; each has a threshold of its own."""
    pairs = [(group, name) for group, labels in names.items() for name in labels]
    return [
        RowLabel(group, name, f"score_{name.replace(' ', '_')}", threshold + i / 1000, False)
        for i, (group, name) in enumerate(pairs)
    ]


class MadeNight(NamedTuple):
    """What is in a night: n pictures, numbered.

    Attributes
    ----------
    n : int
    image_id, content : callable
        Of a number.
    models : Models
        The night's model first; they have the same labels.
    exclusive : list of str
    broken : float
        The share of pictures that are not ok.
    changed : int
        Every how manieth picture the night changed.
    bucket : int
        About how many rows a part has.
    drawn_anew : float
        The share of pictures whose scores are others than those of a night that is alike in all
        else.
    """

    n: int
    image_id: Callable[[int], str]
    content: Callable[[int], str]
    models: Models
    exclusive: list[str]
    broken: float = 0.01
    changed: int = 10
    bucket: int = 50_000
    drawn_anew: float = 0.0

    def publish(self, folder: Path) -> Index:
        """Write it as the current night of an index, after the one that was current."""
        index = Index(folder)
        (folder / "snapshots").mkdir(parents=True, exist_ok=True)
        parent = current_name(folder)
        writer = index.new_snapshot(new_id())
        buckets = max(1, self.n // self.bucket)
        numbers: dict[int, list[int]] = {}
        for i in range(self.n):
            numbers.setdefault(bucket_of(self.image_id(i), buckets), []).append(i)
        statuses: Counter[str] = Counter()
        for bucket, mine in sorted(numbers.items()):
            rows = self._rows(mine, np.random.default_rng(bucket))
            writer.add_part(bucket, rows)
            statuses.update(rows["status"].to_pylist())
        changed = [self.image_id(i) for i in range(0, self.n, self.changed)]
        writer.add_changes(pa.table([changed, ["upsert"] * len(changed)], schema=CHANGES))
        written = writer.finish(self._labels(), pa.array([], pa.large_string()))
        counts = dict.fromkeys(Counts.__struct_fields__, 0) | {"found": self.n, "new": self.n}
        writer.publish(
            Manifest(
                format_version=1,
                snapshot=writer.snapshot_id,
                parent=parent,
                created_at=datetime.now(UTC).isoformat(),
                catalog="/catalog",
                buckets=buckets,
                model_id=next(iter(self.models)),
                models=sorted(self.models),
                reader=tagger.imaging.preprocessing.READER,
                groups=self.exclusive,
                parts=written.parts,
                labels_sha256=written.labels_sha256,
                changes_sha256=written.changes_sha256,
                unsettled_sha256=written.unsettled_sha256,
                rows=self.n,
                statuses=dict(statuses),
                counts=Counts(**counts),
                versions={},
            )
        )
        return index

    def _labels(self) -> pa.Table:
        rows = [
            {"model_id": model, "ap": None, **label._asdict(), "label": label.name}
            for model, labels in self.models.items()
            for label in labels
        ]
        return pa.Table.from_pylist(rows, LABELS)

    def _rows(self, numbers: list[int], random: np.random.Generator) -> pa.Table:
        """Return rows as their models would have written them."""
        n = len(numbers)
        ids, labels = list(self.models), next(iter(self.models.values()))
        ok = random.random(n) >= self.broken
        model = random.integers(0, len(ids), n)
        logits = random.normal(-2.5, 1.5, (n, len(labels))).astype(np.float32)
        anew = random.random(n) < self.drawn_anew
        logits[anew] = random.normal(-2.5, 1.5, (int(anew.sum()), len(labels)))
        scores = stored_scores(logits)
        columns: dict[str, Any] = {
            "image_id": [self.image_id(i) for i in numbers],
            "status": np.where(ok, "ok", "truncated"),
            "error": pa.array(["the file ends before the picture does"] * n, mask=ok),
            "content_sha256": [self.content(i) for i in numbers],
            "size_bytes": np.full(n, 200_000),
            "mtime_ns": np.full(n, 1_600_000_000_000_000_000),
            "width": pa.array(np.full(n, 1000), mask=~ok),
            "height": pa.array(np.full(n, 1500), mask=~ok),
            "reader": np.full(n, tagger.imaging.preprocessing.READER),
            "model_id": pa.array([ids[i] for i in model], mask=~ok),
            "scored_at": pa.array([datetime.now(UTC)] * n, mask=~ok),
            "corrected": pa.nulls(n, CORRECTED_TYPE),
            "overruled": pa.nulls(n, OVERRULED_TYPE),
            "unlikeness": pa.nulls(n, pa.float64()),
            "first_seen": pa.array([datetime.now(UTC)] * n),
        }
        for i, label in enumerate(labels):
            columns[label.column] = pa.array(scores[:, i], mask=~ok)
        limits = np.array([_limits(mine) for mine in self.models.values()])[model]  # (n, labels)
        has = (scores >= limits) & ok[:, None]
        for group in self.exclusive:
            members = [i for i, label in enumerate(labels) if label.group == group]
            answers = _answers(logits[:, members], limits[:, members], has[:, members])
            names = pa.array([labels[i].name for i in members])
            none = answers[0] < 0
            columns[group] = names.take(pa.array(answers[0], mask=none))
            columns[f"{group}_score"] = pa.array(answers[1], mask=none)
            has[:, members] = answers[0][:, None] == np.arange(len(members))
        columns["tags"] = _tags(has, [label.name for label in labels])
        schema = rows_schema(self.exclusive, labels)
        return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def _limits(labels: Sequence[RowLabel]) -> list[float]:
    return [2.0 if label.retired else label.threshold for label in labels]


def _answers(logits: Any, limits: Any, has: Any) -> tuple[Any, Any]:
    """Return the position of the answer, -1 for none, and p(answer)."""
    active = limits < 1
    margin = np.where(has, logits - logit(np.where(active, limits, 0.5)), -np.inf)
    best = margin.argmax(axis=1)
    counted = np.where(active, logits, -np.inf)
    probability = group_probabilities(counted, list(range(logits.shape[1])))
    return (
        np.where(has.any(axis=1), best, -1),
        probability[np.arange(len(best)), best].round(4),
    )


def _tags(has: Any, names: list[str]) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(has.sum(axis=1))]).astype(np.int32)
    values = pa.array(names).take(pa.array(np.nonzero(has)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def correction(
    content: str,
    group: str,
    label: str | None,
    answer: Answer,
    *,
    image_id: str = "gone.jpg",
    who: str = "ada",
) -> Correction:
    """Return what a person said, one November night."""
    return Correction(
        format_version=1,
        at="2026-11-23T03:15:00.000000Z",
        who=who,
        content_sha256=content,
        image_id=image_id,
        group=group,
        label=label,
        answer=answer,
    )


def next_night(index: Path, *, every: int = 100) -> None:
    """Publish a night in which one row in a hundred has another score, or one in so many, and one
    in a thousand is gone."""
    found = Index(index)
    before = found.current()
    assert before is not None
    writer = found.new_snapshot(new_id())
    for part in before.manifest.parts:
        rows = before.read_whole(part)
        place = rows.schema.get_field_index("score_red")
        scores = rows["score_red"].to_pylist()
        changed = list(range(0, len(rows), every))
        for at in changed:
            scores[at] = None if scores[at] is None else round(1 - scores[at], 4)
        rows = rows.set_column(place, rows.schema.field(place), pa.array(scores))
        gone = range(7, len(rows), 1000)
        kept = [at not in set(gone) for at in range(len(rows))]
        ids = rows["image_id"].to_pylist()
        named = [ids[at] for at in changed] + [ids[at] for at in gone]
        ops = ["upsert"] * len(changed) + ["delete"] * len(gone)
        writer.add_part(part.bucket, rows.filter(pa.array(kept)))
        writer.add_changes(pa.table([named, ops], schema=CHANGES))
    written = writer.finish(before.labels(), pa.array([], pa.large_string()))
    facts = {name: getattr(before.manifest, name) for name in Manifest.__struct_fields__}
    facts |= {
        "snapshot": writer.snapshot_id,
        "parent": before.path.name,
        "parts": written.parts,
        "rows": sum(part.rows for part in written.parts),
        "labels_sha256": written.labels_sha256,
        "changes_sha256": written.changes_sha256,
        "unsettled_sha256": written.unsettled_sha256,
    }
    writer.publish(Manifest(**facts))
