"""A command's process imports what that command needs: all of them together take a second more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cakupan import cli

FILES = {path.stem for path in (Path(cli.__file__).parent / "commands").glob("*.py")} - {"__init__"}


def test_every_file_is_a_command() -> None:
    assert {module for module, _ in cli.COMMANDS.values()} == FILES


@pytest.mark.parametrize("arguments", [["status"], ["topics"], ["topics", "apply"], ["webhooks"]], ids=" ".join)
def test_alone_it_says_what_it_says_among_all(arguments: list[str]) -> None:
    alone, among = (CliRunner().invoke(app, [*arguments, "-h"]) for app in (cli.app(arguments[:1]), cli.app()))
    assert alone.exit_code == 0
    assert alone.output == among.output


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [(["statsu"], "Did you mean 'status'"), (["--nope"], "No such option"), ([], "dead-letters")],
    ids=["a typo", "an option", "nothing"],
)
def test_what_is_no_command_is_answered_with_all(arguments: list[str], answer: str) -> None:
    done = subprocess.run([sys.executable, "-m", "cakupan", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert answer in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "spared"),
    [
        ("status", "faust aiokafka fastapi polars lokal"),
        ("topics", "faust aiokafka fastapi polars lokal httpx"),
        ("migrate", "faust aiokafka fastapi polars lokal httpx"),
        ("up", "faust fastapi lokal"),
        ("worker", "fastapi lokal"),
    ],
)
def test_what_it_does_not_need_is_not_imported(command: str, spared: str) -> None:
    code = (
        f"import sys; sys.argv = ['cakupan', '{command}', '-h']\n"
        "from cakupan.cli import main\n"
        "try: main()\n"
        "except SystemExit: print('IMPORTED', *(set(sys.modules) & set(sys.stdin.read().split())))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=spared, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["IMPORTED"]
