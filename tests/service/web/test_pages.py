"""The pages as a server gives them: one document, files that may be kept for ever, nothing from elsewhere."""

import gzip
import re
from pathlib import Path

import pytest

import service.web
from service.web import pages
from service.web.files import FIRST, LATER, files
from tests.service.api.calling import asked_who, calling

ASSETS = Path(service.web.__file__).parent / "assets"
A_CONVERSATION = "0198c2a4-7d30-7b61-9c4e-2f8a51d0e7b3"


@pytest.mark.parametrize("path", ["/", f"/c/{A_CONVERSATION}", f"/c/{A_CONVERSATION}/history", "/service"])
async def test_every_page_is_one_document_that_runs_no_script_but_its_own(dsn: str, path: str) -> None:
    async with asked_who(dsn) as client:
        answer = await client.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert 'data-auth="token"' in answer.text
        assert not re.findall(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=", answer.text)
        assert not re.findall(r"(?:src|href)=\"(?!/)", answer.text)


async def test_a_file_is_kept_for_ever_under_the_digest_of_them_all(dsn: str) -> None:
    async with calling(dsn) as client:
        document = (await client.get("/")).text
        for path in re.findall(r"(?:src|href)=\"(/assets/[^\"]+)\"", document):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert "immutable" in answer.headers["cache-control"]
        script = files().by_name["app.js"]
        as_it_is = await client.get(f"{files().place}/app.js", headers={"Accept-Encoding": "identity"})
        assert as_it_is.content == script.body
        assert "content-encoding" not in as_it_is.headers
        assert as_it_is.headers["content-type"].startswith("text/javascript")
        assert as_it_is.headers["content-security-policy"].startswith("default-src 'none'")
        older = await client.get("/assets/0000000000000000/app.js")
        assert (older.status_code, older.headers["cache-control"]) == (200, "no-store")
        for missing in ("/assets/0000000000000000/nothing.js", f"{files().place}/../pages.py"):
            assert (await client.get(missing)).status_code == 404


def test_the_document_names_what_the_first_page_imports_and_nothing_else() -> None:
    document, packed = pages.document("dev")
    assert gzip.decompress(packed) == document
    named = re.findall(rf"{files().place}/([^\"]+)", document.decode())
    sheets = [each for each in named if each.endswith(".css")]
    assert sheets[0] == FIRST
    scripts = {each for each in named if each.endswith(".js")}
    assert scripts == {"app.js"} | imported("app.js")
    there = {each for each in files().by_name if each.endswith((".css", ".js"))}
    assert there - scripts - set(sheets) == LATER


def imported(script: str) -> set[str]:
    """What a script needs before it runs, and what that needs."""
    text = files().by_name[script].body.decode()
    at_once = set(re.findall(r"^(?:import|\}) .*from \"\./([\w/]+\.js)\";$", text, re.MULTILINE))
    return at_once.union(*map(imported, at_once))


def test_every_file_is_packed_as_it_is() -> None:
    assert all(gzip.decompress(each.packed) == each.body for each in files().by_name.values())


def test_no_file_loads_anything_from_another_host_or_makes_markup_of_words() -> None:
    for script in ASSETS.glob("*.js"):
        text = script.read_text()
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), (
            script
        )
        assert not re.findall(r"(?:from|import\()\s*\"(?!\./)", text), script
        addresses = set(re.findall(r"https?://[^\"'\s]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, script
    for sheet in ASSETS.rglob("*.css"):
        assert not re.findall(r"url\(|@import", sheet.read_text()), sheet
