"""Every setting, in one place, read once. Environment variables begin with CAKUPAN_; a file `.env` is read too.

The same names serve the embedded stack and production; the values differ.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from events.regions import Level

SHORTEST_KEY = 32
LONGEST_PAUSE = 7 * 86_400


class SettingsError(ValueError):
    """A setting has a value that it can't have. Names the key, never the value."""


class Settings(BaseSettings):
    """What Cakupan is told from outside."""

    model_config = SettingsConfigDict(env_prefix="CAKUPAN_", env_file=".env", extra="ignore", frozen=True)

    kafka_bootstrap: str = Field("127.0.0.1:19092", description="Kafka brokers, host:port, comma-separated.")
    kafka_replication: int = Field(1, ge=1, le=9, description="Replicas of a topic; 3 in production.")
    kafka_subscriber_port: int = Field(
        19094, ge=0, le=65535, description="Port of the embedded Kafka's listener for subscribers; 0: none."
    )
    kafka_subscriber_bootstrap: str = Field(
        "", description="What subscribers connect to, host:port; empty: this machine and that port."
    )
    kafka_ca: str = Field(
        "", description="Certificate of who signed that listener's; empty: the one in the data folder."
    )
    registry_url: str = Field(
        "", description="Schema registry that topics apply fills, as Confluent's clients name it; empty: none."
    )
    registry_user: str = Field("", description="User at the schema registry; empty: none is sent.")
    registry_password: str = Field("", description="Password at the schema registry.")
    clickhouse_host: str = Field("127.0.0.1", description="ClickHouse, native protocol.")
    clickhouse_port: int = Field(19000, ge=1, le=65535, description="ClickHouse, native protocol.")
    clickhouse_database: str = Field("default", description="Database of the projections.")
    clickhouse_user: str = Field("default", description="ClickHouse user.")
    clickhouse_password: str = Field("", description="ClickHouse password.")
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=1, le=65535, description="Port the API listens on.")
    live_listeners: int = Field(2500, ge=1, le=100_000, description="Open live streams of the API, at most.")
    stream_listeners: int = Field(2500, ge=1, le=100_000, description="Open event streams of the API, at most.")
    stream_anonymous: int = Field(
        10, ge=0, le=100_000, description="Open event streams of one address without a key, at most."
    )
    webhook_metrics_port: int = Field(8003, ge=0, le=65535, description="Port of the webhooks' metrics; 0: none.")
    webhook_key: str = Field(
        "",
        description="What secrets of webhooks are made of, 32 characters or more; empty: a file of the data folder.",
    )
    webhook_allow: str = Field(
        "", description="Networks that webhooks may lead to besides the public internet, comma-separated."
    )
    webhook_retry_seconds: str = Field(
        "5,300,1800,7200,18000,36000,36000",
        description="Pauses after the first, second, ... failed delivery of an event, which is then parked.",
    )
    webhook_disable_days: float = Field(
        5, gt=0, le=365, description="A webhook that takes nothing for so long is sent nothing more."
    )
    api_memory_mb: int = Field(1024, ge=0, le=1 << 20, description="Of the API's counts in memory, MiB; 0: none held.")
    public_level: Level = Field("regency", description="The finest level whose figures need no key.")
    public_smallest: int = Field(
        5, ge=1, le=1000, description="Fewer people than this are not told of without a key; 1: all is told."
    )
    api_url: str = Field("", description="Where tools ask the API; empty: http on api_host and api_port.")
    worker_metrics_port: int = Field(8001, ge=0, le=65535, description="Port of the worker's own metrics; 0: none.")
    worker_group: str = Field("cakupan-worker", description="Consumer group of the worker.")
    worker_instance: str = Field("", description="A name that outlives the process: restarted, it goes on at once.")
    data_dir: Path = Field(Path(".cakupan"), description="Where the embedded stack keeps its data.")
    max_batch_records: int = Field(20_000, ge=1, le=1_000_000, description="Most records of one batch.")
    max_inflight_bytes: int = Field(67_108_864, ge=1_048_576, description="Most bytes fetched and not acknowledged.")
    recompute_interval_seconds: float = Field(3, ge=0, description="Shortest pause between recomputes while behind.")
    dead_letter_ratio: float = Field(0.5, gt=0, le=1, description="Share of refused records that stops the worker.")
    dead_letter_window: int = Field(1000, ge=1, description="Records over which that share is taken, at least.")
    audit_share: float = Field(0.03, gt=0, le=1, description="Share of the time the auditor takes at most, under load.")
    alerts_look_seconds: float = Field(60, gt=0, description="Pause between two looks at what could be wrong.")
    fanout_group: str = Field("cakupan-fanout", description="Consumer group under which the fan-out keeps its place.")
    fanout_metrics_port: int = Field(8002, ge=0, le=65535, description="Port of the fan-out's metrics; 0: none.")
    fanout_look_seconds: float = Field(30, gt=0, description="How often the fan-out looks for new provinces' topics.")
    receipt_key: str = Field("", description="File of the key that signs receipts (PEM); empty: one made in data_dir.")
    stalled_seconds: float = Field(120, gt=0, description="A worker that stands still for so long is not live.")

    @field_validator("webhook_key")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        if value and len(value) < SHORTEST_KEY:
            raise ValueError(f"must be empty, or {SHORTEST_KEY} characters or more")
        return value

    @field_validator("webhook_allow")
    @classmethod
    def _networks(cls, value: str) -> str:
        try:
            for each in filter(None, map(str.strip, value.split(","))):
                ipaddress.ip_network(each)
        except ValueError:
            raise ValueError("must be networks such as 10.1.0.0/16, separated by commas") from None
        return value

    @field_validator("webhook_retry_seconds")
    @classmethod
    def _pauses(cls, value: str) -> str:
        try:
            good = all(0 <= float(each) <= LONGEST_PAUSE for each in value.split(",") if value)
        except ValueError:
            good = False
        if not good:
            raise ValueError("must be seconds separated by commas, such as 5,300,1800, each at most a week")
        return value

    @property
    def webhook_pauses(self) -> tuple[float, ...]:
        return tuple(float(each) for each in self.webhook_retry_seconds.split(",") if each)

    @property
    def subscriber_bootstrap(self) -> str:
        return self.kafka_subscriber_bootstrap or f"127.0.0.1:{self.kafka_subscriber_port}"

    @property
    def subscriber_ca(self) -> Path:
        return Path(self.kafka_ca) if self.kafka_ca else self.data_dir.absolute() / "kafka" / "tls" / "ca.pem"

    @property
    def api_address(self) -> str:
        return self.api_url or f"http://{self.api_host}:{self.api_port}"


def read_settings() -> Settings:
    """The settings of this process. Raises SettingsError that names the key and what is allowed."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"CAKUPAN_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(wrong) from None
