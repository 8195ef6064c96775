# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: what runs is finished or given back, what is connected is told, and the next server goes on."""
import asyncio
import contextlib
import os
import random
import signal
import subprocess
import threading
import time
import uuid

import pytest
import requests
import websockets

import slices
from server import Server, next_frame, until


def stock(server, count=8, size=256):
    for number in range(count):
        data = slices.ct(f"i{number}", number=number, size=size)
        assert server.put_file(f"st/se/i{number}.dcm", data).status_code == 201


class Senders:
    """Clients that post as fast as they are answered; what they were promised is in `accepted`."""

    def __init__(self, server, threads=3):
        self.server, self.accepted, self.answers, self.over = server, [], set(), threading.Event()
        self.threads = [threading.Thread(target=self._send, args=(number,)) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def _send(self, number):
        with requests.Session() as session, contextlib.suppress(requests.ConnectionError):
            while not self.over.is_set():
                job_id = str(uuid.uuid4())
                answer = session.post(f"{self.server.url}/process/processing_6", timeout=30, json={
                    "client_id": "c", "job_id": job_id, "pacs": {
                        "study_id": "st", "series_id": "se", "image_id": f"i{number}.dcm", "scope": "image"}})
                self.answers.add(answer.status_code)
                if answer.status_code == 202:
                    self.accepted.append(job_id)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()


def each_ended_once(server, accepted):
    for job_id in accepted:
        job = server.wait_job(job_id)
        assert job["state"] == "succeeded" and job["attempts"] == 1, job
    events, since = [], 0
    while page := server.events("c", since)["events"]:
        events, since = events + page, page[-1]["seq"]
    assert [event["seq"] for event in events] == list(range(1, len(accepted) + 1))
    assert sorted(event["job_id"] for event in events) == sorted(accepted)


def test_a_drain_under_load_loses_nothing(data):
    server = Server(data).start()
    stock(server)
    senders = Senders(server)
    until(lambda: len(senders.accepted) > 40, 30, "load")

    assert server.stop() == 0
    senders.stop()

    assert senders.answers <= {202, 503}
    with server:
        each_ended_once(server, senders.accepted)


def test_running_jobs_finish_within_the_patience_of_a_drain(data):
    server = Server(data, drain_timeout="60 s").start()
    stock(server, 30, 512)
    job_id = server.submit("processing_6", "c", "st", "se", scope="series").json()["job_id"]
    until(lambda: server.job(job_id)["state"] == "running", 20, "a job that runs")

    assert server.stop(60) == 0

    with server:
        job = server.job(job_id)  # it was final before this server began
        assert job["state"] == "succeeded" and len(server.events("c")["events"]) == 1


def test_what_does_not_finish_in_time_is_given_back_uncounted(data):
    server = Server(data, drain_timeout="0 s").start()
    stock(server, 30, 512)
    job_id = server.submit("processing_6", "c", "st", "se", scope="series").json()["job_id"]
    until(lambda: server.job(job_id)["state"] == "running", 20, "a job that runs")

    assert server.stop() == 0

    with server:
        each_ended_once(server, [job_id])


def test_a_draining_server_refuses_and_says_so(data):
    server = Server(data, drain_timeout="60 s").start()
    stock(server, 40, 512)
    server.submit("processing_6", "c", "st", "se", scope="series")
    until(lambda: server.get("/system").json()["hosts"]["jobs"]["busy"], 20, "a job that runs")
    with requests.Session() as session:
        assert session.get(server.url + "/health/ready", timeout=10).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        until(lambda: session.get(server.url + "/health/ready", timeout=10).status_code == 503, 10, "the drain to begin")
        late = session.post(server.url + "/process/processing_6", timeout=10, json={
            "client_id": "c", "pacs": {"study_id": "st", "series_id": "se", "image_id": "i0.dcm"}})
        assert late.status_code == 503 and "error" in late.json()
    assert server.process.wait(60) == 0  # it was told already


def test_a_job_can_be_cancelled_while_the_server_drains(data):
    server = Server(data, drain_timeout="60 s").start()
    stock(server, 40, 512)
    job_id = server.submit("processing_6", "c", "st", "se", scope="series").json()["job_id"]
    until(lambda: server.job(job_id)["state"] == "running", 20, "a job that runs")
    with requests.Session() as session:
        session.get(server.url + "/health/live", timeout=10)
        server.process.send_signal(signal.SIGTERM)
        assert session.delete(f"{server.url}/jobs/{job_id}", timeout=10).status_code == 200
    assert server.process.wait(60) == 0  # it was told already
    with server:
        assert server.job(job_id)["state"] == "cancelled"


def test_connections_are_told_that_the_server_goes_away(server):
    async def go():
        async with websockets.connect(f"{server.ws}/ws?client_id=c") as live, \
                websockets.connect(f"{server.ws}/prod?client_id=c") as old:
            await live.send('{"type":"ping"}')
            await next_frame(live, "pong")
            server.process.send_signal(signal.SIGTERM)
            for connection in (live, old):
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await next_frame(connection, "result")
                assert closed.value.rcvd and closed.value.rcvd.code == 1001

    asyncio.run(go())
    assert server.process.wait(60) == 0  # it was told already


def test_a_result_that_comes_during_the_drain_is_still_pushed(data):
    async def go():
        async with websockets.connect(f"{server.ws}/ws?client_id=c") as live:
            job_id = server.submit("processing_6", "c", "st", "se", scope="series").json()["job_id"]
            await next_frame(live, "progress")
            server.process.send_signal(signal.SIGTERM)
            frame = await next_frame(live, "result")
            assert frame["job_id"] == job_id and frame["seq"] == 1

    server = Server(data, drain_timeout="60 s").start()
    stock(server, 20, 512)
    asyncio.run(go())
    assert server.process.wait(60) == 0  # it was told already


def test_a_second_signal_ends_it_at_once_and_nothing_is_lost(data):
    server = Server(data, drain_timeout="60 s").start()
    stock(server, 60, 512)
    job_id = server.submit("processing_6", "c", "st", "se", scope="series").json()["job_id"]
    until(lambda: server.job(job_id)["state"] == "running", 20, "a job that runs")
    server.process.send_signal(signal.SIGTERM)
    until(lambda: "draining" in server.log.read_text(), 10, "the drain to begin")
    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(5) == -signal.SIGTERM

    with server:
        each_ended_once(server, [job_id])


def test_a_signal_while_it_starts_ends_it_in_order(data):
    """At any moment of the start; before the first line of main is through, the system's way of ending is fine."""
    rng = random.Random(5)
    for _round in range(12):
        server = Server(data).spawn()
        moment = time.monotonic() + rng.uniform(0, 0.35)
        until(lambda: time.monotonic() > moment, 5, "a moment")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) in (0, -signal.SIGTERM), server.tail()
    with Server(data) as server:
        stock(server, 1)
        job_id = server.submit("processing_6", "c", "st", "se", "i0.dcm").json()["job_id"]
        assert server.wait_job(job_id)["state"] == "succeeded"


def test_a_drain_leaves_no_process_and_no_temporary_file(data):
    server = Server(data).start()
    stock(server)
    pids = [pid for pool in server.get("/system").json()["hosts"].values() if "pids" in pool for pid in pool["pids"]]
    assert pids
    senders = Senders(server)
    until(lambda: len(senders.accepted) > 10, 30, "load")
    assert server.stop() == 0
    senders.stop()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list((data / "objects").glob(".tmp-*")) == []
    assert not (data / "corsia.db-wal").exists()
    subprocess.run([server.binary, "check", "--data", data, "--disk-floor", "1 MiB"], check=True, timeout=30,
                   capture_output=True)
