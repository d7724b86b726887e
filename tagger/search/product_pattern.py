"""Which product each picture shows, by a regular expression on its path.

RE2's, by way of Arrow: its time grows with the length of the path alone, whatever the pattern is.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError
from tagger.search.products import Named
from tagger.settings import setting

_SKU, _ROLE = "sku", "role"
# What is quoted, escaped or within brackets opens no group.
_LITERAL = r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]"
_GROUP = re.compile(rf"{_LITERAL}|\((?:\?P?<(\w+)>|(?!\?))", re.DOTALL)


class ProductPattern:
    """The products that a regular expression finds in paths.

    Parameters
    ----------
    pattern : str
        Its group `sku`, else its first group, else all that matches, is the product; its group
        `role`, if it has one, the role.
    all_ids : callable
        Yields all image_ids of the night, in arrays.

    Raises
    ------
    InputError
        If it is none, or matches no picture of the night.
    """

    def __init__(self, pattern: str, all_ids: Callable[[], Iterable[pa.Array]]) -> None:
        self._pattern = _with_names(pattern)
        self._all_ids = all_ids
        self._shown = f"{setting('product_from')} {pattern!r}"
        self.digest = hashlib.sha256(pattern.encode()).hexdigest()
        self.notes: list[str] = []
        self._check()

    def of(self, image_ids: pa.Array) -> Named:
        """Return the product and the role of each of these pictures; null where there is none."""
        found = pc.extract_regex(image_ids, self._pattern)
        return Named(_filled(found, _SKU), _filled(found, _ROLE))

    def pictures(self, skus: pa.Array) -> pa.Array:
        """Return the image_ids of all pictures of these products."""
        found = [
            ids.filter(pc.is_in(self.of(ids).sku, value_set=skus, skip_nulls=True))
            for ids in self._all_ids()
        ]
        return pa.concat_arrays(found) if found else pa.array([], pa.string())

    def members(self, skus: pa.Array) -> pa.Array:
        """Return an empty text for each of these products: paths say all there is to say."""
        return pa.array([""] * len(skus), pa.string())

    def differing(self, known: pa.Table) -> pa.Array:
        """Return no product: another pattern makes all documents anew."""
        return pa.array([], pa.string())

    def _check(self) -> None:
        """Raise InputError unless the pattern is one, and matches some picture."""
        example = None
        pictures = 0
        matched = 0
        try:
            for ids in self._all_ids():
                example = example or (ids[0].as_py() if len(ids) else None)
                pictures += len(ids)
                matched += len(ids) - self.of(ids).sku.null_count
        except pa.ArrowException as error:
            said = str(error).removeprefix("Invalid regular expression: ")
            raise InputError(
                f"{self._shown} is no regular expression: {said}. It is one of RE2, which has no "
                "lookahead and no backreference"
            ) from error
        if not matched and pictures:
            raise InputError(
                f"{self._shown} matches none of the {pictures:,} pictures of this night, such as "
                f"{example!r}"
            )
        if matched < pictures:
            self.notes.append(
                f"{self._shown}: {pictures - matched:,} of {pictures:,} pictures match it not, "
                "and belong to no product"
            )


def check_pattern(pattern: str) -> None:
    """Raise InputError unless a pattern is a regular expression."""
    ProductPattern(pattern, lambda: [pa.array([], pa.string())])


def _with_names(pattern: str) -> str:
    """Return the pattern with a name for every group, one of them sku: Arrow needs that."""
    taken = [found[1] for found in _GROUP.finditer(pattern)]
    needs_sku = _SKU not in taken
    spare = (name for number in count(1) if (name := f"group_{number}") not in taken)

    def with_name(found: re.Match[str]) -> str:
        nonlocal needs_sku
        if not found[0].startswith("("):
            return found[0]
        if needs_sku and found[1] != _ROLE:
            needs_sku = False
            return f"(?P<{_SKU}>"
        return f"(?P<{found[1] or next(spare)}>"

    named = _GROUP.sub(with_name, pattern)
    return f"(?P<{_SKU}>{named})" if needs_sku else named


def _filled(found: pa.StructArray, name: str) -> pa.Array:
    """Return what a group of the pattern found; null where it found nothing, or only an empty
    text."""
    if name not in [field.name for field in found.type]:
        return pa.nulls(len(found), pa.string())
    values = pc.struct_field(found, name)
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
