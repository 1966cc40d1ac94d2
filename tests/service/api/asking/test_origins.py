"""Without authentication Hansard is for this machine alone; answers let a browser do as little as may be."""

import pytest

from service.api.asking.origins import is_local
from tests.service.api.calling import problem
from tests.service.api.routes import telling


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "127.9.9.9:1", "[::1]:8000", "a.localhost"])
async def test_this_machine_is_answered_under_each_of_its_names(host: str) -> None:
    async with telling(None) as client:
        answer = await client.get("/whoami", headers={"Host": host, "Origin": f"http://{host}"})
        assert answer.json()["mode"] == "dev"


@pytest.mark.parametrize("path", ["/whoami", "/", "/schema", "/health/live", "/metrics"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example@127.0.0.1",
        "evil.example",
        "localhost.evil.example",
        "192.0.2.1",
        "",
        "127.0.0.1.evil.example",
    ],
)
async def test_a_site_that_lets_its_name_point_here_gets_nothing(path: str, host: str) -> None:
    async with telling(None) as client:
        answer = await client.get(path, headers={"Host": host})
        assert problem(answer) in {(403, "not-from-here"), (400, "bad-request")}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example@127.0.0.1",
        "evil.example:80@127.0.0.1:8000",
        "127.0.0.1/evil.example",
        "127.0.0.1?evil.example",
        "127.0.0.1#evil.example",
        "127.0.0.1:port",
        "127.0.0.1:8000:8000",
        "127.0.0.1,evil.example",
        "[::1",
        "::1",
        "[127.0.0.1]evil.example",
        "127.0.0.1 evil.example",
    ],
)
def test_a_host_that_is_more_than_a_name_and_a_port_is_not_this_machine(host: str) -> None:
    assert not is_local(host)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
async def test_another_sites_page_gets_nothing(headers: dict[str, str]) -> None:
    async with telling(None) as client:
        for answer in (
            await client.get("/whoami", headers=headers),
            await client.post("/write", headers=headers, json={"words": "Hi", "user_id": "alice"}),
        ):
            assert problem(answer) == (403, "not-from-here")
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_link_from_another_page_may_be_followed() -> None:
    async with telling(None) as client:
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await client.get("/", headers=headers)).status_code == 200


async def test_a_site_that_the_settings_name_may_ask() -> None:
    async with telling(None, cors_origins="http://localhost:3000") as client:
        headers = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}
        answer = await client.get("/whoami", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
