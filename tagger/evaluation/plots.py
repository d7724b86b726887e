"""Pictures for people: the training history, overlays, contact sheets.

PNG bytes and uint8 arrays; no files.
"""

import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from schemas.training import Epoch
from tagger.arrays import BoolArray, Float64Array, Pixels
from tagger.cache import keep_matplotlib_here

_INK = (32, 32, 32)
_PAPER = (255, 255, 255)
_TEXT_WIDTH = 320
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def history_png(epochs: Sequence[Epoch], *, best: int) -> bytes:
    """Return a PNG of loss and validation metrics per epoch, the kept epoch marked."""
    figure, (left, right) = _figure()
    x = range(1, len(epochs) + 1)
    left.plot(x, [row.loss for row in epochs], label="training (changed pictures, all terms)")
    left.plot(x, [row.validation_loss for row in epochs], label="validation part")
    if any(row.validation_recombined_loss != row.validation_loss for row in epochs):
        left.plot(
            x,
            [row.validation_recombined_loss for row in epochs],
            label="validation part, recombined",
        )
    left.set(xlabel="epoch", ylabel="loss", yscale="log", title="what training lowers")
    right.plot(
        x,
        [row.validation_macro_ap for row in epochs],
        color="tab:green",
        label="validation part",
    )
    right.set(xlabel="epoch", ylabel="macro average precision", title=f"kept: epoch {best + 1}")
    for axes in (left, right):
        axes.axvline(best + 1, color="grey", linewidth=1, linestyle=":")
        axes.grid(alpha=0.3)
        axes.legend()
    return _saved(figure)


def reliability_png(
    before: Float64Array,
    after: Float64Array,
    positive: BoolArray,
    *,
    bins: int,
) -> bytes:
    """Return a PNG that shows how often scores hold, and how many there are of each.

    Parameters
    ----------
    before, after : float64 (n,)
        Scores of all labels together, without and with calibration.
    positive : bool (n,)
        Whether the label is there.
    """
    figure, (left, right) = _figure()
    left.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":", label="as said")
    edges = np.linspace(0, 1, bins + 1)
    for scores, name in ((before, "before"), (after, "after")):
        bin_of = np.minimum((scores * bins).astype(int), bins - 1)
        n = np.bincount(bin_of, minlength=bins)
        some = n >= 5  # a bin of one picture says nothing
        mean = np.bincount(bin_of, weights=scores, minlength=bins)[some] / n[some]
        share = np.bincount(bin_of, weights=positive, minlength=bins)[some] / n[some]
        left.plot(mean, share, marker="o", markersize=4, label=f"{name} calibration")
        right.stairs(n, edges, label=f"{name} calibration")
    left.set(
        xlabel="mean score",
        ylabel="share of pictures that have the label",
        title="reliability, test part",
    )
    right.set(
        xlabel="score", ylabel="(picture, label) entries", yscale="log", title="how many there are"
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    return _saved(figure)


def _figure() -> tuple[Any, Any]:
    keep_matplotlib_here()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, 2)


def _saved(figure: Any) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=110)
    return target.getvalue()


def png(pixels: Pixels) -> bytes:
    """Return uint8 (height, width, 3) RGB as PNG."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])


def overlay(pixels: Pixels, lines: Sequence[str]) -> Pixels:
    """Return uint8 (height, width, 3) RGB with lines of text on a white strip below it."""
    if pixels.shape[1] < _TEXT_WIDTH:  # room for the words beside a narrow picture
        margin = np.full((pixels.shape[0], _TEXT_WIDTH - pixels.shape[1], 3), _PAPER, np.uint8)
        pixels = np.concatenate([pixels, margin], axis=1)
    scale = max(pixels.shape[1] / 480, 0.5)
    step = round(24 * scale)
    strip: npt.NDArray[Any] = np.full(
        (step * len(lines) + step // 2, pixels.shape[1], 3), _PAPER, np.uint8
    )
    for i, line in enumerate(lines):
        _write(strip, line, (round(8 * scale), step * (i + 1)), 0.6 * scale)
    return np.concatenate([pixels, strip.astype(np.uint8)])


def contact_sheet(tiles: Sequence[tuple[Pixels, Sequence[str]]], *, columns: int = 8) -> Pixels:
    """Return uint8 RGB: square pictures of one size, with short captions, in rows."""
    side = tiles[0][0].shape[0]
    lines = max(len(captions) for _, captions in tiles)
    height = side + 18 * lines + 6
    gap = 8
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (side + gap) + gap, 3), 245, np.uint8)
    for i, (pixels, captions) in enumerate(tiles):
        y = gap + (i // columns) * (height + gap)
        x = gap + (i % columns) * (side + gap)
        sheet[y : y + height, x : x + side] = 255
        sheet[y : y + side, x : x + side] = pixels
        for k, caption in enumerate(captions):
            _write(sheet[:, : x + side], caption, (x + 4, y + side + 16 + 18 * k), 0.42)
    return sheet


def _write(image: npt.NDArray[Any], text: str, where: tuple[int, int], scale: float) -> None:
    # The font has ASCII only; anything else would be drawn as question marks of another width.
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(image, plain, where, _FONT, scale, _INK, max(1, round(scale * 1.6)), cv2.LINE_AA)
