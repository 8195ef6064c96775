# SPDX-License-Identifier: Apache-2.0
"""STOW-RS under attack and in bad luck: clear refusals, bounded memory, nothing half stored."""
import concurrent.futures
import contextlib
import os
import pathlib
import random
import socket
import threading

import pytest
import requests

import slices
import stow
from server import SANITIZERS, Server, until

MEMORY_MAX_MIB = 160


def ct(name, number=1, size=32, **kwargs):
    return slices.ct(name, size=size, number=number, **kwargs)


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path / "data", request_timeout="2 s") as running:
        yield running
        assert_tidy(running)
        if not any(name in os.environ for name in SANITIZERS): # their shadow is not ours
            assert memory_peak_mib(running) < MEMORY_MAX_MIB


def memory_peak_mib(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def objects(server):
    """Everything in bucket pacs, by name."""
    return {path.name: path.read_bytes() for path in (server.data / "objects" / "pacs").rglob("*") if path.is_file()}


def temporary_files(server):
    root = server.data / "objects"
    return [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in
            ("pacs", "output", "jobs", "quarantine")]


def assert_tidy(server):
    """No temporary file stays, and the server still works."""
    until(lambda: not temporary_files(server), what="no temporary files")
    assert stow.store(server, ct("still alive", study="last")).status_code == 200


class Peer:
    """A client that sends what it wants."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def head(self, *headers, study=None, content_type=stow.RELATED):
        path = "/dicom-web/studies" + (f"/{study}" if study else "")
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}", *headers]
        return self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    def send(self, data):
        """False if the peer does not want any more."""
        try:
            self.socket.sendall(data)
            return True
        except (ConnectionError, TimeoutError):
            return False

    def answer(self):
        """Status and the whole text; status 0 if the connection ended without one."""
        text = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while piece := self.socket.recv(65536):
                text += piece
                head, _, body = text.partition(b"\r\n\r\n")
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:") and len(body) >= int(line.split(b":")[1]):
                        return int(text.split()[1]), text.decode("latin-1")
        return (int(text.split()[1]) if text.startswith(b"HTTP/1.1 ") else 0), text.decode("latin-1")


# --- bodies ---

def test_a_boundary_that_never_comes_is_refused_before_the_body_is_over(server):
    with Peer(server) as peer:
        peer.head("Content-Length: 4000000000")
        for _ in range(64):
            if not peer.send(b"\n--a-boundarx" * 5000):
                break
        status, text = peer.answer()
    assert status == 400 and "before the first boundary" in text


def test_an_endless_epilogue_is_refused_and_what_came_before_is_told(server):
    with Peer(server) as peer:
        peer.head("Content-Length: 4000000000")
        peer.send(stow.body_of([ct("before")]))
        for _ in range(64):
            if not peer.send(b"\n--a-boundary--" * 5000):
                break
        status, text = peer.answer()
    assert status == 400 and slices.uid("study", "series", "before") in text
    assert list(objects(server).values()) == [ct("before")]


@pytest.mark.parametrize("announced", [1.5, 1000])
def test_a_content_length_that_is_too_long_stores_nothing_half(server, announced):
    body = stow.body_of([ct("whole"), ct("half")])
    with Peer(server) as peer:
        peer.head(f"Content-Length: {int(len(body) * announced)}")
        peer.send(body[:-1000])
    until(lambda: len(objects(server)) == 1 and not temporary_files(server), what="the whole part alone")
    assert list(objects(server).values()) == [ct("whole")]


def test_a_content_length_that_is_too_short_ends_the_body_there(server):
    body = stow.body_of([ct("short")])
    with Peer(server) as peer:
        peer.head(f"Content-Length: {len(body) - 500}")
        peer.send(body)
        status, _text = peer.answer()
    assert status == 400 and not objects(server)


def test_chunks_may_be_cut_anywhere(server):
    parts = [ct(f"chunk{i}", i) for i in range(3)]
    body, rng = stow.body_of(parts), random.Random(3)

    def pieces():
        at = 0
        while at < len(body):
            size = rng.choice([1, 2, 3, 17, 1000, 5000])
            yield body[at:at + size]
            at += size

    answer = stow.post(server, pieces())
    assert answer.status_code == 200 and sorted(objects(server).values()) == sorted(parts)


def test_a_broken_chunk_stores_nothing_half(server):
    with Peer(server) as peer:
        peer.head("Transfer-Encoding: chunked")
        half = stow.body_of([ct("chunked")])[:1500]
        peer.send(b"%x\r\n%s\r\nnonsense\r\n" % (len(half), half))
        status, _text = peer.answer()
    assert status in (0, 400) and not objects(server)


def test_ten_thousand_parts_are_a_limit(server):
    at_limit = stow.store(server, *[b""] * 10000)
    assert at_limit.status_code == 409 and len(stow.failures(at_limit)) == 10000

    beyond = stow.store(server, ct("first"), *[b""] * 10000)
    assert beyond.status_code == 400 and "10000 parts" in beyond.json()["detail"]
    assert stow.stored(beyond) == [slices.uid("study", "series", "first")]


def test_a_thousand_files_that_are_none_all_fail(server):
    answer = stow.store(server, *[b"no DICOM %d" % i for i in range(1000)])

    assert answer.status_code == 409 and stow.failures(answer) == [(None, 0xC000)] * 1000


@pytest.mark.parametrize("headers,sentence", [
    (b"X: y\r\n" * 33, "headers"),
    (b"X: " + b"y" * 1000000 + b"\r\n", "longer"),
    (b"X" * 100000, "longer"),
    (b"X: y\0z\r\n", "control character"),
    (b"X\0: y\r\n", "control character"),
    (b"X: y\x7f\r\n", "control character"),
    (b"no colon\r\n", "':'"),
    (b"Content-Type: multipart/related; boundary=inner\r\n", "multipart"),
])
def test_bombs_in_the_headers_of_a_part_are_refused(server, headers, sentence):
    answer = stow.post(server, stow.body_of([ct("bomb")], headers=headers))

    assert answer.status_code == 400 and sentence in answer.json()["detail"]
    assert not objects(server)


@pytest.mark.parametrize("boundary", ["../../etc", "..\\..", "a\0b", "a\nb", "%2e%2e", "a b ", "\xe4", "x" * 71, "a;b"])
def test_a_strange_boundary_does_no_harm(server, boundary):
    with Peer(server) as peer:
        body = stow.body_of([b"x"], boundary=boundary.encode("latin-1").decode("latin-1").replace("\xe4", "?"))
        peer.head(f"Content-Length: {len(body)}", content_type=f'multipart/related; type="application/dicom"; boundary="{boundary}"')
        peer.send(body)
        status, _text = peer.answer()
    assert status in (0, 400, 409)
    assert not objects(server)


@pytest.mark.parametrize("header", [b"Content-Location: ../../../../tmp/x\r\n", b"Content-ID: <../../x>\r\n",
                                    b'Content-Disposition: form-data; filename="../../../x"\r\n'])
def test_no_header_of_a_part_chooses_a_place(server, header):
    answer = stow.post(server, stow.body_of([ct("placed")], headers=header))

    assert answer.status_code == 200
    assert list(objects(server)) == [slices.uid("study", "series", "placed") + ".dcm"]


def test_uids_that_are_paths_are_not_stored(server):
    for number, uid in enumerate(["../../x", "1.2/../3", "..", "/etc/passwd"]):
        answer = stow.store(server, ct(f"path{number}", StudyInstanceUID=uid), ct(f"path{number}", SeriesInstanceUID=uid))
        assert answer.status_code == 409 and all(reason == 0xC000 for _uid, reason in stow.failures(answer))
    assert not objects(server)


# --- time ---

def test_a_body_that_drips_is_cut_off(server):
    body = stow.body_of([ct("drip")])
    with Peer(server) as peer:
        peer.head(f"Content-Length: {len(body)}")
        for byte in body:
            if not peer.send(bytes([byte])):
                break
            with contextlib.suppress(BlockingIOError):
                peer.socket.setblocking(False)
                if peer.socket.recv(1, socket.MSG_PEEK) is not None:
                    break
            threading.Event().wait(0.01)
            peer.socket.setblocking(True)
        peer.socket.setblocking(True)
        peer.socket.settimeout(30)
        status, _text = peer.answer()
    assert status in (0, 408) and not objects(server)


def test_an_upload_cut_at_every_kilobyte_leaves_nothing(server):
    body = stow.body_of([ct("cut", size=128)])
    assert 30000 < len(body) < 40000
    for size in range(0, len(body), 1024):
        with Peer(server) as peer:
            peer.head(f"Content-Length: {len(body)}")
            peer.send(body[:size])
            if size % 2048 == 0: # a reset; else an orderly end
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: not temporary_files(server), what="no temporary files")
    assert not objects(server)
    assert stow.post(server, body).status_code == 200
    assert list(objects(server).values()) == [ct("cut", size=128)]


# --- crowds ---

def test_five_hundred_uploads_at_once_are_served_or_told_to_come_again(server):
    count = 500
    parts = [ct(f"crowd{i}", i, size=64) for i in range(count)]
    bodies = [stow.body_of([part]) for part in parts]
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(server)) for _ in range(count)]
        for peer, body in zip(peers, bodies):
            peer.head(f"Content-Length: {len(body)}")
            peer.send(body[:5000])
        # All of them have begun; others are answered meanwhile.
        assert server.get("/dicom-web/studies?limit=1").status_code in (200, 204)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda pair: (pair[0].send(pair[1][5000:]), pair[0].answer())[1], zip(peers, bodies)))
    statuses = [status for status, _text in answers]
    assert set(statuses) <= {200, 503, 408}, statuses
    assert all("Retry-After" in text for status, text in answers if status == 503)
    assert statuses.count(200) > 200
    stored = objects(server)
    for i, status in enumerate(statuses):
        if status == 200:
            assert stored[slices.uid("study", "series", f"crowd{i}") + ".dcm"] == parts[i]
    assert set(stored.values()) <= set(parts)


def test_whoever_finds_no_place_waits_in_line(tmp_path):
    """More open parts than there are places: the others go on when these are done, however long that takes."""
    with Server(tmp_path / "data") as server, contextlib.ExitStack() as stack:
        body = {i: stow.body_of([ct(f"line{i}", i)]) for i in range(300)}
        peers = {i: stack.enter_context(Peer(server)) for i in body}
        for i, peer in peers.items():
            peer.head(f"Content-Length: {len(body[i])}")
            peer.send(body[i][:1000])
        until(lambda: len(temporary_files(server)) == 256, what="all places taken")
        for i in range(299, -1, -1):
            peers[i].send(body[i][1000:])
        statuses = [peers[i].answer()[0] for i in body]
        assert statuses == [200] * 300 and len(objects(server)) == 300


# --- crashes ---

@pytest.mark.parametrize("seed", range(3))
def test_what_was_answered_as_stored_survives_a_kill(tmp_path, seed):
    rng = random.Random(seed)
    parts = {slices.uid("study", "series", f"kill{i}"): ct(f"kill{i}", i, size=64) for i in range(300)}
    groups = [list(parts.items())[i:i + 3] for i in range(0, 300, 3)]
    server = Server(tmp_path / "data")
    confirmed, lock, enough = set(), threading.Lock(), threading.Event()
    limit = rng.randrange(1, 200)

    def upload(group):
        with contextlib.suppress(requests.RequestException, ValueError):
            answer = stow.store(server, *[part for _uid, part in group])
            with lock:
                confirmed.update(stow.stored(answer))
                if len(confirmed) >= limit:
                    enough.set()

    with server:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = [pool.submit(upload, group) for group in groups]
            assert enough.wait(60)
            server.kill()
            concurrent.futures.wait(done)
        stored = objects(server)
        assert all(parts[name.removesuffix(".dcm")] == data for name, data in stored.items())

        server.start()
        until(lambda: not temporary_files(server), what="no temporary files")
        stored = objects(server)
        assert all(parts[name.removesuffix(".dcm")] == data for name, data in stored.items())
        assert len(confirmed) >= limit
        for uid in confirmed:
            assert stored[uid + ".dcm"] == parts[uid]
        listed = server.get(f"/pacs/studies/{slices.uid('study')}/images").json()
        assert confirmed <= {image["key"].rsplit("/", 1)[1].removesuffix(".dcm") for image in listed}
        again = stow.store(server, *parts.values())
        assert again.status_code == 200 and len(stow.stored(again)) == 300
