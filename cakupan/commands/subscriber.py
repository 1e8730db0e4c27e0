"""`cakupan subscriber`: who may read events and answers of a region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from cakupan import subscribers
from cakupan.report import emit_json, out, say
from cakupan.settings import Settings, read_settings
from cakupan.subscribers import Credentials, Subscriber
from events import access

app = typer.Typer(no_args_is_help=True, help="Who may read events and answers of a region.")

NAME = typer.Argument(..., metavar="NAME", help="The subscriber's name.")
DAYS = typer.Option(365, "--days", min=1, max=3650, help="How long the API key holds.")
JSON = typer.Option(False, "--json", help="Report as JSON.")


@app.callback()
def group() -> None:
    """Who may read events and answers of a region."""


@app.command()
def add(
    region: str = typer.Argument(..., metavar="REGION", help="Its scope: a province (61), a regency (61.01), or 0."),
    name: str = typer.Option(..., "--name", metavar="NAME", help=f"What it is called: {access.NAMES}."),
    days: int = DAYS,
    connections: int = typer.Option(10, "--connections", min=1, max=1000, help="Its open streams of the API, at most."),
    byte_rate: int = typer.Option(
        access.DEFAULT_BYTE_RATE, "--bytes-per-second", min=1000, help="What it gets from a Kafka broker, at most."
    ),
    json_: bool = JSON,
) -> None:
    """Make a Kafka user that reads the topics of its province, and an API key with this scope. Both are shown once.

    The topics of a province are made where they are missing. A regency has none of its own: its user reads the public
    one, and its key opens its districts and villages.

    Example: `cakupan subscriber add 61 --name dukcapil-kalbar`
    """
    settings = read_settings()
    made = subscribers.add(settings, region, name, days=days, connections=connections, byte_rate=byte_rate)
    _tell(settings, made, json_)


@app.command("list")
def list_(json_: bool = JSON) -> None:
    """List the subscribers: scope, topics, until when the key holds. No secrets.

    Example: `cakupan subscriber list --json`
    """
    found = subscribers.list_(read_settings())
    if json_:
        emit_json([_as_json(each) for each in found])
        return
    for each in found:
        scope = f"{each.region.code} {each.region.name}" if each.region else "no scope"
        until = f"until {each.expires_at:%Y-%m-%d}" if each.expires_at else "no key"
        out.print(f"{each.name:24} {scope:32} {until}, {each.connections or 0} streams, {each.state}", markup=False)
        out.print(f"{'':24} {' '.join(each.topics) or 'reads no topic'}", markup=False)
    if not found:
        out.print("no subscribers")


@app.command()
def rotate(name: str = NAME, days: int = DAYS, json_: bool = JSON) -> None:
    """Give a subscriber a new password and a new API key. The ones before hold no more.

    The old key holds for two seconds at most, the old password for an hour on connections that are open.

    Example: `cakupan subscriber rotate dukcapil-kalbar`
    """
    settings = read_settings()
    _tell(settings, subscribers.rotate(settings, name, days=days), json_)


@app.command()
def remove(name: str = NAME, json_: bool = JSON) -> None:
    """Take a subscriber's rights, password and API key away. Topics and events stay.

    Example: `cakupan subscriber remove dukcapil-kalbar`
    """
    subscribers.remove(read_settings(), name)
    if json_:
        emit_json({"removed": name})
    else:
        out.print(f"{name} is removed", markup=False)


@app.command()
def certificates(
    folder: Path = typer.Argument(..., metavar="FOLDER", help="Where they are put; kept there, made once."),
    host: list[str] = typer.Option(
        ..., "--host", metavar="NAME", help="Under which the broker is reached; repeatable."
    ),
    json_: bool = JSON,
) -> None:
    """Make the certificates of the listener for subscribers, where no better authority signs them.

    server.pem is the broker's key and certificate, ca.pem what subscribers trust, ca-key.pem signs the next one.

    Example: `cakupan subscriber certificates tls --host kafka.example.go.id`
    """
    from cakupan.embedded import tls

    made = tls.provide(folder, host)
    if json_:
        emit_json({"ca": str(made.authority), "server": str(made.server)})
    else:
        out.print(f"for the broker: {made.server}\nfor subscribers: {made.authority}", markup=False)


def _tell(settings: Settings, made: Credentials, json_: bool) -> None:
    if json_:
        emit_json(
            {
                "name": made.name,
                "region": made.region.code,
                "topics": made.topics,
                "group_prefix": made.group_prefix,
                "kafka": made.kafka,
                "api_key": made.api_key,
                "expires_at": made.expires_at.isoformat(),
            }
        )
        return
    say.print("Shown once, and nowhere else: hand it over by a safe way.", style="yellow")
    asking = f"curl -H 'Authorization: Bearer {made.api_key}'"
    lines = [
        f"# {made.name}: {made.region.name} ({made.region.code})",
        f"# reads   {' '.join(made.topics)}",
        f"# groups  begin with {made.group_prefix}",
        *(f"{key}={value}" for key, value in made.kafka.items()),
        "",
        f"# the API, until {made.expires_at:%Y-%m-%d}",
        f"# {asking} {settings.api_address}/v1/coverage/{made.region.code}/children",
    ]
    for line in lines:
        out.print(line, markup=False)


def _as_json(each: Subscriber) -> dict[str, Any]:
    return {
        "name": each.name,
        "region": each.region.code if each.region else None,
        "topics": each.topics,
        "connections": each.connections,
        "expires_at": each.expires_at.isoformat() if each.expires_at else None,
        "state": each.state,
    }
