"""Every setting, in one place, read once. Environment variables begin with CAKUPAN_; a file `.env` is read too.

The same names serve the embedded stack and production; the values differ.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(ValueError):
    """A setting has a value that it can't have. Names the key, never the value."""


class Settings(BaseSettings):
    """What Cakupan is told from outside."""

    model_config = SettingsConfigDict(env_prefix="CAKUPAN_", env_file=".env", extra="ignore", frozen=True)

    kafka_bootstrap: str = Field("127.0.0.1:19092", description="Kafka brokers, host:port, comma-separated.")
    kafka_replication: int = Field(1, ge=1, le=9, description="Replicas of a topic; 3 in production.")
    clickhouse_host: str = Field("127.0.0.1", description="ClickHouse, native protocol.")
    clickhouse_port: int = Field(19000, ge=1, le=65535, description="ClickHouse, native protocol.")
    clickhouse_database: str = Field("default", description="Database of the projections.")
    clickhouse_user: str = Field("default", description="ClickHouse user.")
    clickhouse_password: str = Field("", description="ClickHouse password.")
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=1, le=65535, description="Port the API listens on.")
    live_listeners: int = Field(2500, ge=1, le=100_000, description="Open live streams of the API, at most.")
    api_url: str = Field("", description="Where tools ask the API; empty: http on api_host and api_port.")
    worker_metrics_port: int = Field(8001, ge=0, le=65535, description="Port of the worker's own metrics; 0: none.")
    worker_group: str = Field("cakupan-worker", description="Consumer group of the worker.")
    worker_instance: str = Field("", description="A name that outlives the process: restarted, it goes on at once.")
    data_dir: Path = Field(Path(".cakupan"), description="Where the embedded stack keeps its data.")
    max_batch_records: int = Field(20_000, ge=1, le=1_000_000, description="Most records of one batch.")
    max_inflight_bytes: int = Field(67_108_864, ge=1_048_576, description="Most bytes fetched and not acknowledged.")
    recompute_interval_seconds: float = Field(3, ge=0, description="Longest pause between recomputes while behind.")
    dead_letter_ratio: float = Field(0.5, gt=0, le=1, description="Share of refused records that stops the worker.")
    dead_letter_window: int = Field(1000, ge=1, description="Records over which that share is taken, at least.")
    audit_share: float = Field(0.03, gt=0, le=1, description="Share of the time the auditor takes at most, under load.")
    stalled_seconds: float = Field(120, gt=0, description="A worker that stands still for so long is not live.")

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
