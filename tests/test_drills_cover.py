"""There is a drill for each exit code and each guard: whoever adds one drills it."""

import ast
import re
from collections.abc import Iterator

import pytest
from pages import OPERATIONS
from shop import GOLDEN, ROOT

MAILS = {path.stem: path.read_text() for path in sorted(GOLDEN.glob("*.txt"))}
DRILLS = [*ROOT.glob("tests/test_*drills.py")]
GUARDS = ROOT / "tagger" / "nightly" / "guards.py"


def codes_of_the_page() -> set[int]:
    """Return the exit codes that Operations explains."""
    table = OPERATIONS.read_text().split("## Exit codes")[1].split("\n## ")[0]
    return {
        int(n)
        for cell in re.findall(r"^\| ([^|]+) \|", table, re.M)
        for n in re.findall(r"\d+", cell)
    }


def test_every_exit_code_has_a_drill_and_every_drill_a_code_of_the_page() -> None:
    drilled = {int(mail.split("\n")[0].removeprefix("exit code ")) for mail in MAILS.values()}
    told = codes_of_the_page()
    assert {0, 1, 2, 3, 8} <= told
    assert drilled - {-9} == told  # killed without a word: that is no code of ours


def pattern(text: ast.expr) -> str:
    """Return a pattern of what a message says, whatever is filled in."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    constants = (part.value if isinstance(part, ast.Constant) else None for part in parts)
    return "".join(".*" if one is None else re.escape(str(one)) for one in constants)


def guards() -> Iterator[tuple[str, str]]:
    """Yield where each refusal is made, and a pattern of what it says: all of guards.py, whatever
    error it raises, and every Refused elsewhere."""
    for path in sorted([*ROOT.glob("tagger/**/*.py"), *ROOT.glob("jobs/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            raised = isinstance(node, ast.Raise) and path == GUARDS
            call = node.exc if raised else node
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if raised or (call.func.id == "Refused" and path != GUARDS):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", pattern(call.args[0])


@pytest.mark.parametrize("said", [pytest.param(said, id=where) for where, said in guards()])
def test_every_guard_has_a_drill(said: str) -> None:
    assert re.search(r"[a-z]{3}", said), "a guard says in its own words why it refuses"
    assert any(re.search(said, " ".join(mail.split())) for mail in MAILS.values())


def test_there_is_no_guard_that_this_does_not_see() -> None:
    assert len(list(guards())) >= 10
    assert len({where.split(":")[0] for where, _ in guards()}) >= 2


def held() -> Iterator[str]:
    """Yield a pattern of the names under which the drills hold their mails."""
    for path in DRILLS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "hold":
                yield pattern(node.args[0])


@pytest.mark.parametrize("name", MAILS)
def test_every_mail_is_held_by_a_drill_and_is_short(name: str) -> None:
    assert any(re.fullmatch(said, name) for said in held())
    assert len(MAILS[name].splitlines()) <= 1 + 8
