"""What starts a night: a line for cron, and units for systemd. Text alone; nothing is installed."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from tagger.errors import InputError

SERVICE, TIMER, CRON = "tagger.service", "tagger.timer", "tagger.cron"


class Night(NamedTuple):
    """What is to be started.

    Attributes
    ----------
    folder : Path
        Absolute; where nightly.toml lies, and where the night works.
    program : list of str
        The command `tagger`, its first word an absolute path.
    user : str
        Who runs it.
    """

    folder: Path
    program: list[str]
    user: str


def check_paths(night: Night) -> None:
    """Raise InputError if a path cannot be written into a crontab or a unit.

    Both are read line by line, and systemd takes blanks at the end, and backslashes, for its own.
    """
    for path in (str(night.folder), *night.program):
        printable = path.isprintable() and path == path.strip() and "\\" not in path
        if not printable:
            raise InputError(
                f"{path!r}: cron and systemd cannot take a path with a line break, a backslash or "
                "other unprintable characters, or with a blank at its end; name another --out, or "
                "install the program elsewhere"
            )


def cron_line(night: Night) -> str:
    """Return the line of a crontab that starts the night, quoted for the shell.

    cron ends a command at the first %, and takes what follows for its input, unless a backslash is
    before it. Source: crontab(5).
    """
    command = shlex.join([*night.program, "tag", "--config", "nightly.toml"])
    line = f"15 3 * * *  cd {shlex.quote(str(night.folder))} && {command}"
    return line.replace("%", "\\%") + "\n"


def service_unit(night: Night) -> str:
    """Return the unit that runs one night.

    A % begins a specifier everywhere; in a command, words are quoted, and $ begins a variable in
    all words but the first. Source: systemd.unit(5), systemd.service(5).
    """
    program, *words = night.program
    if set(program) & set("'\""):  # systemd takes no program of such a name, but a word
        program, words = "/bin/sh", ["-c", 'exec "$0" "$@"', *night.program]
    quoted = [_quoted(program), *(_quoted(word.replace("$", "$$")) for word in words)]
    command = " ".join([*quoted, "tag --config nightly.toml"])
    return _SERVICE.format(
        user=_specifiers(night.user),
        folder=_specifiers(str(night.folder)),
        command=command,
    )


def timer_unit() -> str:
    """Return the unit that starts the night at its hour."""
    return _TIMER


def _quoted(word: str) -> str:
    """Return a word of a command, in quotes where it needs them."""
    escaped = _specifiers(word).replace('"', '\\"')
    return escaped if re.fullmatch(r"[\w./%+=@:,-]+", word) else f'"{escaped}"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


_SERVICE = """\
[Unit]
Description=Tag the fashion catalog

[Service]
Type=oneshot
User={user}
WorkingDirectory={folder}
ExecStart={command}

# A night has no limit here: max-seconds in nightly.toml ends one in time, and keeps what was done.
TimeoutStartSec=infinity
# Stopped, it ends cleanly, its workers with it; what was done is kept for the next night.
KillMode=mixed
TimeoutStopSec=5min

# Others come first.
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=7

# A night opens no connection. Take this away for engine = "ray" on several machines.
PrivateNetwork=yes
NoNewPrivileges=yes
"""

_TIMER = """\
[Unit]
Description=Tag the fashion catalog every night

[Timer]
OnCalendar=*-*-* 03:15
# A night that was missed, because the machine was off, is made up for.
Persistent=true

[Install]
WantedBy=timers.target
"""
