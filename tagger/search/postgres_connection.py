"""A connection to PostgreSQL: opened again when it is lost, and the lock that goes with it."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from tagger.errors import EngineError, InputError, Locked
from tagger.search.address import KEY_VARIABLE, Address, without_table
from tagger.search.extras import needs
from tagger.search.patience import Busy, Patience
from tagger.settings import setting

if TYPE_CHECKING:
    import psycopg

_OLDEST = 12
_LOCK_WAIT = 5.0
"""Seconds until the server has noticed that a killed process is gone."""
_LOCK_AGAIN = 0.2
# A cable that was cut is noticed in a minute, and not after two hours as usual.
_CONNECTING: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_OF_THE_SERVER = (
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)
"""So that it lets go of the lock of a machine that is gone."""
_NOT_LET_IN = ("authentication failed", "no password supplied", "pg_hba.conf", "does not exist")

Answer = TypeVar("Answer")


class PostgresConnection:
    """A connection; what is asked outside of a transaction stands at once.

    Parameters
    ----------
    key : str or None
        The password; without one libpq's own ways count: PGPASSWORD, ~/.pgpass, a certificate.
    patience : float
        Seconds for which a question is asked again.

    Raises
    ------
    InputError
        If the client is not installed.
    """

    def __init__(self, address: Address, key: str | None, patience: float) -> None:
        with needs("postgres"):
            import psycopg
        self.shown = address.plain
        self._address = without_table(address.plain)
        self._password = key
        self._patience = Patience(address.plain, patience)
        self._open: psycopg.Connection[Any] | None = None
        self._lock: str | None = None

    def close(self) -> None:
        """Let go of the connection, and of the lock with it."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def lock(self, name: str) -> None:
        """Hold the lock of this name, until the connection is closed; a new one takes it again.

        Raises
        ------
        Locked
            If another connection holds it.
        """
        self._lock = name
        self.close()
        self.ask(self.now)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the answer to a question, which is asked again where the connection is lost.

        Raises
        ------
        EngineError
            If it is lost for too long, or the server refuses.
        InputError
            If we are not let in, or may not do what is asked.
        """
        return self._patience.ask(lambda: self._once(question))

    def now(self) -> "psycopg.Connection[Any]":
        """Return the connection as the library has it, opened where there is none."""
        if self._open is None:
            self._open = self._connect()
        return self._open

    def run(self, statement: str, *names: str, values: list[Any] | None = None) -> None:
        """Run a statement; each `{}` in it is a name, each `%s` a value."""
        self._execute(statement, names, values)

    def rows(
        self, statement: str, *names: str, values: list[Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, see `run`."""
        return list(self._execute(statement, names, values).fetchall())

    def exists(self, table: str) -> bool:
        """Return whether there is a table, a view or the like of this name."""
        return bool(self.rows("SELECT to_regclass(%s)", values=[f'"{table}"'])[0][0])

    def _execute(self, statement: str, names: tuple[str, ...], values: list[Any] | None) -> Any:
        from psycopg import sql

        quoted = [sql.Identifier(name) for name in names]
        return self.now().execute(sql.SQL(statement).format(*quoted), values)

    def _once(self, question: Callable[[], Answer]) -> Answer:
        import psycopg

        try:
            return question()
        except psycopg.errors.InsufficientPrivilege as error:
            raise InputError(
                f"{self.shown}: {said(error)}; it needs leave to make tables"
            ) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            with suppress(psycopg.Error):
                self.close()
            self._open = None
            if isinstance(error, psycopg.errors.DiskFull | psycopg.errors.ProgramLimitExceeded):
                raise EngineError(f"{self.shown}: {said(error)}") from error
            raise Busy(said(error)) from error
        except psycopg.Error as error:
            raise EngineError(f"{self.shown}: {said(error)}") from error

    def _connect(self) -> "psycopg.Connection[Any]":
        import psycopg

        more: dict[str, Any] = {"client_encoding": "utf8"}  # what COPY is given, whatever is set
        if self._password is not None:
            more["password"] = self._password
        try:
            connection = psycopg.connect(
                self._address,
                autocommit=True,
                application_name="tagger sync",
                **_CONNECTING,
                **more,
            )
        except psycopg.OperationalError as error:
            words = said(error)
            if any(one in words for one in _NOT_LET_IN):
                raise InputError(
                    f"{self.shown} does not let us in: {words}; a password stands in the variable "
                    f"{KEY_VARIABLE}, in PGPASSWORD, or in a file that {setting('key_file')} names"
                ) from error
            raise
        except psycopg.ProgrammingError as error:
            raise InputError(f"{self.shown}: {said(error)}") from error
        version = connection.info.server_version // 10_000
        if version < _OLDEST:
            connection.close()
            raise InputError(f"{self.shown} is PostgreSQL {version}; needed is {_OLDEST} or later")
        for statement in _OF_THE_SERVER:
            connection.execute(statement)
        if self._lock is not None:
            self._take_lock(connection, self._lock)
        return connection

    def _take_lock(self, connection: "psycopg.Connection[Any]", name: str) -> None:
        until = time.monotonic() + _LOCK_WAIT
        statement = "SELECT pg_try_advisory_lock(hashtext('tagger sync'), hashtext(%s))"
        while connection.execute(statement, [name]).fetchall() != [(True,)]:
            if time.monotonic() > until:
                connection.close()
                raise Locked(f"{self.shown} is synced by another process; let it end")
            time.sleep(_LOCK_AGAIN)


def said(error: Exception) -> str:
    """Return what the server said, without details and hints; where none answered the last line
    that says why, which is not the one that asks whether it runs."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.endswith("?")]
    return str(primary or (lines[-1] if lines else type(error).__name__))[:300]
