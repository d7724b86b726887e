"""What the documents of an index are made of, by what was asked for."""

from dataclasses import dataclass
from typing import NamedTuple

from tagger.errors import BundleError, InputError, StoreError
from tagger.index.features import FeatureStore
from tagger.index.night_labels import NightLabels
from tagger.index.store import Index
from tagger.models.bundle import load_bundle
from tagger.search.documents import DocumentSettings
from tagger.search.product_pattern import ProductPattern
from tagger.search.product_table import ProductTable
from tagger.search.products import Products
from tagger.search.source import Source
from tagger.search.url_template import NAMES, check_template
from tagger.search.words import read_words, unknown_labels
from tagger.settings import setting


@dataclass(frozen=True)
class DocumentOptions:
    """What documents are made of.

    Attributes
    ----------
    index : str
    products : str or None
        A table of sku, image and role.
    product_from : str or None
        A regular expression on the path.
    words : str or None
        A table of words that labels are found by.
    url : str or None
        The template of addresses.
    """

    index: str
    products: str | None = None
    product_from: str | None = None
    words: str | None = None
    url: str | None = None

    @property
    def by_product(self) -> bool:
        """Whether a document is a product, or a picture."""
        return self.products is not None or self.product_from is not None


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


def chosen_products(choice: ProductChoice, source: Source) -> Products:
    """Return the products of a night, as they were chosen.

    Raises
    ------
    InputError
        If the table or the pattern makes no sense, or names no picture of the night.
    """
    made = ProductTable if choice.is_table else ProductPattern
    return made(choice.given, source.ids)


def open_source(index: Index, options: DocumentOptions) -> tuple[Source, list[str]]:
    """Return the documents of the current night, and what somebody should know of them.

    Raises
    ------
    InputError
        If there is no night yet, or a table, a template or a pattern makes no sense.
    """
    night = index.current()
    if night is None:
        raise StoreError(f"index {options.index!r} has no night yet; 'tagger tag' makes one")
    night.check_files()
    if options.url is not None:
        check_template(options.url, NAMES[options.by_product])
    words = read_words(options.words) if options.words is not None else {}
    labels = NightLabels(night)
    features, notes = _features(index)
    settings = DocumentSettings(
        labels,
        words,
        options.url,
        features.width if features is not None else 0,
        options.by_product,
    )
    source = Source(night, settings, features, None)
    choice = product_choice(options.products, options.product_from)
    if choice is not None:
        source.products = chosen_products(choice, source)
    strange = unknown_labels(words, (label.name for label in settings.answered))
    notes += source.products.notes if source.products is not None else []
    if strange:
        notes.append(
            f"{setting('words')} {options.words!r} has labels that the night does not have: "
            f"{', '.join(strange[:5])}"
        )
    return source, notes


def products_from(options: DocumentOptions, source: Source) -> str | None:
    """Return where products are told from, for a digest: a table may change from night to night, a
    pattern makes all documents anew."""
    if options.products is not None:
        return "table"
    return source.products.digest if source.products is not None else None


def _features(index: Index) -> tuple[FeatureStore | None, list[str]]:
    """Return the features that the last night kept or used, None where none are kept; and what
    somebody should know of them."""
    try:
        featured = index.featured()
    except StoreError:
        return None, []
    features_id, width = featured.features_id, featured.width
    if features_id is None or width is None:  # of an earlier version
        try:
            bundle = load_bundle(featured.model)
        except BundleError as error:
            return None, [f"documents have no vectors until the next night with features: {error}"]
        features_id, width = bundle.features_id, bundle.width
    store = index.features(features_id, width)
    return (store if store.exists() else None), []
