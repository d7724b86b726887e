"""`tagger products`: a night's products as a table for pandas."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.page_file import check_writable
from schemas.documents import KINDS, DocumentField
from schemas.record import FORMAT_VERSION
from schemas.sync import ProductsReport
from tagger.errors import InputError
from tagger.files import replacing
from tagger.index.store import existing_index
from tagger.progress import warn
from tagger.search.opening import DocumentOptions, open_source, product_choice
from tagger.settings import setting


def products(options: DocumentOptions, out: str) -> ProductsReport:
    """Return what was written: a row per product of the current night, as its document has it.

    Raises
    ------
    InputError
        If there is no night, a table or a pattern makes no sense, or the table cannot be written.
    """
    if product_choice(options.products, options.product_from) is None:
        raise InputError(
            f"which product a picture shows is not said: give {setting('products')} or "
            f"{setting('product_from')}"
        )
    check_writable("out", out)
    source, notes = open_source(existing_index(options.index), options)
    schema = table_schema(source.settings.fields)
    rows = pictures = 0
    disagree: Counter[str] = Counter()
    try:
        with replacing(Path(out)) as sibling, pq.ParquetWriter(sibling, schema) as writer:
            for chunk in source.all():
                for batch in chunk:
                    writer.write_table(batch.select(schema.names).cast(schema))
                    rows += len(batch)
                    pictures += len(batch["images"].combine_chunks().flatten())
                    disagree.update(batch["disagree"].combine_chunks().flatten().to_pylist())
    except OSError as error:
        raise InputError(f"{setting('out')} {out!r} cannot be written: {error.strerror}") from error
    for note in notes:
        warn(note)
    ok = source.snapshot.manifest.statuses.get("ok", 0)
    return ProductsReport(
        index=options.index,
        out=out,
        snapshot=source.snapshot.path.name,
        products=rows,
        pictures=pictures,
        without_product=ok - pictures,
        disagree={group: disagree[group] for group in source.settings.labels.exclusive},
        notes=notes,
    )


def table_schema(fields: list[DocumentField]) -> pa.Schema:
    """Return the schema of the table: each field says what it means."""
    columns = [
        pa.field(field.name, KINDS[field.kind][0], metadata={"meaning": field.meaning})
        for field in fields
        if field.kind != "mark"
    ]
    return pa.schema(columns, metadata={"tagger.format_version": str(FORMAT_VERSION)})


def products_text(report: ProductsReport) -> str:
    """Return what was written as text for a terminal."""
    lines = [
        f"{report.out}: {report.products:,} products of {report.pictures:,} pictures; "
        f"{report.without_product:,} pictures show none"
    ]
    for group, n in report.disagree.items():
        share = n / report.products if report.products else 0
        lines.append(f"{group}: pictures of {n:,} products disagree ({share:.1%})")
    return "\n".join(lines)
