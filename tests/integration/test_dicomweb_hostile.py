# SPDX-License-Identifier: Apache-2.0
"""What no single resource of DICOMweb may be led astray by: `../` and NUL in every field, ranges out of range, heads that
never end, and readers that do not read.  (Uploads are in test_stow_hostile.py, retrieval in test_wado_hostile.py.)"""
import contextlib
import os
import pathlib
import socket

import pytest
import requests

import slices
import stow
from server import Server, until
from test_dicomweb_access import INSTANCE, ROUTES, SERIES, STUDY, WADO, WRITES
from wado import AS_STORED, put

NASTY = {"dots": "..%2F..%2F..%2Fetc%2Fpasswd", "plain dots": "../../../../etc/passwd", "nul": "%00", "nul behind": "1.2.3%00.dcm",
         "backslash": "..%5C..%5Cetc%5Cpasswd", "overlong": "%C0%AE%C0%AE%2F", "no utf-8": "%FF%FE", "newline": "1.2%0d%0aX-Evil:%201",
         "quote": "%22%27%3B--", "long": "9" * 5000}
# Every field of every resource: {} is where it goes.
PATHS = [path.replace(uid, "{}", 1) for _method, path in ROUTES + WRITES
         for uid in {slices.uid("study"), slices.uid("study", "series"), slices.uid("study", "series", "one")} if uid in path]
QUERIES = [f"{path}?{name}={{}}" for path in ("/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances", f"{STUDY}/series")
           for name in ("PatientName", "PatientID", "StudyDate", "StudyTime", "StudyInstanceUID", "00080018", "SeriesNumber", "KVP",
                        "includefield", "limit", "offset", "fuzzymatching", "accept", "RequestAttributesSequence.ScheduledProcedureStepID")]
QUERIES += [f"{path}?{{}}=1" for path in ("/dicom-web/studies", "/dicom-web/instances")]
QUERIES += [f"/dicom-web/changes?{name}={{}}" for name in ("since", "limit", "wait", "catalog", "ticket")]
QUERIES += [f"{INSTANCE}/rendered?{name}={{}}" for name in ("window", "viewport", "quality", "annotation", "accept")]
QUERIES += [f"{INSTANCE}/frames/{{}}", f"{INSTANCE}/frames/{{}}/rendered", f"{INSTANCE}/bulkdata/{{}}", f"{INSTANCE}?accept={{}}"]
QUERIES += [f"/wado?{WADO}&{name}={{}}" for name in ("contentType", "transferSyntax", "frameNumber", "rows", "columns", "region", "windowCenter",
                                                     "windowWidth", "imageQuality", "anonymize", "presentationUID")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("hostile") / "data", job_hosts_max=1, request_timeout="2 s") as running:
        put(running, "st/se/1.dcm", slices.ct("one", size=16))
        yield running


def raw(server, method, target, headers=()):
    """A request as it stands: nobody tidies it up.  Status, head and body; status 0 if the connection ended without any."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as link:
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        answer = b""
        with contextlib.suppress(ConnectionError):
            link.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
            while piece := link.recv(65536):
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0, head, body


def assert_unharmed(server, status, head, body):
    assert status in (200, 206, 304, 400, 401, 404, 406, 409, 414, 415, 431), (status, head)
    assert b"root:" not in body and b"X-Evil: 1" not in head
    assert not head.lower().count(b"\r\nx-evil:")
    if status >= 400:
        assert b"application/problem+json" in head and b"/objects" not in body and b"SELECT" not in body


@pytest.mark.parametrize("what", NASTY)
def test_no_part_of_a_path_leads_anywhere(server, what):
    for template in sorted(set(PATHS)):
        status, head, body = raw(server, "GET", template.replace("{}", NASTY[what]))
        assert_unharmed(server, status, head, body)
        assert status != 200, template
    assert server.get(f"{INSTANCE}/metadata").status_code == 200


@pytest.mark.parametrize("method", ["DELETE", "POST"])
@pytest.mark.parametrize("what", NASTY)
def test_no_part_of_a_path_deletes_or_stores(server, what, method):
    before = sorted(path for path in server.data.rglob("*") if path.is_file() and "objects" in path.parts)
    for template in (STUDY, SERIES, INSTANCE):
        for uid in (slices.uid("study"), slices.uid("study", "series"), slices.uid("study", "series", "one")):
            target = template.replace(uid, NASTY[what], 1)
            if target != template:
                status, head, body = raw(server, method, target, [f"Content-Type: {stow.RELATED}", "Content-Length: 0"])
                assert status in (400, 404, 405, 414), (status, target)
                assert b"root:" not in body and b"x-evil" not in head.lower().replace(b"x-evil:%20", b"")
    assert sorted(path for path in server.data.rglob("*") if path.is_file() and "objects" in path.parts) == before


@pytest.mark.parametrize("what", NASTY)
def test_no_value_of_a_query_leads_anywhere(server, what):
    for template in QUERIES:
        status, head, body = raw(server, "GET", template.replace("{}", NASTY[what]))
        assert_unharmed(server, status, head, body)
        if "%00" in NASTY[what]:
            assert status in (400, 404), template
    assert server.get(f"{INSTANCE}/metadata").status_code == 200


HEADERS = ["Accept: {}", "Accept: multipart/related; type={}", 'Accept: multipart/related; type="application/dicom"; transfer-syntax={}',
           "Range: {}", "Range: bytes={}", "If-None-Match: {}", 'If-None-Match: "{}"', "Prefer: wait={}", "Last-Event-ID: {}", "Cookie: {}"]


@pytest.mark.parametrize("value", ["../../etc/passwd", "\0", "a\0b", "\xff\xfe", "9" * 5000, '"', "%00", ";;,,", "\x01"])
def test_no_header_leads_anywhere(server, value):
    for template in HEADERS:
        for target in ("/dicom-web/studies", INSTANCE, f"{INSTANCE}/rendered", f"{STUDY}/metadata", f"{INSTANCE}/frames/1"):
            status, head, body = raw(server, "GET", target, [template.replace("{}", value)])
            assert status in (0, 200, 206, 304, 400, 406, 416, 431), (status, template, target)
            assert b"root:" not in body
    assert server.get(f"{INSTANCE}/metadata").status_code == 200


# --- ranges ---

@pytest.mark.parametrize("value, status", [
    ("bytes=0-0", 206), ("bytes=-1", 206), ("bytes={last}-", 206), ("bytes=0-99999999999", 206), ("bytes=-99999999999", 206),
    ("bytes={size}-", 416), ("bytes={size}-{size}", 416), ("bytes=99999999999-", 416), ("bytes=9223372036854775807-", 416),
    ("bytes=18446744073709551616-", 416), ("bytes=-0", 416),
    ("bytes=5-1", 200), ("bytes=x", 200), ("bytes=", 200), ("bytes=-", 200), ("bytes=1--2", 200), ("lines=0-1", 200), ("0-1", 200)])
def test_ranges_are_answered_as_the_standard_says_and_never_beyond_the_end(server, value, status):
    """RFC 9110 section 14.2: what cannot be satisfied is 416, what is no range is not there."""
    for path, accept in ((INSTANCE, "application/dicom; transfer-syntax=*"), (f"{INSTANCE}/bulkdata/7FE00010", "application/octet-stream"),
                         (f"{INSTANCE}/frames/1", "application/octet-stream")):
        whole = server.get(path, headers={"Accept": accept}).content
        text = value.replace("{size}", str(len(whole))).replace("{last}", str(len(whole) - 1))
        answer = server.get(path, headers={"Accept": accept, "Range": text})
        assert answer.status_code == status, (path, text)
        if status == 206:
            first, last = answer.headers["Content-Range"].removeprefix("bytes ").split("/")[0].split("-")
            assert answer.headers["Content-Range"].endswith(f"/{len(whole)}")
            assert answer.content == whole[int(first):int(last) + 1] and int(last) < len(whole)
        elif status == 416:
            assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"
        else:
            assert answer.content == whole


def test_several_ranges_are_not_more_work_than_the_whole(server):
    many = "bytes=" + ",".join(f"{n}-{n}" for n in range(1000))
    for text in ("bytes=0-0,2-2", many):
        answer = server.get(INSTANCE, headers={"Accept": "application/dicom; transfer-syntax=*", "Range": text})
        assert answer.status_code in (200, 416, 431) and len(answer.content) < 10000


# --- heads ---

@pytest.mark.parametrize("method, target", [("GET", "/dicom-web/studies"), ("POST", "/dicom-web/studies"), ("GET", INSTANCE)])
@pytest.mark.parametrize("headers", [["X: " + "a" * 1000000], [f"X-{n}: {n}" for n in range(100000)], ["A: b"] * 10000, ["Accept: */*"] * 5000],
                         ids=["long", "many", "equal", "accepts"])
def test_a_head_has_an_end(server, method, target, headers):
    status, _head, _body = raw(server, method, target, headers)
    assert status in (0, 400, 413, 431)
    assert server.get(f"{INSTANCE}/metadata").status_code == 200


def test_a_head_that_drips_is_cut_off(server):
    """A byte now and then keeps no connection alive."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.05) as link:
        link.sendall(b"GET /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")

        def is_cut():
            try:
                link.sendall(b"a")
                return link.recv(1000) is not None
            except TimeoutError:
                return False
            except ConnectionError:
                return True
        until(is_cut, timeout=30, what="an end of the head that drips")
    assert server.get("/dicom-web/studies").status_code == 200


# --- readers ---

def open_objects(server):
    found = 0
    for fd in pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += "/objects/pacs/" in os.readlink(fd)
    return found


@pytest.mark.parametrize("count, accept", [(1, "application/dicom; transfer-syntax=*"), (3, AS_STORED), (12, AS_STORED)],
                         ids=["sendfile", "pieces", "stream"])
def test_a_reader_that_does_not_read_is_cut_off(tmp_path, count, accept):
    with Server(tmp_path / "data", job_hosts_max=1, request_timeout="2 s") as server:
        for number in range(count):
            put(server, f"st/se/{number}.dcm", slices.ct(f"n{number}", number=number, size=700))
        target = STUDY if count > 1 else f"{SERIES}/instances/{slices.uid('study', 'series', 'n0')}"
        whole = len(server.get(target, headers={"Accept": accept}).content)
        links = []
        for _ in range(20):
            link = socket.socket()
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(("127.0.0.1", server.port))
            link.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
            assert link.recv(100).startswith(b"HTTP/1.1 200")
            links.append(link)
        until(lambda: connections(server) == 0, timeout=60, what="an end of readers that do not read")
        for link in links:
            size = 100
            with contextlib.suppress(ConnectionError):
                while piece := link.recv(65536):
                    size += len(piece)
            assert size < whole
            link.close()
        assert open_objects(server) == 0


def connections(server):
    """Sockets of the server that are connected (proc(5), state 01)."""
    port = f":{server.port:04X}"
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(port) and line.split()[3] == "01" for line in lines)
