"""The commands that bring a night into a search engine. Heavy imports happen inside."""

import typer

from jobs.console.index_options import Quiet
from jobs.console.messages import speak
from jobs.console.options import Config, IndexFolder, Json
from jobs.console.output import print_result
from jobs.console.search_options import (
    Anew,
    DryRun,
    KeyFile,
    MaxWait,
    ProductFrom,
    ProductsOut,
    ProductTable,
    To,
    Url,
    Words,
)
from tagger.errors import TaggerError

PANEL = "The search engine"

commands = typer.Typer()


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger sync index --to ndjson://documents.ndjson`",
    help="Keep a search engine equal to the current night: what changed, or, where that is not "
    "known there, all of it beside what is served.",
)
def sync(
    index: IndexFolder,
    to: To = "",
    products: ProductTable = None,
    product_from: ProductFrom = None,
    words: Words = None,
    url: Url = None,
    key_file: KeyFile = None,
    anew: Anew = False,
    max_wait: MaxWait = 120.0,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    from jobs import sync as job

    speak(quiet=quiet)
    options = job.SyncOptions(
        index=index,
        products=products,
        product_from=product_from,
        words=words,
        url=url,
        to=to,
        key_file=key_file,
        anew=anew,
        max_wait=max_wait,
    )
    try:
        report = job.sync(options, dry=dry_run)
    except TaggerError as error:
        if error.report and as_json:
            print_result(error.report, True, "")
        raise
    if as_json or dry_run or not quiet:
        print_result(report, as_json, job.sync_text(report, dry=dry_run))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger products index --products skus.csv --out products.parquet`",
    help="Write a night by product: one row a product, made of its pictures.",
)
def products(
    index: IndexFolder,
    out: ProductsOut,
    products: ProductTable = None,
    product_from: ProductFrom = None,
    words: Words = None,
    url: Url = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    from jobs import products as job
    from tagger.search.opening import DocumentOptions

    options = DocumentOptions(index, products, product_from, words, url)
    report = job.products(options, out)
    print_result(report, as_json, job.products_text(report))
