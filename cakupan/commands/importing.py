"""`cakupan import`: a file of events or activation records."""

from __future__ import annotations

from pathlib import Path

import typer

from cakupan.importer import FileRefused, ImportReport, import_lines, read_lines
from cakupan.report import EXIT_WRONG, emit_json, fail, out, progress, say
from cakupan.settings import read_settings
from events.codec import Event
from events.publisher import Publisher

SHOWN = 20


def import_file(
    file: Path = typer.Argument(..., metavar="FILE", help="A .csv, .ndjson or .jsonl file."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check every line, publish nothing."),
    refused: Path = typer.Option(None, "--refused", help="Write refused lines' numbers and reasons to this CSV file."),
    json_: bool = typer.Option(False, "--json", help="Report as JSON."),
) -> None:
    """Import a file. Importing the same file again adds nothing.

    A file of **events** has a column or key `type` and the type's fields (docs/events.md). A file of **activation
    records**, one person a line, has the columns *activated_at, domicile, subject_id, source* and may have
    *service_region, age_band, sex, channel, device_class, outreach_id, recorded_at* (docs/import.md).
    CSV may be separated by commas or semicolons. Exit code 1 if lines were refused.

    Example: `cakupan import activations.csv --dry-run`
    """
    try:
        lines = read_lines(file)
        with progress(f"{'checking' if dry_run else 'importing'} {file.name}") as step:
            count = 0

            def on_line() -> None:
                nonlocal count
                count += 1
                if count % 500 == 0:
                    step(count, None)

            if dry_run:
                report = import_lines(lines, _nothing, on_line)
            else:
                with Publisher(read_settings().kafka_bootstrap) as publisher:
                    report = import_lines(lines, publisher.publish, on_line)
    except (FileRefused, OSError) as error:
        fail(f"{error}")
    if refused is not None:
        _write_refused(refused, report)
    _tell(report, dry_run, json_)
    raise typer.Exit(EXIT_WRONG if report.refused else 0)


def _nothing(_: Event) -> None:
    return


def _write_refused(path: Path, report: ImportReport) -> None:
    rows = "".join(f'{line.number},"{line.reason.replace(chr(34), chr(39))}"\n' for line in report.refused)
    path.write_text("line,reason\n" + rows, encoding="utf-8")


def _tell(report: ImportReport, dry_run: bool, json_: bool) -> None:
    if json_:
        emit_json(
            {
                "lines": report.lines,
                "accepted": report.accepted,
                "published": 0 if dry_run else report.accepted,
                "types": dict(report.types),
                "refused": [{"line": line.number, "reason": line.reason} for line in report.refused],
            }
        )
        return
    verb = "would be published" if dry_run else "published"
    out.print(f"{report.lines:,} lines: {report.accepted:,} {verb}, {len(report.refused):,} refused")
    for line in report.refused[:SHOWN]:
        say.print(f"  line {line.number}: {line.reason}", style="yellow", markup=False)
    if len(report.refused) > SHOWN:
        say.print(f"  and {len(report.refused) - SHOWN:,} more; --refused FILE writes them all")
