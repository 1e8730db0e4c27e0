"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cakupan.cli import app
from events import docs
from events.catalogue import EVENTS, TOPICS

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def test_the_events_page_is_the_catalogue() -> None:
    assert docs.PATH.read_text(encoding="utf-8") == docs.page(), "run: python -m events.docs"
    for name in [*EVENTS, *TOPICS]:
        assert name in docs.page()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:events|projections|streams|api|cakupan|tests|docs|benchmarks)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def commands() -> list[list[str]]:
    names = [["topics", "apply"], ["simulate", "sambas"], ["simulate", "nation"]]
    names += [["dead-letters", each] for each in ("list", "show", "retry", "discard")]
    names += [["subscriber", each] for each in ("add", "list", "rotate", "remove", "certificates")]
    names += [["receipts", each] for each in ("check", "list", "key")]
    names += [["webhook", e] for e in ("add", "list", "rotate", "remove", "enable", "parked", "replay", "test")]
    return names + [[str(each.name)] for each in app().registered_commands]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    answer = CliRunner().invoke(app(), [*command, "--help"])
    assert answer.exit_code == 0
    assert "Example" in answer.output


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    known = {command[0] for command in commands()}
    for name in re.findall(r"`cakupan ([a-z-]+)", page.read_text(encoding="utf-8")):
        assert name in known, f"{page.name} names cakupan {name}"
