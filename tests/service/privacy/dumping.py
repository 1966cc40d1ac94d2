"""The whole database as text, as somebody who stole it would read it."""

import os
import subprocess

import psycopg

from service.postgres.embedded import programs


def dumped(dsn: str) -> str:
    """By PostgreSQL's own program; what is bytes in the log is read as the text that it is."""
    told = subprocess.run(
        [programs() / "pg_dump", "--dbname", dsn, "--inserts", "--schema", "hansard"],
        capture_output=True,
        check=True,
        text=True,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"},
    ).stdout
    return told + "\n".join(in_bytes(dsn))


def in_bytes(dsn: str) -> list[str]:
    """Every column of bytes in the schema, as text."""
    columns = """
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'hansard'::regnamespace AND c.relkind = 'r' AND a.atttypid = 'bytea'::regtype
            AND NOT a.attisdropped"""
    found = []
    with psycopg.connect(dsn) as connection:
        for table, column in connection.execute(columns).fetchall():
            query = f"SELECT {column} FROM hansard.{table} WHERE {column} IS NOT NULL"  # noqa: S608
            for (held,) in connection.execute(query.encode()).fetchall():
                found.append(f"{table}.{column}: {bytes(held).decode(errors='replace')}")
    return found


def rows_of(dsn: str, user_id: str) -> dict[str, list[str]]:
    """Every row that names this user or belongs to one of her conversations, table by table, as text."""
    tables = """
        SELECT c.relname,
            bool_or(a.attname = 'user_id'), bool_or(a.attname = 'conversation_id')
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
        WHERE c.relnamespace = 'hansard'::regnamespace AND c.relkind = 'r' GROUP BY c.relname"""
    mine = "(SELECT conversation_id FROM hansard.events WHERE user_id = %(user)s)"
    found = {}
    with psycopg.connect(dsn) as connection:
        for table, of_users, of_conversations in connection.execute(tables).fetchall():
            wanted = ["user_id = %(user)s"] * of_users + [f"conversation_id IN {mine}"] * of_conversations
            if wanted:
                query = f"SELECT t::text FROM hansard.{table} t WHERE {' OR '.join(wanted)} ORDER BY 1"  # noqa: S608
                found[table] = [row for (row,) in connection.execute(query.encode(), {"user": user_id})]
    return found
