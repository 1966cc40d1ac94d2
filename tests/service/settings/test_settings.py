"""Settings come from flags, then the environment, then the defaults, and a bad one is told in one line."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settings.settings import BadSetting, Setting, Settings, as_table, explain, unknown

README = Path(__file__).parents[3] / "README.md"


def test_without_a_word_everything_has_its_default() -> None:
    assert Settings.load({}) == Settings()


def test_the_environment_wins_over_a_default() -> None:
    assert Settings.load({"HANSARD_PORT": "9000"}).port == 9000


def test_a_flag_wins_over_the_environment() -> None:
    assert Settings.load({"HANSARD_PORT": "9000"}, port="9001").port == 9001


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    assert Settings.load({"HANSARD_PORT": "9000"}, port=None).port == 9000


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert Settings.load({"HANSARD_DSN": "", "HANSARD_WORKERS": ""}) == Settings()


@given(
    st.builds(
        Settings, port=st.integers(0, 65535), dsn=st.none() | st.just("host=db"), workers=st.integers(1, 9)
    )
)
def test_another_process_reads_the_same_settings_from_the_environment(settings: Settings) -> None:
    assert Settings.load(settings.environ()) == settings


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("HANSARD_PORT", "70000", "a whole number from 0 to 65535"),
        ("HANSARD_PORT", "http", "a whole number from 0 to 65535"),
        ("HANSARD_WORKERS", "0", "a whole number from 1 to 256"),
        ("HANSARD_QUEUE_LIMIT", "-1", "a whole number, 1 or more"),
        ("HANSARD_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("HANSARD_SEARCH_LANGUAGE", "simple; --", "text that fits ^[a-z_]+$"),
    ],
)
def test_a_bad_value_is_named_with_what_would_be_right(variable: str, value: str, right: str) -> None:
    with pytest.raises(BadSetting) as raised:
        Settings.load({variable: value})
    assert str(raised.value) == f"{variable} is {value!r}, but it must be {right}"


def test_a_bad_flag_is_named_as_the_flag_that_was_typed() -> None:
    with pytest.raises(BadSetting, match=r"^--log-level is 'loud'"):
        Settings.load({}, log_level="loud")


def test_a_variable_that_is_no_setting_is_noticed() -> None:
    assert unknown({"HANSARD_PORT": "1", "HANSARD_PROT": "2", "HOME": "/"}) == ["HANSARD_PROT"]


@pytest.mark.parametrize("setting", explain(), ids=lambda setting: setting.name)
def test_every_setting_is_one_sentence_long(setting: Setting) -> None:
    assert re.fullmatch(r"[A-Z][^.]*\.", setting.description)


@pytest.mark.parametrize("setting", explain(), ids=lambda setting: setting.name)
def test_every_setting_is_in_the_readme(setting: Setting) -> None:
    row = next(line for line in as_table().splitlines() if f"`{setting.variable}`" in line)
    assert row in README.read_text("utf-8"), "put what `hansard settings` prints into the README"
