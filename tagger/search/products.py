"""Products: which pictures each one has."""

from typing import NamedTuple, Protocol

import pyarrow as pa

SKU, ROLE = "product:sku", "product:role"
"""Columns beside those of the rows: no group can be called so."""

MEMBERS_SCHEMA = pa.schema([("image_id", pa.string()), ("sku", pa.string()), ("role", pa.string())])


class Named(NamedTuple):
    """The product and the role of some pictures, null where there is none.

    Attributes
    ----------
    sku, role : string array (n,)
    """

    sku: pa.Array
    role: pa.Array


class Products(Protocol):
    """What says which product a picture shows.

    Attributes
    ----------
    digest : str
        Of all that it says: where it is the same, only pictures that changed change products.
    notes : list of str
        What somebody should know of it, as sentences.
    """

    digest: str
    notes: list[str]

    def of(self, image_ids: pa.Array) -> Named:
        """Return the product and the role of each of these pictures."""
        ...

    def pictures(self, skus: pa.Array) -> pa.Array:
        """Return the image_ids of all pictures of these products."""
        ...

    def members(self, skus: pa.Array) -> pa.Array:
        """Return what is said of each of these products, as a digest."""
        ...

    def differing(self, known: pa.Table) -> pa.Array:
        """Return the products of which a table of `sku` and `members` says something else than this
        one."""
        ...
