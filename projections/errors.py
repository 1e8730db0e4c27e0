"""What can go wrong with the database.

DatabaseError
├── Unavailable      retry later: nothing answers, or it is overloaded
└── QueryFailed      never retry: the server refuses this statement
"""

from __future__ import annotations


class DatabaseError(RuntimeError):
    """The database did not do what it was asked."""


class Unavailable(DatabaseError):
    """Nothing answers at the address, or the server can't take it now. Retry later."""


class QueryFailed(DatabaseError):
    """The server refuses the statement. `code` is ClickHouse's error code."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code
