"""`hansard settings` helps most where a setting is wrong."""

import pytest

from service.cli.main import main
from service.settings.settings import as_table


def test_it_prints_the_table_also_where_a_setting_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HANSARD_WORKERS", "many")
    assert main(["settings"]) == 0
    assert capsys.readouterr().out == as_table() + "\n"
