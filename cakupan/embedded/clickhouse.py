"""ClickHouse, embedded: its engine in a child process that speaks ClickHouse's native protocol on loopback.

    python -m cakupan.embedded.clickhouse --path DIR --port 19000

For development, trials and tests; production runs ClickHouse itself, and the driver can't tell them apart.
"""

import argparse
import fcntl
import os
import signal
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cakupan.embedded.errors import StackError
from cakupan.embedded.process import (
    LOOPBACK,
    Child,
    accepts,
    allow_many_files,
    port_error,
    require_folder,
    require_free_port,
    require_space,
    spawn,
    wait_until,
)
from cakupan.standing_back import NICENESS

if TYPE_CHECKING:
    from cakupan.embedded.session import Engine

NAME = "ClickHouse"
MARKER = "cakupan-clickhouse"  # locked by the process that owns the folder; holds its process id
LEAST_SPACE = 64 << 20
CLOSE_SECONDS = 5.0

EXIT_FOLDER, EXIT_OWNED, EXIT_PORT, EXIT_SPACE, EXIT_ENGINE = 3, 4, 5, 6, 7

# Merges are what nobody waits for, so all else goes before them. For any ClickHouse that runs beside the rest; see the
# compose file.
SERVER_SETTINGS = {"os_threads_nice_value_merge_mutate": str(NICENESS)}

# Caches sized for a machine that also runs the broker and the workers; the engine's own defaults are GiB each.
ENGINE_SETTINGS = SERVER_SETTINGS | {
    "mark_cache_size": str(256 << 20),
    "primary_index_cache_size": str(256 << 20),
    "query_condition_cache_size": str(64 << 20),
    "logger.level": "none",
}


@dataclass
class ClickHouseNode:
    """A ClickHouse on loopback, with its data in `data_dir`. `memory`: bytes for all its queries; None: half of all.

    `start`, `wait_ready` raise StackError. The child ends when this process does.
    """

    data_dir: Path
    port: int = 19000
    memory: int | None = None
    child: Child | None = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int | None:
        return self.child.pid if self.child is not None else None

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    def start(self) -> None:
        """Start it, and return at once. Raises StackError for a taken port or a folder that can't be used."""
        if self.running:
            return
        require_folder(self.data_dir, NAME)
        require_space(self.data_dir, NAME, LEAST_SPACE)
        require_free_port(LOOPBACK, self.port, NAME)
        command = [sys.executable, "-m", "cakupan.embedded.clickhouse"]
        command += ["--path", str(self.data_dir.absolute()), "--port", str(self.port)]
        if self.memory is not None:
            command += ["--memory", str(self.memory)]
        # Beside the folder, not in it: the folder is the engine's.
        log = self.data_dir.absolute().with_name(self.data_dir.name + ".log")
        self.child = spawn(NAME, command, log)

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until it answers. Raises StackError if it ends before, with what it said, or after `timeout` s."""
        child = self._started()
        if not wait_until(lambda: accepts(LOOPBACK, self.port), child, timeout):
            said = child.tail(1) or f"{NAME} ended with exit code {child.exit_code} and said nothing."
            raise StackError.parse(said, f"Read {child.log}.")

    def stop(self, grace: float = 15) -> None:
        """Let statements end, then close it; kill it after `grace` seconds."""
        if self.child is not None:
            self.child.stop(grace)

    def kill(self) -> None:
        """End it at once. What was acknowledged is kept."""
        self._started().kill()

    def _started(self) -> Child:
        if self.child is None:
            raise StackError(f"{NAME} was not started.", "Call start() first.")
        return self.child


class Refusal(Exception):
    """The process cannot serve: its exit code and the error to print."""

    def __init__(self, code: int, error: StackError) -> None:
        super().__init__(str(error))
        self.code = code


def claim(path: Path) -> IO[str]:
    """Lock the data folder for this process, for as long as the returned file is open. Raises Refusal."""
    try:
        require_folder(path, NAME)
    except StackError as error:
        raise Refusal(EXIT_FOLDER, error) from error
    try:
        require_space(path, NAME, LEAST_SPACE)
    except StackError as error:
        raise Refusal(EXIT_SPACE, error) from error
    _require_own_folder(path)
    marker = (path / MARKER).open("a+")
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        marker.seek(0)
        raise Refusal(EXIT_OWNED, _owned(path, marker.read().strip())) from error
    marker.truncate(0)
    marker.write(f"{os.getpid()}\n")
    marker.flush()
    return marker


def _require_own_folder(path: Path) -> None:
    if set("?&%#") & set(str(path)):  # the engine takes them for the beginning of its options
        error = StackError(f"{path} can't be a data folder of {NAME}.", "Choose a path without ?, &, % and #.")
        raise Refusal(EXIT_FOLDER, error)
    names = {entry.name for entry in path.iterdir()}
    damaged = [name for name in ("store", "metadata", "data") if name in names and not (path / name).is_dir()]
    if damaged and MARKER in names:
        raise _unopened(path, f"{damaged[0]} in it is no folder.")
    # A folder of the engine's that was made without us is as good.
    if not names or MARKER in names or "store" in names:
        return
    raise Refusal(
        EXIT_FOLDER,
        StackError(
            f"{path} is not a data folder of {NAME}: it holds other files.",
            "Choose an empty or absent folder.",
        ),
    )


def _owned(path: Path, owner: str) -> StackError:
    by = f"process {owner}" if owner else "another process"
    return StackError(
        f"The data folder {path} is in use by {by}.",
        "Stop that process, or choose another data folder.",
    )


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the port, not yet listening. Raises Refusal."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        cause = error if isinstance(error, OSError) else OSError(str(error))
        raise Refusal(EXIT_PORT, port_error(host, port, NAME, cause)) from error
    return listener


def open_engine(path: Path, memory: int) -> "tuple[Engine, object, tuple[str, str]]":
    """Open the data folder. Returns the engine, a connection that keeps it open, and (version, timezone).

    Raises Refusal. What the engine prints while it opens goes into the error, not to our standard error.
    """
    with tempfile.TemporaryFile() as printed:
        kept = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            from cakupan.embedded.session import Engine

            engine = Engine(path, ENGINE_SETTINGS | {"max_server_memory_usage": str(memory)})
            anchor = engine.connect()
            version, timezone = anchor.query("SELECT version(), timezone()", "TSV").bytes().decode().split()
        except Exception as error:
            printed.seek(0)
            raise _unopened(path, printed.read().decode(errors="replace") + str(error)) from error
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    return engine, anchor, (version, timezone)


def _unopened(path: Path, said: str) -> Refusal:
    if "Cannot lock file" in said:
        return Refusal(EXIT_OWNED, _owned(path, ""))
    if "No space left" in said or "NOT_ENOUGH_SPACE" in said:
        error = StackError(f"The disk of {path} is full: {NAME} can't open it.", "Free space on that disk.")
        return Refusal(EXIT_SPACE, error)
    reason = " ".join(said.split())[:300]
    return Refusal(
        EXIT_ENGINE,
        StackError(
            f"The data folder {path} can't be opened by {NAME}: {reason}",
            "If its files were damaged, move the folder away and rebuild it from the log.",
        ),
    )


def half_of_memory() -> int:
    """Half of this machine's memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def serve(path: Path, host: str, port: int, memory: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises Refusal."""
    # Blocked in every thread, the engine's too, so that the signals wait for sigwait below.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    # As a server in a container has it, whatever the machine's zone: days are cut where the server's zone says.
    os.environ["TZ"] = "UTC"
    owned = claim(path)
    listener = bind(host, port)
    engine, anchor, (version, timezone) = open_engine(path, memory)
    from cakupan.embedded.front import Front, Identity

    front = Front(engine, Identity(version, timezone), listener)
    threading.Thread(target=front.serve, name="accept", daemon=True).start()
    signal.sigwait(signals)
    front.close(CLOSE_SECONDS)
    anchor.close()  # type: ignore[attr-defined]
    owned.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cakupan.embedded.clickhouse", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="the data folder")
    parser.add_argument("--port", type=int, default=19000)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--memory", type=int, default=half_of_memory(), help="bytes for all queries together")
    options = parser.parse_args()
    allow_many_files()
    try:
        serve(options.path.absolute(), options.host, options.port, options.memory)
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        sys.exit(refusal.code)
    sys.stderr.flush()
    # Threads inside the engine would outlive the interpreter; all that matters is closed.
    os._exit(0)


if __name__ == "__main__":
    main()
