"""Export, import into an empty database, export: equal files."""

from collections.abc import Sequence
from io import BytesIO

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from projections.projection import Projection
from service.hansard import projections_of
from service.postgres.embedded import EmbeddedPostgres
from service.replay.proving import proofs_of
from service.settings.settings import Settings
from service.store.connections import Database
from service.transfer.file.export import export
from service.transfer.file.lines import EVERYTHING, Selection
from service.transfer.file.read import Reader
from service.transfer.importing import destination, import_pieces, uncounted
from service.transfer.report import TransferReport
from service.verify.log import verify_log
from tests.conftest import SHARDS, database
from tests.service.store.appending import rows, storing
from tests.service.transfer.conftest import OtherShards
from tests.service.transfer.histories import OWNERS, Step, appends, gone, record, steps

NO_POSITION = """
SELECT conversation_id, version, topic, state, user_id, actor, request_id, recorded_at, message_id
FROM events ORDER BY 1, 2"""
ORDER_OF_USER = """
SELECT user_id, array_agg(conversation_id || ' ' || version ORDER BY position) FROM events
WHERE user_id IS NOT NULL GROUP BY 1 ORDER BY 1"""


def projections() -> tuple[Projection, ...]:
    return projections_of(Settings())


def file_of(dsn: str, selection: Selection = EVERYTHING) -> bytes:
    return b"".join(export(Database.open(dsn), selection))


def taken_in(dsn: str, file: bytes, user_id: str | None = None, unchecked: bool = False) -> TransferReport:
    report = TransferReport()
    reader = Reader(BytesIO(file), user_id=user_id)
    checked = reader.check(report, unchecked)
    with destination(Database.open(dsn), projections()) as into:
        return import_pieces(into, reader.pieces(checked), uncounted, report)


def recorded_in(
    dsn: str, what: Sequence[Step], erased: set[tuple[str, int]], anonymised: set[tuple[str, int]]
) -> None:
    with storing(dsn, projections()) as store:
        for append in appends(store, record(what, erased, anonymised, store.shards), OWNERS):
            store.append_blocking(append)


def holds(dsn: str) -> None:
    """Every chain is whole, and every projection is what a fold of the log says."""
    verified = verify_log(Database.open(dsn))
    assert not verified.faults
    for proof in proofs_of(Database.open(dsn), projections(), processes=1):
        assert proof.equal, proof


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each takes seconds: none is made smaller
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(what=steps, erased=gone, anonymised=gone, shards=st.sampled_from([1, 3, SHARDS]))
def test_the_same_record_gives_the_same_file_wherever_it_is_kept(
    postgres: EmbeddedPostgres,
    template: str,
    other_shards: OtherShards,
    what: list[Step],
    erased: set[tuple[str, int]],
    anonymised: set[tuple[str, int]],
    shards: int,
) -> None:
    with database(postgres, template) as here, database(postgres, other_shards(shards)) as there:
        recorded_in(here, what, erased, anonymised)
        file = file_of(here)
        report = taken_in(there, file)
        assert not report.skipped
        assert file_of(there) == file
        assert rows(there, NO_POSITION) == rows(here, NO_POSITION)
        assert rows(there, ORDER_OF_USER) == rows(here, ORDER_OF_USER)
        holds(there)
        before = rows(there, NO_POSITION)
        for dsn in (there, here):
            again = taken_in(dsn, file)
            assert (again.events, again.skipped) == (0, [])
            assert again.there_already == len(
                {told.conversation_id for told in record(what, erased, anonymised, 1)}
            )
        assert rows(there, NO_POSITION) == before
