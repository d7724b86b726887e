"""The whole story on a drawn sample catalog: train, tag, query, look."""

import ast
import os
from pathlib import Path
from typing import Any

import pandas as pd

from jobs.evaluate import table
from jobs.queries import QUERIES
from jobs.tag_catalog import TagOptions, summary_text, tag_catalog
from jobs.train import TrainOptions, train
from tagger.datasets.sample import UNSEEN, Sample, draw_sample
from tagger.errors import InputError
from tagger.evaluation.plots import contact_sheet, png
from tagger.imaging.decoder import Decoder
from tagger.imaging.preprocessing import Reading
from tagger.progress import say

EPOCHS = 30
_TILES = 48
_MARK = ".tagger-demo"  # what is drawn into a folder of somebody else would be mixed with theirs
_TILE_SIDE = 144


def demo(
    out: str,
    *,
    labelled: int = 480,
    catalog: int = 320,
    epochs: int = EPOCHS,
    architecture: dict[str, Any] | None = None,
) -> None:
    """Draw a sample, train on one part of it, tag the other, and print the README's queries with
    their output."""
    folder = Path(out)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise InputError(f"--out {out!r} is not empty and no earlier demo; name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARK).touch()
    except OSError as error:
        raise InputError(f"--out {out!r} cannot be written: {error.strerror}") from error
    say("drawing a sample catalog")
    sample = draw_sample(folder, labelled=labelled, catalog=catalog)
    say(f"training on {sample.labelled}, which has no {' '.join(UNSEEN)}")
    options = TrainOptions(
        (str(sample.labelled),),
        str(folder / "models"),
        "demo",
        "color,type",
        epochs=epochs,
        architecture=architecture or {},
    )
    trained = train(options)
    print(f"{table(trained.evaluation)}\n\n{trained.verdict.sentence}", end="\n\n")
    index = folder / "index"
    # A demo that is cut short has a model that is no better than guessing: it is shown all the
    # same.
    night = TagOptions(
        str(sample.catalog), trained.bundle, str(index), max_error_rate=0.2, force_model=True
    )
    summary = tag_catalog(night)
    print(summary_text(summary), end="\n\n")
    pd.DataFrame(
        {"sku": [f"SKU-{i}" for i in range(5)], "image_id": sorted(sample.truth)[:5]}
    ).to_csv(folder / "skus.csv", index=False)
    for title, code in QUERIES:
        print(f"# {title}\n{code}\n\n{_run_query(code, folder)}\n")
    print(_against_truth(index, sample), end="\n\n")
    starter = folder / "starter-index"
    say(
        "tagging once more, with the starter model that comes with the package: no training, no "
        "--model"
    )
    tag_catalog(TagOptions(str(sample.catalog), None, str(starter), max_error_rate=0.2))
    print(
        "# What the starter model, which never saw a drawing, makes of the same "
        f"catalog\n{_counts(starter)}\n"
    )
    sheets = [folder / "contact-sheet.png", folder / "starter-sheet.png"]
    sheets[0].write_bytes(_contact_sheet(index, sample.catalog))
    sheets[1].write_bytes(_contact_sheet(starter, sample.catalog))
    print(f"index:          {index}/current\nmodel:          {trained.bundle}")
    print(f"contact sheets: {sheets[0]}\n                {sheets[1]}")


def _run_query(code: str, folder: Path) -> str:
    """Return what a README query gives on the demo's index: its statements are run, its last
    expression is shown."""
    code = code.replace("INDEX/current", str(folder / "index" / "current")).replace(
        "skus.csv", str(folder / "skus.csv")
    )
    *statements, last = ast.parse(code).body
    if not isinstance(last, ast.Expr):
        raise TypeError(f"a query ends with an expression, not with {ast.unparse(last)!r}")
    names: dict[str, Any] = {
        "os": os,
        "pd": pd,
        "night": os.path.realpath(folder / "index" / "current"),
    }
    exec(compile(ast.Module(statements, []), "<query>", "exec"), names)  # noqa: S102 - our own constant code
    result = eval(compile(ast.Expression(last.value), "<query>", "eval"), names)  # noqa: S307 - the same
    return str(result.to_string(max_rows=8))


def _against_truth(index: Path, sample: Sample) -> str:
    """Return how many drawn pictures were answered rightly, the unseen pair apart."""
    rows = pd.read_parquet(
        os.path.realpath(index / "current"), columns=["image_id", "color", "type"]
    )
    truth = pd.DataFrame(
        [(i, *pair) for i, pair in sample.truth.items()],
        columns=["image_id", "is_color", "is_type"],
    )
    both = rows.merge(truth, on="image_id")
    both["right"] = (both["color"] == both["is_color"]) & (both["type"] == both["is_type"])
    unseen = (both["is_color"] == UNSEEN[0]) & (both["is_type"] == UNSEEN[1])
    return (
        f"both answers right: {both['right'][~unseen].mean():.1%} of {(~unseen).sum()} pictures; "
        f"{' '.join(UNSEEN)}, "
        f"a pair never seen in training: {both['right'][unseen].mean():.1%} of {unseen.sum()}"
    )


def _counts(index: Path) -> str:
    """Return how often each color and type was answered, none included."""
    rows = pd.read_parquet(
        os.path.realpath(index / "current"),
        columns=["color", "type"],
        filters=[("status", "==", "ok")],
    )
    return str(
        rows.fillna("none").value_counts(["color", "type"]).unstack(fill_value=0).to_string()
    )


def _contact_sheet(index: Path, catalog: Path) -> bytes:
    columns = ["image_id", "status", "color", "color_score", "type", "type_score"]
    rows = pd.read_parquet(os.path.realpath(index / "current"), columns=columns)
    good = rows[rows["status"] == "ok"]
    chosen = good.sample(min(_TILES, len(good)), random_state=0).sort_values("image_id")
    paths = [str(catalog / image_id) for image_id in chosen["image_id"]]
    with Decoder(Reading(_TILE_SIDE), workers=1) as decoder:
        pictures = [pixels for chunk in decoder.decode_files(paths) for pixels in chunk.pixels]
    tiles = [
        (pixels, [_caption(row[view], row[f"{view}_score"]) for view in ("color", "type")])
        for pixels, row in zip(pictures, chosen.to_dict("records"), strict=True)
    ]
    return png(contact_sheet(tiles))


def _caption(answer: Any, score: Any) -> str:
    return "none" if pd.isna(answer) else f"{answer} {score:.2f}"
