"""Which product each picture of a night shows, for commands that tell of a night by product."""

from typing import NamedTuple

from tagger.errors import InputError
from tagger.index.night_labels import NightLabels
from tagger.index.snapshots import Snapshot
from tagger.search.documents import DocumentSettings
from tagger.search.product_pattern import ProductPattern
from tagger.search.product_table import ProductTable
from tagger.search.products import Products
from tagger.search.source import Source
from tagger.settings import setting


class ProductChoice(NamedTuple):
    """What says which product a picture shows.

    Attributes
    ----------
    given : str
    is_table : bool
        Whether that is a table of sku, image and role, or a regular expression on the path.
    """

    given: str
    is_table: bool


def product_choice(products: str | None, product_from: str | None) -> ProductChoice | None:
    """Return what of two settings says which product a picture shows; None where neither does.

    Raises
    ------
    InputError
        If both do.
    """
    if products is not None and product_from is not None:
        raise InputError(
            f"{setting('products')} and {setting('product_from')} contradict each other; give one"
        )
    if products is not None:
        return ProductChoice(products, True)
    return None if product_from is None else ProductChoice(product_from, False)


def by_product(snapshot: Snapshot, choice: ProductChoice) -> tuple[Source, Products]:
    """Return a night's documents, one a product, and what says which product each picture shows.

    Stored features are left out: nobody is shown a vector.

    Raises
    ------
    InputError
        If the table or the pattern makes no sense, or names no picture of the night.
    """
    settings = DocumentSettings(NightLabels(snapshot), {}, by_product=True)
    source = Source(snapshot, settings, None, None)
    made = ProductTable if choice.is_table else ProductPattern
    products: Products = made(choice.given, source.ids)
    source.products = products
    return source, products
