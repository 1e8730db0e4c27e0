"""The command line, as a literal you can read: one command, one file in `commands/`."""

from __future__ import annotations

import sys

import typer

from cakupan.commands import (
    alerts,
    audit,
    dead_letters,
    doctor,
    fanout,
    importing,
    migrate,
    publish,
    rebuild,
    receipts,
    repair,
    serve,
    simulate,
    status,
    subscriber,
    topics,
    up,
    verify,
    webhook,
    worker,
)
from cakupan.embedded.errors import StackError
from cakupan.report import EXIT_AWAY, EXIT_BAD_INPUT, say
from cakupan.settings import SettingsError
from cakupan.verify import ApiAway
from events.errors import ContractError, PublishError, RegistryAway
from projections.errors import DatabaseError

app = typer.Typer(
    name="cakupan",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How far Indonesia's Digital Population Identity (IKD) has reached: live, exact, by region.",
    epilog="Settings are environment variables CAKUPAN_...; `cakupan doctor` lists them.",
)

app.command("up")(up.up)
app.command("doctor")(doctor.doctor)
app.add_typer(topics.app, name="topics")
app.command("migrate")(migrate.migrate)
app.command("worker")(worker.worker)
app.command("serve")(serve.serve)
app.add_typer(simulate.app, name="simulate")
app.command("import")(importing.import_file)
app.command("publish")(publish.publish)
app.command("verify")(verify.verify)
app.command("audit")(audit.audit)
app.command("alerts")(alerts.alerts)
app.command("fanout")(fanout.fanout)
app.add_typer(receipts.app, name="receipts")
app.command("repair")(repair.repair)
app.command("rebuild")(rebuild.rebuild)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(subscriber.app, name="subscriber")
app.add_typer(webhook.app, name="webhook")
app.command("webhooks")(webhook.webhooks)
app.command("status")(status.status)


def main() -> None:
    """Run a command. What can go wrong ends in one clear line, never in a traceback."""
    try:
        app()
    except SettingsError as error:
        _end(f"settings: {error}", EXIT_BAD_INPUT)
    except (StackError, ContractError) as error:
        _end(str(error), EXIT_BAD_INPUT)
    except (PublishError, RegistryAway, DatabaseError, ApiAway) as error:
        _end(str(error), EXIT_AWAY)
    except BrokenPipeError:
        sys.exit(0)


def _end(message: str, code: int) -> None:
    say.print(message, style="red", markup=False)
    sys.exit(code)
