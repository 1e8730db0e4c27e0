"""The operations room's page in a real browser, on a system that is up: what it shows is what the API says."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import httpx
import polars as pl
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from api import coverage, log_state, measures, public, series
from api.routes.page import FOLDER
from cakupan import wiring
from cakupan.settings import Settings
from events import identity, jsonform, regions
from events.catalogue import EVENTS, examples
from events.codec import Event
from events.publisher import Publisher
from projections import keys
from tests.conftest import free_port
from tests.support import Process, command, own_system, running, until

AXE = Path(__file__).parent / "axe" / "axe.min.js"
REGENCY, VILLAGE = 6101, 6101012001
SAMBAS = "/?region=61.01"
FEW = 12  # a province where one person is
MOST_SCRIPT = 300_000
LONG = 30_000  # ms; nothing here is about speed
expect.set_options(timeout=LONG)
PROBLEM = {"type": "urn:cakupan:problem:away", "title": "Service Unavailable", "status": 503, "detail": "it is away"}


def event(type_: str, **values: Any) -> Event:
    """An event like the type's example, now and under an id of its own."""
    at = time.time_ns() // 1_000_000
    like = jsonform.from_json(examples(EVENTS[type_], EVENTS[type_].newest)[0], at).values
    own = {"event_id": identity.new_event_id(at), "occurred_at": at, "recorded_at": at}
    return Event(EVENTS[type_], {**like, **own, **values})


def activated() -> Event:
    return event("Activated", domicile=VILLAGE, subject_id=uuid.uuid4().bytes)


def send(settings: Settings, *sent: Event) -> None:
    with Publisher(settings.kafka_bootstrap) as publisher:
        for each in sent:
            publisher.publish(each)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A system that is up; three people are active in Sambas."""
    folder = tmp_path_factory.mktemp("up")
    made = own_system(folder)
    process = Process(made, ("up", "--no-scenario", "--no-verify"), folder / "up.log")
    until("cakupan is up", lambda: "Ctrl-C stops" in process.said, timeout=300, process=process)
    send(made, event("DenominatorReleased", region=REGENCY), event("TargetSet", region=REGENCY, valid_to=None))
    send(made, *(activated() for _ in range(3)))
    until("they are counted", lambda: active(made) == 3)
    yield made
    process.process.send_signal(signal.SIGINT)
    assert process.process.wait(60) == 0, process.said[-2000:]


def answer(settings: Settings, path: str) -> Any:
    return httpx.get(f"{settings.api_address}{path}").raise_for_status().json()


def active(settings: Settings) -> int:
    """How many active people the API says that the regency has."""
    numerator = answer(settings, "/v1/coverage/61.01")["numerator"]
    return int(numerator["value"]) if numerator else 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "Chromium is missing: apt-get install chromium (`make test` does it where it may)"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(settings: Settings, browser: Browser) -> Iterator[Page]:
    """A tab of its own; its script raises nothing, and asks for nothing that the page's policy forbids."""
    context = browser.new_context(base_url=settings.api_address)
    tab = context.new_page()
    tab.set_default_timeout(LONG)
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    yield tab
    context.close()
    assert wrong == []


def shows(page: Page, name: str, text: str) -> None:
    expect(page.locator(f".figure.{name}")).to_contain_text(text)


def is_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_text("Langsung")


def test_it_shows_the_answer_and_moves_with_it(settings: Settings, page: Page) -> None:
    page.goto(SAMBAS)
    figures = answer(settings, "/v1/coverage/61.01")
    denominator = f"{figures['denominator']['value']:,}".replace(",", ".")
    shows(page, "coverage", f"3 aktif dari {denominator}")
    shows(page, "missing", f"{figures['missing']:,}".replace(",", "."))
    expect(page.locator("#age")).to_contain_text("Data per")
    is_live(page)
    send(settings, activated())
    shows(page, "coverage", f"4 aktif dari {denominator}")
    assert active(settings) == 4
    expect(page.locator(".rates")).to_contain_text("jam")


def test_down_and_back(settings: Settings, page: Page) -> None:
    page.goto("/")
    title = page.locator("h1")
    for name, address in (("Kalimantan Barat", "/?region=61"), ("Kabupaten Sambas", "/?region=61.01")):
        page.locator(".ranking").get_by_role("link", name=name, exact=True).click()
        expect(title).to_have_text(name)
        assert page.url == f"{settings.api_address}{address}"
    assert title.evaluate("it => it === document.activeElement"), "a screen reader hears where it is now"
    page.locator("#path").get_by_role("link", name="Kalimantan Barat").click()
    expect(title).to_have_text("Kalimantan Barat")
    page.go_back()
    expect(title).to_have_text("Kabupaten Sambas")
    page.go_back()
    page.go_back()
    expect(title).to_have_text("Indonesia")
    expect(page.locator(".map .hatched").first).to_contain_text("Tidak ada data")
    page.get_by_role("combobox", name="Cari wilayah").fill("kabupaten sambas")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(title).to_have_text("Kabupaten Sambas")


def test_no_data_is_said_and_is_never_nought(page: Page) -> None:
    page.goto("/?region=11")
    shows(page, "coverage", "Tidak ada data: belum ada kejadian dan laporan sumber untuk wilayah ini")
    expect(page.locator(".rates dd")).to_have_text(["Tidak ada data"] * 3)
    expect(page.locator(".rates")).to_contain_text("saat itu belum ada kejadian dan laporan sumber untuk wilayah ini")
    assert "0" not in page.locator(".figure .value").first.inner_text()


def test_two_languages(page: Page) -> None:
    page.goto(SAMBAS)
    expect(page.locator("html")).to_have_attribute("lang", "id")
    shows(page, "attainment", "Capaian terhadap target")
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    shows(page, "attainment", "Attainment of the target")
    assert "lang=en" in page.url
    expect(page.locator("#connection")).to_have_text("Live")


def test_what_came_while_the_network_was_away_is_shown(settings: Settings, page: Page) -> None:
    page.goto(SAMBAS)
    before = active(settings)
    shows(page, "coverage", f"{before} aktif")
    is_live(page)
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_have_text("Terputus")
    shows(page, "coverage", f"{before} aktif")
    send(settings, activated())
    until("it is counted", lambda: active(settings) == before + 1)
    page.context.set_offline(False)
    is_live(page)
    shows(page, "coverage", f"{before + 1} aktif")


def test_a_failing_answer_says_what_is_wrong_and_is_asked_again(page: Page) -> None:
    def fail(route: Route) -> None:
        route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(PROBLEM))

    page.route("**/v1/coverage/61/children*", fail)
    page.goto("/?region=61")
    trouble = page.locator(".ranking [role=alert]")
    expect(trouble).to_contain_text("503 Service Unavailable")
    expect(trouble).to_contain_text("it is away")
    page.unroute("**/v1/coverage/61/children*")
    trouble.get_by_role("button", name="Coba lagi").click()
    expect(page.locator(".ranking")).to_contain_text("Kabupaten Sambas")


def test_a_slow_answer_holds_up_nothing_else(page: Page) -> None:
    held: list[Route] = []
    page.route("**/v1/coverage/61/children*", lambda route: held.append(route))
    page.goto("/?region=61")
    ranking = page.locator(".ranking")
    shows(page, "coverage", "orang aktif")
    is_live(page)
    expect(ranking).to_have_attribute("aria-busy", "true")
    expect(ranking).to_contain_text("Memuat")
    while held:
        held.pop().continue_()
    page.unroute("**/v1/coverage/61/children*")
    expect(ranking).to_contain_text("Kabupaten Sambas")
    expect(ranking).not_to_have_attribute("aria-busy", "true")


def test_an_unknown_region(page: Page) -> None:
    page.goto("/?region=99")
    expect(page.locator("h1")).to_have_text("Wilayah tidak dikenal")
    expect(page.locator("#tiles")).to_contain_text("404 Not Found")
    page.get_by_role("link", name="Ke halaman nasional").click()
    expect(page.locator("h1")).to_have_text("Indonesia")


def test_small_regions_ask_for_a_key(settings: Settings, page: Page) -> None:
    made = command(settings, "subscriber", "add", "61.01", "--name", "room", "--json")
    key = json.loads(made.stdout)["api_key"]
    page.goto(SAMBAS)
    ranking = page.locator(".ranking")
    expect(ranking).to_contain_text("memerlukan kunci API")
    ranking.get_by_label("Kunci API").fill(key)
    ranking.get_by_role("button", name="Pakai kunci").click()
    ranking.get_by_role("link", name="Sambas", exact=True).click()
    expect(page.locator("h1")).to_have_text("Sambas")
    is_live(page)
    assert key not in page.url
    page.get_by_role("button", name="Lepas kunci").click()
    expect(page.locator(".headline")).to_contain_text("memerlukan kunci API")


@pytest.fixture(scope="module")
def national_key(settings: Settings) -> str:
    made = command(settings, "subscriber", "add", "0", "--name", "all", "--json")
    return str(json.loads(made.stdout)["api_key"])


def with_key(page: Page, key: str) -> None:
    page.add_init_script(f"sessionStorage.setItem('cakupan.key', {json.dumps(key)})")


def test_all_villages_of_the_nation_can_be_gone_through(page: Page, national_key: str) -> None:
    with_key(page, national_key)
    page.goto("/?basis=population")
    settled(page)
    tile = page.locator(".villages")
    tile.get_by_role("button", name="Hitung sekarang").click()
    status, rows = tile.get_by_role("status"), tile.locator("tbody tr")
    expect(status).to_have_text("Desa 1 sampai 100 dari 83.762")
    expect(rows).to_have_count(100)
    village = regions.region(VILLAGE)
    expect(rows.first).to_contain_text(f"1. {village.name}")

    further = tile.get_by_role("button", name="Berikutnya")
    further.focus()
    page.keyboard.press("Enter")
    expect(status).to_have_text("Desa 101 sampai 200 dari 83.762")
    expect(rows.first).to_contain_text("101. ")
    assert further.evaluate("it => it === document.activeElement"), "the keyboard stays where it was"
    tile.get_by_role("button", name="Akhir").click()
    expect(status).to_have_text("Desa 83.701 sampai 83.762 dari 83.762")
    expect(rows).to_have_count(62)
    number = tile.get_by_label("Nomor halaman")
    number.fill("500")
    number.press("Enter")
    expect(status).to_have_text("Desa 49.901 sampai 50.000 dari 83.762")

    tile.get_by_role("button", name="Wilayah").click()
    expect(status).to_have_text("Desa 1 sampai 100 dari 83.762")
    expect(tile.locator("th[aria-sort=ascending]")).to_contain_text("Wilayah")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run('.villages')")["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []
    tile.get_by_role("link").first.click()
    expect(page.locator("#path")).to_contain_text("Indonesia")


def test_the_list_of_villages_is_downloaded_whole(page: Page, national_key: str) -> None:
    with_key(page, national_key)
    page.goto("/?region=61")
    settled(page)
    tile = page.locator(".villages")
    with page.expect_download() as columns:
        tile.get_by_role("button", name=re.compile("sebagai Parquet")).click()
    frame = pl.read_parquet(columns.value.path())
    assert sorted(frame["code"]) == [regions.format_code(each) for each in regions.villages_within(61)]
    assert frame["active"].max() == frame["active"][0]


def test_downloads_hold_what_is_shown(settings: Settings, page: Page) -> None:
    page.goto("/?region=61&basis=population")
    ranking = page.locator(".ranking")
    with page.expect_download() as lines:
        ranking.get_by_role("button", name=re.compile("sebagai NDJSON")).click()
    rows = [json.loads(each) for each in lines.value.path().read_text().splitlines()]
    items = answer(settings, "/v1/coverage/61/children?basis=population&limit=1000")["items"]
    assert rows == items
    with page.expect_download() as sheet:
        ranking.get_by_role("button", name=re.compile("sebagai CSV")).click()
    assert sheet.value.suggested_filename == "61-ranking.csv"
    assert len(sheet.value.path().read_text().splitlines()) == len(items) + 1
    with page.expect_download() as columns:
        ranking.get_by_role("button", name=re.compile("sebagai Parquet")).click()
    frame = pl.read_parquet(columns.value.path())
    assert columns.value.suggested_filename == "61-ranking.parquet"
    assert frame["region.code"].to_list() == [each["region"]["code"] for each in items]
    assert frame["coverage"].to_list() == [each["coverage"] for each in items]
    assert set(frame["as_of"]) == {dt.date.fromisoformat(items[0]["as_of"])}


def test_measures_are_the_api_s_with_both_parts_of_their_shares(settings: Settings, page: Page) -> None:
    failures = ["no_connectivity"] * 4 + ["no_smartphone"] * 2
    failed = [event("AttemptFailed", domicile=VILLAGE, reason=each, subject_id=uuid.uuid4().bytes) for each in failures]
    send(settings, *failed, event("FigureReported", region=REGENCY))
    until("they are counted", lambda: answer(settings, "/v1/barriers/61.01")["attempts_failed"] == len(failures))
    until("it is held against the record", lambda: answer(settings, "/v1/claims/61.01")["total"] == 1)

    page.goto(SAMBAS)
    settled(page)
    expect(page.locator(".barriers")).to_contain_text("4 dari 6 kegagalan yang alasannya jelas")
    for part in answer(settings, "/v1/barriers/61.01")["parts"]:
        share = part["share"]
        expect(page.locator(".barriers table")).to_contain_text(f"{share['numerator']} / {share['denominator']}")
    (claim,) = answer(settings, "/v1/claims/61.01")["items"]
    expect(page.locator(".claims tbody tr")).to_contain_text([claim["printed"]])
    expect(page.locator(".pace")).to_contain_text("saat itu belum ada kejadian yang menyebut wilayah ini")
    expect(page.locator(".pace")).not_to_contain_text("0 per hari")
    expect(page.locator(".next_visits")).to_contain_text("Memerlukan kunci API; isi pada ubin lain")
    expect(page.locator(".next_visits form")).to_have_count(0)

    page.goto("/?region=61")
    settled(page)
    served = answer(settings, "/v1/served/61")
    (home,) = [each["elsewhere"] for each in served["domiciles"] if each["activations"]]
    expect(page.locator(".served tbody").first).to_contain_text(f"{home['numerator']} / {home['denominator']}")
    silence = answer(settings, "/v1/silence/61")
    assert silence["items"] == []
    expect(page.locator(".silence")).to_contain_text("Tidak ada data: belum pernah ada sumber yang melapor")

    page.goto("/")
    settled(page)
    expect(page.locator(".served table")).to_have_count(0)
    page.locator(".served").get_by_role("button", name="Hitung sekarang").click()
    part = f"{home['numerator']} / {home['denominator']}"
    expect(page.locator(".served tbody").first).to_contain_text(part)


def test_open_alerts_stand_at_the_top_until_they_are_over(settings: Settings, page: Page) -> None:
    page.goto(SAMBAS)
    settled(page)
    expect(page.locator(".alerts")).to_be_hidden()
    own = {"region": REGENCY, "alert_id": uuid.uuid4().bytes, "kind": "stall", "subject": ""}
    send(settings, event("AlertRaised", **own, measured=61.5, threshold=20.0))
    expect(page.locator(".alerts tbody")).to_contain_text("Aktivasi terhenti")
    expect(page.locator(".alerts tbody")).to_contain_text("61,5 aktivasi seharusnya")
    expect(page.locator(".alerts").get_by_role("button", name="Tandai dilihat")).to_have_count(0)  # without a key
    now = dt.datetime.now(dt.UTC)
    secret = keys.add(wiring.database(settings), "dukcapil-sambas", REGENCY, 3, now + dt.timedelta(days=1), now)
    page.evaluate("secret => sessionStorage.setItem('cakupan.key', secret)", secret)
    page.reload()
    page.locator(".alerts").get_by_role("button", name="Tandai dilihat").click()
    expect(page.locator(".alerts tbody")).to_contain_text("dukcapil-sambas")
    until("it is in the answers", lambda: [each["state"] for each in open_alerts(settings)] == ["acknowledged"])
    send(settings, event("AlertCleared", **own))
    expect(page.locator(".alerts")).to_be_hidden()
    assert open_alerts(settings) == []


def open_alerts(settings: Settings) -> list[Any]:
    found: list[Any] = answer(settings, "/v1/alerts/61.01")["items"]
    return found


@pytest.mark.parametrize("address", ["/?basis=population", SAMBAS, "/?region=61&lang=en", "/?region=99"])
def test_anyone_can_use_it(page: Page, address: str) -> None:
    page.goto(address)
    settled(page)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []


def settled(page: Page) -> None:
    """Everything that was asked is drawn."""
    page.wait_for_selector("h1[tabindex], .trouble")
    expect(page.locator(".tile:not([hidden])[aria-busy]")).to_have_count(0)


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for address in ("/?basis=population", SAMBAS):
        page.goto(address)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("address", ["/?basis=population", SAMBAS])
def test_it_prints_on_one_page(page: Page, address: str) -> None:
    page.goto(address)
    settled(page)
    paper = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", paper)) == 1


def test_its_scripts_are_light_and_its_own(settings: Settings, page: Page) -> None:
    weights: dict[str, int] = {}
    hosts = set()

    def weigh(request: Any) -> None:
        hosts.add(httpx.URL(request.url).copy_with(path="/", query=None))
        if request.resource_type == "script":
            with contextlib.suppress(Exception):  # a stream that is still open has no size yet
                weights[request.url] = request.sizes()["responseBodySize"]

    page.on("requestfinished", weigh)
    page.goto(SAMBAS)
    settled(page)
    expect(page.locator(".chart canvas")).to_be_visible()
    page.wait_for_timeout(500)  # for sizes of what came last
    assert any("uPlot" in each for each in weights)
    assert sum(weights.values()) < MOST_SCRIPT, weights
    assert hosts == {httpx.URL(settings.api_address + "/")}


def test_parts_are_kept_and_asked_for_again(settings: Settings) -> None:
    for path in sorted(FOLDER.rglob("*.js")):
        address = f"{settings.api_address}/page/{path.relative_to(FOLDER).as_posix()}"
        first = httpx.get(address)
        assert (first.status_code, first.content) == (200, path.read_bytes())
        assert httpx.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    for none in ("/page/none.js", "/page/../app.py", "/page/%2e%2e/app.py"):
        assert httpx.get(settings.api_address + none).status_code == 404
    page = httpx.head(settings.api_address + "/")
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_both_languages_have_every_text() -> None:
    """And every text that a module names is there."""
    messages = (FOLDER / "messages.js").read_text(encoding="utf-8")
    known = set(re.findall(r"(\w+): \[\"", messages))
    for path in FOLDER.rglob("*.js"):
        if "vendor" in path.parts:
            continue
        for name in re.findall(r"\bt\(\"(\w+)\"", path.read_text(encoding="utf-8")):
            assert name in known, f"{path.name}: {name}"


def test_every_reason_is_told_in_indonesian() -> None:
    """Of those that answers give; the page asks neither for the past as it was known nor for a back-test."""
    table = (
        (FOLDER / "messages.js").read_text(encoding="utf-8").partition("const REASONS")[2].partition("const ENGLISH")[0]
    )
    patterns = [re.compile(each) for each in re.findall(r"^  \[/(.*?)/, \(", table, re.MULTILINE)]
    of_measures = (import_module(f"api.measures.{each.name}") for each in iter_modules(measures.__path__))
    unasked = {"KNOWN_IN_FUTURE", "NOT_YET", "ASK_OTHERWISE", "NOT_ASKED", "FEW_TESTS", "METHOD", "NEEDS_KEY"}
    reasons = {
        text
        for module in (coverage, log_state, public, series, *of_measures)
        for name, text in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(text, str) and " " in text
        if name not in unasked
    }
    assert len(reasons) > 30
    assert [each for each in reasons if not any(pattern.search(each) for pattern in patterns)] == []


def in_few_regions(settings: Settings) -> None:
    """One person in North Sumatra, and in Sambas so many that their rounded number has room on both sides."""
    more = 10 + (2 - active(settings)) % 5
    send(settings, *(activated() for _ in range(more)))
    send(settings, event("Activated", domicile=regions.villages_within(FEW)[0], subject_id=uuid.uuid4().bytes))
    until(
        "they are counted", lambda: active(settings) % 5 == 2 and answer(settings, f"/v1/coverage/{FEW}")["numerator"]
    )


def test_the_public_view_withholds_and_says_so(settings: Settings, browser: Browser, tmp_path: Path) -> None:
    """Another API over the same tables, as a public one is."""
    in_few_regions(settings)
    few = regions.region(FEW)
    public = settings.model_copy(update={"public_smallest": 5, "api_port": free_port()})
    with running(public, "serve", log=tmp_path / "public.log") as process:
        until("it answers", lambda: is_up(public), process=process)
        tab = browser.new_page(base_url=public.api_address)
        tab.set_default_timeout(LONG)
        tab.goto(f"/?region={few.code}")
        settled(tab)
        shows(tab, "coverage", "Disembunyikan: kurang dari 5 orang, atau akan membuka jumlah sekecil itu")
        expect(tab.locator("#connection")).to_have_text("Tidak langsung")
        expect(tab.locator(".rates")).to_contain_text("memerlukan kunci API")

        tab.goto(SAMBAS)
        shows(tab, "coverage", f"{active(settings) // 5 * 5} aktif dari")
        shows(tab, "coverage", "dibulatkan ke bawah ke kelipatan 5")

        tab.goto("/?basis=population")
        settled(tab)
        expect(tab.locator(".map .dotted:not(.swatch)")).to_have_count(1)
        expect(tab.locator(".map .hatched").first).to_contain_text("Tidak ada data")
        expect(tab.locator(".ranking tbody tr", has_text=few.name)).to_contain_text("Disembunyikan")
        expect(tab.locator(".ranking tbody tr", has_text="Aceh")).to_contain_text("Tidak ada data")
        with tab.expect_download() as lines:
            tab.locator(".ranking").get_by_role("button", name=re.compile("sebagai NDJSON")).click()
        rows = [json.loads(each) for each in lines.value.path().read_text().splitlines()]
        (own,) = [each for each in rows if each["region"]["code"] == few.code]
        assert (own["numerator"], own["suppressed"]) == (None, True)
        tab.close()


def is_up(settings: Settings) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{settings.api_address}/health/live").is_success
    return False
