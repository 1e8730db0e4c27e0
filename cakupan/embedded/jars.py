"""The jars of Apache Kafka: which, checked against `kafka.lock`, and downloaded once for all data folders.

`python -m cakupan.embedded.jars` resolves ENDPOINTS anew and rewrites the lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cakupan.embedded.errors import StackError
from cakupan.embedded.process import require_folder, require_space

if TYPE_CHECKING:
    # Imported where jars are downloaded, once for a machine: every command would wait for it.
    from jgo.maven import MavenContext

# Kafka's own jars come without a logger: the second brings it, and with it the reason when the broker ends.
ENDPOINTS = ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
LOCK = Path(__file__).with_name("kafka.lock")
NEEDED_SPACE = 128 << 20
DOWNLOADS_AT_ONCE = 8
TRIES = 3
TIMEOUT_SECONDS = 20

Progress = Callable[[str, int, int], None]
"""Told after each jar: (its name, jars present, jars in all)."""


@dataclass(frozen=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        # With the group: two groups may use one artifact's name.
        return f"{self.group}.{self.artifact}-{self.version}.jar"


def cache_folder() -> Path:
    """Where downloads are kept: `CAKUPAN_CACHE_DIR`, or `~/.cache/cakupan`."""
    return Path(os.environ.get("CAKUPAN_CACHE_DIR") or "~/.cache/cakupan").expanduser()


def repositories() -> dict[str, str] | None:
    """The Maven repository that `CAKUPAN_MAVEN_REPOSITORY` names, for networks with a mirror; None: the public one."""
    mirror = os.environ.get("CAKUPAN_MAVEN_REPOSITORY")
    return {"mirror": mirror} if mirror else None


def locked(lock: Path = LOCK) -> list[Jar]:
    """What the lock lists. Raises StackError if it can't be read."""
    lines = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    try:
        return [_jar(line) for line in lines]
    except ValueError as error:
        raise StackError(
            f"{lock} is damaged: {error}.", "Restore it from the repository of this software, or install it again."
        ) from error


def _jar(line: str) -> Jar:
    coordinate, _, check_sum = line.partition(" sha256:")
    group, artifact, version = coordinate.split(":")
    if len(check_sum) != 64:
        raise ValueError(f"no sha256 in {line!r}")
    return Jar(group, artifact, version, check_sum)


def provide(
    cache: Path | None = None, on_progress: Progress | None = None, remotes: Mapping[str, str] | None = None
) -> list[Path]:
    """The files of all locked jars, in the lock's order; what is absent or damaged is downloaded.

    cache: its folder, by default `cache_folder()`. remotes: {name: URL} of Maven repositories.
    Raises StackError if a jar is missing and can't be had, or isn't the one that was locked.
    """
    folder = (cache or cache_folder()) / "kafka"
    require_folder(folder, "the jars of Kafka")
    jars = locked()
    with _alone(folder):
        missing = [jar for jar in jars if not _intact(folder / jar.file_name, jar)]
        if missing:
            require_space(folder, "the jars of Kafka", NEEDED_SPACE)
            _download(missing, folder, len(jars), on_progress, remotes or repositories())
    return [folder / jar.file_name for jar in jars]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time fills the cache; the others wait and find it full."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _intact(path: Path, jar: Jar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(
    missing: list[Jar], folder: Path, total: int, on_progress: Progress | None, remotes: Mapping[str, str] | None
) -> None:
    from jgo.maven import MavenContext

    present = total - len(missing)
    stop = threading.Event()
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as staging,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        context = MavenContext(
            repo_cache=Path(staging), remote_repos=dict(remotes) if remotes else None, timeout=TIMEOUT_SECONDS
        )
        tasks = {pool.submit(_fetch, jar, context, folder, stop): jar for jar in missing}
        for task in as_completed(tasks):
            try:
                task.result()
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
            present += 1
            if on_progress is not None:
                on_progress(tasks[task].name, present, total)


def _fetch(jar: Jar, context: MavenContext, folder: Path, stop: threading.Event) -> None:
    import requests

    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for attempt in range(1, TRIES + 1):
        try:
            path = Path(context.resolver.download(artifact))
            break
        except (requests.RequestException, RuntimeError, OSError) as error:
            artifact.cached_path.unlink(missing_ok=True)
            if attempt == TRIES or stop.is_set():
                raise _unavailable(jar, error) from error
            time.sleep(0.2 * attempt)
    if _sha256(path) != jar.sha256:
        raise StackError(
            f"The downloaded {jar.name} is not the file that {LOCK.name} names: its sha256 differs.",
            "Check what stands between this machine and the Maven repository, and try again; don't use that file.",
        )
    path.replace(folder / jar.file_name)


def _unavailable(jar: Jar, error: Exception) -> StackError:
    import requests

    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return StackError(f"{jar.name} could not be kept: {error.strerror or error}.", "Free space, and try again.")
    cause = "does not have it" if isinstance(error, RuntimeError) else "can't be reached"
    return StackError(
        f"Kafka's {jar.name} is missing, and the Maven repository {cause}.",
        "Connect this machine to the network for the first start (about 45 MB), or name a mirror in "
        "CAKUPAN_MAVEN_REPOSITORY, or copy the cache folder of a machine that has them to "
        f"{cache_folder()} (CAKUPAN_CACHE_DIR names another).",
    )


def lock() -> None:
    """Resolve ENDPOINTS and rewrite the lock with what they need today."""
    import jgo
    from jgo.maven import MavenContext

    staging = Path(tempfile.mkdtemp())
    context = MavenContext(repo_cache=staging)
    lines = set()
    for endpoint in ENDPOINTS:
        for found in jgo.resolve(endpoint):
            artifact = context.project(found.groupId, found.artifactId).at_version(found.version).artifact()
            name = f"{found.groupId}:{found.artifactId}:{found.version}"
            lines.add(f"{name} sha256:{_sha256(Path(artifact.resolve()))}")
    comments = [line for line in LOCK.read_text().splitlines() if line.startswith("#")]
    LOCK.write_text("\n".join([*comments, *sorted(lines), ""]))
    shutil.rmtree(staging)


if __name__ == "__main__":
    lock()
