"""The labels of a night: what they are called, and from which stored score on each holds."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.review import GroupNow
from tagger.index.snapshots import Snapshot
from tagger.labels.views import DECIMALS

UInt16Array = npt.NDArray[np.uint16]

SCALE: int = 10**DECIMALS
"""Scores and thresholds are held as whole numbers: times this, exactly."""
MISSING = np.iinfo(np.uint16).max
"""In place of a score: there is none. In place of a threshold: the label never holds."""


class NightLabel(NamedTuple):
    """A label of the night's model.

    Attributes
    ----------
    group, name, column : str
    exclusive, retired : bool
    """

    group: str
    name: str
    column: str
    exclusive: bool
    retired: bool

    @property
    def key(self) -> str:
        """`group:name`."""
        return f"{self.group}:{self.name}"


class NightLabels:
    """The labels of a snapshot's model, and those that older rows may still have as answers.

    Parameters
    ----------
    snapshot : Snapshot

    Attributes
    ----------
    all : list of NightLabel
        Those of the night's model, in its order, retired ones too.
    exclusive : list of str
        The exclusive groups, in column order.
    names : dict of str to list of str
        Exclusive group to the labels that rows can have as its answer: the model's own, in its
        order, then those of older models.
    models : list of str
        Every model that rows may name.
    limits : uint16 (models, labels)
        From which score on a label holds, times `SCALE`; `MISSING` if it is retired or unknown to
        that model.

    Raises
    ------
    StoreError
        If the labels are damaged.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        manifest = snapshot.manifest
        self.exclusive = list(manifest.groups)
        try:
            rows = snapshot.labels().to_pylist()
            self.models = list(dict.fromkeys([manifest.model_id, *(r["model_id"] for r in rows)]))
            own = [row for row in rows if row["model_id"] == manifest.model_id]
            self.all = [self._label(row) for row in own]
            self._at = {(label.group, label.name): i for i, label in enumerate(self.all)}
            self.limits = self._limits(rows)
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise snapshot.damaged("labels.parquet", error) from error
        named: dict[str, list[str]] = {group: [] for group in self.exclusive}
        for row in [*own, *rows]:
            names = named.get(row["group"])
            if names is not None and row["label"] not in names:
                names.append(row["label"])
        self.names = named

    def at(self, group: str, name: str | None) -> int | None:
        """Return the place of a label in `all`, or None where the model does not have it."""
        return None if name is None else self._at.get((group, name))

    def knows(self, group: str, name: str) -> bool:
        """Return whether the night's model has a label, retired or not."""
        return (group, name) in self._at

    def members(self, group: str) -> list[int]:
        """Return the places of a group's labels, retired ones too."""
        return [i for i, label in enumerate(self.all) if label.group == group]

    def groups(self) -> list[GroupNow]:
        """Return the groups in the model's order, with the labels that are not retired."""
        order = dict.fromkeys([*(label.group for label in self.all), *self.exclusive])
        return [
            GroupNow(
                name=group,
                exclusive=group in self.exclusive,
                labels=[x.name for x in self.all if x.group == group and not x.retired],
            )
            for group in order
        ]

    def threshold(self, model: int, label: int) -> float:
        """Return from which score on a label holds for a model; the night's where it is unknown."""
        limit = int(self.limits[model, label])
        known = limit if limit != MISSING else int(self.limits[0, label])
        return known / SCALE

    def _label(self, row: dict[str, object]) -> NightLabel:
        group = str(row["group"])
        return NightLabel(
            group=group,
            name=str(row["label"]),
            column=str(row["column"]),
            exclusive=group in self.exclusive,
            retired=bool(row["retired"]),
        )

    def _limits(self, rows: list[dict[str, object]]) -> UInt16Array:
        limits = np.full((len(self.models), len(self.all)), MISSING, np.uint16)
        for row in rows:
            place = self._at.get((str(row["group"]), str(row["label"])))
            threshold = float(str(row["threshold"]))
            if not 0 <= threshold <= 1:
                raise ValueError(f"a threshold of {threshold}")
            if place is not None and not row["retired"]:
                limits[self.models.index(str(row["model_id"])), place] = round(threshold * SCALE)
        return limits
