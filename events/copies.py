"""A subscriber's copy of topics, compared with their receipts: what is missing, and where to fetch it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from events import regions
from events.errors import ReceiptError
from events.receipts import WHOLE, Receipt, counted, hour_of, is_signed, latest

NEEDED = ("topic", "event_id")
KNOWN = (*NEEDED, "region", "time", "partition", "offset")
_ISO = "%Y-%m-%dT%H:%M:%S%.3fZ"

Kind = Literal["missing", "different", "unexpected", "unsigned"]

_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": lambda path: pl.read_csv(path, infer_schema=False),
    ".ndjson": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".parquet": pl.read_parquet,
}


@dataclass(frozen=True)
class Finding:
    """What is wrong in a region and hour of a topic. `offsets`: by partition from where to where to fetch again.

    missing: fewer events than were passed on; different: others, or more; unexpected: events of a region and hour in
    which none were passed on; unsigned: the receipt is not signed by the key given, so it says nothing.
    """

    kind: Kind
    topic: str
    region: str
    hour: str
    expected: int
    found: int
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Checked:
    """What was compared: receipts, events of the copy in hours that have receipts, in others, and the findings."""

    receipts: int
    events: int
    too_new: int
    findings: list[Finding]


def read(path: Path) -> pl.DataFrame:
    """A copy in a file: a row an event, or a delivery, with `topic` and `event_id`, and `time` or the offsets.

    .csv, .ndjson, .jsonl or .parquet. Ids are UUIDs as text or 16 bytes; `region` is what `ce_subject` says, `time`
    what `cakupan_arrived` says, or epoch milliseconds. Raises ReceiptError.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ReceiptError(f"{path} is no {', '.join(_READERS)}: those are the copies that can be read")
    try:
        return normal(reader(path))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReceiptError(f"{path} can't be read: {str(error).splitlines()[0][:200]}") from error


def normal(copy: pl.DataFrame) -> pl.DataFrame:
    """The same with the columns of KNOWN, as far as they are there, each of one type. Raises ReceiptError."""
    if missing := [name for name in NEEDED if name not in copy.columns]:
        raise ReceiptError(f"the copy has no column {', '.join(missing)}; it has {', '.join(copy.columns)}")
    if "time" not in copy.columns and not {"partition", "offset"} <= set(copy.columns):
        raise ReceiptError("the copy needs a column time (cakupan_arrived), or partition and offset")
    out = copy.select(name for name in KNOWN if name in copy.columns)
    out = out.with_columns(pl.col("topic").cast(pl.String), _ids(out["event_id"]))
    if "region" in out.columns:
        out = out.with_columns(_codes(out["region"]))
    if "time" in out.columns:
        out = out.with_columns(_times(out["time"]))
    places = [name for name in ("partition", "offset") if name in out.columns]
    out = out.with_columns(pl.col(name).cast(pl.Int64, strict=False) for name in places)
    for name in out.columns:
        if row := _first_null(out[name]):
            raise ReceiptError(f"{name}: row {row} has none, or none that can be read")
    return out


def check(
    receipts: Iterable[Receipt],
    copy: pl.DataFrame,
    public: Ed25519PublicKey | None,
    since: str = "",
    until: str = "",
) -> Checked:
    """Compare a copy (see `normal`) with the receipts of its topics.

    Without regions in the copy a whole hour of a topic is compared; without times an event's hour is that of its first
    delivery. `since` and `until` (hours, such as 2026-11-25T01) leave out what is before, or from there on. `public`:
    None leaves signatures unchecked.
    """
    topics = set(copy["topic"].unique())
    chosen = [
        each
        for each in latest(receipts).values()
        if each.topic in topics and (not since or each.hour >= since) and (not until or each.hour < until)
    ]
    unsigned = [] if public is None else [each for each in chosen if not is_signed(each, public)]
    findings = [_finding("unsigned", each, 0) for each in unsigned]
    trusted = [each for each in chosen if each not in set(unsigned)]
    whole = [each for each in trusted if each.region == WHOLE]
    regional = "region" in copy.columns
    compared = [each for each in trusted if each.region != WHOLE] if regional else whole
    placed = _with_hours(copy, whole)
    region = pl.col("region").str.slice(0, len("61.01")) if regional else pl.lit(WHOLE)
    placed = placed.with_columns(region.alias("region"))
    last = pl.DataFrame(
        [(each.topic, each.hour) for each in whole], schema={"topic": pl.String, "last": pl.String}, orient="row"
    )
    placed = placed.join(last.group_by("topic").agg(pl.col("last").max()), on="topic", how="left")
    inside = (pl.col("hour") <= pl.col("last")) & (pl.col("hour") >= since if since else pl.lit(value=True))
    inside &= pl.col("hour") < until if until else pl.lit(value=True)
    within = placed.filter(inside.fill_null(value=False))
    findings += _compare(compared, within)
    order = sorted(findings, key=lambda each: (each.topic, each.hour, each.region))
    return Checked(len(compared), within.height, placed.height - within.height, order)


def _compare(receipts: Sequence[Receipt], within: pl.DataFrame) -> list[Finding]:
    by = ["topic", "region", "hour"]
    held = {(topic, region, hour): sums for topic, region, hour, *sums in counted(within, by).iter_rows()}
    findings: list[Finding] = []
    for each in receipts:
        count, digest = held.pop((each.topic, each.region, each.hour), (0, 0))
        if count < each.count:
            findings.append(_finding("missing", each, count))
        elif (count, f"{digest:016x}") != (each.count, each.digest):
            findings.append(_finding("different", each, count))
    unexpected = [Finding("unexpected", *where, expected=0, found=count) for where, (count, _) in held.items()]
    return findings + unexpected


def _finding(kind: Kind, receipt: Receipt, found: int) -> Finding:
    return Finding(kind, receipt.topic, receipt.region, receipt.hour, receipt.count, found, receipt.offsets)


def _with_hours(copy: pl.DataFrame, whole: Sequence[Receipt]) -> pl.DataFrame:
    """With `hour`: of arrival; where the copy has no times, the one in whose offsets an event first stands."""
    if "time" in copy.columns:
        return copy.with_columns(pl.col("time").map_elements(hour_of, pl.String, skip_nulls=True).alias("hour"))
    ranges = [(e.topic, p, low, high, e.hour) for e in whole for p, (low, high) in e.offsets.items()]
    names = {"topic": pl.String, "partition": pl.Int64, "low": pl.Int64, "high": pl.Int64, "hour": pl.String}
    table = pl.DataFrame(ranges, schema=names, orient="row").sort("low")
    first = copy.sort("offset").unique(["topic", "event_id"], keep="first", maintain_order=True)
    found = first.join_asof(table, left_on="offset", right_on="low", by=["topic", "partition"], check_sortedness=False)
    # Behind the last range: not closed yet.
    return found.with_columns(pl.when(pl.col("offset") <= pl.col("high")).then("hour").alias("hour")).drop(
        "low", "high"
    )


def _ids(ids: pl.Series) -> pl.Series:
    if ids.dtype == pl.Binary:
        return pl.Series("event_id", [each if each is not None and len(each) == 16 else None for each in ids.to_list()])
    plain = ids.cast(pl.String).str.replace_all("-", "")
    return plain.set(plain.str.len_chars() != 32, None).str.decode("hex", strict=False).alias("event_id")


def _codes(codes: pl.Series) -> pl.Series:
    if codes.dtype.is_integer():
        return pl.Series("region", [None if each is None else regions.format_code(each) for each in codes.to_list()])
    return codes.cast(pl.String)


def _times(times: pl.Series) -> pl.Series:
    if isinstance(times.dtype, pl.Datetime):
        return (
            times.dt.convert_time_zone("UTC").dt.to_string(_ISO) if times.dtype.time_zone else times.dt.to_string(_ISO)
        )
    if times.dtype.is_integer():
        return times.cast(pl.Datetime("ms")).dt.to_string(_ISO)
    text = times.cast(pl.String)
    if text.str.contains(r"^\d+$").fill_null(value=False).all():
        return text.cast(pl.Int64).cast(pl.Datetime("ms")).dt.to_string(_ISO)
    return text.str.replace(" ", "T").set(~text.str.contains(r"^\d{4}-\d\d-\d\d[T ]\d\d.*(Z|\+00:00)$"), None)


def _first_null(column: pl.Series) -> int:
    """Its row, from 1; 0: there is none."""
    found = column.is_null().arg_max() if column.null_count() else None
    return 0 if found is None else found + 1
