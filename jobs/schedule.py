"""What starts a night and watches it: lines for cron, units for systemd. Text alone; nothing is
installed."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import InputError

CRON = "tagger.cron"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""What a unit may be called behind `tagger-`: it needs no quotes in a shell, and no escapes in
systemd."""

_INDEX = "INDEX"
"""Written where the index is not known yet."""


@dataclass(frozen=True)
class Night:
    """What is to be started.

    Attributes
    ----------
    folder : Path
        Absolute; where nightly.toml lies, and where the night works.
    program : list of str
        The command `tagger`, its first word an absolute path.
    user : str
        Who runs it.
    name : str
        What tells its units from those of other shops on the machine.
    index : str or None
        Absolute, if it is known.
    """

    folder: Path
    program: list[str]
    user: str
    name: str
    index: str | None = None

    @property
    def service(self) -> str:
        """Return the file name of the service."""
        return f"tagger-{self.name}.service"

    @property
    def timer(self) -> str:
        """Return the file name of the timer; systemd starts the service of the same name."""
        return f"tagger-{self.name}.timer"


def unit_name(folder: Path) -> str:
    """Return a name for the units of a night that works in `folder`: the folder's own, with `_` for
    what a unit's name could hold only as an escape.

    Examples
    --------
    >>> unit_name(Path("/srv/my-shop")), unit_name(Path("/srv/100% Müller"))
    ('my-shop', '100__M_ller')
    """
    return re.sub(r"[^A-Za-z0-9_.-]|^[.-]", "_", folder.name)[:100] or "night"


def check_name(name: str) -> None:
    """Raise InputError if units cannot be called so."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"--name {name!r}: letters, digits, '.', '_' and '-' only, a letter or digit first, at "
            "most 100; the units are called tagger-NAME.service and tagger-NAME.timer"
        )


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


def cron_lines(night: Night) -> str:
    """Return the lines of a crontab: one that starts the night, and one, commented out, that asks
    in the morning whether it was good.

    cron ends a command at the first %, and takes what follows for its input, unless a backslash is
    before it. Source: crontab(5).
    """
    folder = shlex.quote(str(night.folder))
    tag = shlex.join([*night.program, "tag", "--config", "nightly.toml", "--quiet"])
    index = night.index if night.index and night.index.isprintable() else _INDEX
    status = shlex.join([*night.program, "status", index, "--max-age", "26h"])
    asked = f'said=$(cd {folder} && {status}) || echo "$said"'
    return _CRON.format(tag=_for_cron(f"cd {folder} && {tag}"), status=_for_cron(asked))


def _for_cron(command: str) -> str:
    return command.replace("%", "\\%")


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
        name=night.name,
        user=_specifiers(night.user),
        folder=_specifiers(str(night.folder)),
        command=command,
    )


def timer_unit(night: Night) -> str:
    """Return the unit that starts the night at its hour."""
    return _TIMER.format(folder=_specifiers(str(night.folder)))


def _quoted(word: str) -> str:
    """Return a word of a command, in quotes where it needs them."""
    escaped = _specifiers(word).replace('"', '\\"')
    return escaped if re.fullmatch(r"[\w./%+=@:,-]+", word) else f'"{escaped}"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


_CRON = """\
# cron mails what a command prints: to you, or to whom this line names.
#MAILTO=catalog@example.com

# The night, at 03:15. --quiet: after a good one there is no mail, else a few lines say why.
15 3 * * *  {tag}

# A night that never began says nothing. Take the # away, here or better on another machine that
# sees the index, and there is a mail at 09:00 if the last good night is more than 26 hours old.
#0 9 * * *  {status}
"""

_SERVICE = """\
[Unit]
Description=Tag the fashion catalog of {folder}
# systemd mails nothing. Name a unit that tells you when a night was not good, if you have one:
#OnFailure=tell-me@%n.service
# What a night says is in the journal: journalctl -u tagger-{name}

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
Description=Tag the fashion catalog of {folder} every night

[Timer]
OnCalendar=*-*-* 03:15
# A night that was missed, because the machine was off, is made up for.
Persistent=true

[Install]
WantedBy=timers.target
"""
