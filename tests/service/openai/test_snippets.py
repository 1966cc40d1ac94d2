"""What stands in docs/openai.md, run as it stands."""

import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from service.api.openai.conversations import HANDLERS as OF_CONVERSATIONS
from service.api.openai.items import HANDLERS as OF_ITEMS
from tests.service.api.calling import key
from tests.service.openai.asking import Standing

PAGE = (Path(__file__).parents[3] / "docs" / "openai.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LOCAL, ANYBODY = "http://localhost:8000", 'api_key="dev"'


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_runs(standing: Standing, snippet: str) -> None:
    shown = key(standing.dsn, f"snippets-{uuid4()}")
    program = snippet.replace(LOCAL, standing.url).replace(ANYBODY, f'api_key="{shown}"')
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_lists_every_operation() -> None:
    listed = set(re.findall(r"`(\w+) (/v1/\S+)`", PAGE))
    for handler in (*OF_CONVERSATIONS, *OF_ITEMS):
        (path,) = handler.paths
        short = path.replace("{conversation_id:str}", "{id}").replace(":str", "")
        for method in handler.http_methods - {"OPTIONS"}:
            assert (method, short) in listed
