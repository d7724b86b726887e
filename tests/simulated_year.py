"""A year of nights, counted label by label: what comes each night varies as deliveries do, and
something happens, or nothing."""

from typing import Literal, NamedTuple

import numpy as np

from tagger.report.alarms import Nights

GROUPS = {"color": 20, "type": 20, "style": 8}
DAYS = 365
HAPPENS = 200
"""The night in which something happens."""
Scenario = Literal[
    "noise alone", "camera turns dark", "label dies", "season changes", "dying in parts"
]
SCENARIOS: tuple[Scenario, ...] = (
    "noise alone",
    "camera turns dark",
    "label dies",
    "dying in parts",
    "season changes",
)


class Year(NamedTuple):
    """The nights of a year, and which label something happens to, or -1."""

    nights: Nights
    label: int


def simulated_year(scenario: Scenario, rows: int, seed: int, turnover: float = 0.005) -> Year:
    """Return a year of a catalog of so many rows.

    Each group's labels have shares as a long tail has them. What comes in a night is log-normal in
    number, fewer on weekends; its shares vary from night to night by heavy tails (Student's t of 4
    degrees of freedom), half of that carried over to the next night; one night in ten is a
    delivery in which one type is half of everything. As many pictures leave as come.
    """
    random = np.random.default_rng([seed, rows, SCENARIOS.index(scenario)])
    base = [_shares(n, random) for n in GROUPS.values()]
    spread = [random.uniform(0.05, 0.3, n + 1) for n in GROUPS.values()]
    victim = 1 + int(random.integers(0, 4)) if scenario != "camera turns dark" else 2
    held = [random.multinomial(rows, p) for p in base]
    carried = [np.zeros(len(p)) for p in base]
    counts, fresh, sizes = [], [], []
    season = np.zeros(len(base[1]))
    season[3], season[5], season[8] = 1.0, -1.0, 0.6
    for day in range(DAYS):
        weekend = 0.15 if day % 7 in (5, 6) else 1.0
        came = max(1, int(turnover * rows * weekend * np.exp(random.normal(0, 0.5))))
        delivery = random.random() < 0.1
        tonight = []
        for g, p in enumerate(base):
            noise = spread[g] * random.standard_t(4, len(p)) / np.sqrt(2)
            carried[g] = 0.5 * carried[g] + noise
            logits = np.log(p) + carried[g]
            if scenario == "season changes" and g == 1:
                logits = logits + season * np.sin(2 * np.pi * day / DAYS)
            if scenario == "camera turns dark" and g == 0 and day >= HAPPENS:
                logits[victim] += 1.2
            now = np.exp(logits)
            now /= now.sum()
            if delivery and g == 1:
                now *= 0.5
                now[random.integers(len(now))] += 0.5
            dead = scenario in ("label dies", "dying in parts") and g == 1 and day >= HAPPENS
            if dead:
                now = _without(now, victim)
            new = random.multinomial(came, now)
            gone = random.multivariate_hypergeometric(held[g], min(came, rows))
            held[g] = held[g] - gone + new
            if dead and (scenario == "label dies" or day < HAPPENS + 20):
                # The new model answers otherwise: for all rows at once, or a twentieth a night.
                lost = held[g][victim] if scenario == "label dies" else held[g][victim] // 10
                held[g] = held[g] + random.multinomial(lost, _without(p, victim))
                held[g][victim] -= lost
            tonight.append(new)
        if scenario in ("label dies",) and day == HAPPENS:
            held = [_jittered(h, random) for h in held]
        counts.append(np.concatenate(held))
        fresh.append(np.concatenate(tonight))
        sizes.append(came)
    models = np.array(
        [int("dies" in scenario or "dying" in scenario) * (d >= HAPPENS) for d in range(DAYS)]
    )
    nights = Nights(np.array(counts), np.array(fresh), np.full(DAYS, rows), np.array(sizes), models)
    place = {"camera turns dark": victim, "label dies": 21 + victim, "dying in parts": 21 + victim}
    return Year(nights, place.get(scenario, -1))


def _shares(n: int, random: np.random.Generator) -> np.ndarray:
    shares = np.append(1 / np.arange(2, n + 2) ** 1.2, 0.1)
    return shares / shares.sum()


def _without(shares: np.ndarray, label: int) -> np.ndarray:
    rest = shares.copy()
    rest[label] = 0
    return rest / rest.sum()


def _jittered(held: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return counts as a retrained model would have them: each a few per cent off."""
    wanted = held * np.exp(random.normal(0, 0.03, len(held)))
    return random.multinomial(held.sum(), wanted / wanted.sum())
