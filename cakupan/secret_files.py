"""Secrets that an installation makes for itself: in a file of the data folder, made once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def make_once(path: Path, make: Callable[[], bytes]) -> None:
    """A file with what `make` gives, unless it is there. Raises OSError.

    Readable by its owner only, not by others for a moment; and whole: written aside and linked in place, so that of two
    processes that make it at the same time the first one wins, and both go on with the same.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(make())
    try:
        os.link(aside, path)
    except FileExistsError:
        return
    finally:
        aside.unlink()
