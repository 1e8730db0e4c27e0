"""Secrets made once: whole, the owner's alone, and the same for all who ask at the same time."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

from cakupan.secret_files import make_once


def test_of_many_who_make_it_at_once_the_first_wins(tmp_path: Path) -> None:
    path, found = tmp_path / "folder" / "key", []
    together = threading.Barrier(8)

    def slow() -> bytes:
        together.wait(30)
        return secrets.token_bytes(10_000)

    def ask() -> None:
        make_once(path, slow)
        found.append(path.read_bytes())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8
    assert {*found} == {path.read_bytes()}
    assert len(path.read_bytes()) == 10_000
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    make_once(path, lambda: b"first")
    make_once(path, lambda: b"second")
    assert path.read_bytes() == b"first"
