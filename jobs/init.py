"""The files that set up a night: nightly.toml, a line for cron, units for systemd."""

import os
import pwd
import shlex
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from jobs.console.nightly_file import nightly_file
from jobs.schedule import (
    CRON,
    Night,
    check_name,
    check_paths,
    cron_lines,
    service_unit,
    timer_unit,
    unit_name,
)
from tagger.errors import InputError

CONFIG = "nightly.toml"


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """What the night is to work on, as far as it is known yet; paths as given.

    Attributes
    ----------
    out : str
        Where the files go, and where the night will work; made if it is not there.
    catalog, index : str or None
    models : str or None
        A folder of models, whose current one is used.
    name : str or None
        Of the units; by default that of the folder.
    """

    out: str
    catalog: str | None = None
    index: str | None = None
    models: str | None = None
    name: str | None = None


def init(options: InitOptions) -> str:
    """Return what to do next, in three lines, after writing the files; none is ever replaced.

    Raises
    ------
    InputError
        If one of the files is there already, cannot be written, or could not hold a path, or units
        cannot be called as asked; nothing was written then.
    """
    given = _given(options)
    night = _night(options, given.get("index"))
    folder = night.folder
    files = {
        CONFIG: nightly_file(given),
        CRON: cron_lines(night),
        night.service: service_unit(night),
        night.timer: timer_unit(night),
    }
    _write(folder, files)
    return _next_steps(night, missing=[n for n in ("catalog", "index") if not getattr(options, n)])


def _night(options: InitOptions, index: str | None) -> Night:
    """Return what is to be started, after a look whether cron and systemd can name it."""
    folder = Path(os.path.abspath(options.out))
    night = Night(folder, _program(), _user(), options.name or unit_name(folder), index)
    check_name(night.name)
    check_paths(night)
    return night


def _given(options: InitOptions) -> dict[str, str]:
    """Return the settings that are known, as absolute paths: cron starts in another folder."""
    if options.catalog is not None and not os.path.isdir(options.catalog):
        raise InputError(f"CATALOG {options.catalog!r}: there is no such folder")
    if options.models is not None and not os.path.isdir(options.models):
        raise InputError(
            f"--models {options.models!r}: there is no such folder; 'tagger train --models "
            f"{options.models}' makes it. Without --models the night uses the starter model"
        )
    current = None if options.models is None else os.path.join(options.models, "current")
    paths = {"catalog": options.catalog, "model": current, "index": options.index}
    given = {name: os.path.abspath(path) for name, path in paths.items() if path is not None}
    for name, path in given.items():
        # What is there as it is written is taken so; in other paths $ begins a variable.
        if not os.path.lexists(path) and ("$" in path or path != path.strip()):
            raise InputError(
                f"{name} {path!r}: a configuration file reads '$' in a path as a variable, and "
                "drops blanks at its end, unless the path is there already; make it first, or name "
                "another"
            )
    return given


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write all files, or none."""
    if there := sorted(name for name in files if os.path.lexists(folder / name)):
        raise InputError(
            f"{str(folder)!r} has {', '.join(there)} already, and nothing is replaced; remove "
            "what you do not need, or name another folder with --out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            for name, text in files.items():
                with open(folder / name, "x", encoding="utf-8") as file:
                    undo.callback((folder / name).unlink)
                    file.write(text)
            undo.pop_all()
    except OSError as error:
        raise InputError(f"--out {str(folder)!r} cannot be written: {error.strerror}") from error


def _program() -> list[str]:
    """Return the command `tagger` that runs now, its first word an absolute path."""
    beside = Path(sys.executable).with_name("tagger")
    asked = shutil.which(sys.argv[0]) if os.path.basename(sys.argv[0]) == "tagger" else None
    for found in (asked, beside):
        if found is not None and os.access(found, os.X_OK):
            return [os.path.abspath(found)]
    return [os.path.abspath(sys.executable), "-m", "jobs.cli"]


def _user() -> str:
    """Return the name of the user who asks, or the number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _next_steps(night: Night, missing: list[str]) -> str:
    """Return what was written, and three lines that say what to do with it."""
    where = shlex.quote(str(night.folder))
    tag = shlex.join([*night.program, "tag", "--config", CONFIG, "--dry-run"])
    first = f"Set {' and '.join(missing)} in {CONFIG}, then try" if missing else "Try"
    return "\n".join(
        [
            f"Wrote {CONFIG}, {CRON}, {night.service} and {night.timer} in {where}. Now:",
            f"1. {first} the night; this only looks, without --dry-run it is the first night: "
            f"cd {where} && {tag}",
            f"2. With cron: add the lines of {CRON} with crontab -e",
            # -i: a question tells that another shop has units of this name, silence would not
            f"3. Or with systemd: cd {where} && sudo cp -i {night.service} {night.timer} "
            f"/etc/systemd/system/ && sudo systemctl enable --now {night.timer}",
        ]
    )
