"""`hansard retain`: what would be done, and what was."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from service.cli.main import main
from service.hansard import running
from service.settings.settings import Settings
from tests.conftest import SHARDS
from tests.service.privacy.ageing import ANONYMISED, ERASED, KEPT, ending_of, idle
from tests.service.store.appending import rows

POLICY = ["--retention-anonymise-after", "30", "--retention-erase-after", "90"]
RULES = ["--retention-rules", '[{"link": "opportunity", "erase_after": 365}]']

Told = Callable[[], list[str]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    return lambda: capsys.readouterr().out.splitlines()


def retain(dsn: str, *flags: str) -> int:
    return main(["retain", "--dsn", dsn, *flags])


def old(dsn: str) -> dict[str, tuple[str, int]]:
    """What becomes of each conversation."""

    async def made() -> dict[str, tuple[str, int]]:
        async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
            return {
                str(await idle(hansard, 29)): KEPT,
                str(await idle(hansard, 31)): ANONYMISED,
                str(await idle(hansard, 91, user_id="bob")): ERASED,
                str(await idle(hansard, 91, "opportunity")): KEPT,
                str(await idle(hansard, 366, "opportunity")): ERASED,
            }

    return asyncio.run(made())


def endings(dsn: str, ids: dict[str, tuple[str, int]]) -> dict[str, tuple[str, int]]:
    return {each: ending_of(dsn, UUID(each)) for each in ids}


def test_a_dry_run_tells_what_would_be_done_and_a_run_what_was(dsn: str, told: Told) -> None:
    ids = old(dsn)
    assert retain(dsn, *POLICY, *RULES, "--dry-run") == 0
    assert told() == [
        "everything else: 1 to anonymise",
        "everything else: 1 to erase",
        "link opportunity: 1 to erase",
    ]
    assert set(endings(dsn, ids).values()) == {KEPT}
    assert retain(dsn, *POLICY, *RULES) == 0
    assert told() == [
        "everything else: 1 anonymised",
        "everything else: 1 erased",
        "link opportunity: 1 erased",
    ]
    assert endings(dsn, ids) == ids
    assert retain(dsn, *POLICY, *RULES) == 0
    assert told() == ["nothing was due"]
    assert rows(dsn, "SELECT count(*) FROM hansard.receipts") == [(3,)]


def test_what_is_done_can_be_limited_and_listed(dsn: str, told: Told) -> None:
    ids = old(dsn)
    due = {each for each, ending in ids.items() if ending != KEPT}
    assert retain(dsn, *POLICY, *RULES, "--dry-run", "--list") == 0
    listed = {line.split("  ")[1] for line in told() if "  " in line}
    assert listed == due
    assert retain(dsn, *POLICY, *RULES, "--list", "--limit", "2") == 0
    lines = told()
    assert lines[-1] == "there may be more: the limit was reached"
    done = {line.split("  ")[1] for line in lines if "  " in line}
    assert len(done) == 2
    assert {each for each, ending in endings(dsn, ids).items() if ending != KEPT} == done
    assert retain(dsn, *POLICY, *RULES) == 0
    assert endings(dsn, ids) == ids


def test_without_a_policy_there_is_nothing_to_be_done(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    keep_all = ["--retention-rules", '[{"link": "opportunity", "keep": true}]']
    for flags in ([], ["--retention-erase-after", "0"], keep_all):
        assert retain(dsn, *flags) == 2
        assert "HANSARD_RETENTION_ERASE_AFTER" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        retain(dsn, *POLICY, "--limit", "0")
    assert ended.value.code == 2


def test_what_cannot_be_looked_through_is_told_by_the_exit_code(dsn: str, told: Told) -> None:
    old(dsn)
    rows(
        dsn, "UPDATE hansard.generations SET stage = 'retired' WHERE projection = 'conversations' RETURNING 1"
    )
    assert retain(dsn, *POLICY, "--dry-run") == 1
    assert f"{SHARDS} shards were not looked through" in told()[-1]
