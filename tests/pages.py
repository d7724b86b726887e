"""The pages, and what stands on them: code, commands, links. Tests take it out here and run it."""

import ast
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
OPERATIONS = ROOT / "jobs" / "OPERATIONS.md"
QUERIES = ROOT / "jobs" / "QUERIES.md"
CHECKING = ROOT / "jobs" / "CHECKING.md"
IMAGING = ROOT / "tagger" / "imaging" / "README.md"
ROOMS = ROOT / "tagger" / "README.md"
STARTER_CARD = ROOT / "tagger" / "starter" / "README.md"
PAGES = sorted(
    page
    for folder in ("*.md", "jobs/*.md", "schemas/*.md", "tagger/**/*.md", "tests/benchmarks/*.md")
    for page in ROOT.glob(folder)
)


def name(page: Path) -> str:
    """Return a page's path below the checkout, as a test's id."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the fenced blocks of these languages; `` is that of a block that names none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [code.rstrip("\n") for language, code in found if language in languages]


def queries() -> dict[str, str]:
    """Return the code of each query of the queries' page, by its title."""
    found = re.findall(
        r"^\*\*([^\n]+)\*\*\n\n```python\n(.*?)\n```$",
        QUERIES.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    return dict(found)


def set_up() -> str:
    """Return the code that the queries' page begins with."""
    return blocks(QUERIES, "python")[0]


def consumer_code() -> str:
    """Return the consumer of the change feed."""
    (code,) = re.findall(
        r"<!-- consumer -->\n```python\n(.*?)\n```", QUERIES.read_text(), re.DOTALL
    )
    return str(code)


def with_last_value_shown(code: str) -> str:
    """Return code that prints what its last expression gives, as a notebook would."""
    *statements, last = ast.parse(code).body
    assert isinstance(last, ast.Expr), "a query ends with an expression"
    shown = [ast.unparse(statement) for statement in statements]
    return "\n".join([*shown, f"print(({ast.unparse(last.value)}).to_string())"])


def command_lines(page: Path) -> list[list[str]]:
    """Return the words after `tagger` of every whole command in the page's blocks."""
    lines = "\n".join(blocks(page, "", "sh", "cron", "ini")).splitlines()
    parts = [part for line in lines for part in line.split("&&") if "tagger " in part]
    words = [shlex.split(re.sub(r".*?\btagger ", "tagger ", part), comments=True) for part in parts]
    return [command[1:] for command in words]


def inline_commands(page: Path) -> list[list[str]]:
    """Return the words after `tagger` of what the page's sentences call commands, whole or not."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(found.split()).split() for found in re.findall(r"`tagger\s([^`]+)`", text)]


def links(page: Path) -> list[str]:
    """Return what the page's links lead to, addresses of other places left out."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Return the anchors of the page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
