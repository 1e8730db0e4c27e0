"""Pictures of the page for the documents: `python -m tests.screenshots`, about three minutes.

A system of its own with the Sambas scenario, then with the nation's; nothing of them stays.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cakupan.settings import Settings
from tests.support import Process, command, own_system, until

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
WALL, PHONE = (1440, 900), (390, 844)
DAY = "as_of=2024-06-30"
PEOPLE = 100_000
TALLEST = 1500
DOTS_PER_INCH = "80"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with browser() as launched:
        with system() as settings:
            sambas(Looking(launched, settings))
        with system("--no-scenario") as settings:
            nation(Looking(launched, settings), settings)


def sambas(look: Looking) -> None:
    look.at(f"/?region=61&basis=population&{DAY}", "province", WALL)
    look.at(f"/?region=61.01&{DAY}", "regency", WALL)
    look.at(f"/?region=61.01&{DAY}", "phone", PHONE)
    look.at(f"/?region=61.01&{DAY}", "print", WALL, paper)


def nation(look: Looking, settings: Settings) -> None:
    told = command(settings, "simulate", "nation", "--people", str(PEOPLE), "--json")
    assert told.returncode == 0, told.stderr
    until("the nation is taken in", lambda: taken_in(settings), timeout=280)
    look.at("/?basis=population", "nation", WALL)


@contextmanager
def system(*options: str) -> Iterator[Settings]:
    """A whole system in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _up(folder, options)


def _up(folder: Path, options: tuple[str, ...]) -> Iterator[Settings]:
    settings = own_system(folder)
    process = Process(settings, ("up", "--no-verify", *options), folder / "up.log")
    try:
        until("cakupan is up", lambda: "Ctrl-C stops" in process.said, timeout=280, process=process)
        yield settings
    finally:
        process.process.send_signal(signal.SIGINT)
        process.process.wait(60)


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])


def taken_in(settings: Settings) -> bool:
    partitions = httpx.get(f"{settings.api_address}/v1/freshness").raise_for_status().json()["partitions"]
    return all(each["lag"] == 0 for each in partitions)


def picture(page: Page, path: Path) -> None:
    """The page from its top, as far as a reader of the documents needs it."""
    width = page.viewport_size["width"] if page.viewport_size else WALL[0]
    page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": TALLEST})


def paper(page: Page, path: Path) -> None:
    """The printed report as a picture."""
    printed = path.with_suffix(".pdf")
    page.pdf(path=printed, prefer_css_page_size=True)
    asked = ["pdftoppm", "-r", DOTS_PER_INCH, "-png", "-singlefile", str(printed), str(path.with_suffix(""))]
    subprocess.run(asked, check=True)
    printed.unlink()


class Looking:
    """A browser with a key, which takes pictures of pages that are drawn to their end."""

    def __init__(self, launched: Browser, settings: Settings) -> None:
        made = command(settings, "subscriber", "add", "0", "--name", "pictures", "--json")
        self._browser = launched
        self._address = settings.api_address
        self._key = json.loads(made.stdout)["api_key"]

    def at(self, address: str, name: str, size: tuple[int, int], take: Callable[[Page, Path], None] = picture) -> None:
        page = self._browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.add_init_script(f"sessionStorage.setItem('cakupan.key', {json.dumps(self._key)})")
        page.goto(self._address + address)
        expect(page.locator("#connection.live")).to_be_visible(timeout=30_000)
        expect(page.locator(".tile:not([hidden])[aria-busy]")).to_have_count(0, timeout=30_000)
        expect(page.locator(".chart canvas")).to_be_visible(timeout=30_000)
        page.wait_for_timeout(500)  # the chart is painted a frame later
        take(page, FOLDER / f"{name}.png")
        page.close()


if __name__ == "__main__":
    main()
