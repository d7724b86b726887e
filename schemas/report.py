"""What `tagger report` says of a night beside its page: good, or what to look at."""

from typing import Literal

from schemas.record import Record
from schemas.runs import UnlikeRows


class MovedShare(Record):
    """A label whose share moved by more than it does from night to night."""

    group: str
    """The label's group."""
    label: str | None
    """The label; null is the answer none of an exclusive group."""
    of: Literal["stayed", "arrived"]
    """Of which pictures: those that were there before and still are, with the same bytes; or those
    that are new or have other bytes."""
    nights: int
    """In or over how many nights up to this one."""
    usual: float
    """The share that was usual: of pictures that stayed, that before these nights."""
    now: float
    """The share now; of pictures that stayed, as if none had come or gone."""
    in_a_row: int
    """For how many nights up to this one it has been alarming; at most 30 are looked at."""


class ProductsOfNight(Record):
    """A night by product."""

    products: int
    """Products that a picture of the night shows."""
    pictures: int
    """Pictures that are ok, of all products."""
    without_product: int
    """Pictures that are ok and show none."""
    disagree: dict[str, int]
    """Exclusive group to products whose pictures answer differently in it; none is no answer."""


class NightReport(Record):
    """A report that was written."""

    index: str
    """As given."""
    out: str
    """The page, as given."""
    bytes: int
    """Its size."""
    snapshot: str
    """The night that it shows: the one that readers see."""
    run_id: str | None
    """The run that it tells of, the newest that has ended; null if there is no record of one."""
    good: bool
    """Whether nothing was found to look at."""
    sentence: str
    """Good, or what to look at first, in words: the headline of the page."""
    concerns: list[str]
    """All that was found to look at, the gravest first."""
    moved: list[MovedShare]
    """Shares that moved; empty too where too few nights are known, see `nights`."""
    nights: int
    """Published nights of which it is known what they answered; below 16 no share can alarm."""
    unlike: UnlikeRows | None = None
    """Rows unlike what the model was trained on; null where no row has an unlikeness."""
    products: ProductsOfNight | None = None
    """The night by product; null without `--products` and `--product-from`."""
