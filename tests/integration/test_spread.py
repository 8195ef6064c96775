# SPDX-License-Identifier: Apache-2.0
"""A series over several hosts: the result is that of one host, and nothing is lost or doubled when one of them goes."""
import asyncio
import os
import signal

import pytest
import requests
import websockets

import hosts
import slices
from server import Server, next_frame, until

SLICES, SIDE = 40, 128
PARAMS = {"area_min_px": 500, "small_hole_px": 20}
ALL = ["overlay", "segmentation", "report", "preview", "measurements"]


def fill(server):
    for number in range(SLICES, 0, -1):
        body = slices.ct(f"s{number}", is_found=number % 5 != 0, number=number, size=SIDE)
        assert server.put_file(f"st/se/s{number:02}.dcm", body).status_code == 201
    return server


def submit(server, client="c", **more):
    accepted = server.submit("processing_1", client, "st", "se", scope="series", **{"params": PARAMS, "outputs": ALL, **more})
    assert accepted.status_code == 202, accepted.text
    return accepted.json()["job_id"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The job of a server with one host."""
    with Server(tmp_path_factory.mktemp("alone") / "data", job_hosts_max=1) as server:
        fill(server)
        return server.wait_job(submit(server))


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path / "data", job_hosts_min=2, job_hosts_max=2) as running:
        yield fill(running)


def told(job):
    """What two servers must say alike: all but ids, times, and digests that have times in them."""
    outputs = [{key: value for key, value in output.items() if key in
                ("role", "sop_instance_uid", "series_instance_uid", "source_sop_instance_uid", "found", "measurements")}
               for output in job["outputs"]]
    names = [output["key"].rsplit("/", 1)[-1] for output in job["outputs"]]
    return outputs, names, job["found"], job["measurements"]


def check(job, alone):
    assert job["state"] == "succeeded", job
    assert len({output["key"] for output in job["outputs"]}) == len(job["outputs"])
    assert told(job) == told(alone)


def test_one_host_makes_what_is_expected(alone):
    assert alone["state"] == "succeeded" and alone["measurements"]["found_slices"] == SLICES - SLICES // 5
    roles = [output["role"] for output in alone["outputs"]]
    assert roles == ["overlay"] * SLICES + ["segmentation", "report", "preview", "thumbnail", "measurements"]


def test_two_hosts_make_the_same_in_the_same_order(server, alone):
    with hosts.held(server):
        job_id = submit(server)
        hosts.wait_busy(server, 2)
    check(server.wait_job(job_id), alone)
    until(lambda: hosts.is_idle(server), what="idle hosts")


def test_a_host_that_dies_in_the_middle_costs_an_attempt_and_nothing_else(server, alone):
    with hosts.held(server) as pids:
        job_id = submit(server)
        hosts.wait_busy(server, 2)
        os.kill(pids[1], signal.SIGKILL)
    job = server.wait_job(job_id)
    check(job, alone)
    assert job["attempts"] == 2
    stored = [path for path in (server.data / "objects" / "output").rglob("*.dcm")]
    assert len(stored) == SLICES + 2  # whatever the first attempt had stored was overwritten
    assert len([event for event in server.events("c")["events"] if event["job_id"] == job_id]) == 1


def test_cancel_reaches_every_host(server, alone):
    with hosts.held(server):
        job_id = submit(server)
        hosts.wait_busy(server, 2)
        assert requests.delete(f"{server.url}/jobs/{job_id}", timeout=30).status_code == 200
        until(lambda: server.get("/system").json()["hosts"]["jobs"]["busy"] == 0, what="no host at work")
    assert server.wait_job(job_id)["state"] == "cancelled"
    check(server.wait_job(submit(server)), alone)


def test_a_slice_that_cannot_be_used_is_named(server):
    bad = slices.ct("bad", number=77, size=SIDE, PhotometricInterpretation="PALETTE COLOR")
    assert server.put_file("st/se/s77.dcm", bad).status_code == 201
    job = server.wait_job(submit(server))
    assert job["state"] == "failed" and slices.uid("study", "series", "bad") in job["error"]["message"]
    assert job["error"]["stage"] == "compute" and job["outputs"] == []
    until(lambda: hosts.is_idle(server), what="idle hosts")


def test_an_input_that_has_gone_is_told(server):
    with hosts.held(server):
        job_id = submit(server)
        hosts.wait_busy(server, 2)
        (server.data / "objects" / "pacs" / "st" / "se" / "s33.dcm").write_bytes(b"another")
    job = server.wait_job(job_id)
    assert job["state"] == "failed" and job["error"]["code"] == "input_gone" and job["error"]["stage"] == "fetch"


def test_no_host_is_kept_that_has_nothing_to_do(tmp_path, alone):
    """The first host is stopped in its chunk: a second one, started for it, takes all others and is free again."""
    with Server(tmp_path / "data", job_hosts_min=1, job_hosts_max=2) as server:
        fill(server)
        with hosts.held(server):
            job_id = submit(server)
            hosts.wait_busy(server)  # the one that is stopped: the image must not be given it
            image = server.submit("processing_1", "d", "st", "se", "s01.dcm", params=PARAMS).json()["job_id"]
            assert server.wait_job(image)["state"] == "succeeded"
            assert server.job(job_id)["state"] == "running"
        check(server.wait_job(job_id), alone)


def test_progress_rises_and_the_first_overlay_comes_before_the_last_slice(server):
    async def go():
        async with websockets.connect(f"{server.ws}/ws?client_id=live") as live:
            job_id = submit(server, "live")
            frames = [await next_frame(live)]
            while frames[-1]["type"] != "result":
                frames.append(await next_frame(live))
            return job_id, frames

    job_id, frames = asyncio.run(go())
    assert {frame["job_id"] for frame in frames} == {job_id}
    progress = [frame for frame in frames if frame["type"] == "progress"]
    fractions = [frame["fraction"] for frame in progress]
    assert fractions == sorted(fractions) and all(0 <= fraction <= 1 for fraction in fractions)
    shown = [frame for frame in progress if frame.get("preview")]
    assert shown and shown[0]["fraction"] < 1, progress
