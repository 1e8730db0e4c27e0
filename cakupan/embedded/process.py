"""Child processes of the embedded stack: spawn, wait until ready, stop, kill."""

import contextlib
import errno
import os
import queue
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from cakupan.embedded.errors import StackError

TETHER = Path(__file__).with_name("_tether.py")
MANY_FILES = 65_536
LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05
MOST_LOG_BYTES = 1 << 20


class _Spawner:
    """Starts every child from one thread that lives as long as this process.

    The kernel's parent-death signal follows the thread that forked: a child spawned from a short-lived worker
    thread would be told that its parent died when only that thread ended.
    """

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]]
        self._tasks = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def call(self, task: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="spawner", daemon=True)
                self._thread.start()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._tasks.put((task, future))
        return future.result()

    def _run(self) -> None:
        while True:
            task, future = self._tasks.get()
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)


_spawner = _Spawner()


@dataclass
class Child:
    """A running child process. Its output goes to `log`; it is the leader of its own session."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]
    log_start: int = 0  # where its own output begins in `log`

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()

    def stop(self, grace: float) -> None:
        """End it: SIGTERM, and SIGKILL if it still runs after `grace` seconds."""
        if not self.running:
            return
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once with SIGKILL, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def tail(self, lines: int = 20) -> str:
        """The last lines of what it printed; empty if it printed nothing."""
        return tail(self.log, lines, self.log_start)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


def spawn(name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Child:
    """Start `command` (an absolute path first) in a session of its own, so that Ctrl-C reaches only us.

    It gets SIGTERM when this process dies, however it dies (Linux). Output is added to the file `log`,
    which starts anew when it is large.
    Raises StackError if it cannot be started.
    """
    tethered = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            if output.tell() > MOST_LOG_BYTES:
                output.truncate(0)
            start = output.tell()
            process = _spawner.call(
                lambda: subprocess.Popen(
                    tethered,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(env) if env is not None else None,
                    start_new_session=True,
                )
            )
    except OSError as error:
        raise StackError(
            f"{name} could not be started: {error.strerror or error}.",
            f"Check that {log.parent} can be written and that the machine has processes and memory left.",
        ) from error
    return Child(name, log, process, start)


def wait_until(ready: Callable[[], bool], child: Child, timeout: float) -> bool:
    """Poll `ready` until it holds. False when the child ended first; raises StackError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while child.running:
        if ready():
            return True
        if time.monotonic() > deadline:
            raise StackError(
                f"{child.name} was not ready after {timeout:.0f} seconds.",
                f"Read {child.log}; on a slow or busy machine, try again.",
            )
        time.sleep(POLL_SECONDS)
    return False


def accepts(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def require_free_port(host: str, port: int, name: str) -> None:
    """Raise StackError unless `name` could listen on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier run that still wait to time out are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise port_error(host, port, name, error) from error


def port_error(host: str, port: int, name: str, error: OSError) -> StackError:
    """What to say when listening on the port failed with `error`."""
    if error.errno == errno.EADDRINUSE:
        return StackError(
            f"Port {port} on {host}, wanted by {name}, is taken by another process.",
            f"Stop the process that listens there, or give {name} another port.",
        )
    return StackError(
        f"{name} cannot listen on port {port} of {host}: {error.strerror or error}.",
        "Give it a port from 1024 to 65535 on an address of this machine.",
    )


def require_space(folder: Path, name: str, least: int) -> None:
    """Raise StackError unless the disk of `folder` has `least` bytes free."""
    free = shutil.disk_usage(folder).free
    if free >= least:
        return
    raise StackError(
        f"The disk of {folder} is full: {name} needs {least >> 20} MiB and {free >> 20} MiB are free.",
        "Free space on that disk, or choose a data folder on another.",
    )


def require_folder(folder: Path, name: str) -> None:
    """Make `folder` if absent; raise StackError unless it is a folder that can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"{folder} cannot be the data folder of {name}: {error.strerror or error}.",
            "Choose a data folder that can be made and written.",
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise StackError(
            f"{folder}, the data folder of {name}, cannot be read and written.",
            "Give this user the rights to it, or choose another data folder.",
        )


def tail(path: Path, lines: int = 20, start: int = 0, most: int = 16_384) -> str:
    """The last `lines` lines of a text file, none from before byte `start` or its last `most`; empty without a file."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(start if start <= end else 0, end - most))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])


def allow_many_files() -> None:
    """Let this process open many files and sockets: a server has some for each client, and the usual limit is low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
