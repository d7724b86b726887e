"""Which product each picture of a night shows, for commands that tell of a night by product."""

from tagger.index.night_labels import NightLabels
from tagger.index.snapshots import Snapshot
from tagger.search.documents import DocumentSettings
from tagger.search.opening import ProductChoice, chosen_products
from tagger.search.products import Products
from tagger.search.source import Source


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
    products = chosen_products(choice, source)
    source.products = products
    return source, products
