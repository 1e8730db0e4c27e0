"""A ClickHouse on a disk that can be filled: a small file system of its own, in a user namespace, without root."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.process import spawn

DISK_MIB = 160
_MOUNT = 'mount -t tmpfs -o size="$1"m tmpfs "$2" && shift 2 && exec "$@"'


def why_not() -> str:
    """Why this machine can't mount a small disk; empty: it can."""
    if not shutil.which("unshare"):
        return "there is no unshare (util-linux)"
    command = ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no file system can be mounted without root: {tried.stderr.strip()}"


@dataclass
class SmallDisk(ClickHouseNode):
    """A ClickHouse whose data folder is a disk of DISK_MIB. Stopped, its data are gone."""

    def start(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        store = str(self.data_dir / "store-here")
        server = [sys.executable, "-m", "cakupan.embedded.clickhouse", "--path", store, "--port", str(self.port)]
        unshare = shutil.which("unshare") or "unshare"
        shell = ["sh", "-c", _MOUNT, "sh", str(DISK_MIB), str(self.data_dir), *server]
        self.child = spawn("ClickHouse", [unshare, "-Urm", *shell], self.data_dir.with_name("clickhouse.log"))

    @property
    def disk(self) -> Path:
        """The data folder, as the process sees it."""
        return Path(f"/proc/{self.pid}/root{self.data_dir.absolute()}")

    def fill(self) -> None:
        """Write until nothing more fits."""
        with (self.disk / "filler").open("wb", buffering=0) as filler:
            for size in (1 << 20, 1 << 12):
                self._write(filler.write, bytes(size))

    def free(self) -> None:
        (self.disk / "filler").unlink(missing_ok=True)

    @staticmethod
    def _write(write: object, block: bytes) -> None:
        assert callable(write)
        try:
            while write(block) == len(block):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
