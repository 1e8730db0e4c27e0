"""`cakupan webhook` and `cakupan webhooks`: events sent to those who can't hold a stream open."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import asdict
from typing import Any

import typer
from prometheus_client import start_http_server

from cakupan import wiring
from cakupan.report import EXIT_WRONG, emit_json, out, say
from cakupan.settings import Settings, read_settings
from events import regions
from events.feed import COVERAGE_FEED, FEEDS
from projections.webhooks import ACTIVE, Standing, Webhook

log = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"

app = typer.Typer(no_args_is_help=True, help="Events sent to those who can't hold a stream open.")

NAME = typer.Argument(..., metavar="NAME", help="The webhook's name.")
JSON = typer.Option(False, "--json", help="Report as JSON.")


@app.callback()
def group() -> None:
    """Events sent to those who can't hold a stream open."""


@app.command()
def add(
    url: str = typer.Argument(..., metavar="URL", help="Where to: https, and no private network."),
    name: str = typer.Option(..., "--name", metavar="NAME", help="What it is called: letters, digits and hyphens."),
    topics: str = typer.Option(COVERAGE_FEED, "--topics", metavar="TOPICS", help=f"{', '.join(FEEDS)}."),
    region: str = typer.Option("0", "--region", metavar="CODE", help="Events about this region and all within."),
    type_: str = typer.Option("", "--type", metavar="TYPES", help="Only events of these types, by commas."),
    json_: bool = JSON,
) -> None:
    """Send events to an address from now on. Shows, once, the secret that the receiver checks signatures with.

    Example: `cakupan webhook add https://example.go.id/cakupan --topics coverage --region 61 --name dukcapil-kalbar`
    """
    from cakupan import webhooks

    _tell_secret(webhooks.add(read_settings(), url, name, topics, region, type_), json_)


@app.command("list")
def list_(json_: bool = JSON) -> None:
    """List the webhooks and how sending goes. No secrets.

    Example: `cakupan webhook list --json`
    """
    from cakupan import webhooks

    found = webhooks.list_(read_settings())
    if json_:
        emit_json([_as_json(each) for each in found])
        return
    for each in found:
        out.print(f"{each.webhook.name:24} {_state(each)}, {each.parked:,} parked", markup=False)
        out.print(f"{'':24} {each.webhook.url}: {_about(each.webhook)}", markup=False)
    if not found:
        out.print("no webhooks")


@app.command()
def rotate(name: str = NAME, json_: bool = JSON) -> None:
    """Sign with another secret from now on.

    Example: `cakupan webhook rotate dukcapil-kalbar`
    """
    from cakupan import webhooks

    _tell_secret(webhooks.rotate(read_settings(), name), json_)


@app.command()
def remove(name: str = NAME) -> None:
    """Send nothing more.

    Example: `cakupan webhook remove dukcapil-kalbar`
    """
    from cakupan import webhooks

    webhooks.remove(read_settings(), name)
    out.print(f"{name} is removed", markup=False)


@app.command()
def enable(name: str = NAME) -> None:
    """Go on with a webhook that was disabled, where it stopped.

    Example: `cakupan webhook enable dukcapil-kalbar`
    """
    from cakupan import webhooks

    webhooks.enable(read_settings(), name)
    out.print(f"{name} goes on", markup=False)


@app.command()
def parked(name: str = NAME, json_: bool = JSON) -> None:
    """List the events that were given up after the last attempt.

    Example: `cakupan webhook parked dukcapil-kalbar`
    """
    from cakupan import webhooks

    found = webhooks.parked(read_settings(), name)
    if json_:
        emit_json([asdict(each) for each in found])
        return
    for each in found:
        place = f"{each.topic}/{each.partition}/{each.offset}"
        out.print(f"{place}  {each.parked_at:%Y-%m-%d %H:%M:%S}Z  {each.event_id}", markup=False)
        out.print(f"    {each.reason}, after {each.attempts} attempts", markup=False)
    if not found:
        out.print("nothing is parked")


@app.command()
def replay(
    name: str = NAME,
    since: str = typer.Option("", "--from", metavar="TIME", help="Instead: all that came into the log since then."),
    json_: bool = JSON,
) -> None:
    """Send parked events again, in order, up to the first that is not taken (exit code 1).

    With --from, `cakupan webhooks` sends everything again that came into the log since that time.

    Example: `cakupan webhook replay dukcapil-kalbar --from 2024-06-30T10:00:00+07:00`
    """
    from cakupan import webhooks

    settings = read_settings()
    if since:
        at = webhooks.replay_since(settings, name, since)
        out.print(f"{name} is sent everything again since {at.isoformat()}", markup=False)
        return
    done = webhooks.replay(settings, name)
    if json_:
        emit_json({"sent": done.sent, "gone": done.gone, "left": done.left, "failed": done.failed or None})
    else:
        out.print(f"{done.sent:,} sent, {done.gone:,} not in the log any more, {done.left:,} left", markup=False)
    if done.failed:
        say.print(f"the receiver {done.failed}", style="red", markup=False)
        raise typer.Exit(EXIT_WRONG)


@app.command()
def test(name: str = NAME) -> None:
    """Send one event of type WebhookTested, and say what the receiver answers. Exit code 1 if it does not take it.

    Example: `cakupan webhook test dukcapil-kalbar`
    """
    from cakupan import webhooks

    outcome = webhooks.test(read_settings(), name)
    out.print(f"the receiver {outcome.detail}", style="green" if outcome.delivered else "red", markup=False)
    raise typer.Exit(0 if outcome.delivered else EXIT_WRONG)


def webhooks() -> None:
    """Deliver to webhooks for as long as it runs. One is enough; `cakupan up` starts it when there are webhooks.

    Example: `cakupan webhooks`
    """
    settings = read_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # each address in a line a delivery
    _show_metrics(settings.webhook_metrics_port)
    asyncio.run(_deliver(settings))


def _show_metrics(port: int) -> None:
    from streams.webhook_metrics import WEBHOOKS

    if not port:
        return
    try:
        start_http_server(port, LOOPBACK, WEBHOOKS.registry)
    except OSError as error:
        log.warning("no metrics on port %d (CAKUPAN_WEBHOOK_METRICS_PORT): %s", port, error)


async def _deliver(settings: Settings) -> None:
    from cakupan import webhooks
    from streams.webhooks import Service

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    how = webhooks.delivering(settings)
    await Service(wiring.database(settings), settings.kafka_bootstrap, how).run(ended)


def _tell_secret(added: Any, json_: bool) -> None:
    if json_:
        emit_json({**_public(added.webhook), "secret": added.secret})
        return
    out.print(f"{added.webhook.name} is sent {_about(added.webhook)}", markup=False)
    out.print(f"  secret  {added.secret}", markup=False)
    say.print("shown once: the receiver checks signatures with it (docs/stream.md)")


def _about(webhook: Webhook) -> str:
    region = regions.region(webhook.region)
    types = f", only {', '.join(webhook.types)}" if webhook.types else ""
    return f"{', '.join(webhook.topics)} of {region.code} {region.name}{types}"


def _state(standing: Standing) -> str:
    webhook = standing.webhook
    if webhook.state != ACTIVE:
        return f"{webhook.state}: {webhook.reason}"
    if standing.failing_since is None:
        return webhook.state
    return f"failing since {standing.failing_since:%Y-%m-%d %H:%M}Z: {standing.last_error}"


def _public(webhook: Webhook) -> dict[str, Any]:
    return {
        "name": webhook.name,
        "url": webhook.url,
        "topics": webhook.topics,
        "region": regions.format_code(webhook.region),
        "types": webhook.types,
        "state": webhook.state,
        "reason": webhook.reason or None,
        "created_at": webhook.created_at.isoformat(),
    }


def _as_json(standing: Standing) -> dict[str, Any]:
    since = standing.failing_since
    return {
        **_public(standing.webhook),
        "failing_since": since.isoformat() if since else None,
        "last_error": standing.last_error or None,
        "parked": standing.parked,
    }
