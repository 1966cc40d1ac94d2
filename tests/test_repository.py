"""The files around the code agree with it: the architecture, the Makefile, the image, the compose file."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cli.main import parse
from service.cli.serving.workers import GRACE
from service.settings.settings import explain

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
VARIABLES = {setting.variable for setting in explain()}


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.split(None, 1)[1] for line in joined.splitlines() if line.startswith(f"{name} ")]


def test_every_layer_knows_only_those_below_it() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    checked = subprocess.run(
        [lint, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("word", instructions("COPY"))
def test_what_the_image_copies_is_there_and_not_ignored(word: str) -> None:
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    *sources, _ = word.split()
    for source in sources:
        assert (ROOT / source).exists()
        assert source in kept


def test_the_image_has_every_package_of_the_distribution() -> None:
    copied = " ".join(instructions("COPY")).split()
    packages = re.search(r"^packages = \[(.+)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages
    assert set(re.findall(r'"(\w+)"', packages[1])) <= set(copied)


def test_the_image_runs_the_service_as_a_user_of_its_own() -> None:
    (user,) = instructions("USER")
    (command,) = instructions("CMD")
    assert user == "hansard"
    arguments = yaml.safe_load(command)
    assert arguments[0] == "hansard"
    assert parse(arguments[1:]).command == "serve"


def test_the_image_checks_a_path_that_is_served() -> None:
    (check,) = instructions("HEALTHCHECK")
    assert "http://127.0.0.1:8000/health/live" in check
    assert "8000" in instructions("EXPOSE")


def test_every_variable_in_the_image_and_the_compose_file_is_a_setting() -> None:
    used = set(re.findall(r"HANSARD_[A-Z_]+", DOCKERFILE + (ROOT / "docker-compose.yml").read_text()))
    assert used
    assert used <= VARIABLES


@pytest.mark.parametrize("name", ["migrate", "hansard"])
def test_a_service_of_the_compose_file_runs_a_command_that_there_is(name: str) -> None:
    program, *arguments = SERVICES[name]["command"]
    assert program == "hansard"
    assert parse(arguments).command == arguments[0]


def test_the_service_starts_after_the_migration_which_starts_after_the_database() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["hansard"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["postgres"]["healthcheck"]["test"][1].startswith("pg_isready ")
    assert "restart" not in SERVICES["migrate"]


def test_two_workers_share_the_database_of_the_compose_file() -> None:
    given = parse(SERVICES["hansard"]["command"][1:])
    assert given.workers == "2"


def test_a_stop_gives_the_service_all_the_time_that_it_gives_its_workers() -> None:
    """Docker kills what has not stopped by then; the workers are killed after their own grace."""
    grace = int(SERVICES["hansard"]["environment"]["HANSARD_GRACE"])
    stop = int(SERVICES["hansard"]["stop_grace_period"].removesuffix("s"))
    assert stop > grace + GRACE


def test_the_database_keeps_its_data_in_a_named_volume_where_version_18_looks_for_it() -> None:
    (volume,) = SERVICES["postgres"]["volumes"]
    name, place = volume.split(":")
    assert SERVICES["postgres"]["image"] == "postgres:18"
    assert name in COMPOSE["volumes"]
    assert place == "/var/lib/postgresql"


def test_the_password_comes_from_the_environment_and_its_default_warns() -> None:
    password = "${POSTGRES_PASSWORD:-change-this-password}"
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"] == password
    dsn = f"postgresql://hansard:{password}@postgres:5432/hansard"
    assert all(SERVICES[name]["environment"]["HANSARD_DSN"] == dsn for name in ("migrate", "hansard"))


def test_the_compose_file_is_reached_from_this_machine_only() -> None:
    assert SERVICES["hansard"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in SERVICES["postgres"]


def test_beyond_this_machine_everybody_is_asked_who_he_is_and_no_secret_is_known() -> None:
    (env,) = instructions("ENV")
    assert "HANSARD_AUTH=token" in env
    assert "SECRET" not in env
    for name in ("migrate", "hansard"):
        environment = SERVICES[name]["environment"]
        assert environment["HANSARD_AUTH"] == "token"
        assert environment["HANSARD_JWT_SECRET"] == "${HANSARD_JWT_SECRET:-}"


def test_every_command_in_the_makefile_is_one_that_there_is() -> None:
    used = set(re.findall(r"\$\(BIN\)/hansard (\w+)", (ROOT / "Makefile").read_text()))
    assert "serve" in used


def test_make_alone_tells_what_there_is() -> None:
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("serve", "test", "format", "bench", "clean", "install"):
        assert f"make {target} " in told


def test_a_python_that_is_too_old_is_told_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = ["make", "--no-print-directory", "serve", f"PYTHON={old}", f"VENV={tmp_path}/venv"]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert tried.returncode != 0
    assert (
        tried.stdout
        == f"Hansard needs Python 3.11 or newer, and {old} is not: make PYTHON=python3.12 serve\n"
    )


def test_the_run_of_ci_is_what_a_developer_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = [shlex.split(line, comments=True) for line in script.read_text().splitlines()]
    assert ["make", "test"] in commands
    assert ["set", "-euo", "pipefail"] in commands


def test_the_run_of_ci_leaves_no_test_out_whatever_its_environment_says(tmp_path: Path) -> None:
    leaving_out = {"ARGS": "-m 'not browser'", "PYTEST_ADDOPTS": "-m 'not crash'", "MAKEFLAGS": "ARGS=-kx"}
    makes = tmp_path / "make"
    makes.write_text('#!/bin/sh\necho "$*" CI=$CI "$ARGS$MAKEFLAGS$PYTEST_ADDOPTS"\n')
    makes.chmod(0o755)
    (tmp_path / "chromium").touch(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **leaving_out}
    ran = subprocess.run([ROOT / ".ci" / "run"], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["test", "CI=true", "wheel", "CI=true"]


def test_the_whole_test_run_names_no_test() -> None:
    command = ["make", "--dry-run", "--no-print-directory", "test", "ARGS="]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *_, run = told.stdout.splitlines()
    words = shlex.split(run)
    assert words[0] == ".venv/bin/pytest"
    assert not {"-m", "-k", "--ignore", "--deselect"} & set(words)
    assert "tests" not in run


def test_what_runs_before_a_commit_is_make_check() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["language"]) == ("local", "system")
    assert (hook["entry"], hook["pass_filenames"], hook["always_run"]) == ("make check", False, True)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name
)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_file_that_the_glossary_names_is_there() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    named = re.findall(r"`((?:domain|projections|service|tests)/[a-z_/]*(?:\.py)?)`", glossary)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_class_that_the_glossary_names_is_there() -> None:
    """Of a row's last column; `Draft.is_orphan` is of a class, too."""
    column = re.findall(r"\| ([^|]+) \|$", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE)
    named = {name for cell in column for name in re.findall(r"`([A-Z][a-z]+[A-Za-z]*)(?:\.\w+)?`", cell)}
    code = "\n".join(
        file.read_text("utf-8")
        for top in ("domain", "projections", "service")
        for file in (ROOT / top).rglob("*.py")
    )
    assert len(named) > 30
    assert {name for name in named if not re.search(rf"^(class )?{name}\b", code, re.MULTILINE)} == set()


def test_every_dependency_is_held_to_one_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[^\s;@]+", line) for line in lines)


def test_a_class_has_a_name_of_its_own() -> None:
    """But for the Row of each projection."""
    found: dict[str, list[str]] = {}
    for package in ("domain", "projections", "service"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.parse(file.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and node.name != "Row":
                    found.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in found.items() if len(files) > 1} == {}
