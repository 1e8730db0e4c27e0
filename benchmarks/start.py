"""`cakupan up` from nothing, and again: until the API gives its first answer."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.result import Figure, Goal, Result
from benchmarks.serving import settings_in
from cakupan.embedded.jars import provide
from cakupan.embedded.process import LOOPBACK
from cakupan.settings import Settings

REACH_COLD, REACH_WARM = 15, 8
GIVE_UP_SECONDS = 120
LOOK_SECONDS = 0.01


def run(times: int) -> Result:
    """`times` cold starts, in an empty data folder and with the jars in the cache, each with a warm one after it."""
    provide()
    cold, warm = [], []
    for _ in range(times):
        with tempfile.TemporaryDirectory(prefix="cakupan-bench-") as folder:
            cold.append(first_answer(Path(folder)))
            warm.append(first_answer(Path(folder)))
    result = Result("start", f"make bench NAME=start EVENTS={times}")
    for name, seconds, reach in (("cold", cold, REACH_COLD), ("warm", warm, REACH_WARM)):
        result.figures[f"{name}, median"] = Figure(median(seconds), "s")
        result.figures[f"{name}, slowest"] = Figure(max(seconds), "s")
        result.goals[f"{name}, s"] = Goal(reach, median(seconds) <= reach)
    return result


def first_answer(folder: Path) -> float:
    """Seconds from the command to the first answer about coverage; then it is stopped as a user stops it."""
    settings = settings_in(folder)
    env = {**os.environ, **{f"CAKUPAN_{key.upper()}": str(value) for key, value in settings.model_dump().items()}}
    command = [sys.executable, "-m", "cakupan", "up", "--no-scenario"]
    with (folder / "up.log").open("ab") as log:
        began = time.monotonic()
        up = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        while not _answers(settings):
            assert up.poll() is None, (folder / "up.log").read_text()
            assert time.monotonic() - began < GIVE_UP_SECONDS
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


def _answers(settings: Settings) -> bool:
    client = http.client.HTTPConnection(LOOPBACK, settings.api_port, timeout=5)
    try:
        client.request("GET", "/v1/coverage/0")
        return client.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        client.close()
