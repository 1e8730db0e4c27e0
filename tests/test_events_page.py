"""The page of all events: complete, without anything from elsewhere, and fit for people who do not see it."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from api import events_page
from events.catalogue import BY_SCHEMA_ID, EVENTS, TOPICS, EventType, examples, schema
from projections.clickhouse import Database
from tests.conftest import free_port
from tests.test_api_world import served

ALONE = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What is on a page: elements with their attributes, text, and whether elements are closed as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ALONE:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, attribute: str) -> list[str]:
        return [str(each[attribute]) for _, each in self.elements if attribute in each]


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with served(Database("127.0.0.1", free_port())) as client:
        yield client


@pytest.fixture(scope="module")
def page(http: httpx.Client) -> Page:
    answer = http.get("/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == events_page.POLICY
    return Page(answer.text)


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_every_event_is_there_with_all_that_is_known(page: Page, event: EventType) -> None:
    text = " ".join("".join(page.text).split())
    newest = schema(event.newest.schema_id)
    for word in (event.name, event.subject, newest["doc"], TOPICS[event.topic].key):
        assert word in text
    for each in newest["fields"]:
        assert each["name"] in text
        assert each["doc"] in text
    assert str(examples(event, event.newest)[0]["event_id"]) in text
    for version in event.versions:
        assert f"schema id {version.schema_id}" in text


def test_since_when_a_field_is_there(page: Page) -> None:
    text = " ".join("".join(page.text).split())
    activated = text.partition("Fields of Activated, version 2")[2]
    assert re.match(r".*?device_classone of [\w, ]+?2What kind of phone", activated)
    assert re.match(r".*?channelone of [\w, ]+?1How the person was served", activated)


def test_links_lead_somewhere_and_nothing_is_fetched(page: Page, http: httpx.Client) -> None:
    assert page.all("src") == []
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "img", "iframe", "object"})
    ids = set(page.all("id"))
    assert "http" not in "".join(page.all("href"))
    for target in set(page.all("href")):
        if target.startswith("#"):
            assert target[1:] in ids, target
        else:
            assert http.get(target).status_code == 200, target
    assert {f"/schemas/ids/{each}/schema" for each in BY_SCHEMA_ID} <= set(page.all("href"))


def test_it_can_be_read_aloud(page: Page) -> None:
    tags = Counter(tag for tag, _ in page.elements)
    assert tags["h1"] == tags["main"] == tags["nav"] == tags["title"] == 1
    assert tags["table"] == tags["caption"] == len(EVENTS)
    assert max(Counter(page.all("id")).values()) == 1
    assert dict(page.elements)["html"] == {"lang": "en"}
    for name in page.all("aria-labelledby"):
        assert name in page.all("id")
    for tag, attributes in page.elements:
        assert tag != "th" or attributes.get("scope") in ("row", "col")
        if attributes.get("role") == "region":
            assert attributes.get("aria-label")
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_ink_stands_out_from_paper() -> None:
    """4.5 to 1 at least, in light and in dark, as WCAG AA asks."""
    for block in re.findall(r":root\{([^}]+)\}", events_page.STYLE):
        colours = dict(re.findall(r"--(\w+):(#\w+)", block))
        for name in ("ink", "soft", "link"):
            for ground in ("paper", "tint"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
