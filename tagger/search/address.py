"""The address of an engine, and what lets us in."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from tagger.errors import InputError
from tagger.settings import setting

KEY_VARIABLE = "TAGGER_SEARCH_KEY"

DEFAULT_PORTS = {"typesense": 8108, "elasticsearch": 9200, "opensearch": 9200}
SCHEMES = ("typesense", "postgresql", "elasticsearch", "opensearch", "ndjson")

RECORDS = "tagger_sync"
"""The collection, table or index of our own records."""

_NAME = "a-z, 0-9, - and _, beginning with a letter, 50 of them at most, and none of our own"
_HERE = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*"
)
_SECRET = re.compile(r".*(password|secret|token|key).*", re.IGNORECASE)
_NO_SECRETS = ("sslkey", "sslkeylogfile")
_OPTIONS = {"typesense": ("tls",), "elasticsearch": ("tls", "ca"), "opensearch": ("tls", "ca")}


class Address(NamedTuple):
    """Where an engine is, and what its collection is called.

    Attributes
    ----------
    scheme : str
        One of `SCHEMES`.
    host : str
        Empty for a file, and for a PostgreSQL on a socket.
    port : int
        0 where none is needed.
    name : str
        The collection's: an alias, a table or a file.
    tls : bool
    ca : str or None
        A file of certificates to trust.
    plain : str
        The address as given, which has no secret in it.
    """

    scheme: str
    host: str
    port: int
    name: str
    tls: bool
    ca: str | None
    plain: str


def parse_address(text: str, *, default_name: str) -> Address:
    """Return what an address says.

    Raises
    ------
    InputError
        If it is not one of the forms that are known, or has a password in it.
    """
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in SCHEMES:
        raise InputError(
            f"{setting('to')} {_without_secret(text)!r}: it should begin with one of "
            f"{', '.join(f'{one}://' for one in SCHEMES)}"
        )
    if scheme == "ndjson":
        return _file(text, rest)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        said = "it cannot be read" if "@" in text else str(error)  # that repeats a part of it
        raise InputError(f"{setting('to')} {_without_secret(text)!r}: {said}") from error
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if _has_secret(parts, options):
        raise InputError(
            f"{setting('to')}: the address has a password or a key in it, and a command line is "
            f"no place for one: others see it. Put it into the variable {KEY_VARIABLE}, or into a "
            f"file that {setting('key_file')} names"
        )
    if scheme == "postgresql":
        return _postgres(text, options, default_name)
    return _server(text, scheme, port, options, default_name)


def read_key(key_file: str | None) -> str | None:
    """Return what lets us in: of a file, else of the environment, else None.

    Raises
    ------
    InputError
        If the file cannot be read, or is empty, or what it holds is no key.
    """
    if key_file is None:
        key = os.environ.get(KEY_VARIABLE, "").strip()
        return _readable(key, f"the variable {KEY_VARIABLE}") or None
    try:
        with open(key_file, encoding="utf-8-sig") as file:
            key = file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise InputError(f"{setting('key_file')} {key_file!r} cannot be read: {said}") from error
    if not key:
        raise InputError(f"{setting('key_file')} {key_file!r}: its first line is empty")
    return _readable(key, f"{setting('key_file')} {key_file!r}")


def without_table(text: str) -> str:
    """Return a PostgreSQL address without `table`, as its own library takes it."""
    base, mark, query = text.partition("?")
    options = [option for option in query.split("&") if option.partition("=")[0] != "table"]
    return base + (f"?{'&'.join(options)}" if mark and options else "")


def _file(text: str, rest: str) -> Address:
    if not rest or rest.endswith("/"):
        raise InputError(f"{setting('to')} {text!r}: write ndjson://FILE, the file to write")
    return Address("ndjson", "", 0, os.path.abspath(rest), tls=False, ca=None, plain=text)


def _postgres(text: str, options: dict[str, str], default_name: str) -> Address:
    name = options.get("table", default_name)
    _check_name(text, name)
    host = unquote(urlsplit(text).hostname or "")
    return Address("postgresql", host, 0, name, tls=False, ca=None, plain=text)


def _server(
    text: str, scheme: str, port: int | None, options: dict[str, str], default_name: str
) -> Address:
    parts = urlsplit(text)
    host = parts.hostname
    if not host or not _HOST.fullmatch(host):
        raise InputError(
            f"{setting('to')} {_without_secret(text)!r}: it names no host; write "
            f"{scheme}://HOST:PORT/NAME"
        )
    _check_options(text, options, _OPTIONS[scheme])
    name = parts.path.strip("/") or default_name
    _check_name(text, name)
    port = port or DEFAULT_PORTS[scheme]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    tls = options.get("tls", "no" if host in _HERE else "yes")
    if tls not in ("yes", "no"):
        raise InputError(f"{setting('to')} {text!r}: tls={tls} should be yes or no")
    _check_ca(text, options.get("ca"), tls)
    return Address(
        scheme,
        host,
        port,
        name,
        tls=tls == "yes",
        ca=options.get("ca"),
        plain=f"{scheme}://{where}/{name}",
    )


def _check_options(text: str, options: dict[str, str], may: Sequence[str]) -> None:
    strange = [name for name in options if name not in may]
    if strange:
        raise InputError(
            f"{setting('to')} {_without_secret(text)!r}: {strange[0]!r} is no option of such an "
            f"address; it may have {', '.join(may)}"
        )


def _check_ca(text: str, ca: str | None, tls: str) -> None:
    if ca is None:
        return
    if tls == "no":
        raise InputError(f"{setting('to')} {text!r}: ca is for TLS; write tls=yes too")
    if not os.path.isfile(ca):
        raise InputError(f"{setting('to')} {text!r}: there is no file {ca!r} of certificates")


def _check_name(text: str, name: str) -> None:
    good = all("a" <= sign <= "z" or "0" <= sign <= "9" or sign in "-_" for sign in name)
    taken = name == RECORDS or name.endswith("__new")  # our own, and what is built beside one
    if not good or not name or len(name) > 50 or not "a" <= name[0] <= "z" or taken:
        shown = _without_secret(text)
        raise InputError(f"{setting('to')} {shown!r}: {name!r} is no name; one is {_NAME}")


def _has_secret(parts: SplitResult, options: dict[str, str]) -> bool:
    """Return whether an address has a password or a key in it, or a part of one: with a sign such
    as `/` or `#` in it, one is torn apart."""
    names = [name for name in options if name not in _NO_SECRETS]
    return bool(
        parts.password is not None
        or (parts.username and parts.scheme != "postgresql")
        or any(_SECRET.fullmatch(name) or "@" in name for name in names)
        or "@" in parts.path + parts.fragment
    )


def _readable(key: str, shown: str) -> str:
    if not key.isprintable():
        raise InputError(f"{shown}: there are signs in it that no key has; is it another file?")
    return key


def _without_secret(text: str) -> str:
    """Return an address that could not be read, without what stands before an @, and without its
    options."""
    head, mark, tail = text.rpartition("@")
    return (f"...@{tail}" if mark and head else text).partition("?")[0]
