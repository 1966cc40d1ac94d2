"""`hansard` itself: the commands that there are, what each takes, and how it refuses what it cannot take."""

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from service.cli import main as command_line
from service.cli.bench import PLANNED
from service.cli.main import COMMANDS, main, parse
from service.settings.settings import explain
from tests.serving import hansard

README = Path(__file__).parents[3] / "README.md"
NAMES = [command.name for command in COMMANDS]
DATABASE = {"--data", "--dsn", "--owner-dsn"}
SHAPING = {"--search-language", "--taggers"}
RETENTION = {"--retention-anonymise-after", "--retention-erase-after", "--retention-rules"}

FLAGS: dict[str, set[str]] = {
    "serve": {setting.flag for setting in explain()},
    "migrate": {
        *DATABASE,
        *SHAPING,
        "--shards",
        "--erasure-journal",
        "--distribute",
        "--citus-shards",
        "--move-data",
        "--rebalance",
    },
    "replay": {*DATABASE, *SHAPING, "--check", "--parked", "--restart"},
    "status": {*DATABASE, *SHAPING, "--json", "--shards", "--parked"},
    "verify": {*DATABASE, *SHAPING, "--seal", "--public-key", "--conversation", "--only", "--json"},
    "seal": {*DATABASE, "--key", "--out"},
    "export": {*DATABASE, "--user", "--conversation", "--out", "--resume"},
    "import": {*DATABASE, *SHAPING, "--message-limit", "--user", "--unchecked", "--from-dsn", "--table"}
    | {"--mapping", "--dry-run"},
    "erase": {*DATABASE, *SHAPING, "--erasure-journal", "--user", "--conversation", "--opportunity", "--link"}
    | {"--unfinished", "--again-since", "--reason", "--yes"},
    "restored": {*DATABASE, "--reason"},
    "retain": {*DATABASE, *SHAPING, *RETENTION, "--erasure-journal", "--dry-run", "--limit", "--list"},
    "keys create": {*DATABASE, "--scope"},
    "keys list": DATABASE,
    "keys revoke": DATABASE,
    "keys seal": {"--data", "--out"},
    "token": {"--user", "--minutes", "--jwt-secret", "--jwt-issuer", "--jwt-audience"},
    "bench": {"--quick", "--rounds", "--events", "--data", "--dsn", "--into"}
    | {f"--{each}" for each in PLANNED},
    "settings": set(),
}
"""What each command has promised to take."""

LOADED = """
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO
from service.cli.main import COMMANDS, parse

def loaded(*arguments):
    with redirect_stdout(StringIO()), suppress(SystemExit):
        parse([*arguments, "--help"])
    return [each.name for each in COMMANDS if sys.modules.pop(each.module, None)]

print(loaded(), *sorted({"msgspec", "psycopg", "litestar", "service.hansard"} & {*sys.modules}))
for command in COMMANDS:
    print(loaded(command.name), command.name)
"""


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        parse([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_only_the_module_of_the_command_that_is_named_is_loaded() -> None:
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["[]", *(f"['{name}'] {name}" for name in NAMES)]


def test_the_help_tells_every_command_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    told = shown(capsys)
    for command in COMMANDS:
        assert re.search(rf"^    {command.name} +{re.escape(command.summary)}$", told, re.MULTILINE)


def test_every_command_and_every_action_of_one_is_known_here() -> None:
    assert {name.split()[0] for name in FLAGS} == set(NAMES)


@pytest.mark.parametrize("command", FLAGS)
def test_every_command_explains_itself_and_each_of_its_flags(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = shown(capsys, *command.split())
    assert told.startswith(f"usage: hansard {command}")
    assert set(re.findall(r"^  (--[a-z-]+)", told, re.MULTILINE)) == FLAGS[command]


def test_the_readme_lists_every_command_and_no_flag_that_there_is_not() -> None:
    commands = README.read_text("utf-8").partition("## Commands\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `hansard ([a-z]+)(.*)$", commands, re.MULTILINE)
    assert {name for name, _ in rows} == set(NAMES)
    for name, rest in rows:
        known = set().union(*(flags for command, flags in FLAGS.items() if command.split()[0] == name))
        assert set(re.findall(r"`(--[a-z-]+)", rest)) <= known, name


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"hansard \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "hansard: the following arguments are required: COMMAND; see hansard --help\n"),
        (("serve", "--prot", "9000"), "hansard: unrecognized arguments: --prot 9000; see hansard --help\n"),
        (("keys",), "hansard: the following arguments are required: ACTION; see hansard keys --help\n"),
    ],
)
def test_wrong_use_is_one_line_that_points_to_the_help(
    arguments: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, capsys.readouterr().err) == (2, line)


def test_a_command_that_there_is_not_is_told_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["srve", "--port", "9000"])
    told = capsys.readouterr().err
    assert (ended.value.code, told.count("\n")) == (2, 1)
    assert all(name in told for name in NAMES)


@pytest.mark.parametrize("name", ["status", "verify", "seal", "export", "migrate"])
def test_a_database_that_cannot_be_reached_is_told_in_one_line_without_its_password(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["keys", "seal", "--data", str(tmp_path)])
    capsys.readouterr()
    dsn = "postgresql://someone:hunter2@127.0.0.1:1/hansard"
    assert main([name, "--dsn", dsn, "--data", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert told.err.startswith("hansard: the database cannot be used: ")
    assert "hunter2" not in told.err


def test_a_dsn_that_is_none_is_told_without_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--dsn", "hunter2"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("hansard: HANSARD_DSN is not a DSN")
    assert "hunter2" not in told


def test_what_the_databases_user_may_not_do_is_told_with_who_may(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    login = "may_do_nothing"
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {login}; CREATE ROLE {login} LOGIN".encode())
        try:
            assert main(["migrate", "--dsn", psycopg.conninfo.make_conninfo(empty_dsn, user=login)]) == 1
        finally:
            connection.execute(f"DROP ROLE {login}".encode())
    told = capsys.readouterr().err
    assert told.startswith("hansard: the database's user may not do this: ")
    assert told.endswith("; --owner-dsn names who may\n")


def test_what_nobody_foresaw_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(options: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("service.cli.settings.run", failing)
    with pytest.raises(ZeroDivisionError):
        main(["settings"])


def test_an_interrupt_ends_a_command_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("service.cli.settings.run", interrupted)
    assert main(["settings"]) == command_line.INTERRUPTED
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_goes_away_ends_a_command_without_a_word() -> None:
    command = f"{Path(sys.executable).parent / 'hansard'} settings | head -c 1"
    told = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("|", "")


def test_the_installed_command_is_this_one() -> None:
    told = hansard("settings")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("| setting |")
