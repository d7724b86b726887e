"""Rows of split.parquet: pictures that were labelled for a model, and those that only the trunk saw
which it was begun with."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.split import SPLIT


def seen_alone(split: pa.Table) -> pa.Table:
    """Return a trunk's split.parquet as it stands in that of a model with labels of its own.

    The trunk learned from these pictures, so they keep their parts for ever; of the model's labels
    nobody was asked there.
    """
    at = split.schema.get_field_index("judged")
    nothing = pa.array(np.zeros(len(split), np.int32))
    return split.set_column(at, SPLIT.field("judged"), nothing)


def labelled_rows(split: pa.Table) -> pa.Table:
    """Return the rows whose pictures were labelled for the model itself."""
    return split.filter(pc.greater(split["judged"], 0))
