"""`cakupan fanout`: events into the topics of the provinces, answers that changed, receipts."""

from __future__ import annotations

import gc
import logging
import signal
import threading

from prometheus_client import start_http_server

from cakupan import wiring
from cakupan.settings import Settings, read_settings
from cakupan.standing_back import stand_back

GC_THRESHOLD = 1_000_000
JOIN_SECONDS = 2.0  # cut short, both begin again from what their topics hold

log = logging.getLogger(__name__)


def fanout() -> None:
    """Pass events on to the provinces that have topics (`ikd.pNN.*`), publish answers that changed, sign receipts.

    One is enough. Provinces whose topics are made while it runs are found within CAKUPAN_FANOUT_LOOK_SECONDS and get
    their events from the beginning of the log. It keeps its place in the log under CAKUPAN_FANOUT_GROUP; killed at any
    moment, it passes some events on again and loses none.

    Example: `cakupan fanout`
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stand_back()
    _watch(read_settings())


def _watch(settings: Settings) -> None:
    from streams import coverage_topic, receipts
    from streams.fanout import Fanout, Progress, run
    from streams.metrics import FANOUT

    ended, progress = threading.Event(), Progress()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if settings.fanout_metrics_port:
        try:
            start_http_server(settings.fanout_metrics_port, "127.0.0.1", FANOUT.registry)
        except OSError as error:
            log.warning("no metrics on port %d (CAKUPAN_FANOUT_METRICS_PORT): %s", settings.fanout_metrics_port, error)
    # A batch is a hundred thousand small tuples in no circle: looking for circles took half of the time.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    bootstrap, key = settings.kafka_bootstrap, wiring.receipt_key(settings)
    beside = (
        threading.Thread(
            target=coverage_topic.run, args=(bootstrap, wiring.database(settings), ended), name="answers", daemon=True
        ),
        threading.Thread(target=receipts.run, args=(bootstrap, key, progress, ended), name="receipts", daemon=True),
    )
    for thread in beside:
        thread.start()
    try:
        run(lambda: Fanout(bootstrap, settings.fanout_group, settings.fanout_look_seconds), progress, ended)
    finally:
        ended.set()
        for thread in beside:
            thread.join(JOIN_SECONDS)
