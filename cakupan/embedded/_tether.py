"""Run a command that ends when its parent ends: `python -I -S _tether.py PARENT_PID COMMAND...`.

The kernel is asked for SIGTERM at the parent's death, then the command replaces this process, so its pid is the
command's. Standalone on purpose: it imports nothing but the standard library, and takes 20 ms.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have ended before the kernel was asked.
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the whole purpose


if __name__ == "__main__":
    main()
