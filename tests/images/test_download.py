import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from platformdirs import user_cache_path

from pipeline.files.errors import UserError
from pipeline.images.download import download

CONTENT = np.random.default_rng(0).bytes(300_000)


class Server(ThreadingHTTPServer):
    """Serves CONTENT, and misbehaves as told: each request takes the next entry of ``plan``.

    A number breaks the connection after so many bytes, "503" and "404" answer with that status, "whole" ignores a
    range, "range" answers with another one. Without an entry it behaves.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[int | str] = []
        self.ranges: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/archive.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers["Range"])
        step = self.server.plan.pop(0) if self.server.plan else None
        if step in ("404", "503"):
            self.send_error(int(step))
            return
        if step == "range":
            self.send_response(206)
            self.send_header("Content-Range", "bytes 7-8/9")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if self.headers["Range"] and step != "whole":
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = start + step if isinstance(step, int) else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def accept(path: Path) -> bytes:
    if path.read_bytes() != CONTENT:
        raise UserError("other bytes")
    return path.read_bytes()


def get(server: Server, largest: int = len(CONTENT)) -> bytes:
    return download(server.url, largest, accept, retry_seconds=(0.0, 0.0))


def test_a_file_is_downloaded_once(server: Server) -> None:
    assert get(server) == CONTENT
    assert get(server) == CONTENT
    assert server.ranges == [None]


def test_a_broken_connection_is_resumed(server: Server) -> None:
    server.plan = [100_000, 50_000]
    assert get(server) == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_where_an_earlier_one_stopped(server: Server) -> None:
    server.plan = [100_000, "503", "503", "503"]
    with pytest.raises(UserError, match="100000 bytes are kept") as caught:
        get(server)
    assert server.url in str(caught.value)
    assert "503" in str(caught.value)
    assert get(server) == CONTENT
    assert server.ranges[-1] == "bytes=100000-"


def test_a_full_disk_is_told_with_the_file_and_what_arrived_is_kept(
    server: Server, small_disk: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, reason = small_disk
    monkeypatch.setattr("tests.images.test_download.CONTENT", bytes(2**20))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    with pytest.raises(OSError, match=reason) as caught:
        get(server, 2**20)
    partial = Path(caught.value.filename)
    assert (partial.name, partial.is_relative_to(folder)) == ("archive.tar.gz.part", True)
    assert partial.stat().st_size > 100_000


def test_a_server_without_ranges_starts_afresh(server: Server) -> None:
    server.plan = [100_000, "whole"]
    assert get(server) == CONTENT


def test_a_complete_file_that_was_not_yet_accepted_is_not_downloaded_again(server: Server) -> None:
    server.plan = ["404"]
    with pytest.raises(UserError, match="404"):
        get(server)
    (folder,) = (path.with_suffix("") for path in user_cache_path("cifar10-dense-study").rglob("*.lock"))
    (folder / "archive.tar.gz.part").write_bytes(CONTENT)
    assert get(server) == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT)}-"]


def test_a_wrong_file_is_removed_so_that_the_next_call_can_succeed(server: Server) -> None:
    server.plan = ["503", "503", "503"]
    with pytest.raises(UserError):
        get(server)
    (folder,) = (path.with_suffix("") for path in user_cache_path("cifar10-dense-study").rglob("*.lock"))
    (folder / "archive.tar.gz.part").write_bytes(b"x" * 1000)
    with pytest.raises(UserError, match="not the file that is wanted, and removed: other bytes"):
        get(server)
    assert get(server) == CONTENT


def test_a_server_that_brings_no_more_each_time_is_given_up(server: Server) -> None:
    server.plan = [100_000]
    for _ in range(20):
        server.plan += ["range", 50_000]
    with pytest.raises(UserError, match="cannot be downloaded"):
        get(server)
    assert len(server.ranges) < 10


def test_a_file_that_is_too_large_is_given_up(server: Server) -> None:
    with pytest.raises(UserError, match="larger than 1000 bytes"):
        get(server, largest=1000)
    assert get(server) == CONTENT


def test_no_network_is_one_line(server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError) as caught:
        get(server)
    message = str(caught.value)
    assert server.url in message
    assert "Connection refused" in message
    assert "CIFAR10_ARCHIVE" in message
    assert "\n" not in message


@pytest.mark.parametrize("url", ["http://[foo", "http://[::1"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(UserError, match="not an address"):
        download(url, 10, lambda path: path)


def test_a_password_in_an_address_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"^http://127\.0\.0\.1:9/a\.tar: ") as caught:
        download("http://me:secret@127.0.0.1:9/a.tar", 10, lambda path: path, retry_seconds=())
    assert "secret" not in str(caught.value) + "".join(capsys.readouterr())
