"""`cakupan dead-letters`: refused records, looked into and settled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from cakupan import dead_letters, wiring
from cakupan.dead_letters import Original, Place, Retry
from cakupan.report import EXIT_WRONG, emit_json, fail, out, say
from cakupan.settings import read_settings
from events import identity, partial
from events.blanking import blanked, blanked_text
from events.catalogue import TOPICS
from events.partial import HIDDEN, NIK_DIGITS, Reading
from projections import dead_letters as stored
from projections.clickhouse import Database
from projections.dead_letters import STATUSES, Group, Letter, Selection

MOST_AT_ONCE = 10_000
DUMP_WIDTH = 16
SHOWN = 20
HELD_BACK = "not sent, for it holds digits that look like a NIK"

app = typer.Typer(no_args_is_help=True, help="Records that could not be taken in: look into them, settle them.")

REASON = typer.Option("", "--reason", metavar="TEXT", help="Refused for a reason that holds this text.")
SOURCE = typer.Option("", "--source", metavar="SOURCE", help="From this source, as far as it could be read.")
TOPIC = typer.Option("", "--topic", metavar="TOPIC", help=f"From this topic: {', '.join(TOPICS)}.")
JSON = typer.Option(False, "--json", help="Report as JSON.")
DRY_RUN = typer.Option(False, "--dry-run", help="Say what would be done, and do nothing.")
LETTERS = typer.Argument(None, metavar="[ID|TOPIC/PARTITION/OFFSET]...", help="Letters by id or place.")
ALL = typer.Option(False, "--all", help="All open letters.")


@app.callback()
def group() -> None:
    """Records that could not be taken in: look into them, settle them."""


@app.command("list")
def list_(
    reason: str = REASON,
    source: str = SOURCE,
    topic: str = TOPIC,
    status: str = typer.Option("", "--status", help=f"Only these: {', '.join(STATUSES)}."),
    summary: bool = typer.Option(False, "--summary", help="Counts by reason and source instead."),
    limit: int = typer.Option(50, "--limit", min=1, max=MOST_AT_ONCE, help="Most letters to list, the newest first."),
    json_: bool = JSON,
) -> None:
    """List refused records, or count them by reason and source.

    Example: `cakupan dead-letters list --summary --status open`
    """
    database = wiring.database(read_settings())
    selection = _selection(topic, source, reason, status)
    if summary:
        _tell_groups(stored.groups(database, selection), json_)
    else:
        _tell_letters(stored.find(database, selection, limit), limit, json_)


@app.command()
def show(
    letter: str = typer.Argument(..., metavar="ID|TOPIC/PARTITION/OFFSET", help="The letter, by id or place."),
    json_: bool = JSON,
) -> None:
    """Show what is wrong with a record, and its bytes, decoded as far as they go.

    Digits that look like a NIK stay blanked.

    Example: `cakupan dead-letters show ikd.activation.v1/2/1234`
    """
    settings = read_settings()
    found = dead_letters.named(wiring.database(settings), letter)
    place = Place(found.topic, found.partition, found.offset)
    original = dead_letters.read_originals(settings.kafka_bootstrap, [place]).get(place)
    if json_:
        emit_json({**_as_json(found), "record": None if original is None else _record_as_json(original)})
        return
    _tell_letter(found)
    if original is None:
        out.print("the record is not in the log any more")
        return
    _tell_record(original)


@app.command()
def retry(
    letters: list[str] = LETTERS,
    reason: str = REASON,
    source: str = SOURCE,
    topic: str = TOPIC,
    all_: bool = ALL,
    limit: int = typer.Option(1000, "--limit", min=1, max=MOST_AT_ONCE, help="Most letters at once."),
    dry_run: bool = DRY_RUN,
    json_: bool = JSON,
) -> None:
    """Send refused records again: the original bytes, to the same topic, with the same key, through the same path.

    Sent twice is one event. What is refused again becomes a new dead letter that names the origin. What holds digits
    that look like a NIK is not written a second time. Exit code 1 if something could not be sent.

    Example: `cakupan dead-letters retry --reason "is no village" --dry-run`
    """
    settings = read_settings()
    selection = _selection(topic, source, reason, "open")
    chosen = _chosen(wiring.database(settings), letters, selection, all_, limit)
    prepared = dead_letters.prepare(settings.kafka_bootstrap, chosen)
    if not dry_run:
        dead_letters.send_again(settings.kafka_bootstrap, prepared.sendable)
    _tell_retry(prepared, dry_run, json_)
    raise typer.Exit(EXIT_WRONG if prepared.gone or prepared.held_back else 0)


@app.command()
def discard(
    letters: list[str] = LETTERS,
    reason: str = typer.Option(..., "--reason", metavar="TEXT", help="Why they stay out. Nothing about a person."),
    refused_for: str = typer.Option("", "--refused-for", metavar="TEXT", help="Refused for a reason that holds this."),
    source: str = SOURCE,
    topic: str = TOPIC,
    all_: bool = ALL,
    limit: int = typer.Option(1000, "--limit", min=1, max=MOST_AT_ONCE, help="Most letters at once."),
    dry_run: bool = DRY_RUN,
    json_: bool = JSON,
) -> None:
    """Decide that refused records stay out, and say why. Nothing is deleted: the decision is an event.

    Example: `cakupan dead-letters discard ikd.activation.v1/2/1234 --reason "test data of the office"`
    """
    dead_letters.check_reason(reason)
    settings = read_settings()
    selection = _selection(topic, source, refused_for, "open")
    chosen = _chosen(wiring.database(settings), letters, selection, all_, limit)
    if not dry_run:
        dead_letters.discard(settings.kafka_bootstrap, chosen, reason)
    if json_:
        emit_json({"discarded": 0 if dry_run else len(chosen), "letters": [each.place for each in chosen]})
        return
    out.print(f"{len(chosen):,} {'would be discarded' if dry_run else 'discarded'}")
    for each in chosen[:SHOWN]:
        out.print(f"  {each.place}: {each.reason}", markup=False)


def _selection(topic: str, source: str, reason: str, status: str) -> Selection:
    if topic and topic not in TOPICS:
        fail(f"--topic: must be one of {', '.join(TOPICS)}")
    if status and status not in STATUSES:
        fail(f"--status: must be one of {', '.join(STATUSES)}")
    return Selection(topic=topic, source=source, reason=reason, status=status)


def _chosen(
    database: Database, names: Sequence[str] | None, selection: Selection, all_: bool, limit: int
) -> list[Letter]:
    selects = bool(selection.topic or selection.source or selection.reason)
    if names and (selects or all_):
        fail("name letters or select them, not both")
    if names:
        return [dead_letters.named(database, each) for each in dict.fromkeys(names)]
    if not selects and not all_:
        fail("name letters by id or TOPIC/PARTITION/OFFSET, select open ones by reason, source or topic, or say --all")
    found = stored.find(database, selection, limit)
    if len(found) == limit:
        say.print(f"the newest {limit:,} letters; run it again for more, or raise --limit")
    return found


def _tell_groups(groups: Sequence[Group], json_: bool) -> None:
    if json_:
        emit_json([{name: getattr(each, name) for name in Group.__slots__} for each in groups])
        return
    for each in groups:
        first, last = (f"{at:%Y-%m-%d %H:%M}Z" for at in (each.first_at, each.last_at))
        about = f"{each.topic}, {each.source or 'no source'}, {first} to {last}"
        out.print(f"{each.letters:>9,}  {each.status:9}  {about}", markup=False)
        out.print(f"{'':22}{each.kind}", markup=False)
    if not groups:
        out.print("no dead letters")


def _tell_letters(letters: Sequence[Letter], limit: int, json_: bool) -> None:
    if json_:
        emit_json([_as_json(each) for each in letters])
        return
    for each in letters:
        about = f"{each.type or 'no type'}, {each.source or 'no source'}"
        out.print(f"{each.place}  {each.status}  {each.arrived_at:%Y-%m-%d %H:%M:%S}Z  {about}", markup=False)
        again = "" if each.origin == (each.partition, each.offset) else f" (sent again, from {_origin(each)})"
        out.print(f"    {each.reason}{again}", markup=False)
    if not letters:
        out.print("no dead letters")
    if len(letters) == limit:
        say.print(f"the newest {limit:,}; --limit lists more, --summary counts all")


def _tell_letter(letter: Letter) -> None:
    out.print(f"{letter.place}  {letter.status}", markup=False)
    for name, text in _about(letter):
        out.print(f"  {name:9} {text}", markup=False)


def _about(letter: Letter) -> Iterator[tuple[str, str]]:
    yield "id", identity.as_text(letter.event_id)
    yield "arrived", f"{letter.arrived_at:%Y-%m-%d %H:%M:%S}Z"
    yield "reason", letter.reason
    if letter.decided_at is not None:
        yield "decided", f"{letter.decided_at:%Y-%m-%d %H:%M:%S}Z: {letter.status}, {letter.decision_reason}"
    if letter.sent is not None:
        yield "sent to", "/".join(map(str, (letter.topic, *letter.sent)))
    if letter.origin != (letter.partition, letter.offset):
        yield "origin", _origin(letter)


def _origin(letter: Letter) -> str:
    return "/".join(map(str, (letter.topic, *letter.origin)))


def _tell_record(original: Original) -> None:
    reading = partial.read(original.value)
    out.print(f"  key       {_key(original)}", markup=False)
    if reading.schema_id is not None:
        known = f"{reading.type} version {reading.version}" if reading.type else "unknown"
        out.print(f"  schema    id {reading.schema_id}, {known}", markup=False)
    for each in reading.fields:
        out.print(f"    {each.name:16} {each.text}", markup=False)
    if reading.stopped:
        out.print(f"  stops     {reading.stopped}", markup=False)
    for line in dump(safe_bytes(original.value, reading)):
        out.print(f"  {line}", markup=False)


def _key(original: Original) -> str:
    if original.key is None:
        return "none"
    key = blanked(original.key) or b""
    return key.decode() if key.isascii() and key.decode().isprintable() else blanked_text(key.hex())


def safe_bytes(raw: bytes | None, reading: Reading) -> bytes:
    """The bytes with digits that look like a NIK blanked, in text and where a number holds as many."""
    safe = bytearray(blanked(raw) or b"")
    for each in reading.fields:
        if each.text == HIDDEN or (isinstance(each.value, int) and len(str(abs(each.value))) >= NIK_DIGITS):
            safe[each.start : each.end] = b"#" * (each.end - each.start)
    return bytes(safe)


def dump(raw: bytes) -> Iterator[str]:
    """Lines of offset, bytes in hexadecimal, and the bytes as text."""
    for at in range(0, len(raw), DUMP_WIDTH):
        row = raw[at : at + DUMP_WIDTH]
        text = "".join(chr(each) if 32 <= each < 127 else "." for each in row)
        yield f"{at:06x}  {row.hex(' '):{DUMP_WIDTH * 3 - 1}}  {text}"


def _as_json(letter: Letter) -> dict[str, Any]:
    return {
        "id": identity.as_text(letter.event_id),
        "place": letter.place,
        "status": letter.status,
        "arrived_at": letter.arrived_at.isoformat(),
        "reason": letter.reason,
        "type": letter.type or None,
        "source": letter.source or None,
        "size": letter.size,
        "decided_at": letter.decided_at.isoformat() if letter.decided_at else None,
        "decision_reason": letter.decision_reason or None,
        "sent": "/".join(map(str, (letter.topic, *letter.sent))) if letter.sent else None,
        "origin": _origin(letter),
    }


def _record_as_json(original: Original) -> dict[str, Any]:
    reading = partial.read(original.value)
    return {
        "key": _key(original),
        "framed": reading.framed,
        "schema_id": reading.schema_id,
        "type": reading.type,
        "version": reading.version,
        "fields": {each.name: each.text for each in reading.fields},
        "stopped": reading.stopped or None,
        "hex": safe_bytes(original.value, reading).hex(),
    }


def _tell_retry(retry: Retry, dry_run: bool, json_: bool) -> None:
    refused = [each for each in retry.sendable if each.verdict]
    if json_:
        emit_json(
            {
                "sent": 0 if dry_run else len(retry.sendable),
                "letters": [{"place": e.letter.place, "refused_now": e.verdict or None} for e in retry.attempts],
                "held_back": [each.letter.place for each in retry.held_back],
                "gone": [each.place for each in retry.gone],
            }
        )
        return
    verb = "would be sent" if dry_run else "sent"
    good = len(retry.sendable) - len(refused)
    out.print(f"{len(retry.sendable):,} {verb}; by the present rules {good:,} get in, {len(refused):,} do not")
    for attempt in refused[:SHOWN]:
        say.print(f"  {attempt.letter.place}: {attempt.verdict}", style="yellow", markup=False)
    for attempt in retry.held_back[:SHOWN]:
        say.print(f"  {attempt.letter.place}: {HELD_BACK}; {attempt.verdict}", style="yellow", markup=False)
    for letter in retry.gone[:SHOWN]:
        say.print(f"  {letter.place}: not in the log any more", style="yellow", markup=False)
