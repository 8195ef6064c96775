# SPDX-License-Identifier: Apache-2.0
"""What a client of the live doors does: submit small jobs, listen, and read an event stream line by line."""
import asyncio
import contextlib
import http.client
import json
import re
import socket
import sqlite3
import urllib.parse

import requests
import websockets

import slices
from server import next_frame

FRAME = ["job_id", "algo_id", "client_id", "dicom", "type", "seq", "status", "found", "outputs", "measurements",
         "timing_ms"]


def stock(server):
    """st/se/small.dcm, on which a job takes milliseconds and finds nothing, and st/se/cut.dcm, a bad input."""
    small = slices.ct("small", False, size=32)
    assert server.put_file("st/se/small.dcm", small).status_code == 201
    assert server.put_file("st/se/cut.dcm", slices.ct("cut", False, size=32, missing=500)).status_code == 201


def post_jobs(server, client, count, image="small.dcm", headers=None):
    """Submit; the job ids in order."""
    body = {"client_id": client, "pacs": {"study_id": "st", "series_id": "se", "image_id": image}}
    with requests.Session() as session:
        answers = [session.post(server.url + "/process/processing_1", json=body, headers=headers, timeout=30)
                   for _ in range(count)]
    assert all(answer.status_code == 202 for answer in answers), answers[-1].text
    return [answer.json()["job_id"] for answer in answers]


def make_events(server, client, count):
    """So many more events of the client, one after the other: the order of the job ids is that of the numbers."""
    ids = []
    for _ in range(count):
        ids += post_jobs(server, client, 1)
        server.wait_job(ids[-1])
    return ids


def page(server, client, **query):
    answer = server.get(f"/clients/{client}/events?" + urllib.parse.urlencode(query),
                        headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def cursor(server, client):
    """Where the client's cursor stands: a page without since begins behind it."""
    whole = page(server, client)
    return whole["events"][0]["seq"] - 1 if whole["events"] else whole["last"]


def forget(server, client, count):
    """Remove the client's oldest events from the log of a server that is stopped, as the retention time does."""
    with contextlib.closing(sqlite3.connect(server.data / "corsia.db")) as db, db:
        gone = db.execute("DELETE FROM event WHERE client_id = ? AND seq <= ?", (client, count)).rowcount
    assert gone == count


# --- WebSockets ---

def listen(server, client, door="ws", **query):
    """Connect; the library sends no pings of its own, and answers those of the server."""
    query = urllib.parse.urlencode({"client_id": client, **query})
    return websockets.connect(f"{server.ws}/{door}?{query}", ping_interval=None)


async def results(socket_, count):
    """The next final frames."""
    return [await next_frame(socket_, "result") for _ in range(count)]


async def numbers(socket_, count):
    return [frame["seq"] for frame in await results(socket_, count)]


async def ask(socket_, text):
    """Send, and get what is said to it (not results or progress)."""
    await socket_.send(text)
    while True:
        frame = await next_frame(socket_)
        if frame["type"] not in ("result", "progress"):
            return frame


def in_thread(function, *args):
    """Begin to call what blocks; await the answer."""
    return asyncio.get_running_loop().run_in_executor(None, function, *args)


def refusal(server, target, **kwargs):
    """The status of a handshake that is refused; 101 if it is not."""
    async def go():
        try:
            async with websockets.connect(server.ws + target, ping_interval=None, **kwargs):
                return 101
        except websockets.exceptions.InvalidStatusCode as error:
            return error.status_code

    return asyncio.run(go())


# --- Server-Sent Events ---

class Stream:
    """An event stream: next() gives (event, id, data), where a comment's event is ":"."""

    def __init__(self, server, client, headers=None, **query):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.connection.request("GET", f"/clients/{client}/events?" + urllib.parse.urlencode(query),
                                headers={"Accept": "text/event-stream", **(headers or {})})
        self.answer = self.connection.getresponse()

    def next(self):
        """None at the end of the stream."""
        event, number, data = "message", None, []
        while True:
            line = self.answer.readline()
            if not line:
                return None
            name, _, value = line.decode().rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if line == b"\n" and data:
                return event, number, json.loads("\n".join(data))
            if line == b"\n" and event == ":":
                return ":", None, None
            if name == "event":
                event = value
            elif name == "id":
                number = int(value)
            elif name == "data":
                data.append(value)
            elif not name:
                event = ":"

    def results(self, count):
        """The numbers of the next results; each is its id and in its data."""
        found = []
        while len(found) < count:
            event, number, data = self.next()
            if event == "result":
                assert data["seq"] == number
                found.append(number)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


# --- Bare sockets: peers that do not answer, do not read, or read late ---

UPGRADE = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


class Bare:
    """A connection without a library: nothing is read, answered or sent unless the test does it."""

    def __init__(self, server, target, upgrade=True):
        self.socket = socket.socket()
        self.socket.settimeout(30)
        # Small segments and a small window, so that the two kernels hold kilobytes, not megabytes.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                            f"{UPGRADE if upgrade else ''}\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.exactly(1)
        assert head.startswith(b"HTTP/1.1 101 " if upgrade else b"HTTP/1.1 200 ")
        assert not upgrade or b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # the example of RFC 6455

    def exactly(self, size):
        """So many bytes; fewer at the end of the stream."""
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                break
            data += more
        return data

    def next(self):
        """The next frame: its opcode and payload; None at the end of the stream."""
        head = self.exactly(2)
        if len(head) < 2:
            return None
        assert head[0] & 0x80 and not head[1] & 0x80  # whole, and not masked
        size = head[1]
        if size >= 126:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
        payload = self.exactly(size)
        return (head[0] & 15, payload) if len(payload) == size else None

    def close_code(self):
        """Read to the end; the numbers of the results that were still there, and the code of the close frame."""
        seen, code = [], None
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        while frame := self.next():
            opcode, payload = frame
            if opcode == 8:
                code = int.from_bytes(payload[:2], "big")
            elif opcode == 1 and (text := json.loads(payload)).get("type") == "result":
                seen.append(text["seq"])
        return seen, code

    def event_ids(self):
        """Read an event stream to its end, however it ends; the ids of the whole events."""
        raw, text = b"", b""
        with contextlib.suppress(ConnectionResetError):
            while more := self.socket.recv(65536):
                raw += more
        while raw:  # chunk by chunk, the last one perhaps cut off
            size, _, raw = raw.partition(b"\r\n")
            text, raw = text + raw[:int(size, 16)], raw[int(size, 16) + 2:]
        return [int(number) for number in re.findall(rb"id: (\d+)\nevent: result\ndata: .*\n\n", text)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def metric(server, name):
    """The value of a metric that has no labels."""
    for line in server.get("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")
