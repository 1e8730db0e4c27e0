"""Settings in, parts out. The one place where the parts are put together."""

from __future__ import annotations

import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cakupan.settings import Settings
from events.errors import PublishError
from projections.clickhouse import Database


def database(settings: Settings) -> Database:
    """The database of the projections; connects when first asked."""
    return Database(
        settings.clickhouse_host,
        settings.clickhouse_port,
        settings.clickhouse_database,
        settings.clickhouse_user,
        settings.clickhouse_password,
    )


def api_client(settings: Settings) -> httpx.Client:
    """A client of the API, as the command line uses it."""
    return httpx.Client(base_url=settings.api_address, timeout=30, limits=httpx.Limits(max_connections=16))


class KafkaProbe:
    """Called, it raises PublishError unless Kafka answers within `timeout` seconds."""

    def __init__(self, bootstrap: str, timeout: float = 2.0) -> None:
        self.bootstrap = bootstrap
        self.timeout = timeout
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def __call__(self) -> None:
        try:
            self._admin.list_topics(timeout=self.timeout)
        except KafkaException as error:
            raise PublishError(
                f"Kafka at {self.bootstrap} (CAKUPAN_KAFKA_BOOTSTRAP) does not answer: {error.args[0].str()}"
            ) from error
