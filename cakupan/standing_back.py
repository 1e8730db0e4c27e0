"""For processes that others go before: on a busy machine the worker is first."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

NICENESS = 10
AUTOGROUP = Path("/proc/self/autogroup")


def stand_back() -> None:
    """Leave a busy machine to others. Where each session has a share of its own, niceness counts for the session."""
    os.nice(NICENESS)
    with contextlib.suppress(OSError):
        if os.getsid(0) == os.getpid():
            AUTOGROUP.write_text(str(NICENESS))
