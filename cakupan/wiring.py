"""Settings in, parts out. The one place where the parts are put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cakupan.secret_files import make_once
from cakupan.settings import Settings
from projections.clickhouse import PATIENCE, Database

# Few processes ask the API, and fewer sign receipts: they alone wait for these to be imported.
if TYPE_CHECKING:
    import httpx

    from events import receipts


def database(settings: Settings, patience: float = PATIENCE) -> Database:
    """The database of the projections; connects when first asked. `patience`: see Database."""
    return Database(
        settings.clickhouse_host,
        settings.clickhouse_port,
        settings.clickhouse_database,
        settings.clickhouse_user,
        settings.clickhouse_password,
        patience,
    )


def api_client(settings: Settings, key: str | None = None) -> httpx.Client:
    """A client of the API, as the command line uses it; `key`: for what is not public."""
    import httpx

    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.Client(
        base_url=settings.api_address, timeout=30, limits=httpx.Limits(max_connections=16), headers=headers
    )


def receipt_key(settings: Settings) -> receipts.Signer:
    """The key that signs receipts, made in the data folder if none is named; its public half stands beside it.

    Raises ReceiptError for a file that holds none.
    """
    from events import receipts

    path = Path(settings.receipt_key) if settings.receipt_key else settings.data_dir / "receipt-key.pem"
    if not settings.receipt_key:
        make_once(path, receipts.new_key)
    signer = receipts.signer_of(path)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    public_receipt_key(settings).write_text(signer.public_pem)
    return signer


def public_receipt_key(settings: Settings) -> Path:
    """Where its public half stands: hand this file to the provinces."""
    return settings.data_dir / "receipt-key.pub"
