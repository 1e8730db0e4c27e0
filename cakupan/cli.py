"""The command line, as a literal you can read: one command, one file in `commands/`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module

import typer

from cakupan.embedded.errors import StackError
from cakupan.errors import ApiAway
from cakupan.report import EXIT_AWAY, EXIT_BAD_INPUT, say
from cakupan.settings import SettingsError
from events.errors import ContractError, PublishError, RegistryAway
from projections.errors import DatabaseError

# Name to module and what in it is the command, in the order of `cakupan --help`; `app` is several in one.
COMMANDS = {
    "up": ("up", "up"),
    "doctor": ("doctor", "doctor"),
    "topics": ("topics", "app"),
    "migrate": ("migrate", "migrate"),
    "worker": ("worker", "worker"),
    "serve": ("serve", "serve"),
    "simulate": ("simulate", "app"),
    "import": ("importing", "import_file"),
    "publish": ("publish", "publish"),
    "verify": ("verify", "verify"),
    "audit": ("audit", "audit"),
    "alerts": ("alerts", "alerts"),
    "fanout": ("fanout", "fanout"),
    "receipts": ("receipts", "app"),
    "repair": ("repair", "repair"),
    "rebuild": ("rebuild", "rebuild"),
    "dead-letters": ("dead_letters", "app"),
    "subscriber": ("subscriber", "app"),
    "webhook": ("webhook", "app"),
    "webhooks": ("webhook", "webhooks"),
    "status": ("status", "status"),
}


def app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands. To import all of them takes a process a second more than its own."""
    made = typer.Typer(
        name="cakupan",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="How far Indonesia's Digital Population Identity (IKD) has reached: live, exact, by region.",
        epilog="Settings are environment variables CAKUPAN_...; `cakupan doctor` lists them.",
    )
    made.callback()(_nothing_before)
    for name in names:
        module, attribute = COMMANDS[name]
        command = getattr(import_module(f"cakupan.commands.{module}"), attribute)
        if isinstance(command, typer.Typer):
            made.add_typer(command, name=name)
        else:
            made.command(name)(command)
    return made


def _nothing_before() -> None:
    """With a callback a command keeps its name where it is the only one."""


def _wanted(arguments: list[str]) -> Iterable[str]:
    """The command that is asked for; all, where it is none of them: for help, and to say what was meant."""
    return arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS


def main() -> None:
    """Run a command. What can go wrong ends in one clear line, never in a traceback."""
    try:
        app(_wanted(sys.argv[1:]))()
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
