"""A year of nights, counted label by label: what comes each night varies as deliveries do, and
something happens, or nothing."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tagger.report.alarms import Nights

DAYS = 365
HAPPENS = 200
"""The night in which something happens."""
IN_PARTS = 20
"""Nights that a new model takes for all rows where it dies in parts."""

Scenario = Literal[
    "noise alone", "camera turns dark", "label dies", "label dies in parts", "season changes"
]
SCENARIOS: tuple[Scenario, ...] = (
    "noise alone",
    "camera turns dark",
    "label dies",
    "label dies in parts",
    "season changes",
)
COLOR, TYPE, STYLE = 0, 1, 2
SIZES = (20, 20, 8)
"""Labels of each group; every group has the answer none besides."""
STEADY = (1.0, 0.999)
"""Labels that all pictures have, or nearly all: what a shop of shoes has of shoes."""
LABELS = sum(SIZES) + len(SIZES) + len(STEADY)

Shares = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Year(NamedTuple):
    """The nights of a year, and which label something happens to, or -1."""

    nights: Nights
    label: int


def simulated_year(scenario: Scenario, rows: int, seed: int) -> Year:
    """Return a year of a catalog of so many rows, of which half a per cent is new each night.

    Each group's labels have shares as a long tail has them; two labels besides, all pictures have,
    or nearly all. What comes in a night is log-normal in number, a seventh of that on weekends. Its
    shares vary from night to night by heavy tails (Student's t of 4 degrees of freedom, 5 to 30 %
    by label), half of which carries over to the next night. One night in ten is a delivery in which
    one type is half of everything. As many pictures leave as come.

    - A camera turns dark: the odds of one color grow by 1.2 in logits, 3.3 times, in what comes.
    - A label dies: a new model answers it nowhere, and all other labels a few per cent otherwise.
    - In parts: the same, where a twentieth of the rows is scored anew each night.
    - A season: the odds of two types go up and down by a factor of 2.7, of one by 1.8.
    """
    random = np.random.default_rng([seed, rows, SCENARIOS.index(scenario)])
    catalog = _Catalog(scenario, rows, random)
    nights = [catalog.night(day) for day in range(DAYS)]
    held, came, gone, sizes, fewer = zip(*nights, strict=True)
    dies = scenario.startswith("label dies")
    return Year(
        Nights(
            rows=np.array(held),
            arrived=np.array(came),
            gone=np.array(gone),
            all_rows=np.full(DAYS, rows),
            all_arrived=np.array(sizes),
            all_gone=np.array(fewer),
            models=(np.arange(DAYS) >= HAPPENS).astype(np.int64) * dies,
        ),
        catalog.label,
    )


class _Catalog:
    """What a catalog holds, night after night."""

    def __init__(self, scenario: Scenario, rows: int, random: np.random.Generator) -> None:
        self._scenario = scenario
        self._rows = rows
        self._random = random
        self._base = [_shares(n) for n in SIZES]
        self._spread = [random.uniform(0.05, 0.3, n + 1) for n in SIZES]
        self._carried = [np.zeros(n + 1) for n in SIZES]
        self._held = [random.multinomial(rows, p) for p in self._base]
        # Their own generator: the rest of a year is the same with them and without.
        self._apart = np.random.default_rng(random.bit_generator.seed_seq.spawn(1)[0])
        self._steady = self._apart.binomial(rows, STEADY)
        self._victim = 2 if scenario == "camera turns dark" else int(random.integers(1, 5))
        self._season = np.zeros(SIZES[TYPE] + 1)
        self._season[[3, 5, 8]] = 1.0, -1.0, 0.6

    @property
    def label(self) -> int:
        """The place of the label that something happens to, or -1."""
        if self._scenario == "camera turns dark":
            return self._victim
        return SIZES[COLOR] + 1 + self._victim if self._scenario.startswith("label dies") else -1

    def night(self, day: int) -> tuple[Counts, Counts, Counts, int, int]:
        """Return how many rows have each label, how many of those that came, how many of those
        that went, how many came, and how many went."""
        weekend = 0.15 if day % 7 in (5, 6) else 1.0
        usual = 0.005 * self._rows * weekend
        came = max(1, int(usual * np.exp(self._random.normal(0, 0.5))))
        delivery = self._random.random() < 0.1
        went = min(came, self._rows)
        lost = []
        new = [self._random.multinomial(came, self._shares(g, day, delivery)) for g in range(3)]
        for group, arrived in enumerate(new):
            held = self._held[group]
            lost.append(self._random.multivariate_hypergeometric(held, went))
            self._held[group] = held - lost[group] + arrived
        if self._scenario.startswith("label dies") and day >= HAPPENS:
            self._die(day)
        new.append(self._apart.binomial(came, STEADY))
        lost.append(self._apart.hypergeometric(self._steady, self._rows - self._steady, went))
        self._steady = self._steady - lost[-1] + new[-1]
        held = np.concatenate([*self._held, self._steady])
        return held, np.concatenate(new), np.concatenate(lost), came, went

    def _shares(self, group: int, day: int, delivery: bool) -> Shares:
        """Return the shares of what comes in a night."""
        noise = self._spread[group] * self._random.standard_t(4, SIZES[group] + 1) / np.sqrt(2)
        self._carried[group] = 0.5 * self._carried[group] + noise
        logits = np.log(self._base[group]) + self._carried[group]
        if self._scenario == "season changes" and group == TYPE:
            logits += self._season * np.sin(2 * np.pi * day / DAYS)
        if self._scenario == "camera turns dark" and group == COLOR and day >= HAPPENS:
            logits[self._victim] += 1.2
        shares = np.exp(logits) / np.exp(logits).sum()
        if delivery and group == TYPE:
            shares *= 0.5
            shares[self._random.integers(len(shares))] += 0.5
        if self._scenario.startswith("label dies") and group == TYPE and day >= HAPPENS:
            shares = _without(shares, self._victim)
        return shares

    def _die(self, day: int) -> None:
        """Let the new model answer for rows: for all of them at once, or for a part a night."""
        held = self._held[TYPE]
        left = 1 if self._scenario == "label dies" else max(1, HAPPENS + IN_PARTS - day)
        lost = held[self._victim] // left
        others = _without(self._base[TYPE], self._victim)
        self._held[TYPE] = held + self._random.multinomial(lost, others)
        self._held[TYPE][self._victim] -= lost
        if self._scenario == "label dies" and day == HAPPENS:
            self._held = [_otherwise(each, self._random) for each in self._held]


def _shares(n: int) -> Shares:
    shares = np.append(1 / np.arange(2, n + 2) ** 1.2, 0.1)
    return shares / shares.sum()


def _without(shares: Shares, label: int) -> Shares:
    rest = shares.copy()
    rest[label] = 0
    return rest / rest.sum()


def _otherwise(held: Counts, random: np.random.Generator) -> Counts:
    """Return counts as another model has them: each a few per cent off."""
    wanted = held * np.exp(random.normal(0, 0.03, len(held)))
    return random.multinomial(held.sum(), wanted / wanted.sum())
