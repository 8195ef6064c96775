# SPDX-License-Identifier: Apache-2.0
"""What the doors do to peers that do not read or do not answer, and what the retention time leaves."""
import asyncio
import concurrent.futures
import contextlib
import json
import pathlib
import re
import sqlite3
import time

import pytest

import live
import slices
from live import Bare, in_thread, listen, make_events, metric, numbers, post_jobs
from server import Server, next_frame, until

KIB = 1024
DAY_MS = 86_400_000


@pytest.fixture(scope="module", autouse=True)
def aged(tmp_path_factory):
    """A server that finds jobs of the day before yesterday; it forgets them ten seconds after its start, meanwhile
    the other tests of this file run."""
    server = Server(tmp_path_factory.mktemp("aged") / "data", retention_days=1)
    with server:
        live.stock(server)
        make_events(server, "aged", 4)
        make_events(server, "aged-whole", 2)
    old = int(time.time() * 1000) - 2 * DAY_MS
    with contextlib.closing(sqlite3.connect(server.data / "corsia.db")) as db, db:
        db.execute("UPDATE job SET finished = ? WHERE job_id IN (SELECT job_id FROM event WHERE seq <= 2)", (old,))
        db.execute("UPDATE event SET created = ? WHERE seq <= 2", (old,))
    with server:
        yield server


def peak_memory(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * KIB


def is_sanitized(server):
    """True if a sanitizer, which keeps memory of its own, is in the server."""
    return bool(re.search(r"lib[at]san\.so", pathlib.Path(f"/proc/{server.process.pid}/maps").read_text()))


def fill_log(server, client, count, size):
    """Give a client of a server that is stopped a log of large events."""
    rows = [(client, seq, f"{client}-{seq}", int(time.time() * 1000),
             json.dumps({"job_id": f"{client}-{seq}", "algo_id": "processing_1", "client_id": client,
                         "type": "result", "status": "succeeded", "found": True, "outputs": [],
                         "measurements": {"padding": "x" * size}}))
            for seq in range(1, count + 1)]
    with contextlib.closing(sqlite3.connect(server.data / "corsia.db")) as db, db:
        db.execute("INSERT INTO client(client_id, next_seq) VALUES (?, ?)", (client, count + 1))
        db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)


def test_who_does_not_read_is_closed_with_1013_and_catches_up_while_memory_stays_flat(data):
    replayed, size, readers = 30, 200 * KIB, 20

    async def catch_up(server, client, since, last):
        async with listen(server, client, since=since) as tab:
            return await numbers(tab, last - since)

    server = Server(data, ws_buffer="64 KiB")
    with server:
        live.stock(server)
    fill_log(server, "late", replayed, size)
    with server:
        before = peak_memory(server)
        with contextlib.ExitStack() as stack:
            # One that was current when it stopped to read, and many that are behind by a long log.
            current = stack.enter_context(Bare(server, "/ws?client_id=current"))
            late = [stack.enter_context(Bare(server, "/ws?client_id=late&since=0")) for _ in range(readers)]
            failures = metric(server, "corsia_push_failures_total")
            made = {"current": len(post_jobs(server, "current", 200)), "late": replayed}

            def all_lost():
                for client in made:
                    made[client] += len(post_jobs(server, client, 1))
                return metric(server, "corsia_push_failures_total") >= failures + 1 + readers

            until(all_lost, what="the end of patience with those who do not read")
            peers = [current, *late]
            with concurrent.futures.ThreadPoolExecutor(len(peers)) as pool:
                ends = list(pool.map(Bare.close_code, peers))
            for (seen, code), client in zip(ends, ["current"] + ["late"] * readers):
                assert code == 1013
                assert seen == list(range(1, len(seen) + 1)) and len(seen) < made[client]
        grown = peak_memory(server) - before
        # Kept without a bound it would be 20 times 30 events of 200 KiB, 120 MiB.
        assert grown < 40 * KIB * KIB or is_sanitized(server), f"{grown >> 20} MiB more"

        for client, count in made.items():
            until(lambda: live.page(server, client, since=count - 1)["last"] == count, what="all events")
            assert asyncio.run(catch_up(server, client, 0, count)) == list(range(1, count + 1))


def test_a_slow_reader_on_prod_has_its_cursor_only_over_what_it_took(data):
    replayed = 30

    server = Server(data, ws_buffer="64 KiB", ws_ping="1 h")
    with server:
        pass
    fill_log(server, "slow", replayed, 200 * KIB)
    with server:
        with Bare(server, "/prod?client_id=slow") as peer:
            opcode, payload = peer.next()
            assert opcode == 1 and json.loads(payload)["seq"] == 1
            peer.socket.sendall(b"\x89\x80\0\0\0\0")  # a ping: the socket has taken the first by now
            until(lambda: live.cursor(server, "slow") > 0, what="the cursor")
            assert 1 <= live.cursor(server, "slow") < replayed
            while True:  # read on: after what was on its way comes the pong
                opcode, payload = peer.next()
                if opcode == 10:
                    break
        taken = live.cursor(server, "slow")
        with Bare(server, "/prod?client_id=slow") as peer:
            assert json.loads(peer.next()[1])["seq"] == taken + 1


def test_a_peer_that_answers_no_ping_is_closed_after_two(data):
    async def answering(server):
        async with listen(server, "answers") as tab:
            await in_thread(until, lambda: metric(server, "corsia_websocket_connections") == 1)
            return tab.open

    with Server(data, ws_ping="200 ms") as server:
        with Bare(server, "/ws?client_id=silent") as silent, Bare(server, "/prod") as other:
            assert [silent.next(), silent.next()] == [(9, b""), None]
            assert [other.next(), other.next()] == [(9, b""), None]
        with Bare(server, "/ws?client_id=says") as says:
            for _ in range(5):  # whatever it says shows that it lives
                assert says.next() == (9, b"")
                says.socket.sendall(b"\x81\x80\0\0\0\0")
                assert json.loads(says.next()[1])["type"] == "error"
            with Bare(server, "/ws?client_id=silent"):
                assert asyncio.run(answering(server))


def test_what_is_older_than_the_retention_time_is_forgotten_and_told_as_a_gap(aged):
    async def go():
        async with listen(aged, "aged", since=0) as tab:
            assert await next_frame(tab) == {"type": "gap", "oldest": 3}
            assert await numbers(tab, 2) == [3, 4]
        async with listen(aged, "aged-whole", since=0) as tab:
            assert await next_frame(tab) == {"type": "gap", "oldest": 3}
            await in_thread(make_events, aged, "aged-whole", 1)
            assert await numbers(tab, 1) == [3]

    until(lambda: live.page(aged, "aged-whole", since=0)["oldest"] == 3, what="the end of the retention time")
    asyncio.run(go())
    whole = live.page(aged, "aged", since=0)
    assert [event["seq"] for event in whole["events"]] == [3, 4]
    assert (whole["oldest"], whole["last"]) == (3, 4)


def test_an_event_over_event_body_max_says_where_its_outputs_are(tmp_path):
    with Server(tmp_path / "data", event_body_max="4 KiB") as server:
        for number in range(24):
            assert server.put_file(f"st/se/{number}.dcm", slices.ct(f"n{number}", number=number, size=32)).status_code == 201
        assert server.submit("processing_1", "c", "st", "se", scope="series", job_id="long").status_code == 202
        server.wait_job("long")
        (event,) = server.events("c")["events"]
        assert event["status"] == "succeeded" and event["outputs"] == [] and event["dicom"]["key"]
        assert len(server.get(event["outputs_url"]).json()["outputs"]) == 24
