"""Which product each picture shows, by a table of sku, image and role."""

import hashlib
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import BoolArray
from tagger.catalog import image_id
from tagger.datasets.label_table import LabelTable
from tagger.datasets.picture_names import PictureNames, wanted_parts
from tagger.datasets.table_file import open_table
from tagger.errors import InputError
from tagger.search.products import MEMBERS_SCHEMA, Named
from tagger.settings import setting

_NEEDED = ("sku", "image")


class ProductTable:
    """The products of a table, matched to the pictures of a night.

    Parameters
    ----------
    path : str
        A .csv, .xlsx or .parquet with the columns sku and image, and perhaps role.
    all_ids : callable
        Yields all image_ids of the night, in arrays.

    Attributes
    ----------
    digest : str
        Of all that it says.
    notes : list of str
        What somebody should know of it, as sentences.

    Raises
    ------
    InputError
        If it cannot be read, a row has no sku or no image, two rows name one picture, or no row
        names a picture of the night.
    """

    def __init__(self, path: str, all_ids: Callable[[], Iterable[pa.Array]]) -> None:
        table = open_table(Path(path), keys=_NEEDED, shown=f"{setting('products')} {path!r}")
        columns = _columns(table)
        skus = [text.strip() for text in table.texts(columns["sku"])]
        cells = table.texts(columns["image"])
        roles = table.texts(columns["role"]) if "role" in columns else [""] * len(skus)
        kept = [row for row in range(len(skus)) if skus[row] or cells[row].strip()]
        _check_filled(table, kept, skus, cells)
        matched = _Matched([cells[row] for row in kept], all_ids)
        if not matched.found:
            raise InputError(
                f"{table.shown}: none of its {len(kept):,} rows names a picture of this night; the "
                f"first says {cells[kept[0]]!r}, and the night has {matched.example!r}"
                if kept
                else f"{table.shown} has no row; write one per picture: sku,image,role"
            )
        _check_once(table, kept, skus, matched.ids)
        self._members = pa.table(
            [
                pa.array(matched.ids, pa.string()),
                pa.array([skus[row] for row in kept], pa.string()),
                pa.array([roles[row].strip() or None for row in kept], pa.string()),
            ],
            schema=MEMBERS_SCHEMA,
        ).sort_by("image_id")
        self._by_sku = self._digests()
        self.digest = _digest(f"{sku}\n{digest}" for sku, digest in sorted(self._by_sku.items()))
        self.notes = matched.notes(table)

    def of(self, image_ids: pa.Array) -> Named:
        """Return the product and the role of each of these pictures; null where there is none."""
        at = pc.index_in(image_ids, value_set=self._members["image_id"].combine_chunks())
        return Named(
            self._members["sku"].combine_chunks().take(at),
            self._members["role"].combine_chunks().take(at),
        )

    def pictures(self, skus: pa.Array) -> pa.Array:
        """Return the image_ids of all pictures of these products."""
        wanted = pc.is_in(self._members["sku"], value_set=skus)
        return self._members["image_id"].filter(wanted).combine_chunks()

    def members(self, skus: pa.Array) -> pa.Array:
        """Return what is said of each of these products, as a digest."""
        return pa.array([self._by_sku.get(sku, "") for sku in skus.to_pylist()], pa.string())

    def differing(self, known: pa.Table) -> pa.Array:
        """Return the products of which a table of `sku` and `members` says something else than this
        one."""
        skus = known["sku"].combine_chunks()
        same = pc.equal(known["members"].combine_chunks(), self.members(skus))
        other = skus.filter(pc.invert(same))
        missing = [sku for sku in set(self._by_sku).difference(skus.to_pylist())]
        return pc.unique(pa.concat_arrays([other, pa.array(missing, pa.string())]))

    def _digests(self) -> dict[str, str]:
        """Return a digest of each product's pictures and their roles."""
        lines: dict[str, list[str]] = {}
        for row in self._members.to_pylist():
            lines.setdefault(row["sku"], []).append(f"{row['image_id']}\n{row['role'] or ''}")
        return {sku: _digest(mine)[:16] for sku, mine in lines.items()}


class _Matched:
    """Which picture each cell names; what none is called stays as it is written."""

    def __init__(self, cells: Sequence[str], all_ids: Callable[[], Iterable[pa.Array]]) -> None:
        self.ids = [cell.strip() for cell in cells]
        as_written, self.example = _known(self.ids, all_ids())
        parts = {at: wanted_parts(cells[at]) for at in np.flatnonzero(~as_written).tolist()}
        for at, (names, _) in parts.items():
            self.ids[at] = image_id("/".join(names).encode())
        as_plain, _ = _known([self.ids[at] for at in parts], all_ids() if parts else ())
        strange = [at for at, known in zip(parts, as_plain, strict=True) if not known]
        self.lost: list[int] = []
        if strange:
            wanted = [parts[at] for at in strange]
            pictures = PictureNames([x for ids in all_ids() for x in _likely(ids, wanted)])
            for at in strange:
                found = pictures.matching(parts[at][0], any_folder=parts[at][1])
                if len(found) == 1:
                    self.ids[at] = found[0]
                else:
                    self.lost.append(at)
            self._leave_to_nearest({at: parts[at][0] for at in strange})
        self.found = len(self.ids) - len(self.lost)

    def _leave_to_nearest(self, strange: Mapping[int, Sequence[str]]) -> None:
        """Leave a picture to the row that names it best: a row whose own picture went away names no
        other row's."""
        nearness = {at: _nearness(self.ids[at], parts) for at, parts in strange.items()}
        exact = {name for at, name in enumerate(self.ids) if at not in strange}
        best = dict.fromkeys(exact.intersection(self.ids[at] for at in strange), math.inf)
        for at in strange:
            best[self.ids[at]] = max(nearness[at], best.get(self.ids[at], 0))
        for at in set(strange).difference(self.lost):
            if nearness[at] < best[self.ids[at]]:
                self.ids[at] = image_id("/".join(strange[at]).encode())
                self.lost.append(at)
        self.lost.sort()

    def notes(self, table: LabelTable) -> list[str]:
        """Return a sentence on rows whose picture the night does not have."""
        if not self.lost:
            return []
        return [
            f"{table.shown}: {len(self.lost):,} of {len(self.ids):,} rows name no picture of this "
            f"night, the first of them {self.ids[self.lost[0]]!r}"
        ]


def _known(names: Sequence[str], all_ids: Iterable[pa.Array]) -> tuple[BoolArray, str]:
    """Return which of the names are pictures, and an example of a picture."""
    wanted = pa.array(names, pa.string())
    known = np.zeros(len(names), bool)
    example = "no picture"
    for ids in all_ids:
        if len(ids):
            example = ids[0].as_py()
        known |= np.asarray(pc.is_in(wanted, value_set=ids).to_numpy(zero_copy_only=False))
    return known, example


def _likely(ids: pa.Array, wanted: Sequence[tuple[Sequence[str], bool]]) -> list[str]:
    """Return those of these pictures that any of the cells may mean.

    Where all cells have folders of this catalog, those are in folders of these names: mostly few,
    which saves a second for 100,000 pictures.
    """
    if any(is_elsewhere or len(parts) < 2 for parts, is_elsewhere in wanted):
        return list(ids.to_pylist())
    folders = pc.unique(_alike(pa.array([parts[-2] for parts, _ in wanted], pa.string())))
    here = _alike(pc.replace_substring_regex(ids, r"^(?:.*/)?([^/]*)/[^/]*$", r"\1"))
    in_none = pc.invert(pc.match_substring(ids, "/"))
    return list(ids.filter(pc.or_(pc.is_in(here, value_set=folders), in_none)).to_pylist())


def _alike(names: pa.Array) -> pa.Array:
    return pc.utf8_lower(pc.utf8_normalize(names, form="NFC"))


def _nearness(name: str, parts: Sequence[str]) -> float:
    """Return how many folders before a picture's name are those before the last of the parts;
    infinite if all are."""
    here, there = (list(map(_folded, names))[-2::-1] for names in (name.split("/"), parts))
    same = takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False))
    agreeing = len(list(same))
    return math.inf if agreeing == len(here) else agreeing


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _columns(table: LabelTable) -> dict[str, int]:
    headers = [name.casefold() for name in table.names]
    for name in (*_NEEDED, "role"):
        if headers.count(name) > 1:
            raise InputError(
                f"{table.shown} has several columns {name!r}; rename or remove all but one"
            )
    missing = [name for name in _NEEDED if name not in headers]
    if missing:
        raise InputError(
            f"{table.shown} has no column {missing[0]!r}; it has {table.written}. Needed are sku "
            "and image, and role if pictures should not count alike"
        )
    return {name: headers.index(name) for name in (*_NEEDED, "role") if name in headers}


def _check_filled(
    table: LabelTable, kept: Sequence[int], skus: Sequence[str], cells: Sequence[str]
) -> None:
    lacking = [row for row in kept if not skus[row] or not cells[row].strip()]
    if lacking:
        what = "sku" if not skus[lacking[0]] else "image"
        raise InputError(
            f"{table.shown}: {len(lacking):,} of {len(kept):,} rows lack a sku or an image, the "
            f"first is row {table.row_numbers[lacking[0]]} without {what}; fill it in or remove it"
        )


def _check_once(
    table: LabelTable, kept: Sequence[int], skus: Sequence[str], ids: Sequence[str]
) -> None:
    twice = [name for name, n in Counter(ids).items() if n > 1]
    if twice:
        rows = [kept[at] for at, name in enumerate(ids) if name == twice[0]]
        named = " and ".join(f"row {table.row_numbers[row]} ({skus[row]})" for row in rows[:2])
        raise InputError(
            f"{table.shown}: {len(twice):,} pictures are in several rows, the first is "
            f"{twice[0]!r} in {named}; a picture belongs to one product, once"
        )


def _digest(lines: Iterable[str]) -> str:
    total = hashlib.sha256()
    for line in sorted(lines):
        total.update(line.encode())
        total.update(b"\0")
    return total.hexdigest()
