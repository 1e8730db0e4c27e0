"""Runs a Faust app in this process, from first connection to last commit, and says in one line what went wrong.

    raise SystemExit(run_worker(app))

Exit codes: 0 stopped by a signal (SIGTERM, SIGINT); 1 the app failed; 3 (or its own) an agent raised `StopWorker`;
4 stopped, but not within `stop_timeout`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver

from streams.transport import WorkerApp

log = logging.getLogger(__name__)

STOPPED, FAILED, STOP_WORKER, HUNG = 0, 1, 3, 4


class StopWorker(Exception):
    """We decide to stop, say because too much goes to the dead letters. Raise it in an agent.

    The batch that the agent holds is not committed, and the log has the reason without a traceback.
    """

    def __init__(self, reason: str, exit_code: int = STOP_WORKER) -> None:
        """`exit_code`: what `run_worker` returns."""
        super().__init__(reason)
        self.exit_code = exit_code


def run_worker(
    app: WorkerApp,
    *,
    log_level: str | None = "INFO",
    stop_timeout: float = 10.0,
    retry_after: float = 1.0,
    retry_at_most: float = 30.0,
    on_ready: Callable[[], None] | None = None,
) -> int:
    """Run the app until a signal, `StopWorker` or a failure; return the exit code.

    Waits for Kafka, and for the topics that the app reads, as long as it takes: with pauses that double from
    `retry_after` to `retry_at_most` seconds. A Kafka that goes away later is waited for too. A stop takes at most
    `stop_timeout` seconds; a second signal cuts it short. `log_level=None` leaves logging as it is. `on_ready` is
    called once the group has given this worker its partitions.
    """
    if log_level is not None:
        configure_logging(log_level)
    run = _Run(app, stop_timeout=stop_timeout, pauses=(retry_after, retry_at_most), on_ready=on_ready)
    with asyncio.Runner() as runner:
        return runner.run(run.main())


class _Run:
    def __init__(
        self,
        app: WorkerApp,
        *,
        stop_timeout: float,
        pauses: tuple[float, float],
        on_ready: Callable[[], None] | None,
    ) -> None:
        self._app = app
        self._stop_timeout = stop_timeout
        self._pauses = pauses
        self._on_ready = on_ready
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def main(self) -> int:
        with self._signals():
            if not await self._kafka_ready():
                return STOPPED
            await self._serve()
            stopped_in_time = await self._shut_down()
        return self._exit_code(stopped_in_time)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handled = (signal.SIGTERM, signal.SIGINT)
        for number in handled:
            # Outside the main thread no signal arrives; whoever runs us there stops us by `app.crash` or cancels.
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        log.info("%s: stopping", number.name)
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _kafka_ready(self) -> bool:
        """Wait until Kafka answers and has our topics. False: told to stop before that."""
        for pause in _pauses(*self._pauses):
            complaint = await _probe(self._app)
            if complaint is None or self._stop.is_set():
                break
            log.warning("%s; next try in %.0f s", complaint, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
        return not self._stop.is_set()

    async def _serve(self) -> None:
        """Start the app; return when it failed or was told to stop."""
        serving = asyncio.create_task(self._start())
        await _first(serving, self._stop.wait())
        if not serving.done():
            serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    async def _start(self) -> None:
        try:
            await self._app.start()
        except Exception as error:
            # Noted as any other failure: `_exit_code` tells of it.
            self._app.crash_reason = self._app.crash_reason or error
            return
        if not self._app.should_stop and self._on_ready is not None:
            self._on_ready()
        await self._app.wait_until_stopped()

    async def _shut_down(self) -> bool:
        """Stop the app. False: it did not stop in time."""
        stopping = asyncio.create_task(self._app.stop())
        await _first(stopping, self._hurry.wait(), timeout=self._stop_timeout)
        if not stopping.done():
            stopping.cancel()
            return False
        with contextlib.suppress(Exception):
            await stopping
        return True

    def _exit_code(self, stopped_in_time: bool) -> int:
        reason = self._app.crash_reason
        decision = _decision(reason)
        if decision is not None:
            log.error("stopped: %s", decision)
            return decision.exit_code
        if reason is not None:
            log.error("failed: %r", reason, exc_info=reason)
            return FAILED
        if not stopped_in_time:
            log.error("did not stop within %.0f s; what was not committed will be read again", self._stop_timeout)
            return HUNG
        log.info("stopped")
        return STOPPED


def _decision(reason: BaseException | None) -> StopWorker | None:
    """The `StopWorker` behind a failure: itself, or what a task of an agent's task group raised."""
    if isinstance(reason, BaseExceptionGroup):
        return next(filter(None, map(_decision, reason.exceptions)), None)
    return reason if isinstance(reason, StopWorker) else None


async def _first(*awaitables: Awaitable[Any], timeout: float | None = None) -> None:
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks[1:]:
        task.cancel()


def _pauses(first: float, longest: float) -> Iterator[float]:
    pause = first
    while True:
        yield pause
        pause = min(pause * 2, longest)


async def _probe(app: WorkerApp) -> str | None:
    """What keeps the app from starting: Kafka away, or a topic that is not there yet. None: nothing."""
    conf = app.conf
    addresses = driver.server_list(conf.broker_consumer, 9092)
    client = AIOKafkaClient(
        bootstrap_servers=addresses,
        request_timeout_ms=5000,
        **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
    )
    try:
        await client.bootstrap()
        missing = sorted(_topics(app) - (await client.fetch_all_metadata()).topics())
    except (KafkaError, OSError) as error:
        return f"Kafka at {', '.join(addresses)} does not answer ({error})"
    finally:
        await client.close()
    return f"Kafka at {', '.join(addresses)} has no topic {', '.join(missing)}" if missing else None


def _topics(app: WorkerApp) -> set[str]:
    return {name for agent in app.agents.values() for name in agent.get_topic_names()}


def configure_logging(level: str = "INFO") -> None:
    """One line a record on standard error; Faust and aiokafka only from WARNING up, and not the same every 100 ms."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(Quiet())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level.upper() != "DEBUG":
        for name in ("faust", "mode", "aiokafka"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Says that a periodic task ran late, which a busy worker's tasks always do.
        logging.getLogger("mode.timers").setLevel(logging.ERROR)


class OneLine(logging.Formatter):
    """Folds a message and its traceback into one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return " | ".join(line.strip() for line in super().format(record).splitlines() if line.strip())


class Quiet(logging.Filter):
    """Drops what a library says again within `seconds`, and a failure that every service above the failed one repeats.

    The failure itself is logged once, by `run_worker`.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        """`seconds`: how long the same message of a library stays silent."""
        super().__init__()
        self._seconds = seconds
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let it through."""
        package = record.name.partition(".")[0]
        if package not in ("faust", "mode", "aiokafka"):
            return True
        message = str(record.msg)
        if "rashed reason=" in message or "rror while" in message:
            return False
        key = (record.name, message)
        now = time.monotonic()
        if now - self._said.get(key, -self._seconds) < self._seconds:
            return False
        self._said[key] = now
        return True
