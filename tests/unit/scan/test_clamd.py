"""The scanner against a real clamd, whose database holds the EICAR test signature alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.scan.clamd import ClamdScanner, parse_address, parse_version, verdict
from domain.errors import InvalidInput, ScanFailed
from domain.events import Scan
from tests.support.clamav import CLAMD, EICAR, MISSING, THREAT, running_clamd
from tests.unit.media.pictures import noise, save

REAL = pytest.mark.skipif(CLAMD is None, reason=MISSING)
BLOB = "0" * 64


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_clamd(tmp_path_factory.mktemp("clamd"), "StreamMaxLength 1M") as address:
        yield address


@contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """Something that is not clamd: it gives this answer to whatever comes and hangs up, or (None) says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            held = []
            while not done.is_set():
                connection, _ = listener.accept()
                held.append(connection)
                if answer is not None:
                    connection.recv(65_536)
                    connection.sendall(answer)
                    connection.close()
            for connection in held:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield f"tcp:127.0.0.1:{port}"
        finally:
            done.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


@REAL
def test_a_picture_is_clean(clamd: str, tmp_path: Path) -> None:
    scan = ClamdScanner(clamd).scan(BLOB, save(tmp_path, "a.jpg", noise(400, 300)))
    assert scan.status == "clean"
    assert scan.engine is not None
    assert scan.engine.startswith("ClamAV ")
    assert scan.threat is None


@REAL
@pytest.mark.parametrize("before", [b"", b"\xff\xd8\xff\xe0" + bytes(300_000)])
def test_a_threat_is_named_wherever_it_stands(clamd: str, tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(before + EICAR.encode())
    scan = ClamdScanner(clamd).scan(BLOB, path)
    assert (scan.status, scan.threat) == ("infected", THREAT)


@REAL
def test_an_empty_file_is_clean(clamd: str, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert ClamdScanner(clamd).scan(BLOB, path).status == "clean"


@REAL
@pytest.mark.parametrize("size", [(1 << 20) + 1, 30 << 20])
def test_a_file_over_the_daemons_limit_fails_for_good_and_says_what_to_raise(
    clamd: str, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "long"
    path.write_bytes(bytes(size))
    with pytest.raises(ScanFailed, match="StreamMaxLength") as failure:
        ClamdScanner(clamd).scan(BLOB, path)
    assert not failure.value.retryable
    assert failure.value.engine is not None


@REAL
def test_many_scans_at_once_have_their_own_verdicts(clamd: str, tmp_path: Path) -> None:
    scanner = ClamdScanner(clamd)
    found: dict[int, str] = {}

    def scan(number: int) -> None:
        path = tmp_path / str(number)
        path.write_text(EICAR if number % 2 else "harmless")
        found[number] = scanner.scan(BLOB, path).status

    threads = [threading.Thread(target=scan, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(8)] == ["clean", "infected"] * 4


@REAL
def test_a_daemon_that_reaches_its_own_limits_gives_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"harmless" * 4096)
    with (
        running_clamd(tmp_path / "clamd", "MaxFileSize 10K", "AlertExceedsMax yes") as address,
        pytest.raises(ScanFailed, match="over clamd's limits") as failure,
    ):
        ClamdScanner(address).scan(BLOB, path)
    assert not failure.value.retryable


@REAL
def test_a_daemon_on_a_port_answers_too_and_one_that_went_away_can_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(EICAR)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running_clamd(tmp_path / "clamd", tcp_port=port) as address:
        assert ClamdScanner(address).scan(BLOB, path).status == "infected"
    with pytest.raises(ScanFailed, match="is it running") as failure:
        ClamdScanner(address).scan(BLOB, path)
    assert failure.value.retryable


def test_no_daemon_at_all_can_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with pytest.raises(ScanFailed, match="can't be reached") as failure:
        ClamdScanner(f"unix:{tmp_path}/nothing").scan(BLOB, path)
    assert failure.value.retryable


def test_a_daemon_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with server(None) as address, pytest.raises(ScanFailed, match=r"no verdict in 0\.2 s"):
        ClamdScanner(address, seconds=0.2).scan(BLOB, path)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\0", b"\xff\xfe\0", b"x" * 100_000])
def test_what_is_not_clamd_gives_no_verdict(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    with server(answer) as address, pytest.raises(ScanFailed):
        ClamdScanner(address, seconds=30).scan(BLOB, path)


@pytest.mark.parametrize(
    ("reply", "scan"),
    [
        ("stream: OK", Scan(status="clean", engine="E", signatures="S")),
        ("stream: Win.Test FOUND", Scan(status="infected", engine="E", signatures="S", threat="Win.Test")),
        ("stream: A FOUND B FOUND", Scan(status="infected", engine="E", signatures="S", threat="A FOUND B")),
    ],
)
def test_what_a_reply_means(reply: str, scan: Scan) -> None:
    assert verdict(reply, "E", "S") == scan


@pytest.mark.parametrize(
    "reply", ["", "OK but", "stream: ok", "stream: FOUND", "UNKNOWN COMMAND", "Can't allocate memory ERROR"]
)
def test_anything_else_is_no_verdict(reply: str) -> None:
    with pytest.raises(ScanFailed) as failure:
        verdict(reply, "E", "S")
    assert failure.value.retryable


@pytest.mark.parametrize(
    ("reply", "parsed"),
    [
        (
            "ClamAV 1.4.3/27500/Mon Jun  2 08:30:21 2025",
            ("ClamAV 1.4.3", "27500, Mon Jun  2 08:30:21 2025"),
        ),
        ("ClamAV 1.4.6", ("ClamAV 1.4.6", None)),
        ("ClamAV 0.103.8/27500", ("ClamAV 0.103.8", "27500")),
    ],
)
def test_engine_and_signatures_are_told_apart(reply: str, parsed: tuple[str, str | None]) -> None:
    assert parse_version(reply) == parsed


def test_an_address_is_a_socket_or_a_port() -> None:
    assert parse_address("unix:/run/clamav/clamd.ctl") == "/run/clamav/clamd.ctl"
    assert parse_address("tcp:127.0.0.1:3310") == ("127.0.0.1", 3310)


@pytest.mark.parametrize("text", ["", "/run/clamd", "unix:clamd", "tcp:3310", "tcp:host:0", "tcp:host:x", "tcp::1"])
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="takes unix:"):
        ClamdScanner(text)
