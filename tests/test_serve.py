"""`cakupan serve`: what the settings say reaches the API."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from cakupan import wiring
from cakupan.settings import Settings
from projections.clickhouse import Database
from tests.conftest import free_port
from tests.support import running, until


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").is_success
    except httpx.TransportError:
        return False


def test_no_more_live_streams_than_the_setting_allows(database: Database, tmp_path: Path) -> None:
    port = int(database.address.rpartition(":")[2])
    settings = Settings(_env_file=None, clickhouse_port=port, api_port=free_port(), live_listeners=1, public_smallest=1)
    live = "/v1/rates/61.01/live"
    with running(settings, "serve", log=tmp_path / "api.log") as process, wiring.api_client(settings) as client:
        until("it answers", lambda: answers(client), process=process)
        with client.stream("GET", live) as first:
            assert first.status_code == 200
            refused = client.get(live)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert refused.json()["away"] == [{"name": "live", "detail": "no more live streams can be opened now"}]


def test_a_server_may_open_as_many_files_as_the_system_lets_it() -> None:
    """In a process of its own, which begins with the usual 1,024."""
    code = (
        "import resource as r; from cakupan.embedded.process import MANY_FILES, allow_many_files;"
        "_, hard = r.getrlimit(r.RLIMIT_NOFILE); r.setrlimit(r.RLIMIT_NOFILE, (1024, hard)); allow_many_files();"
        "soft, _ = r.getrlimit(r.RLIMIT_NOFILE);"
        "assert soft == (MANY_FILES if hard == r.RLIM_INFINITY else min(hard, MANY_FILES)), soft"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
