"""A new table in the place of the one that is served, within one transaction."""

from typing import TYPE_CHECKING, Any

from tagger.errors import InputError

if TYPE_CHECKING:
    import psycopg

_LOCK_TIMEOUT = "5s"
"""For readers that hold the old table: meanwhile others wait behind us, so not long. It is asked
again."""

_VIEWS = """
SELECT DISTINCT r.ev_class::regclass::text FROM pg_depend d
JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
WHERE d.refobjid = %s::regclass AND r.ev_class <> d.refobjid
"""
_GRANTS = """
SELECT coalesce(r.rolname, 'PUBLIC'), a.privilege_type
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE c.oid = %s::regclass AND a.grantee <> c.relowner
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def swap(connection: "psycopg.Connection[Any]", table: str, new: str, shown: str) -> None:
    """Put the table `new` in the place of `table`: its readers' leave stays.

    Where views read the old table, it stays itself, with other rows.

    Raises
    ------
    InputError
        If views read it, and its columns change.
    """
    from psycopg import sql

    old_name = sql.Identifier(table)
    new_name = sql.Identifier(new)

    def run(statement: str, *names: sql.Composable) -> None:
        connection.execute(sql.SQL(statement).format(*names))

    def rows(statement: str, name: str) -> list[tuple[Any, ...]]:
        return connection.execute(statement, [f'"{name}"']).fetchall()

    if not connection.execute("SELECT to_regclass(%s)", [f'"{table}"']).fetchall()[0][0]:
        run("ALTER TABLE {} RENAME TO {}", new_name, old_name)
        return
    run(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    views = [row[0] for row in rows(_VIEWS, table)]
    if views:
        if rows(_COLUMNS, table) != rows(_COLUMNS, new):
            raise InputError(
                f"{shown}: the documents have other fields now, and the view {views[0]!r} reads "
                f"the table {table!r}; drop the view, sync, and make it again"
            )
        run("DELETE FROM {}", old_name)
        run("INSERT INTO {} SELECT * FROM {}", old_name, new_name)
        run("DROP TABLE {}", new_name)
        return
    for role, privilege in rows(_GRANTS, table):
        to = sql.SQL("PUBLIC") if role == "PUBLIC" else sql.Identifier(role)
        run(f"GRANT {privilege} ON {{}} TO {{}}", new_name, to)
    run("DROP TABLE {}", old_name)
    run("ALTER TABLE {} RENAME TO {}", new_name, old_name)
