"""Small labelled sets with something wrong, and what a check says of them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from jobs.check import check_training
from jobs.check_text import check_text
from jobs.train import TrainOptions

HEADER = "bild;farbe;warengruppe"
HUES = {"rot": (40, 40, 200), "blau": (200, 60, 40), "gelb": (60, 200, 220)}


def picture(path: Path, hue: str, number: int) -> None:
    """Draw a shape of a color, at a place of its own, so that no two pictures look alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((48, 48, 3), 235, np.uint8)
    random = np.random.default_rng(number)
    for _ in range(6):
        x, y, side = (int(each) for each in random.integers(0, 36, 3))
        shade = tuple(
            int(each) for each in np.clip(HUES[hue] + random.integers(-40, 40, 3), 0, 255)
        )
        cv2.rectangle(pixels, (x, y), (x + 6 + side // 3, y + 12), shade, -1)
    assert cv2.imwrite(str(path), pixels)


def shop(folder: Path, rows: int = 36) -> list[list[str]]:
    """Draw the pictures of a shop, and return the rows of its table, in which nothing is wrong."""
    table = []
    for number in range(rows):
        hue = list(HUES)[number % 3]
        image = f"{58000 + number}.jpg"
        picture(folder / image, hue, number)
        table.append([image, hue, ["kleid", "hose"][number // 3 % 2]])
    return table


def written(folder: Path, rows: Sequence[Sequence[str]], header: str = HEADER) -> Path:
    """Return the table of a shop, as a German Excel writes it."""
    path = folder / "bestand.csv"
    lines = [header, *(";".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="cp1252")
    return path


def checked(table: Path, **more: str) -> str:
    """Return what a check of a table, or of a folder, prints; folders by their last part."""
    groups = {"groups": "farbe,warengruppe"} if "vocabulary" not in more else {}
    options = TrainOptions((str(table),), str(table.parent / "models"), workers=1, **groups | more)
    folder = str(table.parent.resolve())
    return check_text(check_training(options)).replace(f"{folder}/", "").replace(folder, "SHOP")


def found(text: str) -> str:
    """Return the table of what was found."""
    return text.split("\n\n")[1]


def copied(folder: Path, image: str, other: str) -> None:
    """Copy a picture."""
    (folder / other).parent.mkdir(exist_ok=True)
    shutil.copy(folder / image, folder / other)
