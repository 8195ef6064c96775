# SPDX-License-Identifier: Apache-2.0
"""The feed of changes: pages, long polls and Server-Sent Events, gapless and in order with several writers."""
import concurrent.futures
import contextlib
import json
import pathlib
import re
import shutil
import socket
import threading
import time

import pytest
import requests

import slices
from server import Server, until

WRITERS, EACH = 6, 20


def changes(server, **query):
    answer = requests.get(f"{server.url}/dicom-web/changes", params=query, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def bare(page):
    """A page without the name of its catalogue, which nobody can foresee."""
    assert re.fullmatch("[0-9a-f]{16}", page["catalog"])
    return {name: value for name, value in page.items() if name != "catalog"}


def store(server, name):
    body = slices.ct(name, study=f"s{name}", series="x", size=16)
    answer = server.put_file(f"k/{name}/x.dcm", body)
    assert answer.status_code == 201, answer.text


def remove(server, name):
    uid = slices.uid(f"s{name}")
    answer = requests.delete(f"{server.url}/dicom-web/studies/{uid}", timeout=30)
    assert answer.status_code in (200, 204), answer.text


class Stream(threading.Thread):
    """An EventSource: its events as (number, kind, data) until it is stopped, and the last id, which it comes again with."""

    def __init__(self, server, since=None, last_id=None, catalog=None):
        super().__init__()
        self.events, self.last_id, self.error = [], None, None
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self.answer = requests.get(f"{server.url}/dicom-web/changes", params={"since": since, "catalog": catalog},
                                   headers=headers, stream=True, timeout=60)
        assert self.answer.headers["Content-Type"].startswith("text/event-stream")
        self.start()

    def run(self):
        event = {}
        try:
            for line in self.answer.iter_lines(chunk_size=1, decode_unicode=True):
                if not line:
                    if "data" in event:
                        self.last_id = event["id"]
                        number, _, _catalog = self.last_id.partition("-")
                        self.events.append((int(number), event.get("event"), json.loads(event["data"])))
                    event = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    event[name] = value
        except Exception as error:  # the socket is closed under it
            self.error = error

    def numbers(self):
        return [number for number, _, _ in self.events]

    def stop(self):
        self.answer.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        self.join(10)
        assert not self.is_alive()


def test_a_page_tells_what_came_and_went(server):
    store(server, "a")
    store(server, "b")
    remove(server, "a")
    page = changes(server)
    assert [(item["seq"], item["kind"]) for item in page["changes"]] == [(1, "added"), (2, "added"), (3, "removed")]
    assert (page["last"], page["has_more"]) == (3, False) and "reset" not in page
    first = page["changes"][0]
    assert first["study_instance_uid"] == slices.uid("sa") == page["changes"][2]["study_instance_uid"]
    assert first["series_instance_uid"] == slices.uid("sa", "x")
    assert first["sop_instance_uid"] == slices.uid("sa", "x", "a")
    assert page["changes"][1]["modality"] == "CT" and first["at"].endswith("Z")


def test_pages_follow_each_other(server):
    for name in "abcde":
        store(server, name)
    page = changes(server, since=1, limit=2)
    assert [item["seq"] for item in page["changes"]] == [2, 3] and page["has_more"] is True
    page = changes(server, since=3, limit=2)
    assert [item["seq"] for item in page["changes"]] == [4, 5] and page["has_more"] is False
    assert bare(changes(server, since=5)) == {"changes": [], "last": 5, "has_more": False}


def test_numbers_of_another_catalogue_are_told_at_once(server):
    store(server, "a")
    assert bare(changes(server, since=99, wait=60)) == {"changes": [], "last": 1, "has_more": False, "reset": True}
    stream = Stream(server, since=99)
    until(lambda: stream.events, what="the event")
    assert stream.events == [(1, "reset", {"last": 1})]
    store(server, "b")
    until(lambda: len(stream.events) == 2, what="the next change")
    assert stream.events[1][0] == 2
    stream.stop()


@pytest.mark.parametrize("query", ["since=-1", "since=x", "limit=0", "limit=1001", "wait=-1", "wait=301"])
def test_what_makes_no_sense_is_400(server, query):
    assert server.get("/dicom-web/changes?" + query).status_code == 400
    for last in ("x", "-", "-0123456789abcdef", "1x", "1 -2", "99999999999999999999", "1-0123456789abcdef0"):
        assert server.get("/dicom-web/changes", headers={"Accept": "text/event-stream", "Last-Event-ID": last}).status_code == 400


@pytest.mark.parametrize("prefer", [False, True])
def test_a_long_poll_is_answered_by_the_commit(server, prefer):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        headers = {"Prefer": "respond-async, wait=60"} if prefer else {}
        query = {"since": 0} if prefer else {"since": 0, "wait": 60}
        polls = [pool.submit(requests.get, f"{server.url}/dicom-web/changes", params=query, headers=headers, timeout=90)
                 for _ in range(8)]
        done, _ = concurrent.futures.wait(polls, timeout=0.5)
        assert not done, "nothing has come yet"
        store(server, "a")
        for poll in polls:
            page = poll.result(timeout=30).json()
            assert [item["seq"] for item in page["changes"]] == [1] and page["last"] == 1


def test_a_long_poll_ends_with_an_empty_page(server):
    store(server, "a")
    began = time.monotonic()
    assert bare(changes(server, since=1, wait=1)) == {"changes": [], "last": 1, "has_more": False}
    assert time.monotonic() - began >= 0.9


def connections(server):
    """Connections that the server has taken in and not let go: as the kernel lists its descriptors."""
    inodes = set()
    for link in pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            inodes.add(str(link.readlink()))
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f":{server.port:04X}"
    return sum(row[1].endswith(port) and row[3] == "01" and f"socket:[{row[9]}]" in inodes for row in rows)


def test_a_server_that_stops_lets_go_of_polls_and_streams(data):
    with Server(data) as server:
        stream = Stream(server)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            poll = pool.submit(requests.get, f"{server.url}/dicom-web/changes?wait=300", timeout=60)
            store(server, "a")
            poll.result(timeout=30)
            poll = pool.submit(requests.get, f"{server.url}/dicom-web/changes?since=1&wait=300", timeout=60)
            until(lambda: len(stream.events) == 1, what="the event")
            until(lambda: connections(server) == 2, what="the second poll's way in")
            server.stop()
            assert poll.result(timeout=30).json()["changes"] == []
        stream.join(30)
        assert not stream.is_alive()


def test_a_stream_replays_and_goes_on_where_it_was(server):
    for name in "abc":
        store(server, name)
    stream = Stream(server, since=1)
    until(lambda: stream.numbers() == [2, 3], what="what there is")
    store(server, "d")
    until(lambda: stream.numbers() == [2, 3, 4], what="what comes")
    assert all(data["seq"] == number and data["kind"] == "added" for number, _, data in stream.events)
    stream.stop()
    again = Stream(server, since=1, last_id=3)
    until(lambda: again.numbers() == [4], what="what follows")
    again.stop()


def test_an_event_source_comes_in_with_a_ticket(data, tmp_path):
    token = tmp_path / "token"
    token.write_text("a-long-secret-of-a-test\n")
    token.chmod(0o600)
    with Server(data, token_file=token) as server:
        key = {"Authorization": "Bearer a-long-secret-of-a-test"}
        ticket = requests.post(f"{server.url}/ws/ticket", headers=key, timeout=10).json()["ticket"]
        url = f"{server.url}/dicom-web/changes"
        assert requests.get(url, timeout=10).status_code == 401
        assert requests.get(f"{url}?ticket=nope", timeout=10).status_code == 401
        assert requests.get(f"{url}?ticket={ticket}", timeout=10).json()["changes"] == []
        assert requests.get(url, headers=key, timeout=10).status_code == 200


def test_several_writers_make_one_feed_without_gaps(server):
    """Everybody sees each number once and in order, whoever reads how: streams, polls, late and early."""
    total = WRITERS * EACH + WRITERS * (EACH // 2)
    streams = [Stream(server) for _ in range(3)]
    polled = []

    def poll():
        since = 0
        while since < total:
            page = changes(server, since=since, wait=30, limit=7)
            polled.extend(item["seq"] for item in page["changes"])
            since = polled[-1]

    def write(writer):
        for number in range(EACH):
            store(server, f"{writer}-{number}")
            if number % 2:
                remove(server, f"{writer}-{number}")

    poller = threading.Thread(target=poll)
    poller.start()
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    until(lambda: all(len(stream.events) >= total for stream in streams), what="the whole feed")
    poller.join(30)
    late = Stream(server)
    until(lambda: len(late.events) >= total, what="the replay")
    expected = list(range(1, total + 1))
    assert polled == expected and late.numbers() == expected
    assert all(stream.numbers() == expected for stream in streams)
    kinds = {}
    for _, _, data in late.events:
        kinds.setdefault(data["sop_instance_uid"], []).append(data["kind"])
    assert sorted(map(tuple, kinds.values())) == sorted(
        [("added",)] * (WRITERS * EACH // 2) + [("added", "removed")] * (WRITERS * EACH // 2))
    for stream in [*streams, late]:
        stream.stop()


def test_a_reader_that_does_not_read_loses_nothing(server):
    """Its socket is filled and left alone; what it had not taken comes when it reads on."""
    for number in range(30):
        store(server, f"a{number}")
    host, port = server.url.split("//")[1].split(":")
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    lazy.connect((host, int(port)))
    lazy.sendall(f"GET /dicom-web/changes HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
    for number in range(30):
        store(server, f"b{number}")
    lazy.settimeout(30)
    text = b""
    while not re.search(b"id: 60-[0-9a-f]{16}\n", text):
        block = lazy.recv(4096)
        assert block
        text += block
    numbers = [int(line[4:].partition("-")[0]) for line in text.decode(errors="ignore").splitlines() if line.startswith("id: ")]
    assert numbers == list(range(1, 61))
    lazy.close()


def test_another_catalogue_is_told_from_the_first(tmp_path):
    """Its numbers begin anew: neither a number nor a validator of the first means anything to it."""
    data = tmp_path / "data"
    path = f"/dicom-web/studies/{slices.uid('sa')}/metadata"
    server = Server(data)  # one port: validators have the URL in them
    with server:
        store(server, "a")
        page = changes(server, since=1)
        etag = server.get(path).headers["ETag"]
        assert changes(server, since=1, catalog=page["catalog"])["changes"] == []
        stream = Stream(server)
        until(lambda: stream.events, what="the event")
        seen = stream.last_id
        assert seen == f"1-{page['catalog']}"
        stream.stop()
    with server:
        assert changes(server)["catalog"] == page["catalog"], "it lasts"
        assert server.get(path, headers={"If-None-Match": etag}).status_code == 304
    shutil.rmtree(data)
    with server:
        for number in range(2):
            store(server, "ab"[number])
        other = changes(server, since=1, catalog=page["catalog"], wait=30)
        assert other["catalog"] != page["catalog"]
        assert other["reset"] and other["changes"] == [] and not other["has_more"]
        assert "reset" not in changes(server, since=1)
        # The stream says it as the page does, to one that comes again and to one that has seen nothing.
        for how in ({"last_id": seen}, {"since": 1, "catalog": page["catalog"]}, {"last_id": 1, "catalog": page["catalog"]}):
            stream = Stream(server, **how)
            until(lambda: stream.events, what="the reset")
            assert stream.events == [(2, "reset", {"last": 2})] and stream.last_id == f"2-{other['catalog']}"
            stream.stop()
        stream = Stream(server, last_id=f"1-{other['catalog']}", catalog=page["catalog"])  # the id says more than the address
        until(lambda: stream.events, what="the change")
        assert [event[:2] for event in stream.events] == [(2, None)]
        stream.stop()
        answer = server.get(path, headers={"If-None-Match": etag})
        assert answer.status_code == 200 and answer.headers["ETag"] != etag


def test_a_power_cut_makes_another_catalogue_and_a_kill_does_not(tmp_path):
    """After a power cut the latest changes may be undone, and their numbers given again."""
    data = tmp_path / "data"
    server = Server(data)
    with server:
        store(server, "a")
        store(server, "b")
        catalog = changes(server)["catalog"]
        stream = Stream(server)
        until(lambda: len(stream.events) == 2, what="the events")
        seen = stream.last_id
        assert seen == f"2-{catalog}"
        stream.stop()
        server.kill()
    with server:
        page = changes(server, since=2, catalog=catalog)
        assert (page["catalog"], page["changes"], page["last"]) == (catalog, [], 2) and "reset" not in page
        store(server, "c")
        stream = Stream(server, last_id=seen)
        until(lambda: stream.events, what="the change")
        assert [event[:2] for event in stream.events] == [(3, None)]
        stream.stop()
        server.kill()
    note = data / ".running"
    assert note.read_text() == pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
    note.write_text("4ed7a3a5-0000-4000-8000-0123456789ab\n")
    with server:
        page = changes(server, since=3, catalog=catalog)
        other = page["catalog"]
        assert other != catalog and page["reset"] and page["changes"] == []
        stream = Stream(server, last_id=f"3-{catalog}")
        until(lambda: stream.events, what="the reset")
        assert stream.events == [(3, "reset", {"last": 3})] and stream.last_id == f"3-{other}"
        stream.stop()
        assert [item["seq"] for item in changes(server)["changes"]] == [1, 2, 3], "nothing was lost"
    assert not note.exists()
    with server:
        assert changes(server)["catalog"] == other, "it lasts"
