"""The whole story on a drawn sample catalog: train, tag, query, look."""

import inspect
import os
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from jobs.evaluate import table
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
    """Draw a sample, train on one part of it, tag the other, and print queries and their output."""
    folder = Path(out)
    _claim(folder)
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
    print(_tag(index, sample, trained.bundle), end="\n\n")
    _show_queries(index, sample, folder / "skus.csv")
    print(_against_truth(index, sample), end="\n\n")
    starter = folder / "starter-index"
    _show_starter(starter, sample)
    sheets = [folder / "contact-sheet.png", folder / "starter-sheet.png"]
    sheets[0].write_bytes(_contact_sheet(index, sample.catalog))
    sheets[1].write_bytes(_contact_sheet(starter, sample.catalog))
    print(f"index:          {index}/current\nmodel:          {trained.bundle}")
    print(f"contact sheets: {sheets[0]}\n                {sheets[1]}")
    print(f"to look and correct, in a browser: tagger review {shlex.quote(str(index))}")


def _claim(folder: Path) -> None:
    """Make the folder, or take one that an earlier demo made."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise InputError(
            f"--out {str(folder)!r} is not empty and no earlier demo; name a new folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARK).touch()
    except OSError as error:
        raise InputError(f"--out {str(folder)!r} cannot be written: {error.strerror}") from error


def _tag(index: Path, sample: Sample, model: str | None) -> str:
    """Return the summary of one night over the drawn catalog.

    A demo that is cut short has a model that is no better than guessing: it is shown all the same.
    """
    options = TagOptions(
        str(sample.catalog), model, str(index), max_error_rate=0.2, force_model=True
    )
    return summary_text(tag_catalog(options))


def _night(index: Path) -> str:
    return os.path.realpath(index / "current")


def _show_starter(index: Path, sample: Sample) -> None:
    """Tag the same catalog with the starter, and print what it answers how often."""
    say(
        "tagging once more, with the starter model that comes with the package: no training, no "
        "--model"
    )
    _tag(index, sample, None)
    print(
        "# What the starter model, which never saw a drawing, makes of the same catalog\n"
        f"{counts(_night(index)).to_string()}\n"
    )


def _show_queries(index: Path, sample: Sample, table_of_skus: Path) -> None:
    """Print each query's code, and what it gives on the demo's index."""
    night = _night(index)
    skus = pd.DataFrame(
        {"sku": [f"SKU-{i}" for i in range(5)], "image_id": sorted(sample.truth)[:5]}
    )
    skus.to_csv(table_of_skus, index=False)
    queries: list[tuple[Callable[..., pd.DataFrame], pd.DataFrame]] = [
        (red_dresses, red_dresses(night)),
        (top_of_a_label, top_of_a_label(night)),
        (counts, counts(night)),
        (failures, failures(night)),
        (joined_to_skus, joined_to_skus(night, skus)),
        (looser_threshold, looser_threshold(night)),
    ]
    for query, result in queries:
        print(f"# {query.__doc__}\n{code_of(query)}\n\n{result.to_string(max_rows=8)}\n")


def red_dresses(night: str) -> pd.DataFrame:
    """All red dresses over 0.9"""
    return pd.read_parquet(
        night,
        columns=["image_id", "score_red", "score_dress"],
        filters=[("score_red", ">=", 0.9), ("score_dress", ">=", 0.9)],
    )


def top_of_a_label(night: str) -> pd.DataFrame:
    """The top 20 for a label"""
    rows = pd.read_parquet(
        night, columns=["image_id", "score_blue"], filters=[("score_blue", ">", 0.5)]
    )
    return rows.nlargest(20, "score_blue")


def counts(night: str) -> pd.DataFrame:
    """Counts per color and type, none included"""
    rows = pd.read_parquet(night, columns=["color", "type"], filters=[("status", "==", "ok")])
    return rows.fillna("none").value_counts(["color", "type"]).unstack(fill_value=0)


def failures(night: str) -> pd.DataFrame:
    """What failed, and why"""
    return pd.read_parquet(
        night, columns=["image_id", "status", "error"], filters=[("status", "!=", "ok")]
    )


def joined_to_skus(night: str, skus: pd.DataFrame) -> pd.DataFrame:
    """Joined to a table of SKUs"""
    answers = pd.read_parquet(night, columns=["image_id", "color", "color_score", "type"])
    return skus.merge(answers, on="image_id", how="left")


def looser_threshold(night: str) -> pd.DataFrame:
    """Every label's threshold, and a looser one of your own"""
    labels = pd.read_parquet(os.path.join(night, "..", "labels.parquet")).set_index("column")
    loose = 0.5 * labels["threshold"]["score_shirt"]
    return pd.read_parquet(
        night, columns=["image_id", "score_shirt"], filters=[("score_shirt", ">=", loose)]
    )


def code_of(query: Callable[..., pd.DataFrame]) -> str:
    """Return what stands below a query's docstring, as one would type it: the last line's value
    is shown, not returned."""
    body = inspect.getsource(query).split(f'"""{query.__doc__}"""', 1)[1]
    return textwrap.dedent(body.lstrip("\n")).replace("return ", "", 1).rstrip()


def _against_truth(index: Path, sample: Sample) -> str:
    """Return how many drawn pictures were answered rightly, the unseen pair apart."""
    rows = pd.read_parquet(_night(index), columns=["image_id", "color", "type"])
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


def _contact_sheet(index: Path, catalog: Path) -> bytes:
    columns = ["image_id", "status", "color", "color_score", "type", "type_score"]
    rows = pd.read_parquet(_night(index), columns=columns)
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
