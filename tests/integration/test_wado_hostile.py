# SPDX-License-Identifier: Apache-2.0
"""Peers and files that mean no good, or have bad luck, while images are retrieved."""
import concurrent.futures
import os
import pathlib
import re
import signal
import socket
import struct

import hosts
import pytest
import requests
import slices
from server import Server, until
from wado import AS_STORED, VIEWER_FRAMES, get, parts_of, put

STUDY_FILES = 600  # of 526 KB: 300 MB


def memory_kib(server, name):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status).group(1))


def anonymous_peak_kib(server):
    """What the server holds of its own; pages of files belong to the kernel's cache."""
    return memory_kib(server, "RssAnon")


@pytest.fixture
def ct(server):
    return put(server, "h/1.dcm", slices.ct("hostile", study="hostile", series="hostile"))


def stock(server, name, count):
    """Store a study of so many files of 526 KB; its path."""
    raw = slices.ct("first", study=name, series=name)
    uid = slices.uid(name, name, "first").encode()

    def store(i):
        other = uid[:-6] + b"%06d" % i  # equal length: everything else stays as it is
        assert server.put_file(f"{name}/{i}.dcm", raw.replace(uid, other)).status_code == 201

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(store, range(count)))
    return f"/dicom-web/studies/{slices.uid(name)}"


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A server with a study of 300 MB."""
    with Server(tmp_path_factory.mktemp("big") / "data") as running:
        yield running, stock(running, "large", STUDY_FILES)


def connect(server, path, accept, receive=None):
    """A connection on which a request is on its way, with a small buffer if it is to be slow."""
    link = socket.socket()
    if receive:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    link.connect(("127.0.0.1", server.port))
    link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
    return link


def reset(link):
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


def read_all(link):
    size = 0
    while True:
        try:
            got = link.recv(1 << 20)
        except ConnectionResetError:
            return size, False
        if not got:
            return size, True
        size += len(got)


@pytest.mark.parametrize("uid", ["..", "../..", "..%2F..%2Fetc", "%2e%2e", "1.2%2F..%2F3", "1..2", ".1", "1.", "1.2.a", "1" * 65, "%20", "*",
                                 "1.2\\3", "%C3%A4", "1.2;drop", "'"])
def test_what_is_no_uid_is_refused(server, ct, uid):
    parts = ct.split("/")
    for at in (3, 5, 7):
        path = "/".join([*parts[:at], uid, *parts[at + 1:]])
        for tail in ("", "/frames/1", "/bulkdata/7FE00010", "/rendered", "/thumbnail"):
            with requests.Session() as session:  # a raw target: nobody tidies the dots away
                request = session.prepare_request(requests.Request("GET", server.url))
                request.url = server.url + path + tail
                answer = session.send(request, timeout=30)
            assert answer.status_code in (400, 404), (path, answer.status_code)
            assert "root:" not in answer.text


def test_nul_is_refused_everywhere(server, ct):
    for path in (ct + "%00", ct.replace("/series/", "%00/series/"), ct + "/frames/1%00", ct + "/bulkdata/7FE00010%00",
                 ct + "/rendered?window=1%00,2", "/wado?requestType=WADO%00"):
        assert get(server, path).status_code == 400, path


def test_lists_and_headers_have_an_end(server, ct):
    assert get(server, ct + "/frames/" + ",".join(["1"] * 100000)).status_code in (400, 414, 431)
    assert get(server, ct + "/frames/" + "9" * 4000).status_code == 400
    for accept in ("image/png," * 1000, "multipart/related; type=" + "a" * 5000, "x" * 5000, "*/*;q=" + "9" * 5000, ";;;;,,,,", "\"" * 3000,
                   "application/dicom; transfer-syntax=" + "1." * 2000):
        assert get(server, ct, accept).status_code in (200, 400, 406), accept[:40]
    assert get(server, ct, ",".join(["image/png"] * 100 + ["*/*"])).status_code in (200, 406)
    for value in ("bytes=0-0,1-1", "bytes=9999999999999999999999-", "bytes=-99999999999", "bytes=5-1", "bytes=x", "bytes=-0"):
        assert get(server, ct, "application/dicom; transfer-syntax=*", Range=value).status_code in (200, 206, 416)
    assert get(server, ct, AS_STORED).status_code == 200


def test_a_large_study_costs_no_memory(big):
    server, large = big
    get(server, large, AS_STORED, Range="bytes=0-0").close()
    before = anonymous_peak_kib(server)
    peak = 0
    expected = int(requests.head(server.url + large, headers={"Accept": AS_STORED}, timeout=60).headers["Content-Length"])
    with requests.get(server.url + large, headers={"Accept": AS_STORED}, stream=True, timeout=60) as answer:
        size = 0
        for block in answer.iter_content(1 << 20):
            size += len(block)
            peak = max(peak, anonymous_peak_kib(server))
    assert size == expected > 300_000_000
    assert peak - before < 16 * 1024, f"{before} KiB grew to {peak} KiB"
    assert memory_kib(server, "VmHWM") < 200 * 1024


def test_many_slow_readers_cost_little(big):
    server, large = big
    one = put(server, "h/1.dcm", slices.ct("hostile", study="hostile", series="hostile"))
    before = anonymous_peak_kib(server)
    links = [connect(server, large, AS_STORED, receive=4096) for _ in range(50)]
    for link in links:
        assert link.recv(1000).startswith(b"HTTP/1.1 200")
    assert len(parts_of(get(server, one, AS_STORED))) == 1  # others are served
    assert anonymous_peak_kib(server) - before < 50 * 1024
    for link in links:
        reset(link)
    until(lambda: open_objects(server) == 0, what="all files closed")


def open_objects(server):
    found = 0
    for fd in pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            found += "/objects/pacs/" in os.readlink(fd)
        except FileNotFoundError:
            pass
    return found


def test_peers_that_leave_in_the_middle_leave_nothing_behind(big):
    server, large = big
    ct = put(server, "h/1.dcm", slices.ct("hostile", study="hostile", series="hostile"))
    for i in range(60):
        path, accept = [(large, AS_STORED), (ct, AS_STORED), (ct + "/frames/1", VIEWER_FRAMES), (ct + f"/rendered?quality={i + 1}", "image/jpeg"),
                        (large + "/rendered", 'multipart/related; type="image/jpeg"'), (large, 'multipart/related; type="application/dicom"')][i % 6]
        link = connect(server, path, accept)
        if i % 2:
            link.recv(100)
        reset(link)
    until(lambda: open_objects(server) == 0, timeout=60, what="all files closed")
    assert get(server, ct + "/rendered").status_code == 200


def test_a_study_that_is_deleted_meanwhile_is_cut(server):
    large = stock(server, "gone", 60)
    expected = int(requests.head(server.url + large, headers={"Accept": AS_STORED}, timeout=60).headers["Content-Length"])
    link = connect(server, large, AS_STORED, receive=65536)
    head = b""
    while b"\r\n\r\n" not in head:
        head += link.recv(1)
    assert b"\r\nTransfer-Encoding: chunked\r\n" in head
    assert requests.delete(server.url + large, timeout=120).status_code in (200, 204)
    size, _ = read_all(link)
    assert size < expected
    assert get(server, large, AS_STORED).status_code == 404


def test_a_host_that_dies_is_an_answer_and_the_next_request_works(server, ct):
    assert get(server, ct + "/rendered").status_code == 200
    pids = hosts.pids(server, "viewers")
    hosts.signal_all(pids, signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get, server, ct + "/rendered?quality=33")
        until(lambda: server.get("/system").json()["hosts"]["viewers"]["busy"] > 0, what="a host at work")
        hosts.signal_all(pids, signal.SIGKILL)
        answer = waiting.result(60)
    assert answer.status_code in (500, 503) and answer.headers["Content-Type"] == "application/problem+json"
    assert get(server, ct + "/rendered?quality=33").status_code == 200


def test_the_same_picture_for_many_is_rendered_once(server, ct):
    assert get(server, ct + "/rendered").status_code == 200
    calls = server.get("/system").json()["hosts"]["viewers"].get("calls")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: get(server, ct + "/rendered?viewport=99,99").content, range(64)))
    assert len(set(answers)) == 1
    if calls is not None:
        assert server.get("/system").json()["hosts"]["viewers"]["calls"] == calls + 1
