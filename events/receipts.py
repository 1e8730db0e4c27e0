"""Receipts: what a topic held of a region in an hour, so that whoever has a copy can tell whether it is complete.

    {"topic": "ikd.p61.activation.v1", "region": "61.01", "hour": "2026-11-25T01:00:00Z", "count": 1204,
     "digest": "8a1f00c27b3d9e41", "offsets": {"0": [5120, 5431], "2": [4877, 5210]},
     "key": "1c6f0a9be2d47f35", "signature": "ZtYq...=="}

`hour` is the hour, UTC, in which the events arrived at the source; what arrives later is of another hour, so an hour
closes. `region` is the regency of what an event is about: a few hundred events to fetch again instead of a province's
thousands, and a few dozen receipts an hour instead of the villages' thousands. Regions above it have their own; `*` is
the whole topic. `count` is of distinct event ids, `digest` their order-free sum: see `events.outline.digest`.
`offsets`: by partition the first and the last of them in the topic. The signature is Ed25519 over `statement`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from events.errors import ReceiptError
from events.outline import MULTIPLIER

WHOLE = "*"
REGENCY_LETTERS = 5  # 61.01
HOUR_MS = 3_600_000
HOUR_LETTERS = 13  # 2026-11-25T01
_FIELDS = {"topic", "region", "hour", "count", "digest", "offsets", "key", "signature"}


@dataclass(frozen=True)
class Receipt:
    """One receipt. `digest` is 16 hexadecimal digits; `key` names the key that signed it."""

    topic: str
    region: str
    hour: str
    count: int
    digest: str
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict, hash=False)
    key: str = ""
    signature: str = ""

    @property
    def name(self) -> str:
        """The record's key: a later receipt of the same name takes its place."""
        return f"{self.topic}|{self.region}|{self.hour}"

    @property
    def statement(self) -> bytes:
        """What is signed: `topic|region|hour|count|digest|0:5120-5431,2:4877-5210`."""
        ranges = ",".join(f"{each}:{first}-{last}" for each, (first, last) in sorted(self.offsets.items()))
        return f"{self.name}|{self.count}|{self.digest}|{ranges}".encode()

    def to_json(self) -> str:
        offsets = {str(each): list(ends) for each, ends in sorted(self.offsets.items())}
        return json.dumps({**vars(self), "offsets": offsets})


def from_json(text: str | bytes) -> Receipt:
    """A receipt as it stands in its topic. Raises ReceiptError that says what is wrong with it."""
    try:
        given: dict[str, Any] = json.loads(text)
        if missing := sorted(_FIELDS - given.keys()):
            raise ReceiptError(f"a receipt has no {', '.join(missing)}")
        offsets = {int(each): (int(first), int(last)) for each, (first, last) in given["offsets"].items()}
        return Receipt(**{**{name: given[name] for name in _FIELDS}, "offsets": offsets, "count": int(given["count"])})
    except (ValueError, TypeError, AttributeError) as error:
        if isinstance(error, ReceiptError):
            raise
        raise ReceiptError("a receipt is a JSON object as docs/receipts.md shows it") from error


class Signer:
    """The key that signs receipts."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key()
        self.name = key_name(self.public)

    def sign(self, receipt: Receipt) -> Receipt:
        signed = replace(receipt, key=self.name)
        return replace(signed, signature=base64.b64encode(self._private.sign(signed.statement)).decode())

    @property
    def public_pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.public.public_bytes(serialization.Encoding.PEM, form).decode()


def key_name(public: Ed25519PublicKey) -> str:
    """The first 16 digits of the SHA-256 of the key's 32 bytes."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def is_signed(receipt: Receipt, public: Ed25519PublicKey) -> bool:
    """Whether this key signed it as it stands."""
    try:
        public.verify(base64.b64decode(receipt.signature, validate=True), receipt.statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def signer_of(path: Path) -> Signer:
    """The key in a file (PEM, PKCS 8, without a password). Raises ReceiptError."""
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ReceiptError(f"{path} (CAKUPAN_RECEIPT_KEY) holds no private key in PEM without a password") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise ReceiptError(f"{path} (CAKUPAN_RECEIPT_KEY) holds a key of another kind: it must be Ed25519")
    return Signer(private)


def public_of(path: Path) -> Ed25519PublicKey:
    """The public key in a file (PEM). Raises ReceiptError."""
    try:
        public = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ReceiptError(f"{path} holds no public key in PEM") from error
    if not isinstance(public, Ed25519PublicKey):
        raise ReceiptError(f"{path} holds a key of another kind: it must be Ed25519")
    return public


def new_key() -> bytes:
    """A new key, as `signer_of` reads it."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def regency_of(subject: str) -> str:
    """The region that an event counts for, from its `ce_subject`: 61.01.01.2001 -> 61.01; 61 and 0 stay."""
    return subject[:REGENCY_LETTERS]


def hour_of(arrived: str) -> str:
    """The hour of a time in ISO 8601, UTC."""
    return f"{arrived[:HOUR_LETTERS]}:00:00Z"


def counted(events: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """Count (`count`) and digest (`digest`, a number) of distinct event ids by some columns. `event_id` is 16 bytes."""
    names = list(by)
    half = pl.col("event_id").bin
    high = half.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="little")
    low = half.slice(8, 8).bin.reinterpret(dtype=pl.UInt64, endianness="little")
    part = low + high * pl.lit(MULTIPLIER, pl.UInt64)  # both wrap at 2^64
    distinct = events.select(*names, "event_id").unique()
    sums = (
        distinct.select(*names, part.alias("part")).group_by(names).agg(pl.len().alias("count"), pl.col("part").sum())
    )
    return sums.rename({"part": "digest"}).sort(names)


def receipts_of(topic: str, events: pl.DataFrame) -> list[Receipt]:
    """Receipts, not signed yet, for events with hour, region (a regency's code), event_id, partition and offset.

    Of an event that was delivered more than once the first delivery counts. Each hour's last one is for the topic.
    """
    first = events.sort("partition", "offset").unique(["hour", "event_id"], keep="first", maintain_order=True)
    out: list[Receipt] = []
    regional, whole = (_receipts(topic, each) for each in (first, first.with_columns(pl.lit(WHOLE).alias("region"))))
    for hour in sorted(whole):
        out += [*regional[hour], *whole[hour]]
    return out


def _receipts(topic: str, first: pl.DataFrame) -> dict[str, list[Receipt]]:
    by = ["hour", "region"]
    ranges: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
    ends = first.group_by(*by, "partition").agg(
        pl.col("offset").min().alias("low"), pl.col("offset").max().alias("high")
    )
    for hour, region, partition, low, high in ends.iter_rows():
        ranges.setdefault((hour, region), {})[partition] = (low, high)
    out: dict[str, list[Receipt]] = {}
    for hour, region, count, digest in counted(first, by).iter_rows():
        out.setdefault(hour, []).append(Receipt(topic, region, hour, count, f"{digest:016x}", ranges[hour, region]))
    return out


def latest(receipts: Iterable[Receipt]) -> Mapping[str, Receipt]:
    """By name, the last one."""
    return {each.name: each for each in receipts}
