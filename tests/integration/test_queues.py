# SPDX-License-Identifier: Apache-2.0
"""Queues as /queues tells them; hosts that die; jobs that kill every host; dead letters and redrive."""
import concurrent.futures
import io
import signal
import struct
import uuid

import pydicom
import pytest
from pydicom.encaps import encapsulate

import hosts
import slices
from server import ALGORITHMS, Server, until

QUEUE = "Requests-processing_1.fifo"
NUMBERS = {"name", "visible", "in_flight", "delayed", "oldest_age_seconds", "dead"}


def poison():
    """A small file whose pixels need more memory than a host of 64 MiB may have: 5120 x 5120, run-length coded."""
    data_set = pydicom.dcmread(io.BytesIO(slices.ct("poison", size=64)))
    segment = b"\x81\x00" * (5120 * 5120 // 128)
    header = struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13)
    data_set.Rows = data_set.Columns = 5120
    data_set.PixelData = encapsulate([header + 2 * segment])
    data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
    data_set.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.5"
    out = io.BytesIO()
    pydicom.dcmwrite(out, data_set, write_like_original=False)
    return out.getvalue()


def submit(server, job_id, image="ct.dcm", client="c"):
    answer = server.submit("processing_1", client, "st", "se", image, job_id=job_id)
    assert answer.status_code == 202, answer.text
    return job_id


def dead(server):
    return server.get(f"/queues/{QUEUE}/dead").json()["dead"]


# --- numbers ---

def test_queues_tell_depth_flight_and_age(stocked):
    names = [*(f"Requests-{algo}.fifo" for algo in ALGORITHMS), "Results.fifo"]
    empty = stocked.get("/queues").json()["queues"]
    assert [queue["name"] for queue in empty] == names
    for queue in empty:
        assert set(queue) == NUMBERS and not any(queue[name] for name in NUMBERS - {"name"})
        assert stocked.get(f"/queues/{queue['name']}").json() == queue

    with hosts.held(stocked) as stopped:
        count = 12  # more than there can be hosts
        for number in range(count):
            submit(stocked, f"j{number}")
        busy = until(lambda: (lambda queue: queue if queue["in_flight"] else None)(hosts.queue(stocked)), what="flight")
        assert busy["visible"] + busy["in_flight"] + busy["delayed"] <= count and busy["oldest_age_seconds"] > 0
        assert stocked.get("/system").json()["hosts"]["busy_per_algorithm"]["processing_1"] >= 1
        assert len(stopped) >= 1
    for number in range(count):
        assert stocked.wait_job(f"j{number}")["state"] == "succeeded"
    hosts.wait_queue(stocked, visible=0, in_flight=0, delayed=0, oldest_age_seconds=0)


def test_what_is_no_queue_is_404(stocked):
    for path in ("/queues/nope", "/queues/nope/dead", f"/queues/{QUEUE}-dead"):
        assert stocked.get(path).status_code == 404
    assert stocked.post("/queues/nope/redrive", {"all": True}).status_code == 404


# --- hosts that die ---

def test_a_job_whose_host_is_killed_is_done_by_another(tmp_path):
    with Server(tmp_path / "data", job_hosts_max=1) as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct"))
        with hosts.held(server) as stopped:
            submit(server, "lost")
            hosts.wait_busy(server)
            hosts.signal_all(stopped, signal.SIGKILL)
            job = server.wait_job("lost")
        assert job["state"] == "succeeded" and job["attempts"] == 2 and job["found"] is True
        assert [event["job_id"] for event in server.events("c")["events"]] == ["lost"]
        pool = server.get("/system").json()["hosts"]["jobs"]
        assert pool["losses"] == 1 and not set(pool["pids"]) & set(stopped)


def test_an_idle_host_that_is_killed_costs_nothing(tmp_path):
    with Server(tmp_path / "data", job_hosts_max=1) as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct"))
        before = hosts.pids(server)
        hosts.signal_all(before, signal.SIGKILL)
        until(lambda: hosts.pids(server) and not set(hosts.pids(server)) & set(before), what="another host")
        job = server.wait_job(submit(server, "fine"))
        assert job["state"] == "succeeded" and job["attempts"] == 1


def test_a_host_that_hangs_is_killed_after_its_time_and_the_job_tried_again(tmp_path):
    with Server(tmp_path / "data", job_hosts_max=1, job_timeout="1 s") as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct"))
        with hosts.held(server) as stopped:
            job = server.wait_job(submit(server, "hung"))
            assert not set(hosts.pids(server)) & set(stopped)
        assert job["state"] == "succeeded" and job["attempts"] == 2


# --- jobs that kill every host ---

@pytest.fixture(scope="module")
def poisoned(tmp_path_factory):
    """A data directory with the dead letters p0 to p2; jobs g0 to g5 have gone through meanwhile."""
    data = tmp_path_factory.mktemp("poison") / "data"
    with Server(data, job_hosts_max=2, host_memory="64 MiB") as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct"))
        assert server.put_file("st/se/poison.dcm", poison()).status_code == 201
        for number in range(3):
            submit(server, f"p{number}", "poison.dcm", client="p")
        for number in range(6):
            submit(server, f"g{number}")
        good = [server.wait_job(f"g{number}") for number in range(6)]
        assert [job["state"] for job in good] == ["succeeded"] * 6
        assert server.job("p0")["state"] in ("queued", "running")  # the good ones did not wait for it
        until(lambda: hosts.queue(server)["delayed"] > 0 or server.job("p0")["state"] == "failed", what="back-off")
        jobs = [server.wait_job(f"p{number}") for number in range(3)]
        until(lambda: len(dead(server)) == 3, what="dead letters")
        yield server, jobs


@pytest.fixture(scope="module")
def restarted(poisoned):
    """The same data, and hosts that may have the memory."""
    poisoned[0].stop()
    with Server(poisoned[0].data, job_hosts_max=2) as server:
        yield server


def test_a_job_that_kills_every_host_fails_after_five_attempts(poisoned):
    server, jobs = poisoned
    for job in jobs:
        assert job["state"] == "failed" and job["attempts"] == 5 and job["outputs"] == []
        assert job["error"]["code"] == "out_of_memory" and job["error"]["attempts"] == 5
    events = server.events("p")["events"]
    assert sorted(event["job_id"] for event in events) == ["p0", "p1", "p2"]
    assert {event["error"]["code"] for event in events} == {"out_of_memory"}


def test_its_message_lies_among_the_dead_letters_with_the_reason(poisoned):
    server, _ = poisoned
    letters = dead(server)

    assert sorted(letter["job_id"] for letter in letters) == ["p0", "p1", "p2"] and hosts.queue(server)["dead"] == 3
    for letter in letters:
        assert uuid.UUID(letter["id"]) and "memory" in letter["reason"] and letter["attempts"] == 5
        assert letter["sent_at"] < letter["dead_at"]
    pages, after = [], ""
    for _ in range(3):
        page = server.get(f"/queues/{QUEUE}/dead?limit=1{after}").json()
        pages += page["dead"]
        after = f"&after={page['next']}"
    assert pages == letters and server.get(f"/queues/{QUEUE}/dead?limit=1{after}").json() == {"dead": []}


def test_a_redrive_that_makes_no_sense_is_refused(poisoned):
    server, _ = poisoned
    path = f"/queues/{QUEUE}/redrive"
    for body, pointer in (({}, ""), ({"ids": ["a"], "all": True}, ""), ({"all": False}, "/all"), ({"ids": []}, "/ids"),
                          ({"ids": [5]}, "/ids/0"), ({"every": True}, "/every"), ([], "")):
        answer = server.post(path, body)
        assert answer.status_code == 400 and answer.json()["pointer"] == pointer, (body, answer.text)
    assert server.post(path).status_code == 400
    assert server.post("/queues/Results.fifo/redrive", {"all": True}).status_code == 409
    unknown = server.post(path, {"ids": ["nope"]}).json()
    assert unknown["jobs"] == [] and [skipped["id"] for skipped in unknown["skipped"]] == ["nope"]
    assert len(dead(server)) == 3


def test_a_redrive_by_id_makes_a_new_job_once(restarted):
    letter = next(letter for letter in dead(restarted) if letter["job_id"] == "p0")
    path = f"/queues/{QUEUE}/redrive"

    (made,) = restarted.post(path, {"ids": [letter["id"]]}).json()["jobs"]
    assert made["retry_of"] == "p0" and made["job_id"] != "p0" and made["status_url"] == f"/jobs/{made['job_id']}"
    again = restarted.post(path, {"ids": [letter["id"]]}).json()
    assert again["jobs"] == [] and [skipped["id"] for skipped in again["skipped"]] == [letter["id"]]

    job = restarted.wait_job(made["job_id"])
    assert job["state"] == "succeeded" and job["retry_of"] == "p0" and job["attempts"] == 1
    assert job["client_id"] == "p" and job["inputs"][0]["key"] == "st/se/poison.dcm"
    first = restarted.job("p0")
    assert first["state"] == "failed" and first["attempts"] == 5  # final stays final
    assert sorted(letter["job_id"] for letter in dead(restarted)) == ["p1", "p2"]


def test_a_redrive_of_all_by_many_at_once_makes_each_job_once(restarted):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: restarted.post(f"/queues/{QUEUE}/redrive", {"all": True}), range(8)))

    assert {answer.status_code for answer in answers} == {200}
    made = {job["job_id"]: job["retry_of"] for answer in answers for job in answer.json()["jobs"]}
    assert sorted(made.values()) == ["p1", "p2"] and dead(restarted) == []
    for job_id in made:
        assert restarted.wait_job(job_id)["state"] == "succeeded"
    retried = [event["job_id"] for event in restarted.events("p")["events"] if event["job_id"].startswith("retry-")]
    assert len(retried) == len(set(retried)) == 3


# --- what a redriven job keeps ---

def test_a_redriven_job_keeps_its_order_and_its_long_list_of_inputs(tmp_path):
    folder = "long/" + "x" * 250 + "/" + "y" * 250  # so that 100 inputs are more than 64 KiB
    with Server(tmp_path / "data", job_hosts_max=2, attempts_max=1) as server:
        for number in range(100):
            body = slices.ct(number, study="long", series="long", number=number + 1, size=64)
            assert server.put_file(f"{folder}/{number:03}", body).status_code == 201
        for job_id in ("first", "second"):  # their hosts are killed: one attempt was all that they had
            with hosts.held(server) as stopped:
                accepted = server.submit("processing_1", "c", "long", folder[5:], scope="series", order="client",
                                         job_id=job_id)
                assert accepted.status_code == 202, accepted.text
                hosts.wait_busy(server)
                hosts.signal_all(stopped, signal.SIGKILL)
                job = server.wait_job(job_id)
                assert job["state"] == "failed" and job["error"]["code"] == "algorithm_crashed"
        until(lambda: len(dead(server)) == 2, what="dead letters")

        with hosts.held(server):
            made = server.post(f"/queues/{QUEUE}/redrive", {"all": True}).json()["jobs"]
            hosts.wait_queue(server, visible=1, in_flight=1)
        for redriven in made:
            job = server.wait_job(redriven["job_id"])
            assert job["state"] == "succeeded" and job["study_instance_uid"] == slices.uid("long")
            assert len(job["inputs"]) == len(job["outputs"]) == 100 and job["request"]["order"] == "client"
            assert len(list((server.data / "objects/jobs" / job["job_id"]).glob("inputs-*.json"))) == 1
