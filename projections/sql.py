"""Statements by name: `queries/<name>.sql`, runnable by hand, parameters bound.

What several statements share stands once in `queries/parts`; a line `-- include <part>` takes it in.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

HERE = Path(__file__).parent

_INCLUDE = re.compile(r"^-- include (\w+)\n", re.MULTILINE)


@functools.cache
def query(name: str) -> str:
    """The text of `queries/<name>.sql`, its parts in place; print it to run it by hand."""
    return _INCLUDE.sub(lambda line: _text(f"parts/{line[1]}"), _text(name))


def _text(name: str) -> str:
    return (HERE / "queries" / f"{name}.sql").read_text()


def migrations() -> list[tuple[int, str, list[str]]]:
    """Number, name and statements of every migration, in order."""
    found = []
    for path in sorted((HERE / "migrations").glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append((int(number), name, split(path.read_text())))
    return found


def split(text: str) -> list[str]:
    """Statements of a file: each ends with a semicolon at the end of a line; comments are left out."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [each.strip() for each in code.split(";\n") if each.strip().strip(";")]
