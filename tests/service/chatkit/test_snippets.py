"""What stands in docs/chatkit.md, run as it stands: who copies it has something that works."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHARDS
from tests.model import Model
from tests.service.api.calling import SECRET, token
from tests.service.chatkit.serving import ROOT, Standing, served
from tests.service.chatkit.speaking import Heard, creating

pytestmark = pytest.mark.filterwarnings("ignore:Direct usage of named widget classes:DeprecationWarning")
PAGE = (Path(ROOT) / "docs" / "chatkit.md").read_text("utf-8")
LOCAL, REMOTE = "http://localhost:8000", "https://hansard.example.com"
BROWSER = """
Object.defineProperty(globalThis, "sessionStorage", { value: { getItem: () => process.env.TOKEN } });
globalThis.document = { querySelector: () => ({ setOptions: (given) => (globalThis.given = given.api) }) };
"""
ASKING = """
const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: process.env.BODY };
console.log(await (await given.fetch(given.url, asked)).text());
"""


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


OWN, ELSEWHERE, CONTRACT = snippets("python")
(WIDGET,) = snippets("js")
(SHELL,) = snippets("console")


def ran(*command: str, **environ: str) -> str:
    given = {**os.environ, "PYTHONPATH": ROOT, **environ}
    done = subprocess.run(
        command, env=given, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def heard_in(output: str) -> Heard:
    return Heard(iter(output.splitlines())).all()


def test_every_snippet_of_the_page_is_run_here() -> None:
    assert set(re.findall(r"^```(\w*)$", PAGE, re.MULTILINE)) == {"python", "js", "console", ""}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_a_widget_gets_what_a_server_of_ones_own_adds_to_a_reply(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    (tmp_path / "support.py").write_text(OWN)
    own = {"HANSARD_CHATKIT_SERVER": "support:Support", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    by_token = {"HANSARD_AUTH": "token", "HANSARD_JWT_SECRET": SECRET}
    page = tmp_path / "page.mjs"
    with served(dsn, model, tmp_path, **own, **by_token) as service:
        page.write_text(BROWSER + WIDGET.replace(REMOTE, service.url) + ASKING)
        body = json.dumps(creating("How tall is it?"))
        heard = heard_in(ran("node", str(page), TOKEN=token("ann"), BODY=body))
        assert [item.type for item in heard.done] == ["user_message", "assistant_message", "widget"]


def test_the_commands_do_what_the_page_says(plain: Standing, model: Model) -> None:
    commands = re.findall(r"^\$ (.*?)(?=^\$ |\Z)", SHELL, re.MULTILINE | re.DOTALL)
    created, listed = (ran("bash", "-c", command.replace(LOCAL, plain.url)) for command in commands)
    assert heard_in(created).text == "Certainly."
    assert [each["title"] for each in json.loads(listed)["data"]] == ["How tall is it?"]


def test_a_server_in_a_process_of_ones_own_replies(dsn: str) -> None:
    heard = heard_in(ran(sys.executable, "-c", ELSEWHERE, HANSARD_DSN=dsn, HANSARD_SHARDS=str(SHARDS)))
    assert [item.content[0].text for item in heard.done] == ["How tall is the Eiffel Tower?", "330 metres."]


def test_the_contract_runs_on_a_store(tmp_path: Path) -> None:
    (given,) = re.findall(r"`pytest (.*) test_my_store.py`", PAGE)
    mine = tmp_path / "test_my_store.py"
    mine.write_text(CONTRACT)
    options = [*shlex.split(given), "-c", "pyproject.toml", "--rootdir", ROOT, "-p", "no:cacheprovider"]
    said = ran(sys.executable, "-m", "pytest", *options, "-k", "comes_back_as_it_was_saved", str(mine))
    assert re.search(r"^=* ?\d+ passed", said, re.MULTILINE), said
