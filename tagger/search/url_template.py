"""Addresses of pictures or products, made of a template such as `https://shop.example/{path}`."""

from collections.abc import Collection
from string import Formatter
from urllib.parse import quote

import pyarrow as pa

from tagger.catalog import relative_path
from tagger.errors import InputError
from tagger.settings import setting

NAMES = {False: ("path", "id"), True: ("path", "sku", "id")}
"""What a template may have in braces: of pictures, and of products."""


def check_template(template: str, names: Collection[str]) -> None:
    """Raise InputError unless the template has some of these names in braces, and no other."""
    shown = f"{setting('url')} {template!r}"
    may = ", ".join(f"{{{name}}}" for name in names)
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"{shown}: {error}; it may have {may}") from error
    found = [name for _, name, _, _ in parts if name is not None]
    strange = [name for name in found if name not in names]
    formatted = any(format_ or conversion for _, _, format_, conversion in parts)
    if strange or formatted or not found:
        raise InputError(f"{shown}: a template has some of {may} and nothing else in braces")


def addresses(template: str, documents: dict[str, pa.Array]) -> pa.Array:
    """Return one address a document; what stands for a name is percent-encoded UTF-8, but for `/`.

    A path is encoded byte by byte as it is on the disk.

    Parameters
    ----------
    documents : dict of str to string array
        Every name that the template may have, and its values.
    """
    parts = [(text, name) for text, name, _, _ in Formatter().parse(template)]
    encoded = {name: _encoded(name, documents[name]) for _, name in parts if name is not None}
    rows = len(next(iter(documents.values())))
    lines = [
        "".join(text + (encoded[name][row] if name is not None else "") for text, name in parts)
        for row in range(rows)
    ]
    return pa.array(lines, pa.string())


def _encoded(name: str, values: pa.Array) -> list[str]:
    if name == "path":
        return [quote(relative_path(value)) for value in values.to_pylist()]
    return [quote(value, safe="") for value in values.to_pylist()]
