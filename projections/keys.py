"""Keys of the API: made, found, rotated, removed.

A secret is 256 random bits, shown once and kept as its SHA-256: what nobody can guess needs no slow hash, which is for
passwords that people make up, and would cost each request a tenth of a second. Who reads the table can't ask with it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

from events.errors import AccessRefused
from projections import sql
from projections.clickhouse import Database

SECRET_BYTES = 32
PREFIX = "ckp_"  # so that tools that look for secrets in repositories find one


@dataclass(frozen=True, slots=True)
class Key:
    """A key. `region`: it opens this one and all within; 0 is the nation. `connections`: open streams, at most.

    Times in UTC; it holds before `expires_at`. `change`: how often something of this name was written.
    """

    name: str
    secret_sha256: str
    region: int
    connections: int
    created_at: dt.datetime
    expires_at: dt.datetime
    removed: bool = False
    change: int = 0

    def expired(self, now: dt.datetime) -> bool:
        return now >= self.expires_at


def digest(secret: str) -> str:
    """What is kept of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add(database: Database, name: str, region: int, connections: int, expires_at: dt.datetime, now: dt.datetime) -> str:
    """A new key; returns its secret, which nobody can read again. Raises AccessRefused where the name is taken."""
    before = _all(database).get(name)
    if before is not None and not before.removed:
        raise AccessRefused(f"the name {name} is taken: rotate that key, remove it, or choose another name")
    secret = _new_secret()
    change = 0 if before is None else before.change
    _write(database, Key(name, digest(secret), region, connections, now, expires_at, change=change))
    return secret


def rotate(database: Database, name: str, expires_at: dt.datetime) -> str:
    """A new secret for a key, in place of the one before, which no longer holds. Raises AccessRefused without such."""
    secret = _new_secret()
    _write(database, replace(named(database, name), secret_sha256=digest(secret), expires_at=expires_at))
    return secret


def remove(database: Database, name: str) -> None:
    """The key no longer holds, and its name is free. Raises AccessRefused where there is no such key."""
    _write(database, replace(named(database, name), removed=True))


def list_(database: Database) -> list[Key]:
    """Every key that was not removed, expired ones too, by name."""
    return [each for each in _all(database).values() if not each.removed]


def by_digest(database: Database) -> dict[str, Key]:
    """The same by what is kept of their secrets."""
    return {each.secret_sha256: each for each in list_(database)}


def named(database: Database, name: str) -> Key:
    """The key of this name. Raises AccessRefused that lists the names there are."""
    found = {each.name: each for each in list_(database)}
    if name not in found:
        raise AccessRefused(f"no key has this name; there are: {', '.join(found) or 'none'}")
    return found[name]


def find(database: Database, secret: str, now: dt.datetime) -> Key | None:
    """The key with this secret, None where it is wrong, removed or expired."""
    key = by_digest(database).get(digest(secret))
    return None if key is None or key.expired(now) else key


@contextmanager
def lent(database: Database, purpose: str, lifetime: dt.timedelta) -> Iterator[str]:
    """A secret of the whole nation, for a tool that holds the database anyway; removed at the end."""
    now = dt.datetime.now(dt.UTC)
    name = f"{purpose}-{secrets.token_hex(4)}"
    secret = add(database, name, 0, 1, now + lifetime, now)
    try:
        yield secret
    finally:
        remove(database, name)


def _new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def _all(database: Database) -> dict[str, Key]:
    return {row["name"]: Key(**row) for row in database.rows(sql.query("api_keys"))}


def _write(database: Database, key: Key) -> None:
    changed = replace(key, change=key.change + 1)
    database.insert("api_key", {each.name: [getattr(changed, each.name)] for each in fields(Key)})
