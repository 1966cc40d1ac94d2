"""The pages' style sheets: each component's in one, in its layer, under its name, spaced by one scale."""

import re
from pathlib import Path

import service.web
from service.web.files import FIRST

WEB = Path(service.web.__file__).parent
SHEETS = {each.stem: each.read_text() for each in sorted((WEB / "assets" / "sheets").glob("*.css"))}
TOKENS = SHEETS[Path(FIRST).stem]
SCRIPTS = "\n".join(each.read_text() for each in (WEB / "assets").glob("*.js"))
SHELL = (WEB / "shell.html").read_text()

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
CLASS = re.compile(r"\.([a-z][a-z-]*)")
SELECTORS = re.compile(r"([^{};]+)\{")
SPACED = re.compile(r"^\s*((?:margin|padding|inset|gap|row-gap|column-gap)[a-z-]*): ([^;]+);", re.MULTILINE)
GIVEN = re.compile(r"(?:\bclass: |className = |classList\.\w+\()([^,;}\n]*(?:\$\{[^}]*\}[^,;}\n]*)*)")
WORDS = re.compile(r"[\"`]([^\"`]+)[\"`]")


def layers() -> list[str]:
    (order,) = re.findall(r"^@layer ([\w, ]+);$", TOKENS, re.MULTILINE)
    return str(order).split(", ")


def without_comments(sheet: str) -> str:
    return COMMENT.sub("", sheet)


def classes(sheet: str) -> set[str]:
    selectors = [each for each in SELECTORS.findall(without_comments(sheet)) if "@" not in each]
    return {name for each in selectors for name in CLASS.findall(each)}


def component(name: str) -> str:
    return name.split("-")[0]


def test_every_rule_lies_in_a_layer_whose_order_is_said_first() -> None:
    for name, sheet in SHEETS.items():
        if sheet == TOKENS:
            continue
        head, _, body = without_comments(sheet).strip().partition("{")
        assert head.strip().removeprefix("@layer ") in layers(), name
        depth = 1
        for at, sign in enumerate(body):
            depth += {"{": 1, "}": -1}.get(sign, 0)
            assert depth or at == len(body) - 1, f"{name}: there is something outside of its layer"


def test_a_component_has_its_classes_in_one_sheet_and_under_its_name() -> None:
    where: dict[str, set[str]] = {}
    for sheet, text in SHEETS.items():
        for name in classes(text):
            where.setdefault(component(name), set()).add(sheet)
    assert {name: found for name, found in where.items() if len(found) > 1} == {}


def test_nothing_is_styled_that_no_script_makes() -> None:
    made = SCRIPTS + SHELL
    for sheet, text in SHEETS.items():
        for name in classes(text):
            so_far = f"{name.rpartition('-')[0]}-${{"
            assert re.search(rf"[\"\s`]{name}[\"\s`]", made) or so_far in made, f"{sheet}: .{name}"


def test_every_class_that_a_script_gives_is_of_a_component() -> None:
    known = {component(name) for sheet in SHEETS.values() for name in classes(sheet)}
    words = [each for given in GIVEN.findall(SCRIPTS) for each in WORDS.findall(given)]
    given = {name for each in words for name in each.split() if "$" not in name}
    assert len(given) > 40
    assert {name for name in given if component(name) not in known} == set()


def test_all_spacing_is_of_one_scale() -> None:
    steps = re.findall(r"--space-(\d+): ([\d.]+)rem;", TOKENS)
    assert [int(step) for step, _ in steps] == list(range(1, len(steps) + 1))
    sizes = [float(size) for _, size in steps]
    assert sizes == sorted(set(sizes))
    for name, sheet in SHEETS.items():
        for what, value in SPACED.findall(sheet):
            assert not re.search(r"[\d.]rem", value), f"{name}: {what}: {value}"


def test_every_name_that_a_sheet_asks_for_is_given() -> None:
    given = set(re.findall(r"^\s*(--[\w-]+):", TOKENS, re.MULTILINE))
    for name, sheet in SHEETS.items():
        assert set(re.findall(r"var\((--[\w-]+)", sheet)) <= given, name


def test_the_browser_around_the_page_has_the_colour_of_its_paper() -> None:
    light, dark = re.findall(r"--paper: (#\w+);", TOKENS)
    themes = re.findall(r'<meta name="theme-color" content="(#\w+)" media="([^"]+)">', SHELL)
    assert themes == [(light, "(prefers-color-scheme: light)"), (dark, "(prefers-color-scheme: dark)")]
