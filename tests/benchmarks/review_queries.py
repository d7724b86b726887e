"""Open a night as `tagger review` does and ask for everything there is to ask. Prints JSON: seconds
of loading, and of each question the median and the worst of five turns, and the median of the
processor's.

Arguments: the index.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import jinja2
import starlette.applications
import uvicorn

from schemas.corrections import Correction
from schemas.review import Said, SaidAtOnce, Wanted
from tagger.index.store import Index
from tagger.review.table import NightTable

PAGE = 100
TURNS = 5
SERVED_BY = (jinja2, starlette.applications, uvicorn)  # the memory of a page's server has them too


def questions(table: NightTable, contents: list[str]) -> dict[str, Wanted]:
    """Return a question for every filter and every order."""
    table.add_sample("sample", contents)
    colors, types = (group.labels for group in table.groups if group.exclusive)
    tag = next(f"{g.name}:{g.labels[0]}" for g in table.groups if not g.exclusive)
    color = f"color:{colors[0]}"
    return {
        "everything": Wanted(),
        "answer": Wanted(answers={"color": colors[0]}),
        "two answers": Wanted(answers={"color": colors[0], "type": types[0]}),
        "none": Wanted(answers={"color": None}),
        "tag": Wanted(tags=[tag]),
        "status": Wanted(status="truncated"),
        "path, many": Wanted(path="SHOES/00"),
        "path, few": Wanted(path="item-0000123"),
        "path, none": Wanted(path="no such path"),
        "score": Wanted(label=color, least=0.4, most=0.6),
        "changed last night": Wanted(changed=True),
        "said: anyone": Wanted(said="anyone"),
        "said: nobody": Wanted(said="nobody"),
        "said: against the model": Wanted(said="against_model"),
        "said: asked again": Wanted(said="asked_again"),
        "said: proposed": Wanted(said="proposed"),
        "said: unknown": Wanted(said="unknown"),
        "sample": Wanted(sample="sample"),
        "audit": Wanted(audit=True),
        "least sure of any group": Wanted(order="least_sure"),
        "least sure of a group": Wanted(order="least_sure", group="type"),
        "highest score": Wanted(order="score", label=color),
        "all at once": Wanted(
            answers={"color": colors[0]},
            tags=[tag],
            status="ok",
            path="shoes",
            label=color,
            said="nobody",
            changed=True,
            order="least_sure",
        ),
    }


def turns(ask: Callable[[int], object]) -> list[tuple[float, float]]:
    """Return the seconds of each turn: those that passed, and those of the processor."""
    found = []
    for turn in range(TURNS):
        start, cpu = time.perf_counter(), time.process_time()
        ask(turn)
        found.append((time.perf_counter() - start, time.process_time() - cpu))
    return found


def one_correction(table: NightTable, image_id: str, turn: int) -> Correction:
    return Correction(
        format_version=1,
        at=datetime.now(UTC).isoformat(timespec="microseconds"),
        who="bench",
        content_sha256=table.content_of(image_id) or "",
        image_id=image_id,
        group=("color", "style")[turn % 2],
        label=("color 1", "style 1")[turn % 2],
        answer="is",
    )


def main(path: str) -> None:
    start = time.perf_counter()
    index = Index(path)
    snapshot = index.current()
    assert snapshot is not None
    contents = [content for _, content in first(index, snapshot)]
    table = NightTable.load(index, snapshot, findings=dict.fromkeys(contents, "looks like a coat"))
    loaded = time.perf_counter() - start
    peak_loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found: dict[str, list[tuple[float, float]]] = {}
    totals: dict[str, int] = {}
    for name, wanted in questions(table, contents).items():

        def ask(turn: int, wanted: Wanted = wanted, name: str = name) -> None:
            table._last_found = None  # each turn is as if it were the first
            totals[name] = table.find(wanted, PAGE * turn, PAGE).total

        found[name] = turns(ask)
    by = "anyone" if table.corrected() else None
    some = [picture.image_id for picture in table.find(Wanted(said=by), 0, 10).pictures]
    found["one picture, large"] = turns(lambda turn: table.detail(some[turn % len(some)]))
    everything = Wanted(order="least_sure")
    found["select 20,000"] = turns(lambda turn: table.ids(everything, 20_000))
    found["next page"] = turns(lambda turn: table.find(everything, 5000 * turn, PAGE))

    def correct(turn: int) -> None:
        index.corrections.append([one_correction(table, some[turn], turn)])
        assert table.refresh()
        table.find(Wanted(said="against_model"), 0, PAGE)

    found["correct one, and see it"] = turns(correct)
    chosen = table.ids(everything, 20_000)

    def correct_many(turn: int) -> None:
        items = [
            Said(content=c, image_id=i, group="color", label=None, answer="none", last=table.lines)
            for i, c in chosen
        ]
        assert not table.conflicts(SaidAtOnce(items=items))
        table.refresh()

    found["conflicts of 20,000"] = turns(correct_many)
    print(
        json.dumps(
            {
                "rows": table.rows,
                "lines": table.lines,
                "load": loaded,
                "peak_loaded": peak_loaded,
                "totals": totals,
                "seconds": {
                    name: [
                        statistics.median(wall for wall, _ in each),
                        max(wall for wall, _ in each),
                        statistics.median(cpu for _, cpu in each),
                    ]
                    for name, each in found.items()
                },
            }
        )
    )


def first(index: Index, snapshot: object) -> list[tuple[str, str]]:
    """Return image_id and content of two hundred rows."""
    rows = snapshot.read(snapshot.manifest.parts[0].file, ["image_id", "content_sha256"])  # type: ignore[attr-defined]
    return list(zip(*rows.slice(0, 200).to_pydict().values(), strict=True))


if __name__ == "__main__":
    main(sys.argv[1])
