"""Which statements wait for the client's blocks: `INSERT INTO t [(columns)] VALUES`, with nothing behind."""

import re
from dataclasses import dataclass

_GAP = r"(?:\s|--[^\n]*\n|/\*.*?\*/)"
_NAME = r"(?:`(?:[^`\\]|\\.)+`|\"(?:[^\"\\]|\\.)+\"|\w+)"
_NESTED = r"\((?:[^()`]|`(?:[^`\\]|\\.)+`|\((?:[^()]|\([^()]*\))*\))*\)"
_INSERT = re.compile(
    rf"{_GAP}*INSERT\s+INTO\s+(?:TABLE\s+)?"
    rf"(?P<target>FUNCTION\s+\w+\s*{_NESTED}|{_NAME}(?:\s*\.\s*{_NAME})?)"
    rf"{_GAP}*(?P<columns>{_NESTED})?"
    rf"{_GAP}*(?P<settings>SETTINGS\s+.+?)?"
    rf"{_GAP}*(?:VALUES|FORMAT\s+(?:Native|Values)){_GAP}*;?{_GAP}*\Z",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class InsertStatement:
    target: str
    columns: str  # with its parentheses; empty: all
    settings: str  # with its keyword; empty: none

    def text(self, names: list[str]) -> str:
        """The statement up to where its source begins; `names`: the columns to insert, quoted."""
        # A function has no columns to name: it takes what its structure says.
        columns = self.columns if self.is_function else f"({', '.join(names)})"
        return " ".join(part for part in ("INSERT INTO", self.target, columns, self.settings) if part)

    @property
    def is_function(self) -> bool:
        return self.target[:8].upper() == "FUNCTION"

    @property
    def described(self) -> str:
        """What to DESCRIBE to learn the columns that the client must send."""
        if self.is_function or not self.columns:
            return f"TABLE {self.target}"
        return f"TABLE (SELECT {self.columns[1:-1]} FROM {self.target})"  # noqa: S608 - the client's own statement


def insert_of_blocks(sql: str) -> InsertStatement | None:
    """The statement's parts if it waits for blocks, else None."""
    found = _INSERT.match(sql)
    if found is None:
        return None
    return InsertStatement(found["target"], found["columns"] or "", found["settings"] or "")
