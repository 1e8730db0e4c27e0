"""Statements by name: `queries/<name>.sql`, runnable by hand, parameters bound.

What several statements share stands once in `queries/parts`; a line `-- include <part>` takes it in.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"

REBUILT = "-- rebuilt"

_INCLUDE = re.compile(r"^-- include (\w+)\n", re.MULTILINE)


class Migration(NamedTuple):
    """A numbered file of `migrations`."""

    number: int
    name: str
    statements: list[str]

    @property
    def title(self) -> str:
        return f"{self.number:04d}_{self.name}"

    @property
    def file(self) -> str:
        return f"{self.title}.sql"

    @property
    def rebuilt(self) -> bool:
        """Whether its first line is `-- rebuilt`: see `projections.migrate`."""
        return (MIGRATIONS / self.file).read_text().partition("\n")[0].strip() == REBUILT


@functools.cache
def query(name: str) -> str:
    """The text of `queries/<name>.sql`, its parts in place; print it to run it by hand."""
    return _INCLUDE.sub(lambda line: _text(f"parts/{line[1]}"), _text(name))


def _text(name: str) -> str:
    return (HERE / "queries" / f"{name}.sql").read_text()


def migrations() -> list[Migration]:
    """Every migration, in order."""
    found = []
    for path in sorted(MIGRATIONS.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(int(number), name, split(path.read_text())))
    return found


def split(text: str) -> list[str]:
    """Statements of a file: each ends with a semicolon at the end of a line; comments are left out."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [each.strip() for each in code.split(";\n") if each.strip().strip(";")]
