"""Builds the wheel, installs it into an empty environment far from the checkout, and uses it there.

`make wheel` runs this. It is no test of pytest's: it installs everything that Hansard depends on.
"""

import re
import subprocess
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
LONGEST = 60.0
SESSION = """
import asyncio, sys
from openai import AsyncOpenAI
from service.agents.session import HansardSession

async def main():
    given = {"base_url": f"{sys.argv[1]}/v1", "api_key": "dev", "default_headers": {"X-User-Id": "ann"}}
    async with AsyncOpenAI(**given) as client:
        session = HansardSession("thr_1", client)
        await session.add_items([{"role": "user", "content": "Are you whole?"}])
        assert len(await session.get_items()) == 1

asyncio.run(main())
"""
"""An agent's own program, which has the wheel beside it."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hansard-wheel-") as name:
        place = Path(name)
        place.chmod(0o711)  # PostgreSQL runs as another user where this is run by root
        hansard = installed(place)
        run(hansard, "migrate", "--data", str(place / "data"))
        with serving(hansard, place) as url:
            told = asked(f"{url}/api/chat", b'{"user_id": "ann", "message": "Are you whole?"}')
            assert b'"success":true' in told, told
            assert b"Are you whole?" in asked(f"{url}/api/chat/history?user_id=ann")
            assert b"<title>" in asked(f"{url}/")
            run(hansard.parent / "python", "-c", SESSION, url)
        run(hansard, "verify", "--data", str(place / "data"))
    print("the wheel installs, migrates, serves, answers and verifies")  # noqa: T201


def installed(place: Path) -> Path:
    venv.create(place / "env", with_pip=True)
    pip = [str(place / "env/bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(place), str(ROOT))
    (wheel,) = place.glob("*.whl")
    run(*pip, "install", "--constraint", str(ROOT / "constraints.txt"), str(wheel))
    typed = list(place.glob("env/lib/*/site-packages/*/py.typed"))
    assert {"domain", "projections", "service"} <= {each.parent.name for each in typed}
    return place / "env/bin/hansard"


@contextmanager
def serving(hansard: Path, place: Path) -> Iterator[str]:
    output = place / "output"
    with output.open("wb") as file:
        command = [str(hansard), "serve", "--port", "0", "--data", str(place / "data")]
        process = subprocess.Popen(command, cwd=place, stdout=file, stderr=file)
    try:
        yield address(process, output)
    finally:
        process.terminate()
        process.wait(LONGEST)


def address(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"  page  (http://\S+)/\n", output.read_text()):
            with suppress(URLError):
                asked(f"{found[1]}/health/ready")
                return found[1]
        time.sleep(0.05)
    raise AssertionError(output.read_text())


def asked(url: str, body: bytes | None = None) -> bytes:
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - an address of our own
    with urlopen(request, timeout=LONGEST) as answer:  # noqa: S310
        told: bytes = answer.read()
        return told


def run(*command: str | Path) -> None:
    subprocess.run([str(each) for each in command], cwd=tempfile.gettempdir(), check=True)


if __name__ == "__main__":
    main()
