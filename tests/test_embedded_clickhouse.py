"""The embedded ClickHouse, through the driver that production uses."""

import datetime
import fcntl
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from clickhouse_driver import Client, errors
from hypothesis import given
from hypothesis import strategies as st

from cakupan.embedded import clickhouse, process
from cakupan.embedded.clickhouse import ClickHouseNode
from cakupan.embedded.errors import StackError
from cakupan.embedded.front import Watched, Watcher
from cakupan.embedded.native import UnsupportedType, arguments, cut, layout
from cakupan.embedded.packets import BLOCK_INFO
from cakupan.embedded.statements import insert_of_blocks
from cakupan.embedded.wire import Reader, text, varint
from tests.conftest import free_port

Connect = Callable[..., Any]
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def descriptors() -> Iterator[None]:
    """Enough of them for many clients, here and in the node: it takes about eleven for each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def node(descriptors: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseNode]:
    started = ClickHouseNode(tmp_path_factory.mktemp("clickhouse") / "data", free_port(), memory=1 << 30)
    started.start()
    started.wait_ready()
    yield started
    started.stop()
    assert started.child is not None
    assert started.child.exit_code == 0
    assert "Traceback" not in started.child.tail(100)


@pytest.fixture
def connect(node: ClickHouseNode) -> Iterator[Connect]:
    clients: list[Any] = []

    def new(**options: Any) -> Any:
        clients.append(Client(HOST, node.port, **options))
        return clients[-1]

    yield new
    for client in clients:
        client.disconnect()


@pytest.fixture
def client(connect: Connect) -> Iterator[Any]:
    """A client in a database of its own."""
    name = f"test_{uuid.uuid4().hex}"
    connect().execute(f"CREATE DATABASE {name}")
    yield connect(database=name)
    connect().execute(f"DROP DATABASE {name}")


# What is answered


def test_a_query_answers_rows_and_column_types(client: Any) -> None:
    answer = client.execute("SELECT 1 AS a, 'x' AS b, [1, 2]::Array(UInt8) AS c", with_column_types=True)
    assert answer == ([(1, "x", [1, 2])], [("a", "UInt8"), ("b", "String"), ("c", "Array(UInt8)")])


def test_the_version_is_the_engines(client: Any) -> None:
    version = client.execute("SELECT version()")[0][0]
    info = client.connection.server_info
    assert version.startswith(f"{info.version_major}.{info.version_minor}.")


def test_an_empty_answer_still_tells_its_columns(client: Any) -> None:
    answer = client.execute("SELECT 1 AS a, toDate(0) AS b WHERE 0 FORMAT JSON;", with_column_types=True)
    assert answer == ([], [("a", "UInt8"), ("b", "Date")])


def test_parameters_are_bound(client: Any) -> None:
    assert client.execute("SELECT %(a)s, %(b)s", {"a": "it's \\ 100 %", "b": [1, 2]}) == [("it's \\ 100 %", [1, 2])]


def test_many_blocks_come_in_order(client: Any) -> None:
    rows = client.execute_iter("SELECT number FROM numbers(300000)", settings={"max_block_size": 1000})
    assert [row[0] for row in rows] == list(range(300000))


def test_statements_that_are_not_queries_answer_too(client: Any) -> None:
    client.execute("CREATE TABLE t (a UInt8) ENGINE = Memory")
    assert client.execute("SHOW TABLES") == [("t",)]
    assert client.execute("EXISTS TABLE t") == [(1,)]
    assert client.execute("DESCRIBE TABLE t")[0][:2] == ("a", "UInt8")
    assert client.execute("EXPLAIN SELECT 1")


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("SELECT nosuch", 47, "nosuch"),
        ("SELEC 1", 62, "Syntax error"),
        ("SELECT * FROM nosuch", 60, "nosuch"),
        ("SELECT throwIf(number = 200000) FROM numbers(300000)", 395, "throwIf"),
        ("INSERT INTO nosuch (a) VALUES", 60, "nosuch"),
        ("DROP TABLE nosuch", 60, "nosuch"),
    ],
)
def test_an_error_of_the_engine_reaches_the_client(client: Any, sql: str, code: int, said: str) -> None:
    with pytest.raises(errors.ServerException) as caught:
        client.execute(sql, [(1,)] if sql.startswith("INSERT") else None)
    assert caught.value.code == code
    assert said in caught.value.message
    assert client.execute("SELECT 1") == [(1,)]


def test_an_unknown_database_is_refused(connect: Connect) -> None:
    with pytest.raises(errors.ServerException) as caught:
        connect(database="nosuch").execute("SELECT 1")
    assert caught.value.code == 81


def test_memory_is_bounded(client: Any) -> None:
    with pytest.raises(errors.ServerException) as caught:
        client.execute("SELECT length(groupArray(number)) FROM numbers(2000000000)")
    assert caught.value.code == 241


# Settings


def test_settings_of_a_query_end_with_it(client: Any) -> None:
    get = "SELECT getSetting('max_threads'), getSetting('max_block_size')"
    client.execute("SET max_threads = 3")
    before = client.execute(get)
    assert client.execute(get, settings={"max_threads": 1, "max_block_size": 77}) == [(1, 77)]
    assert client.execute(get, settings={"max_threads": 1}) == [(1, before[0][1])]
    assert client.execute(get) == before
    client.execute("SET max_threads = 4", settings={"max_threads": 1})
    assert client.execute(get)[0][0] == 4


def test_unknown_settings_are_left_out_unless_they_must_be_known(connect: Connect) -> None:
    assert connect().execute("SELECT 1", settings={"nosuch": 5}) == [(1,)]
    with pytest.raises(errors.ServerException) as caught:
        connect(settings_is_important=True).execute("SELECT 1", settings={"nosuch": 5})
    assert caught.value.code == 115


def test_mutations_are_waited_for(client: Any) -> None:
    client.execute("CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a")
    client.execute("INSERT INTO t VALUES", [(1, "x"), (2, "y")])
    client.execute("ALTER TABLE t UPDATE b = 'z' WHERE a = 1 SETTINGS mutations_sync = 1")
    client.execute("ALTER TABLE t DELETE WHERE a = 2", settings={"mutations_sync": 1})
    assert client.execute("SELECT * FROM t") == [(1, "z")]


# What is inserted

MOMENT = datetime.datetime(2024, 6, 30, 12, 30, 15, 250000)
SOME_UUID = uuid.UUID("01900000-0000-7000-8000-000000000001")
VALUES: list[tuple[str, list[Any]]] = [
    ("UInt8", [0, 255]),
    ("UInt16", [0, 65535]),
    ("UInt32", [0, 2**32 - 1]),
    ("UInt64", [0, 2**64 - 1]),
    ("Int8", [-128, 127]),
    ("Int16", [-32768, 32767]),
    ("Int32", [-(2**31), 2**31 - 1]),
    ("Int64", [-(2**63), 2**63 - 1]),
    ("Int128", [-(2**127), 5]),
    ("Float64", [0.5, -1e300]),
    ("Bool", [True, False]),
    ("String", ["", "é" * 300, "x"]),
    ("FixedString(3)", ["abc", "xyz"]),
    ("LowCardinality(String)", ["a", "b", "a"]),
    ("LowCardinality(Nullable(String))", ["a", None, "b"]),
    ("Nullable(String)", [None, "x", ""]),
    ("Nullable(UInt32)", [None, 7]),
    ("Array(UInt16)", [[], [1], [2, 3]]),
    ("Array(Array(Nullable(String)))", [[], [[]], [["a", None], []]]),
    ("Array(LowCardinality(String))", [["a", "b"], [], ["a"]]),
    ("Date", [datetime.date(1970, 1, 1), datetime.date(2024, 6, 30)]),
    ("Date32", [datetime.date(1925, 1, 1)]),
    ("DateTime", [MOMENT.replace(microsecond=0)]),
    ("DateTime('Asia/Jakarta')", [MOMENT.replace(microsecond=0, tzinfo=datetime.UTC)]),
    ("Map(String, Nullable(DateTime('UTC')))", [{"a": MOMENT.replace(microsecond=0, tzinfo=datetime.UTC), "b": None}]),
    ("DateTime('UTC')", [MOMENT.replace(microsecond=0, tzinfo=datetime.UTC)]),
    ("DateTime64(3, 'UTC')", [MOMENT.replace(tzinfo=datetime.UTC)]),
    ("Enum8('a, b' = 1, 'it\\'s (c)' = 2)", ["a, b", "it's (c)"]),
    ("Enum16('x' = 1000)", ["x"]),
    ("UUID", [SOME_UUID, uuid.UUID(int=0)]),
    ("Map(String, UInt8)", [{}, {"a": 1, "b": 2}]),
    ("Map(LowCardinality(String), Array(UInt8))", [{"a": [1, 2]}, {"a": []}]),
    ("Tuple(UInt8, String)", [(1, "a"), (2, "b")]),
    ("Tuple(a UInt8, `b c` Array(String))", [(1, ["a"]), (2, [])]),
    ("SimpleAggregateFunction(max, UInt64)", [1, 2]),
]


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[kind for kind, _ in VALUES])
@pytest.mark.parametrize("compression", [False, True], ids=["plain", "lz4"])
def test_values_come_back_as_they_were(
    client: Any, connect: Connect, kind: str, values: list[Any], compression: bool
) -> None:
    client.execute(f"CREATE TABLE t (n UInt32, v {kind}, end String) ENGINE = MergeTree ORDER BY n")
    other = connect(database=client.connection.database, compression=compression)
    columns = [list(range(len(values))), list(values), ["end"] * len(values)]
    assert other.execute("INSERT INTO t (n, v, end) VALUES", columns, columnar=True) == len(values)
    rows = other.execute("SELECT v, end FROM t ORDER BY n")
    assert rows == [(value, "end") for value in values]


def test_numpy_arrays_are_inserted(client: Any, connect: Connect) -> None:
    client.execute("CREATE TABLE t (a UInt64, b Float64, s String, t DateTime) ENGINE = MergeTree ORDER BY a")
    numpy = connect(database=client.connection.database, settings={"use_numpy": True})
    columns = [
        np.arange(1000, dtype=np.uint64),
        np.arange(1000) / 2,
        np.array([f"s{i}" for i in range(1000)], dtype=object),
        np.full(1000, np.datetime64("2024-06-30T00:00:00")),
    ]
    numpy.execute("INSERT INTO t VALUES", columns, columnar=True)
    assert client.execute("SELECT count(), sum(a), sum(b), uniqExact(s) FROM t") == [(1000, 499500, 249750.0, 1000)]


def test_any_block_of_the_engine_goes_back_in(client: Any, connect: Connect) -> None:
    """Random values of many types, read through the driver and inserted again, are the same values."""
    structure = (
        "a UInt64, b String, c Array(String), d Nullable(FixedString(5)), e LowCardinality(String), "
        "f Array(Tuple(UInt8, Array(Nullable(Int16)))), g Map(String, Array(UUID)), h Array(LowCardinality(String)), "
        "i Decimal(12, 3), j Tuple(x String, y LowCardinality(Nullable(String))), k IPv6, l DateTime64(6)"
    )
    for name in ("one", "two"):
        client.execute(f"CREATE TABLE {name} ({structure}) ENGINE = MergeTree ORDER BY a")
    client.execute(f"INSERT INTO one SELECT * FROM generateRandom('{structure}', 7, 300, 4) LIMIT 3000")
    # Random bytes are no text.
    raw = {"strings_as_bytes": True}
    bytes_client = connect(settings=raw, database=client.connection.database)
    data = [list(column) for column in bytes_client.execute("SELECT * FROM one", columnar=True)]
    bytes_client.execute("INSERT INTO two VALUES", data, columnar=True, settings={"insert_block_size": 700})
    same = "SELECT (SELECT (count(), sum(cityHash64(*))) FROM one) = (SELECT (count(), sum(cityHash64(*))) FROM two)"
    assert client.execute(same) == [(1,)]


def test_200_000_rows_of_mixed_columns(client: Any) -> None:
    rows = 200_000
    client.execute(
        "CREATE TABLE t (id FixedString(16), village LowCardinality(String), at DateTime64(3), n UInt64, f Float64,"
        " kind Enum8('a' = 1, 'b' = 2), name String, tags Array(UInt8), day Date, u Nullable(UInt32))"
        " ENGINE = MergeTree ORDER BY n"
    )
    columns: list[list[Any]] = [
        [f"{n:016d}" for n in range(rows)],
        [f"61.01.{n % 1000:04d}" for n in range(rows)],
        [1_700_000_000_000 + n for n in range(rows)],
        list(range(rows)),
        [n / 2 for n in range(rows)],
        ["a", "b"] * (rows // 2),
        [f"name {n}" for n in range(rows)],
        [[1], []] * (rows // 2),
        [datetime.date(2024, 1, 1)] * rows,
        [None, 1] * (rows // 2),
    ]
    blocks = {"insert_block_size": 60_000}
    assert client.execute("INSERT INTO t VALUES", columns, columnar=True, settings=blocks) == rows
    checks = "count(), uniqExact(id), uniqExact(village), sum(n), sum(f), sum(length(tags)), sum(u), max(name)"
    expected = (rows, rows, 1000, rows * (rows - 1) // 2, rows * (rows - 1) / 4, rows // 2, rows // 2, "name 99999")
    assert client.execute(f"SELECT {checks} FROM t") == [expected]


def test_blocks_into_null_reach_the_materialized_view(client: Any) -> None:
    client.execute("CREATE TABLE arrivals (a UInt32, b String) ENGINE = Null")
    client.execute("CREATE TABLE sums (b String, n UInt64) ENGINE = SummingMergeTree ORDER BY b")
    client.execute("CREATE MATERIALIZED VIEW v TO sums AS SELECT b, sum(a) AS n FROM arrivals GROUP BY b")
    client.execute("INSERT INTO arrivals (b, a) VALUES", [("x", 1), ("x", 2), ("y", 3)])
    assert client.execute("SELECT * FROM sums ORDER BY b") == [("x", 3), ("y", 3)]
    assert client.execute("SELECT count() FROM arrivals") == [(0,)]


def test_columns_left_out_have_their_defaults(client: Any) -> None:
    client.execute(
        "CREATE TABLE t (a UInt8, b UInt8 DEFAULT a + 1, c UInt8 MATERIALIZED 9, d UInt8 ALIAS a, `e f` String)"
        " ENGINE = MergeTree ORDER BY a"
    )
    client.execute("INSERT INTO t (a, `e f`) VALUES", [(1, "x")])
    client.execute("INSERT INTO t VALUES", [(2, 7, "y")])
    client.execute("INSERT INTO t (* EXCEPT(b)) VALUES", [(3, "z")])
    client.execute("INSERT INTO t (a, b) VALUES (4, 8), (5, 9)")
    rows = client.execute("SELECT a, b, c, `e f` FROM t ORDER BY a")
    assert rows == [(1, 2, 9, "x"), (2, 7, 9, "y"), (3, 4, 9, "z"), (4, 8, 9, ""), (5, 9, 9, "")]


def test_insert_select_and_empty_inserts(client: Any) -> None:
    client.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    client.execute("INSERT INTO t SELECT number FROM numbers(10)")
    assert client.execute("INSERT INTO t VALUES", []) == 0
    assert client.execute("SELECT count() FROM t") == [(10,)]


def test_a_refused_insert_leaves_the_connection_usable(client: Any) -> None:
    client.execute("CREATE TABLE t (a UInt64, CONSTRAINT small CHECK a < 1000) ENGINE = MergeTree ORDER BY a")
    with pytest.raises(errors.ServerException) as caught:
        client.execute("INSERT INTO t VALUES", [list(range(2000))], columnar=True, settings={"insert_block_size": 100})
    assert caught.value.code == 469
    client.execute("INSERT INTO t VALUES", [[1, 2]], columnar=True)
    assert (2,) in client.execute("SELECT a FROM t")


def test_an_error_in_a_materialized_view_fails_the_insert(client: Any) -> None:
    client.execute("CREATE TABLE arrivals (a UInt32) ENGINE = Null")
    client.execute("CREATE TABLE kept (a UInt32) ENGINE = MergeTree ORDER BY a")
    client.execute("CREATE MATERIALIZED VIEW v TO kept AS SELECT a + throwIf(a > 5) AS a FROM arrivals")
    with pytest.raises(errors.ServerException) as caught:
        client.execute("INSERT INTO arrivals VALUES", [(1,), (9,)])
    assert caught.value.code == 395
    client.execute("INSERT INTO arrivals VALUES", [(1,)])
    assert client.execute("SELECT * FROM kept") == [(1,)]


def test_types_that_cannot_be_cut_are_refused_before_data(client: Any) -> None:
    client.execute("CREATE TABLE t (a AggregateFunction(sum, UInt64)) ENGINE = Memory")
    with pytest.raises(errors.ServerException) as caught:
        client.execute("INSERT INTO t VALUES", [("x",)])
    assert caught.value.code == 48
    assert "AggregateFunction" in caught.value.message
    assert client.execute("SELECT 1") == [(1,)]


def test_external_tables(client: Any) -> None:
    ids: dict[str, Any] = {"name": "ids", "structure": [("id", "UInt64"), ("s", "LowCardinality(String)")]}
    ids["data"] = [{"id": 3, "s": "x"}, {"id": 5, "s": "y"}]
    sql = "SELECT number FROM numbers(10) WHERE number IN (SELECT id FROM ids)"
    assert client.execute(sql, external_tables=[ids]) == [(3,), (5,)]
    assert client.execute(sql, external_tables=[ids]) == [(3,), (5,)]
    with pytest.raises(errors.ServerException) as caught:
        client.execute(sql)
    assert caught.value.code == 60


# Many clients, and clients that leave


def test_clients_at_once(client: Any, connect: Connect) -> None:
    client.execute("CREATE TABLE t (a UInt64, w UInt32) ENGINE = MergeTree ORDER BY (w, a)")
    failures: list[BaseException] = []

    def work(number: int, own: Any) -> None:
        try:
            for turn in range(1, 11):
                own.execute("INSERT INTO t VALUES", [list(range(100)), [number] * 100], columnar=True)
                found = own.execute("SELECT count() FROM t WHERE w = %(w)s", {"w": number})
                assert found == [(100 * turn,)]
        except BaseException as failure:
            failures.append(failure)

    database = client.connection.database
    threads = [threading.Thread(target=work, args=(n, connect(database=database))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert client.execute("SELECT count() FROM t") == [(16_000,)]


def test_a_long_statement_holds_up_nobody(client: Any, connect: Connect) -> None:
    client.execute("CREATE TABLE t (a UInt8) ENGINE = Memory")
    slow = connect(database=client.connection.database)
    insert = "INSERT INTO t SELECT sleepEachRow(0.5) FROM numbers(6)"
    thread = threading.Thread(target=slow.execute, args=(insert,), kwargs={"settings": {"max_block_size": 1}})
    thread.start()
    time.sleep(0.2)
    started = time.monotonic()
    assert client.execute("SELECT 1") == [(1,)]
    assert time.monotonic() - started < 1
    assert thread.is_alive()
    thread.join()


def running(client: Any) -> int:
    return int(client.execute("SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%'")[0][0]) - 1


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


ENDLESS = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"


def test_a_cancelled_query_ends(client: Any, connect: Connect) -> None:
    cancelling = connect()
    cancelling.execute_with_progress(ENDLESS)
    wait_for(lambda: running(client) == 1)
    cancelling.cancel()
    wait_for(lambda: running(client) == 0)
    assert cancelling.execute("SELECT 1") == [(1,)]


def test_a_query_ends_when_its_client_leaves(client: Any, connect: Connect) -> None:
    leaving = connect()
    leaving.execute_with_progress(ENDLESS)
    wait_for(lambda: running(client) == 1)
    leaving.disconnect()
    wait_for(lambda: running(client) == 0)


def test_queries_that_nobody_cancels_are_answered(connect: Connect) -> None:
    """Statements just old enough for a look at their clients, whose next ones follow at once."""
    failures: list[BaseException] = []
    deadline = time.monotonic() + 20

    def work(own: Any) -> None:
        try:
            for _ in range(24):
                if failures or time.monotonic() > deadline:
                    return
                assert own.execute("SELECT sleepEachRow(0.11) FROM numbers(1)") == [(0,)]
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(connect(),)) for _ in range(128)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures


class Underway:
    """A statement under way, long enough for a look at its client."""

    def __init__(self, watcher: Watcher) -> None:
        self.looked_at: Callable[[], object] = lambda: None
        self.client, self._server = socket.socketpair()
        self.descriptor = self._server.fileno()
        self._begun, self._end, self._sent = (threading.Event() for _ in range(3))
        self._thread = threading.Thread(target=self._run, args=(watcher,))
        self._thread.start()
        assert self._begun.wait(10)

    def fileno(self) -> int:
        """Asked for by whoever looks at the client."""
        self.looked_at()
        return self.descriptor

    def go_on(self) -> bool:
        """End the statement, and send the next. Whether that came about: it must not while it's being judged."""
        self._end.set()
        return self._sent.wait(0.5)

    def close(self) -> None:
        self._end.set()
        self._thread.join(10)
        self.client.close()
        self._server.close()

    def _run(self, watcher: Watcher) -> None:
        with watcher.watch(Watched(cast(Any, self), "client", since=time.monotonic() - 1)):
            self._begun.set()
            self._end.wait(10)
        self.client.send(b"a query")
        self._sent.set()


@pytest.fixture
def watcher() -> Watcher:
    return Watcher(cast(Any, None))


@pytest.fixture
def underway(watcher: Watcher) -> Iterator[list[Underway]]:
    """Two statements at once."""
    made = [Underway(watcher), Underway(watcher)]
    yield made
    for each in made:
        each.close()


def test_a_statement_does_not_end_while_its_client_is_looked_at(watcher: Watcher, underway: list[Underway]) -> None:
    """Its next query would be taken for a cancel."""
    for each in underway:
        each.looked_at = each.go_on
    killed: list[str] = []
    watcher.look(cast(Any, SimpleNamespace(execute=killed.append)))
    assert killed == []


def test_a_client_of_a_high_descriptor_has_not_left(
    descriptors: None, watcher: Watcher, underway: list[Underway]
) -> None:
    high = fcntl.fcntl(underway[0].descriptor, fcntl.F_DUPFD, 2000)
    underway[0].descriptor = high
    killed: list[str] = []
    watcher.look(cast(Any, SimpleNamespace(execute=killed.append)))
    os.close(high)
    assert killed == []


def test_a_kill_hits_neither_the_next_query_nor_what_has_ended_meanwhile(
    watcher: Watcher, underway: list[Underway]
) -> None:
    """Both have cancelled. While the first is killed it can't go on, and the other ends by itself."""
    for each in underway:
        each.client.send(b"a cancel")
    went_on: list[list[bool]] = []
    kill = SimpleNamespace(execute=lambda _: went_on.append(sorted(each.go_on() for each in underway)))
    watcher.look(cast(Any, kill))
    assert went_on == [[False, True]]


def test_an_insert_of_a_client_that_leaves_is_dropped(client: Any, connect: Connect) -> None:
    client.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    leaving = connect(database=client.connection.database)
    leaving.connection.force_connect()
    leaving.connection.send_query("INSERT INTO t VALUES")
    leaving.connection.send_external_tables(None)
    leaving.receive_sample_block()
    leaving.disconnect()
    time.sleep(0.2)
    assert client.execute("SELECT count() FROM t") == [(0,)]


def test_what_is_no_client_is_sent_away(node: ClickHouseNode, client: Any) -> None:
    with socket.create_connection((HOST, node.port), timeout=5) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.recv(100) == b""
    assert client.connection.ping() in (True, None)
    assert client.execute("SELECT 1") == [(1,)]


# Starting and ending


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ClickHouseNode]:
    """A node that a test may end."""
    node = ClickHouseNode(tmp_path / "data of a café ☕", free_port(), memory=1 << 30)
    yield node
    if node.running:
        node.kill()


def test_data_survives_a_kill(own: ClickHouseNode) -> None:
    for turn in range(1, 4):
        own.start()
        own.wait_ready()
        with _Closing(Client(HOST, own.port)) as client:
            client.execute("CREATE TABLE IF NOT EXISTS t (a UInt64) ENGINE = MergeTree ORDER BY a")
            client.execute("INSERT INTO t VALUES", [(turn,)])
            assert client.execute("SELECT count() FROM t") == [(turn,)]
        own.kill()
        assert not own.running


def test_it_stops_cleanly_under_clients(own: ClickHouseNode) -> None:
    own.start()
    own.wait_ready()
    with _Closing(Client(HOST, own.port)) as client:
        client.execute("SELECT 1")
        started = time.monotonic()
        own.stop()
        assert time.monotonic() - started < 10
    assert own.child is not None
    assert own.child.exit_code == 0


def test_statements_end_before_it_stops(own: ClickHouseNode) -> None:
    own.start()
    own.wait_ready()
    answers: list[Any] = []

    def insert() -> None:
        with _Closing(Client(HOST, own.port)) as slow:
            answers.append(slow.execute("INSERT INTO arrivals VALUES", [(number,) for number in range(15)]))

    with _Closing(Client(HOST, own.port)) as client:
        client.execute("CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a")
        client.execute("CREATE TABLE arrivals (a UInt64) ENGINE = Null")
        client.execute("CREATE MATERIALIZED VIEW v TO kept AS SELECT a + sleepEachRow(0.1) AS a FROM arrivals")
        thread = threading.Thread(target=insert)
        thread.start()
        busy = "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO arrivals%'"
        wait_for(lambda: client.execute(busy) == [(1,)])
    own.stop()
    thread.join(10)
    own.start()
    own.wait_ready()
    with _Closing(Client(HOST, own.port)) as client:
        assert (answers, client.execute("SELECT count() FROM kept")) == ([15], [(15,)])


def refused(node: ClickHouseNode) -> StackError:
    with pytest.raises(StackError) as caught:
        node.start()
        node.wait_ready()
    assert caught.value.what
    assert caught.value.fix
    return caught.value


def run(path: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cakupan.embedded.clickhouse", "--path", str(path), "--port", str(port)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_named(own: ClickHouseNode, node: ClickHouseNode) -> None:
    own.port = node.port
    assert str(node.port) in refused(own).what
    done = run(own.data_dir, node.port)
    assert done.returncode == clickhouse.EXIT_PORT
    assert str(node.port) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_in_use_names_its_owner(own: ClickHouseNode, node: ClickHouseNode) -> None:
    own.data_dir = node.data_dir
    assert f"process {node.pid}" in refused(own).what
    done = run(node.data_dir, own.port)
    assert done.returncode == clickhouse.EXIT_OWNED
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_of_other_files_is_left_alone(own: ClickHouseNode) -> None:
    own.data_dir.mkdir()
    (own.data_dir / "thesis.txt").write_text("mine")
    assert "other files" in refused(own).what
    assert [entry.name for entry in own.data_dir.iterdir()] == ["thesis.txt"]
    assert run(own.data_dir, own.port).returncode == clickhouse.EXIT_FOLDER


def test_a_damaged_folder_is_refused_in_one_line(own: ClickHouseNode) -> None:
    own.data_dir.mkdir()
    (own.data_dir / clickhouse.MARKER).touch()
    (own.data_dir / "store").write_text("no folder")
    done = run(own.data_dir, own.port)
    assert done.returncode == clickhouse.EXIT_ENGINE, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "can't be opened" in refused(own).what


def test_a_path_that_the_engine_would_misread_is_refused(own: ClickHouseNode, tmp_path: Path) -> None:
    own.data_dir = tmp_path / "what?"
    assert "what?" in refused(own).what


def test_a_file_is_no_folder(own: ClickHouseNode) -> None:
    own.data_dir.write_text("a file")
    assert str(own.data_dir) in refused(own).what
    assert run(own.data_dir, own.port).returncode == clickhouse.EXIT_FOLDER


def test_a_full_disk_is_named(own: ClickHouseNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(free=5))
    assert "full" in refused(own).what


def test_it_ends_with_its_parent(own: ClickHouseNode, tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from cakupan.embedded.clickhouse import ClickHouseNode
node = ClickHouseNode(Path({str(own.data_dir)!r}), {own.port})
node.start()
node.wait_ready()
print(node.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert os.getpgid(pid) == pid, "it must be out of reach of the terminal's Ctrl-C"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not process.accepts(HOST, own.port))


# The parts


@given(
    values=st.lists(st.binary(max_size=300), max_size=300) | st.lists(st.just(b"abc"), min_size=100, max_size=300),
    size=st.integers(1, 500),
)
def test_a_block_is_cut_wherever_the_network_breaks_it(values: list[bytes], size: int) -> None:
    block = varint(2) + varint(len(values)) + text("s") + text("String")
    block += b"".join(varint(len(value)) + value for value in values)
    block += text("n") + text("UInt16") + b"\x01\x02" * len(values)
    stream = BLOCK_INFO + block + b"what follows"
    pieces = iter([stream[start : start + size] for start in range(0, len(stream), size)])
    reader = Reader(lambda: next(pieces, b""))
    taken = cut(reader)
    assert taken.data == block
    assert taken.rows == len(values)
    assert reader.read(12) == b"what follows"


def test_a_stream_that_ends_within_a_block_is_an_error() -> None:
    pieces = iter([BLOCK_INFO + varint(1) + varint(5) + text("s") + text("String") + b"\x02ab"])
    with pytest.raises(ConnectionError):
        cut(Reader(lambda: next(pieces, b"")))


def test_arguments_of_types() -> None:
    assert arguments("a UInt8, Enum8('x,(' = 1, 'it\\'s' = 2), `b,c` Array(String)") == [
        "a UInt8",
        "Enum8('x,(' = 1, 'it\\'s' = 2)",
        "`b,c` Array(String)",
    ]
    with pytest.raises(UnsupportedType):
        layout("AggregateFunction(sum, UInt64)")


@pytest.mark.parametrize(
    ("sql", "waits"),
    [
        ("INSERT INTO t VALUES", True),
        ("insert into db.t (a, `b c`) values ;", True),
        ("-- why\nINSERT INTO t\n(a,\n b)\nVALUES\n", True),
        ("INSERT INTO t (a) SETTINGS async_insert = 0 VALUES", True),
        ("INSERT INTO t FORMAT Native", True),
        ("INSERT INTO FUNCTION null('a UInt8') VALUES", True),
        ("INSERT INTO t VALUES (1)", False),
        ("INSERT INTO t SELECT 1", False),
        ("INSERT INTO t SELECT * FROM values('a UInt8', 1)", False),
        ("SELECT 'INSERT INTO t VALUES'", False),
    ],
)
def test_which_statements_wait_for_blocks(sql: str, waits: bool) -> None:
    assert (insert_of_blocks(sql) is not None) is waits


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


class _Closing:
    """A client that disconnects at the end of its block."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
