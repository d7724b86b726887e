"""A new table in the place of the one that is served, within one transaction."""

from typing import TYPE_CHECKING, Any

from tagger.errors import InputError

if TYPE_CHECKING:
    import psycopg

_LOCK_TIMEOUT = "5s"
"""For readers that hold the old table: meanwhile others wait behind us, so not long. It is asked
again."""

_OF_OTHERS = """
WITH served AS (SELECT %s::regclass AS oid)
SELECT DISTINCT 'view ' || r.ev_class::regclass::text FROM served, pg_depend d
JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
WHERE d.refobjid = served.oid AND r.ev_class <> d.refobjid
UNION ALL
SELECT 'trigger ' || tgname FROM served, pg_trigger WHERE tgrelid = served.oid AND NOT tgisinternal
UNION ALL
SELECT 'policy ' || polname FROM served, pg_policy WHERE polrelid = served.oid
UNION ALL
SELECT 'foreign key ' || conname FROM served, pg_constraint
WHERE contype = 'f' AND served.oid IN (conrelid, confrelid)
UNION ALL
SELECT 'publication ' || pubname FROM served, pg_publication_rel r
JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = served.oid
"""
"""What goes with a table, and would be lost with it: some of it decides who sees what."""

_GRANTS = """
SELECT coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable, NULL
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE c.oid = %s::regclass AND a.grantee <> c.relowner
"""
_COLUMN_GRANTS = """
SELECT coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable, f.attname
FROM pg_class c JOIN pg_attribute f ON f.attrelid = c.oid
CROSS JOIN LATERAL aclexplode(f.attacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE c.oid = %s::regclass AND a.grantee <> c.relowner
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def swap(connection: "psycopg.Connection[Any]", table: str, new: str, shown: str) -> None:
    """Put the table `new` in the place of `table`: its readers' leave stays.

    Where others have made a view, a trigger, a policy, a foreign key or a publication of the old
    table, it stays itself, with other rows.

    Raises
    ------
    InputError
        If they have, and its columns change.
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
    others = [row[0] for row in rows(_OF_OTHERS, table)]
    if others:
        if rows(_COLUMNS, table) != rows(_COLUMNS, new):
            raise InputError(
                f"{shown}: the documents have other fields now, and the {others[0]} goes with the "
                f"table {table!r}; drop it, sync, and make it again"
            )
        run("DELETE FROM {}", old_name)
        run("INSERT INTO {} SELECT * FROM {}", old_name, new_name)
        run("DROP TABLE {}", new_name)
        return
    columns = {name for name, _ in rows(_COLUMNS, new)}
    for role, privilege, grantable, column in rows(_GRANTS, table) + rows(_COLUMN_GRANTS, table):
        if column is not None and column not in columns:
            continue
        to = sql.SQL("PUBLIC") if role == "PUBLIC" else sql.Identifier(role)
        of = sql.SQL("" if column is None else "({})").format(sql.Identifier(column or ""))
        more = " WITH GRANT OPTION" if grantable else ""
        run(f"GRANT {privilege} {{}} ON {{}} TO {{}}{more}", of, new_name, to)
    run("DROP TABLE {}", old_name)
    run("ALTER TABLE {} RENAME TO {}", new_name, old_name)
