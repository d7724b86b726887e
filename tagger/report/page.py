"""One self-contained page: text stays text, nothing is fetched, and nothing in it runs.

Templates and style sheets lie in `page/`. What a template is given is escaped; the page may
show pictures that are in it, and its own style, and nothing else.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

from tagger.evaluation import figures

_FOLDER = Path(__file__).parent / "page"
_STYLES = ("page.css", "night.css")


def render(template: str, **facts: Any) -> str:
    """Return the page that a template of `page/` makes of facts.

    Parameters
    ----------
    template : str
        Its file's name; it extends `base.html`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": figures.percent,
        "points": figures.points,
        "chance": figures.chance,
        "count": "{:,}".format,
    }
    style = "".join((_FOLDER / name).read_text(encoding="utf-8") for name in _STYLES)
    page = environment.get_template(template)
    # The sheets are ours and go in as they are: their digest is all that the policy allows.
    return page.render(style=Markup(style), policy=_policy(style), **facts)  # noqa: S704


def _policy(style: str) -> str:
    """Return the content security policy of a page with this sheet."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
