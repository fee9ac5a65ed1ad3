"""The event store on DynamoDB beside bare botocore, PynamoDB's models, castore (npm) and a transaction of two items.

All against one emulator on this machine, in alternation, medians: times say what the client's code costs and how many
round trips it makes; requests and capacity units are what AWS would bill. Run: `python -m benchmarks.dynamodb`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.aws.commits import DynamoCommitStore
from adapters.aws.connection import Aws
from adapters.aws.items import to_item
from adapters.aws.tables import EventItem, create_event_table
from domain.commits import NEW, Cause, Commit
from domain.events import AssetSeenAgain
from domain.eventstore import EventStore
from events_schema.codec import EventCodec
from infrastructure.emulator import connect, emulator

_ROOT = Path(__file__).resolve().parents[1]
_PEERS = _ROOT / "build" / "peers" / "castore"
_PACKAGES = ("@castore/core@2.4.2", "@castore/event-storage-adapter-dynamodb@2.4.2", "@aws-sdk/client-dynamodb@3")
_MOST_OVERHEAD = 1.15
_ROUNDS = 300
_BATCH = 20
_TURN = 5
"""Decisions that each side makes before it is the other's turn."""

_WARM_UP = 6
"""Turns that are not counted: castore's first are spent in Node's compiler."""

_LONG = 200
_HISTORY = 6
"""Commits that a stream holds before a decision."""

_PAYLOAD: dict[str, Any] = {"path": "/photos/2026/11/24/" + "x" * 200, "file_name": "IMG_0001.HEIC"}
_NAMES: dict[str, Any] = {"#stream": "stream"}


def run() -> list[dict[str, Any]]:
    """Rows of name, ours, peer, peer_name, ratio (over 1: better than the peer), goal and unit."""
    with emulator() as endpoint:
        aws = connect(endpoint)
        try:
            return [*_append_and_load(aws, endpoint), *_decisions(aws, endpoint), _beside_a_tip(aws)]
        finally:
            aws.close()


# --- append and load: the adapter's own cost -------------------------------------------------------------------------


def _append_and_load(aws: Aws, endpoint: str) -> Iterator[dict[str, Any]]:
    store = DynamoCommitStore(aws, "bench-ours")
    store.create()
    create_event_table(aws, "bench-same")
    create_event_table(aws, "bench-bare")
    create_event_table(aws, "bench-models")
    model = _model("bench-models", endpoint)

    plain = aws.session.client("dynamodb", endpoint_url=endpoint)
    goal = round(1 / _MOST_OVERHEAD, 3)

    def ours(commit: Commit) -> None:
        assert store.put(commit) is None
        assert list(store.read(commit.stream)) == [commit]

    def same_client(commit: Commit) -> None:
        assert _bare_append_and_load(aws.dynamodb, commit, "bench-same") == [commit]

    def bare(commit: Commit) -> None:
        assert _bare_append_and_load(plain, commit, "bench-bare") == [commit]

    def models(commit: Commit) -> None:
        _save(model, commit)
        assert _query(model, commit.stream) == [commit]

    times = _alternate([ours, same_client, bare, models], [_commit(n) for n in range(2, _ROUNDS)])
    yield _row("append + load, time", times[0], times[1], "the same requests on our client", goal, "ms")
    yield _row("append + load, time", times[0], times[2], "botocore as it comes", goal, "ms")
    yield _row("append + load, time", times[0], times[3], "PynamoDB 6.1 models", 1.0, "ms")

    long = [_commit(1, number) for number in range(1, _LONG + 1)]
    for commit in long:
        store.put(commit)
    loads: list[Callable[[Commit], object]] = [
        lambda commit: list(store.read(commit.stream)),
        lambda commit: _bare_load(plain, commit.stream, "bench-ours"),
        lambda commit: _query(ours_model, commit.stream),
    ]
    ours_model = _model("bench-ours", endpoint)
    assert [load(long[0]) for load in loads] == [long] * len(loads)
    times = _alternate(loads, long[: _BATCH * 4])
    yield _row(f"load of {_LONG} commits, time", times[0], times[1], "botocore as it comes", goal, "ms")
    yield _row(f"load of {_LONG} commits, time", times[0], times[2], "PynamoDB 6.1 models", 1.0, "ms")


def _bare_append_and_load(client: Any, commit: Commit, table: str) -> list[Commit]:
    """What anybody would write by hand: one conditional put, one consistent query over all its pages."""
    item = {
        "stream": {"S": commit.stream},
        "commit": {"N": str(commit.number)},
        "first_version": {"N": str(commit.first_version)},
        "count": {"N": str(commit.count)},
        "commit_id": {"S": commit.commit_id},
        "recorded_at": {"N": str(commit.recorded_us)},
        "actor": {"S": commit.actor},
        "correlation_id": {"S": commit.correlation_id},
        "body": {"S": commit.body.decode()},
        "prev_hash": {"B": commit.prev_hash},
        "hash": {"B": commit.hash},
    }
    client.put_item(
        TableName=table,
        Item=item,
        ConditionExpression="attribute_not_exists(#stream)",
        ExpressionAttributeNames=_NAMES,
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    return _bare_load(client, commit.stream, table)


def _bare_load(client: Any, stream: str, table: str) -> list[Commit]:
    commits: list[Commit] = []
    start: dict[str, Any] = {}
    while True:
        page = client.query(
            TableName=table,
            KeyConditionExpression="#stream = :stream AND #commit > :after",
            ExpressionAttributeNames={"#stream": "stream", "#commit": "commit"},
            ExpressionAttributeValues={":stream": {"S": stream}, ":after": {"N": "0"}},
            ConsistentRead=True,
            **start,
        )
        commits += [
            Commit(
                stream=found["stream"]["S"],
                number=int(found["commit"]["N"]),
                first_version=int(found["first_version"]["N"]),
                count=int(found["count"]["N"]),
                commit_id=found["commit_id"]["S"],
                recorded_us=int(found["recorded_at"]["N"]),
                actor=found["actor"]["S"],
                correlation_id=found["correlation_id"]["S"],
                causation_id=found["causation_id"]["S"] if "causation_id" in found else None,
                body=found["body"]["S"].encode(),
                prev_hash=found["prev_hash"]["B"],
                hash=found["hash"]["B"],
            )
            for found in page["Items"]
        ]
        if "LastEvaluatedKey" not in page:
            return commits
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _model(table: str, endpoint: str) -> Any:
    """The event table's own model, with a place and made-up credentials."""
    meta = type(
        "Meta",
        (),
        {
            "table_name": table,
            "host": endpoint,
            "region": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        },
    )
    return type("BenchItem", (EventItem,), {"Meta": meta})


def _save(model: Any, commit: Commit) -> None:
    model(
        commit.stream,
        commit.number,
        first_version=commit.first_version,
        count=commit.count,
        commit_id=commit.commit_id,
        recorded_at=commit.recorded_us,
        actor=commit.actor,
        correlation_id=commit.correlation_id,
        body=commit.body.decode(),
        prev_hash=commit.prev_hash,
        hash=commit.hash,
    ).save(model.stream.does_not_exist())


def _query(model: Any, stream: str) -> list[Commit]:
    return [_of(item) for item in model.query(stream, model.commit > 0, consistent_read=True)]


def _of(item: Any) -> Commit:
    return Commit(
        item.stream,
        item.commit,
        item.first_version,
        item.count,
        item.commit_id,
        item.recorded_at,
        item.actor,
        item.correlation_id,
        item.causation_id,
        item.body.encode(),
        item.prev_hash,
        item.hash,
    )


# --- a decision: load, decide, append --------------------------------------------------------------------------------


def _decisions(aws: Aws, endpoint: str) -> Iterator[dict[str, Any]]:
    commits = DynamoCommitStore(aws, "bench-decisions")
    commits.create()
    no_blobs: Any = None  # no body here is large enough for a claim check
    store = EventStore(commits, no_blobs, EventCodec())
    with _castore(endpoint) as ask:
        if ask is None:
            print("castore was left out: npm could not install it into build/peers")
            return
        for events in (1, 3):
            ours, theirs = _race(store, ask, events)
            ours_cost, their_cost = _cost(store, commits, events), _castore_cost(ask, events)
            what = f"a decision of {events} event{'s' if events > 1 else ''} (load, decide, append)"
            yield _row(f"{what}, time", ours, theirs, "castore 2.4", 1.0, "ms")
            yield _row(f"{what}, requests", ours_cost[0], their_cost["requests"], "castore 2.4", 1.0, "requests")
            yield _row(f"{what}, writes", ours_cost[1], their_cost["wcu"], "castore 2.4", 1.0, "WCU")


def _race(store: EventStore, ask: Callable[..., dict[str, Any]], events: int) -> tuple[float, float]:
    """Median ms of a decision, ours and castore's, in alternating batches on streams of the same length."""
    ours: list[float] = []
    theirs: list[float] = []
    for batch in range(_WARM_UP + _ROUNDS // 2 // _TURN):
        streams = [f"anna#asset#{events}-{batch}-{n}" for n in range(_TURN)]
        for stream in streams:
            _fill(store, stream)
        ask("fill", streams=streams, length=_HISTORY, payload=_PAYLOAD)
        times = [_timed(_decide, store, stream, events) for stream in streams]
        answer = ask("decide", streams=streams, events=events, payload=_PAYLOAD)
        if batch >= _WARM_UP:
            ours += times
            theirs += answer["times_ms"]
    return statistics.median(ours), statistics.median(theirs)


def _fill(store: EventStore, stream: str) -> None:
    token = NEW
    for number in range(_HISTORY):
        token = store.append(stream, [AssetSeenAgain(**_PAYLOAD)], token, _cause(f"{stream}-{number}")).token


def _decide(store: EventStore, stream: str, events: int) -> None:
    loaded = store.load(stream)
    paths = [one.event.path for one in loaded.events if isinstance(one.event, AssetSeenAgain)]
    decided = [AssetSeenAgain(**_PAYLOAD) for _ in range(events) if len(paths) == _HISTORY]
    store.append(stream, decided, loaded.token, _cause(f"{stream}-decided"))


def _cost(store: EventStore, commits: DynamoCommitStore, events: int) -> tuple[float, float]:
    stream = f"anna#asset#cost-{events}"
    _fill(store, stream)
    commits.costs.reset()
    _decide(store, stream, events)
    return commits.costs.requests, commits.costs.wcu


def _castore_cost(ask: Callable[..., dict[str, Any]], events: int) -> dict[str, Any]:
    stream = f"cost-{events}"
    ask("fill", streams=[stream], length=_HISTORY, payload=_PAYLOAD)
    return ask("cost", stream=stream, events=events, payload=_PAYLOAD)


@contextmanager
def _castore(endpoint: str) -> Iterator[Callable[..., dict[str, Any]] | None]:
    """castore in a process of its own, asked line by line; None when it can't be installed."""
    if not _install_castore():
        yield None
        return
    script = str(Path(__file__).with_name("castore_peer.mjs"))
    command = [str(shutil.which("node")), script, endpoint, "bench-castore"]
    with subprocess.Popen(command, cwd=_PEERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, back = process.stdin, process.stdout

        def ask(op: str, **request: Any) -> dict[str, Any]:
            to.write(json.dumps({"op": op} | request) + "\n")
            to.flush()
            answer: dict[str, Any] = json.loads(back.readline())
            return answer

        ask("create")
        yield ask
        to.close()


def _install_castore() -> bool:
    if (_PEERS / "node_modules" / "@castore").exists():
        return True
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return False
    _PEERS.mkdir(parents=True, exist_ok=True)
    (_PEERS / "package.json").write_text('{"private": true}')
    command = [npm, "install", "--no-audit", "--no-fund", "--no-save", *_PACKAGES]
    return subprocess.run(command, cwd=_PEERS, capture_output=True, check=False).returncode == 0


# --- an item beside a tip --------------------------------------------------------------------------------------------


def _beside_a_tip(aws: Aws) -> dict[str, Any]:
    """WCU of an append of 3 events, beside one transaction that puts the item and moves a `tip` of the stream."""
    commits = DynamoCommitStore(aws, "bench-tip")
    commits.create()
    commit = _commit(1)
    commits.put(commit)
    tip = {"stream": {"S": commit.stream}, "commit": {"N": "0"}}
    answer = aws.dynamodb.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "bench-tip", "Item": to_item(commit) | {"commit": {"N": "2"}}}},
            {
                "Update": {
                    "TableName": "bench-tip",
                    "Key": tip,
                    "UpdateExpression": "SET #last = :last",
                    "ConditionExpression": "attribute_not_exists(#last)",
                    "ExpressionAttributeNames": {"#last": "last"},
                    "ExpressionAttributeValues": {":last": {"N": "2"}},
                }
            },
        ],
        ReturnConsumedCapacity="TOTAL",
    )
    theirs = sum(entry["CapacityUnits"] for entry in answer["ConsumedCapacity"])
    return _row("an append, writes", commits.costs.wcu, theirs, "a transaction of item and tip", 2.0, "WCU")


# --- helpers ---------------------------------------------------------------------------------------------------------


def _commit(stream: int, number: int = 1) -> Commit:
    body = json.dumps([{"type": "AssetSeenAgain", "data": _PAYLOAD}] * 3).encode()
    digest = hashlib.sha256(body).digest()
    cause = f"cause-{number}"
    at = 1_795_485_600_000_000
    return Commit(f"anna#asset#{stream}", number, number, 3, cause, at, "bench", cause, None, body, digest, digest)


def _cause(ident: str) -> Cause:
    return Cause(commit_id=ident, actor="bench", correlation_id="bench")


def _timed(work: Callable[..., object], *arguments: Any) -> float:
    start = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - start) * 1000


def _alternate(works: Sequence[Callable[[Commit], object]], commits: Sequence[Commit]) -> list[float]:
    """Median ms of each work on each commit, in an order that turns with every commit, after a warm-up."""
    times: list[list[float]] = [[] for _ in works]
    turns = itertools.cycle(itertools.permutations(range(len(works))))
    for number, (commit, turn) in enumerate(zip(commits, turns, strict=False)):
        for which in turn:
            spent = _timed(works[which], commit)
            if number >= _BATCH:
                times[which].append(spent)
    return [statistics.median(spent) for spent in times]


def _row(name: str, ours: float, peer: float, peer_name: str, goal: float, unit: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "peer_name": peer_name,
        "ratio": round(peer / ours, 3),
        "goal": goal,
        "unit": unit,
    }


if __name__ == "__main__":
    for row in run():
        figures = f"{row['ours']:8} beside {row['peer']:8} {row['unit']:9} {row['ratio']:6} x"
        print(f"{row['name']:60} {figures}  {row['peer_name']}")
