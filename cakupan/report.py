"""How the command line speaks: progress and words on standard error, results on standard output."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

say = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)

EXIT_WRONG, EXIT_BAD_INPUT, EXIT_AWAY = 1, 2, 3


def fail(message: str, code: int = EXIT_BAD_INPUT) -> NoReturn:
    """One clear line on standard error, and out."""
    say.print(message, style="red", markup=False)
    raise typer.Exit(code)


def emit_json(value: Any) -> None:
    """A result for programs."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


Step = Callable[[int, int | None], None]


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Step]:
    """A progress bar on standard error; the step takes what is done and, where it is known now, the total."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=say, transient=True) as bar:
        task = bar.add_task(title, total=total)

        def step(done: int, known_total: int | None = None) -> None:
            bar.update(task, completed=done, total=known_total if known_total is not None else total)

        yield step
