"""How far everything is, as the command and the pages tell it."""

from uuid import uuid4

from psycopg.conninfo import make_conninfo

from service.store.connections import Database, connect
from service.watch.status import Status, status
from tests.service.watch.given import PROJECTIONS, append, change


def looked(dsn: str) -> Status:
    database = Database.open(dsn)
    with database.connect() as connection:
        return status(connection, PROJECTIONS, database.topology)


def test_what_follows_behind_is_told_in_events_and_in_seconds(dsn: str) -> None:
    append(dsn, 5)
    change(dsn, "UPDATE events SET recorded_at = now() - interval '1 hour' WHERE position = 1")
    by_name = {each.name: each for each in looked(dsn).projections}
    assert by_name["history"].in_step
    assert by_name["history"].behind == 0
    assert not by_name["search"].in_step
    assert by_name["search"].behind == 5
    assert 3600 <= by_name["search"].seconds_behind < 3700


def test_what_has_caught_up_is_not_behind_though_it_is_not_in_step(dsn: str) -> None:
    append(dsn, 5)
    change(dsn, "UPDATE checkpoints SET position = 5 WHERE projection = 'search'")
    (search,) = [each for each in looked(dsn).projections if each.name == "search"]
    assert (search.in_step, search.behind, search.seconds_behind) == (False, 0, 0.0)


def test_who_is_no_member_of_the_runtime_role_is_told_how_to_become_one(dsn: str) -> None:
    login = f"login_{uuid4().hex}"
    with connect(dsn) as connection:
        connection.execute(f"CREATE ROLE {login} LOGIN".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA hansard TO {login}".encode())
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA hansard TO {login}".encode())
        try:
            now = looked(make_conninfo(dsn, user=login))
        finally:
            connection.execute(f"DROP OWNED BY {login}; DROP ROLE {login}".encode())
    assert not now.guarded
    assert now.guard == f"{login} is no member of hansard_runtime: GRANT hansard_runtime TO {login}"
    assert not now.needs_somebody
