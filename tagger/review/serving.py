"""Listening on this machine alone, until somebody ends the command."""

import errno
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

from tagger.errors import InputError

_HOST = "127.0.0.1"
_ENDS_WITHIN = 2
"""Seconds that an answer on its way has when the command is ended."""


class Answering(Protocol):
    """What answers a page's requests."""

    def application(self, token: str, port: int) -> ASGIApp:
        """Return the ASGI application, behind its gate."""
        ...

    def close(self) -> None:
        """End threads and processes."""
        ...


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Hold a port of this machine, 0 being any that is free.

    Raises
    ------
    InputError
        If something else listens there, or it is not ours to take.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
            listener.listen()  # who comes now waits
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "another program listens there" if taken else error.strerror
            raise InputError(
                f"--port {port} cannot be had: {why}. Name another, or none for one that is free"
            ) from error
        yield listener


def new_token() -> str:
    """Return what makes an address that nobody can guess."""
    return secrets.token_urlsafe(24)


def address(listener: socket.socket, token: str) -> str:
    """Return the address of the page."""
    return f"http://{_HOST}:{port_of(listener)}/{token}/"


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket holds."""
    return int(listener.getsockname()[1])


def serve(server: Answering, listener: socket.socket, token: str) -> None:
    """Answer until SIGINT or SIGTERM, which then end the command as they do any other."""
    config = uvicorn.Config(
        server.application(token, port_of(listener)),
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="critical",  # faults are logged where they happen; the rest is clients' noise
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_ENDS_WITHIN,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        server.close()
