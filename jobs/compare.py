"""`tagger compare`: two models, or two nights, on the same pictures, and whether B is better."""

from dataclasses import KW_ONLY, dataclass

from msgspec.structs import replace

from jobs.page_file import check_writable, write_page
from schemas.comparison import CompareReport
from tagger.errors import InputError
from tagger.index.night_paths import is_night
from tagger.models.predictor import Backend


@dataclass(frozen=True)
class CompareOptions:
    """What `tagger compare` was asked to do; its help says what each means."""

    a: str
    b: str
    _: KW_ONLY
    on: tuple[str, ...] = ()
    catalog: str | None = None
    sample: int | None = None  # None: 500
    names: str | None = None
    exclude: tuple[str, ...] = ()
    columns: str | None = None
    image_root: str | None = None
    seed: int = 0
    backend: Backend = "auto"
    html: str | None = None


def compare(options: CompareOptions) -> CompareReport:
    """Return what A and B differ by; the page is written if one was asked for.

    Raises
    ------
    InputError
        If they are no two models or two nights, cannot be compared, or the page cannot be written.
    """
    nights = [is_night(path) for path in (options.a, options.b)]
    if nights[0] != nights[1]:
        night, other = (options.a, options.b) if nights[0] else (options.b, options.a)
        raise InputError(
            f"{night!r} is a night of an index and {other!r} is not; compare two models, or two "
            "nights"
        )
    if options.html is not None:
        check_writable("html", options.html)
    if nights[0]:
        from jobs.compare_nights import compare_nights

        compared = compare_nights(options)
    else:
        from jobs.compare_models import compare_models

        compared = compare_models(options)
    if options.html is None:
        return compared.report
    from jobs.compare_page import page_of

    report = replace(compared.report, html=options.html)
    page = page_of(report, compared).encode("utf-8", "backslashreplace")
    write_page("html", options.html, page)
    return report
