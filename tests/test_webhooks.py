"""Webhooks: a real receiver on loopback, a real log, the real processes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import http.server
import itertools
import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from typer.testing import CliRunner, Result

from cakupan import webhooks, wiring
from cakupan.cli import app
from cakupan.embedded import tls
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings, SettingsError, read_settings
from projections import webhooks as stored
from projections.webhooks import BadWebhook
from streams import courier
from streams.addresses import addresses, networks, parse
from streams.courier import Courier, Outcome
from streams.webhooks import Service
from tests.conftest import free_port
from tests.support import command, environment, own_database, own_log, running, until
from tests.test_api_world import VILLAGES
from tests.test_stream import coverage, cut, event, publish

Json = dict[str, Any]
LOOPBACK = "127.0.0.0/8,::1/128"
SECRET = "whsec_" + "c2VjcmV0" * 6


@dataclass
class Received:
    """One request that a receiver got."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return str(json.loads(self.body)["id"])


@dataclass
class Receiver:
    """An HTTP server that answers as `answers` says, one by one and the last for ever, and keeps what it got."""

    answers: list[int] = field(default_factory=lambda: [204])
    location: str = ""
    got: list[Received] = field(default_factory=list)
    refuse: str = ""  # the id of an event that is never taken
    certificate: Path | None = None  # speaks TLS with it

    def __post_init__(self) -> None:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if len(body) < int(self.headers["content-length"]):  # the sender was killed
                    return
                receiver.got.append(Received({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.answer(receiver.got[-1].id))
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._server.daemon_threads = True
        if self.certificate is not None:
            speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            speaks.load_cert_chain(self.certificate)
            self._server.socket = speaks.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook?a=b"

    def answer(self, event_id: str) -> int:
        if event_id == self.refuse:
            return 422
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def ids(self) -> list[str]:
        return [each.id for each in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    each = Receiver()
    yield each
    each.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    with own_log(tmp_path_factory.mktemp("webhook-log")) as node:
        yield node


@pytest.fixture
def settings(log: KafkaNode, clickhouse: ClickHouseNode, tmp_path: Path) -> Iterator[Settings]:
    changed = {"webhook_allow": LOOPBACK, "webhook_retry_seconds": "0,0,0", "webhook_metrics_port": free_port()}
    with own_database(log, clickhouse, tmp_path) as given:
        yield given.model_copy(update=changed)


@contextlib.contextmanager
def delivering(settings: Settings) -> Iterator[None]:
    """The service, in a thread of its own."""
    ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        ended = asyncio.Event()
        ready.append((asyncio.get_running_loop(), ended))
        how = webhooks.delivering(settings)
        await Service(wiring.database(settings), settings.kafka_bootstrap, how).run(ended)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    until("the service runs", lambda: bool(ready))
    try:
        yield
    finally:
        ready[0][0].call_soon_threadsafe(ready[0][1].set)
        thread.join(60)
        assert not thread.is_alive()


NAMES = itertools.count(1)


def add(
    settings: Settings, receiver: Receiver, topics: str = "coverage", region: str = "0", types: str = ""
) -> webhooks.Added:
    return webhooks.add(settings, receiver.url, f"hook-{next(NAMES)}", topics, region, types)


def standing(settings: Settings, name: str) -> stored.Standing:
    return stored.named(wiring.database(settings), name)


def test_events_come_signed_in_order_and_as_wanted(settings: Settings, log: KafkaNode, receiver: Receiver) -> None:
    publish(log, coverage("61"))  # before there was a webhook
    added = add(settings, receiver, "activation,coverage", "61.01", "Activated,CoverageChanged")
    wanted = publish(log, *(coverage("61.01") for _ in range(20)), event("Activated", VILLAGES[0]))
    publish(log, coverage("62"), event("AttemptFailed", VILLAGES[0]), event("Activated", "62.01.01.2001"))
    with delivering(settings):
        until("all are received", lambda: len(receiver.got) >= 21)
        wanted += publish(log, coverage("61.01"))
        until("the next one too", lambda: len(receiver.got) >= 22)
    assert sorted(receiver.ids()) == sorted(wanted)
    of_coverage = [each for each in receiver.ids() if each in (*wanted[:20], wanted[-1])]
    assert of_coverage == [*wanted[:20], wanted[-1]]
    for each in receiver.got:
        seen = Verifier(added.secret).verify(each.body, each.headers)
        assert (seen["id"], each.headers["webhook-id"]) == (each.id, each.id)
        assert each.headers["content-type"] == "application/cloudevents+json"
        assert seen["data"]["event_id"] == each.id
    with pytest.raises(WebhookVerificationError):
        Verifier(added.secret).verify(receiver.got[0].body + b" ", receiver.got[0].headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(receiver.got[0].body, receiver.got[0].headers)


def test_what_fails_is_tried_again_before_what_comes_behind(
    settings: Settings, log: KafkaNode, receiver: Receiver
) -> None:
    receiver.answers = [500, 503, 204, 404, 204]
    added = add(settings, receiver)
    first, second, third = publish(log, *(coverage("61") for _ in range(3)))
    with delivering(settings):
        until("all are received", lambda: receiver.ids()[-1:] == [third])
    assert receiver.ids() == [first, first, first, second, second, third]
    assert {each.headers["webhook-id"] for each in receiver.got[:3]} == {first}
    after = standing(settings, added.webhook.name)
    assert (after.failing_since, after.last_error, after.parked) == (None, "", 0)


def test_what_is_never_taken_is_parked_and_sent_again_when_asked(
    settings: Settings, log: KafkaNode, receiver: Receiver
) -> None:
    added = add(settings, receiver)
    name = added.webhook.name
    before, never, behind = publish(log, *(coverage("61") for _ in range(3)))
    receiver.refuse = never
    with delivering(settings):
        until("what comes behind is received", lambda: behind in receiver.ids())
        until("it is noted", lambda: standing(settings, name).parked == 1)
    assert receiver.ids() == [before, never, never, never, never, behind]
    (parked,) = webhooks.parked(settings, name)
    assert (parked.event_id, parked.reason, parked.attempts) == (never, "answered 422", 4)
    failed = webhooks.replay(settings, name)
    assert (failed.sent, failed.left, failed.failed) == (0, 1, "answered 422")
    receiver.refuse = ""
    done = webhooks.replay(settings, name)
    assert (done.sent, done.gone, done.left, done.failed) == (1, 0, 0, "")
    assert receiver.ids()[-1] == never
    Verifier(added.secret).verify(receiver.got[-1].body, receiver.got[-1].headers)
    assert webhooks.parked(settings, name) == []


def test_everything_since_a_time_is_sent_again_when_asked(
    settings: Settings, log: KafkaNode, receiver: Receiver
) -> None:
    added = add(settings, receiver)
    since = dt.datetime.now(dt.UTC).isoformat()
    published = publish(log, *(coverage("61") for _ in range(5)))
    with delivering(settings):
        until("all are received", lambda: receiver.ids() == published)
        webhooks.replay_since(settings, added.webhook.name, since)
        until("all are received again", lambda: len(receiver.got) >= 10)
        more = publish(log, coverage("61"))
        until("and what is new", lambda: len(receiver.got) >= 11)
    assert receiver.ids() == [*published, *published, *more]
    for wrong in ("yesterday", "2024-06-30T10:00:00", "2199-01-01T00:00:00Z"):
        with pytest.raises(BadWebhook, match="--from"):
            webhooks.replay_since(settings, added.webhook.name, wrong)


def test_a_receiver_that_is_gone_or_takes_nothing_for_long_is_sent_no_more(
    settings: Settings, log: KafkaNode, receiver: Receiver
) -> None:
    gone, dead = Receiver([410]), Receiver([500])
    hooks = [add(settings, each).webhook.name for each in (gone, dead, receiver)]
    published = publish(log, coverage("61"), coverage("61"))
    soon = settings.model_copy(update={"webhook_disable_days": 1e-6, "webhook_retry_seconds": "0.2,0.2,0.2,0.2"})
    with delivering(soon):
        until("both are disabled", lambda: all(standing(settings, n).webhook.state == "disabled" for n in hooks[:2]))
        until("the others go on", lambda: receiver.ids() == published)
    assert len(gone.got) == 1
    assert standing(settings, hooks[0]).webhook.reason.startswith("answered 410")
    gone.answers = [204]
    webhooks.enable(settings, hooks[0])
    with delivering(settings):
        until("nothing was lost meanwhile", lambda: gone.ids() == [published[0], *published])
    gone.close()
    dead.close()


def test_where_the_log_was_cut_it_goes_on_behind(settings: Settings, log: KafkaNode, receiver: Receiver) -> None:
    add(settings, receiver, "activation")
    published = publish(log, *(event("Activated", VILLAGES[0]) for _ in range(20)))
    place = cut(log)
    with delivering(settings):
        last = publish(log, *(event("Activated", VILLAGES[0]) for _ in range(20)))
        until("what comes later is received", lambda: set(last) <= set(receiver.ids()))
    assert place[0] == "activation"
    assert 0 < len(set(published) - set(receiver.ids())) < 20


def test_a_removed_one_gets_nothing_and_another_secret_signs_what_comes_next(
    settings: Settings, log: KafkaNode, receiver: Receiver
) -> None:
    other = Receiver()
    kept, removed = add(settings, receiver), add(settings, other)
    webhooks.remove(settings, removed.webhook.name)
    rotated = webhooks.rotate(settings, kept.webhook.name)
    publish(log, coverage("61"))
    with delivering(settings):
        until("it is received", lambda: len(receiver.got) == 1)
    assert rotated.secret != kept.secret
    Verifier(rotated.secret).verify(receiver.got[0].body, receiver.got[0].headers)
    assert other.got == []
    other.close()
    again = webhooks.add(settings, other.url, removed.webhook.name, "coverage", "0", "")
    assert again.secret != removed.secret
    with pytest.raises(BadWebhook, match="is taken"):
        webhooks.add(settings, other.url, removed.webhook.name, "coverage", "0", "")
    with pytest.raises(BadWebhook, match="no webhook has this name; there are: hook"):
        webhooks.remove(settings, "nobody")


def test_killed_at_any_time_it_loses_nothing_and_repeats_little(
    settings: Settings, log: KafkaNode, receiver: Receiver, tmp_path: Path
) -> None:
    name = add(settings, receiver).webhook.name
    published = publish(log, *(coverage("61") for _ in range(400)))
    with running(settings, "webhooks", log=tmp_path / "first.log") as process:
        until("some are received", lambda: len(set(receiver.ids())) > 60, process=process)
        process.kill()
    with running(settings, "webhooks", log=tmp_path / "last.log") as process:
        until("all are received", lambda: published[-1] in receiver.ids(), process=process)
        metrics = httpx.get(f"http://127.0.0.1:{settings.webhook_metrics_port}/metrics").text
        assert process.stop() == 0
    assert f'cakupan_webhook_attempts_total{{name="{name}",outcome="delivered"}}' in metrics
    seen = receiver.ids()
    assert list(dict.fromkeys(seen)) == published
    for log_file in tmp_path.glob("*.log"):
        assert "whsec_" not in log_file.read_text()


def outcome(url: str, allowed: str = LOOPBACK) -> Outcome:
    async def send() -> Outcome:
        async with Courier(url, SECRET, networks(allowed)) as one:
            return await one.deliver("an-id", b'{"id":"an-id"}')

    return asyncio.run(send())


PRIVATE = (
    "127.0.0.1",
    "localhost",
    "2130706433",
    "0x7f.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 -- not listened on
    "224.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "[::]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
)


@pytest.mark.parametrize("host", PRIVATE)
def test_no_address_of_a_private_network_is_sent_anything(settings: Settings, host: str) -> None:
    closed = settings.model_copy(update={"webhook_allow": ""})
    with pytest.raises(BadWebhook, match="not public"):
        webhooks.add(closed, f"https://{host}/hook", "inside", "coverage", "0", "")
    assert "not public" in outcome(f"https://{host}/hook", "").detail


def test_a_name_that_has_come_to_lead_inside_is_refused_at_delivery(
    settings: Settings, log: KafkaNode, receiver: Receiver
) -> None:
    """Added while its network was allowed, and no more: as a name whose address has changed."""
    added = add(settings, receiver)
    publish(log, coverage("61"))
    with delivering(settings.model_copy(update={"webhook_allow": ""})):
        until("it is given up", lambda: standing(settings, added.webhook.name).parked == 1)
    (parked,) = webhooks.parked(settings, added.webhook.name)
    assert "not public" in parked.reason
    assert receiver.got == []


def test_public_addresses_are_taken() -> None:
    for host in ("93.184.215.14", "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]", "[64:ff9b::5db8:d70e]"):
        assert asyncio.run(addresses(parse(f"https://{host}/"), ()))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://93.184.215.14/hook", "must begin with https"),
        ("ftp://example.go.id/hook", "such as https"),
        ("example.go.id/hook", "such as https"),
        ("https:///hook", "such as https"),
        ("https://user:word@example.go.id/hook", "no user"),
        ("https://example.go.id/hook#part", "no user"),
        ("https://example.go.id/6101014502990001", "16 digits"),
        ("https://example.go.id/" + "a" * 500, "at most"),
        ("https://no-such-name.invalid/hook", "can't be looked up"),
        ("https://\x00/", "such as https"),
    ],
)
def test_addresses_that_are_none(settings: Settings, url: str, said: str) -> None:
    with pytest.raises(BadWebhook, match=said):
        webhooks.add(settings, url, "somebody", "coverage", "0", "")


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    inside = Receiver()
    receiver.answers, receiver.location = [302], inside.url
    assert outcome(receiver.url) == Outcome(False, "answered 302; redirects are not followed")
    assert (len(receiver.got), inside.got) == (1, [])
    inside.close()


def test_a_name_is_connected_to_by_the_address_that_was_checked(receiver: Receiver) -> None:
    port = httpx.URL(receiver.url).port
    assert outcome(f"http://localhost:{port}/hook").delivered
    assert receiver.got[0].headers["host"] == f"localhost:{port}"


@pytest.mark.parametrize(
    ("certified", "host", "delivered"),
    [
        ("localhost", "localhost", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "127.0.0.1", False),
        ("127.0.0.1", "localhost", False),  # the name counts, and not the address that is connected to
    ],
)
def test_a_receiver_has_to_prove_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certified: str, host: str, delivered: bool
) -> None:
    certificates = tls.provide(tmp_path, (certified,))
    receiver = Receiver(certificate=certificates.server)
    url = f"https://{host}:{httpx.URL(receiver.url).port}/hook"
    courier._trust.cache_clear()
    assert not outcome(url).delivered  # nobody vouches for it
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    courier._trust.cache_clear()
    assert outcome(url).delivered is delivered
    assert len(receiver.got) == delivered
    courier._trust.cache_clear()
    receiver.close()


def test_nobody_there_and_nonsense_are_failures_in_words() -> None:
    assert outcome(f"http://127.0.0.1:{free_port()}/").detail == "can't be connected to"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Not Allowed"}, "a name is"),
        ({"topics": "reference"}, "--topics"),
        ({"topics": ""}, "--topics"),
        ({"region": "61.99"}, "--region"),
        ({"types": "Activated"}, "--type"),
    ],
)
def test_webhooks_that_can_not_be(settings: Settings, receiver: Receiver, change: dict[str, str], said: str) -> None:
    given = {"url": receiver.url, "name": "good", "topics": "coverage", "region": "0", "types": "", **change}
    with pytest.raises(ValueError, match=said):
        webhooks.add(settings, **given)
    assert webhooks.list_(settings) == []


def test_the_command(settings: Settings, log: KafkaNode, receiver: Receiver) -> None:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app(), ["webhook", *arguments], env=environment(settings))

    made = run("add", receiver.url, "--name", "office", "--region", "61", "--json")
    assert made.exit_code == 0, made.output
    shown = json.loads(made.stdout)
    assert (shown["region"], shown["topics"], shown["state"]) == ("61", ["coverage"], "active")
    assert "secret" not in json.loads(run("list", "--json").stdout)[0]
    for each in (run("list"), run("parked", "office"), run("replay", "office"), run("enable", "office")):
        assert each.exit_code == 0, each.output
        assert "whsec_" not in each.output
    tested = run("test", "office")
    assert (tested.exit_code, "answered 204" in tested.output) == (0, True)
    seen = Verifier(shown["secret"]).verify(receiver.got[0].body, receiver.got[0].headers)
    assert seen["type"] == "WebhookTested"
    receiver.answers = [500]
    assert run("test", "office").exit_code == 1
    rotated = json.loads(run("rotate", "office", "--json").stdout)
    assert rotated["secret"] not in ("", shown["secret"])
    assert run("remove", "office").exit_code == 0
    refused = command(settings, "webhook", "add", "https://10.0.0.1/", "--name", "inside")
    assert (refused.returncode, "not public" in refused.stderr) == (2, True)


CODE = re.compile(r"```python\nimport base64.*?```", re.DOTALL)


def test_the_documented_check_is_right(receiver: Receiver) -> None:
    (code,) = CODE.findall((Path(__file__).parent.parent / "docs" / "stream.md").read_text())
    names: dict[str, Any] = {}
    exec(code.removeprefix("```python\n").removesuffix("```"), names)  # noqa: S102 -- our own page
    assert outcome(receiver.url).delivered
    (got,) = receiver.got
    assert names["is_ours"](SECRET, got.body, got.headers)
    assert not names["is_ours"](SECRET, got.body + b" ", got.headers)
    assert not names["is_ours"](SECRET, got.body, got.headers | {"webhook-timestamp": "1700000000"})


def test_no_secret_is_in_the_database(settings: Settings, log: KafkaNode, receiver: Receiver) -> None:
    secret = add(settings, receiver).secret
    (row,) = wiring.database(settings).rows("SELECT * FROM webhook")
    assert secret.removeprefix("whsec_") not in str(row)
    key = settings.data_dir / webhooks.KEY_FILE
    assert key.stat().st_mode & 0o077 == 0
    assert key.read_text() not in str(row)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEY", "short"),
        ("ALLOW", "10.0.0.1/33"),
        ("ALLOW", "office"),
        ("RETRY_SECONDS", "5,x"),
        ("RETRY_SECONDS", "-1"),
    ],
)
def test_settings_that_can_not_be(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CAKUPAN_WEBHOOK_{name}", value)
    with pytest.raises(SettingsError, match=f"CAKUPAN_WEBHOOK_{name}: .*must be"):
        read_settings()
