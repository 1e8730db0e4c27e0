"""The page of the documents works without the internet."""

from __future__ import annotations

import re

from fastapi.testclient import TestClient

from api.app import create_app
from projections.clickhouse import Database


def test_the_page_needs_nothing_from_elsewhere() -> None:
    client = TestClient(create_app(Database("127.0.0.1", 9)))
    page = client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/"), address
        assert client.get(address).status_code == 200, address
