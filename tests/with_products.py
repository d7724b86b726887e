"""Products of a small night, for tests: which picture shows which, and what that makes."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd

ALIKE = "alike"
DIFFERENT = '"><img src=x onerror=alert(1)> & \u202egpj'
"""A SKU that means something to browsers; its pictures answer differently."""
ALONE = "alone"


def product_table(rows: pd.DataFrame, path: Path) -> dict[str, list[str]]:
    """Write a table of three products of a night and return their pictures: two that answer one
    color, three that answer two colors, and one alone; all others show none."""
    ok = rows[rows.status == "ok"].sort_index()
    by_color = [list(mine.index) for _, mine in ok.groupby("color") if len(mine) >= 3][:2]
    assert len(by_color) == 2, ok.color.value_counts()
    first, second = by_color
    products = {ALIKE: first[:2], DIFFERENT: [first[2], *second[:2]], ALONE: second[2:3]}
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "image", "role"])
        for sku, names in products.items():
            writer.writerows([sku, name, "front" if i == 0 else ""] for i, name in enumerate(names))
    return products


def disagreeing(rows: pd.DataFrame, products: dict[str, list[str]], group: str) -> list[str]:
    """Return the products whose pictures answer differently, by a plain look at the rows."""
    answers: dict[str, set[Any]] = {
        sku: set(rows.loc[names, group].dropna()) for sku, names in products.items()
    }
    return [sku for sku, mine in answers.items() if len(mine) > 1]
