"""What the embedded stack says when a part cannot run.

StackError       a part of the stack cannot start or go on: what happened, and what to do about it
"""

SEPARATOR = " To fix: "


class StackError(Exception):
    """A part of the embedded stack cannot run.

    what: one sentence on what is wrong, naming the port, folder or artifact.
    fix: one sentence on what to do. The message carries both.
    """

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what}{SEPARATOR}{fix}")
        self.what = what
        self.fix = fix

    @classmethod
    def parse(cls, line: str, default_fix: str) -> "StackError":
        """The error that a child process printed as one line; `default_fix` where the line has no advice."""
        what, _, fix = line.strip().partition(SEPARATOR)
        return cls(what, fix or default_fix)
