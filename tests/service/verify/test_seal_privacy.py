"""A seal holds when the service has forgotten somebody since, and says nothing about whom."""

import asyncio
from pathlib import Path

from service.cli.main import main
from service.privacy.run import Demand, carry_out
from service.privacy.wishes import Wish
from service.store.repository import Caller
from tests.service.api.recording import at_once
from tests.service.privacy.marking import MARKER, OTHER, USER, by, marked


async def test_what_the_service_erases_and_anonymises_breaks_no_seal(dsn: str, tmp_path: Path) -> None:
    key, sealed = tmp_path / "seal.key", tmp_path / "sealed.json"
    seal = ["seal", "--dsn", dsn, "--key", str(key), "--out", str(sealed)]
    assert main(["keys", "seal", "--out", str(key)]) == 0
    async with at_once(dsn) as (client, hansard):
        await marked(hansard)
        await marked(hansard, OTHER, "innocent")
        assert await asyncio.to_thread(main, seal) == 0
        assert (await client.delete(f"/api/session/{USER}", headers=by(USER))).status_code == 200
        wish, asked = Wish("user", "anonymise", OTHER), Demand(Caller(OTHER, OTHER), "asked")
        await carry_out(hansard, wish, asked)
        await marked(hansard, OTHER, "later")
    assert MARKER not in sealed.read_text()
    assert main(["verify", "--dsn", dsn, "--seal", str(sealed), "--public-key", f"{key}.pub"]) == 0
