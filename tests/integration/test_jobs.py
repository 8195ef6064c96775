# SPDX-License-Identifier: Apache-2.0
"""The life of a job as /jobs tells it: states, reasons, cancelling, lists."""
import concurrent.futures
import datetime
import io
import signal
import urllib.parse

import pydicom
import pytest
import requests

import hosts
import slices
from server import ALGORITHMS, Server, until

STAGES = {"queued", "fetch", "compute", "store", "total", "delivered"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("jobs") / "data", job_hosts_max=1) as running:
        for name, is_found in (("ct", True), ("none", False)):
            assert running.put_file(f"st/se/{name}.dcm", slices.ct(name, is_found)).status_code == 201
        for number in range(16):
            body = slices.ct(f"s{number}", series="many", number=number, size=1024)
            assert running.put_file(f"st/many/s{number}.dcm", body).status_code == 201
        yield running


def submit(server, job_id, image="ct.dcm", client="c", algo="processing_1", **more):
    answer = server.submit(algo, client, "st", "se", image, job_id=job_id, **more)
    assert answer.status_code == 202, answer.text
    return job_id


def delete(server, job_id):
    return requests.delete(f"{server.url}/jobs/{job_id}", timeout=10)


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def events_of(server, client, job_id):
    return [event for event in server.events(client)["events"] if event["job_id"] == job_id]


# --- states ---

def test_a_job_is_queued_then_running_then_succeeded(server):
    with hosts.held(server):
        submit(server, "life-0")
        running = hosts.wait_state(server, "life-0", "running")
        for number in (1, 2, 3):
            submit(server, f"life-{number}")
        submit(server, "life-d", client="d")
        until(lambda: "position" in server.job("life-d"), what="position")
        waiting = [server.job(f"life-{number}") for number in (1, 2, 3)]
        other = server.job("life-d")

    assert running["attempts"] == 1 and running["progress"]["stage"] in ("fetch", "compute")
    assert 0 <= running["progress"]["fraction"] <= 1 and "finished_at" not in running
    assert {job["state"] for job in waiting} == {"queued"} and {job["attempts"] for job in waiting} == {0}
    # The other client's only job goes before the second of this one: fair, not first come.
    assert [job["position"] for job in waiting] == [0, 2, 3] and other["position"] == 1
    done = server.wait_job("life-3")
    assert "position" not in done and "progress" not in done
    assert instant(done["accepted_at"]) <= instant(done["started_at"]) <= instant(done["finished_at"])


def test_a_success_tells_timeline_inputs_parameters_outputs_and_measurements(server):
    job = server.wait_job(submit(server, "whole"))

    assert job["state"] == "succeeded" and job["found"] is True and job["attempts"] == 1
    assert job["algo_id"] == "processing_1" and job["algo_version"] == "1.0.0" and job["client_id"] == "c"
    assert set(job["timeline"]) == STAGES and all(value >= 0 for value in job["timeline"].values())
    (source,) = job["inputs"]
    stored = (server.data / "objects" / "pacs" / "st/se/ct.dcm").stat().st_size
    assert (source["bucket"], source["key"], source["size"]) == ("pacs", "st/se/ct.dcm", stored)
    assert source["sop_instance_uid"] == slices.uid("study", "series", "ct")
    assert job["params"]["hu_max"] == 150 and job["params"]["side"] == "left"
    assert job["measurements"]["area_px"] >= 20000 and "error" not in job and "retry_of" not in job
    (output,) = job["outputs"]
    assert (output["role"], output["media_type"]) == ("overlay", "application/dicom")


def test_the_urls_of_outputs_work(server):
    job = server.wait_job(submit(server, "urls"))

    outputs = server.get("/jobs/urls/outputs").json()
    assert outputs["job_id"] == "urls" and len(outputs["outputs"]) == 1
    for output in (*job["outputs"], *outputs["outputs"]):
        answer = requests.get(output["url"], timeout=10)
        assert answer.status_code == 200 and len(answer.content) == output["size"]
        assert pydicom.dcmread(io.BytesIO(answer.content)).SOPInstanceUID == output["sop_instance_uid"]


def test_nothing_found_is_a_success_that_says_so(server):
    job = server.wait_job(submit(server, "nothing", image="none.dcm"))

    assert job["state"] == "succeeded" and job["found"] is False and len(job["outputs"]) == 1


def test_a_job_that_nobody_posted_is_404(server):
    for answer in (server.get("/jobs/nope"), server.get("/jobs/nope/outputs"), delete(server, "nope")):
        assert answer.status_code == 404 and answer.json()["error"] == "there is no such job"


# --- failures ---

def changed(name, change):
    data_set = pydicom.dcmread(io.BytesIO(slices.ct(name, size=64)))
    change(data_set)
    out = io.BytesIO()
    pydicom.dcmwrite(out, data_set, write_like_original=False)
    return out.getvalue()


def make_colour(data_set):
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation, data_set.PlanarConfiguration = 3, "RGB", 0
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = 8, 8, 7, 0
    data_set.PixelData = bytes(64 * 64 * 3)


def make_report(data_set):
    data_set.SOPClassUID = data_set.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    data_set.Modality = "SR"
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
                    "SamplesPerPixel", "PhotometricInterpretation"):
        delattr(data_set, keyword)


def cut_pixels(data_set):
    data_set.PixelData = data_set.PixelData[:1000]


@pytest.mark.parametrize("name, change, code", [("colour", make_colour, "unsupported"),
                                                ("short", cut_pixels, "bad_input")])
def test_an_input_that_cannot_be_used_fails_the_job_and_says_why(server, name, change, code):
    assert server.put_file(f"st/se/{name}.dcm", changed(name, change)).status_code == 201
    job = server.wait_job(submit(server, name, image=f"{name}.dcm"))

    assert job["state"] == "failed" and job["attempts"] == 1 and job["outputs"] == []
    assert job["error"]["code"] == code and job["error"]["stage"] == "compute" and job["error"]["attempts"] == 1
    assert job["error"]["message"] and "Patient" not in job["error"]["message"]
    (event,) = events_of(server, "c", name)
    assert event["status"] == "failed" and event["error"] == job["error"] and "dicom" not in event
    assert hosts.queue(server)["dead"] == 0  # its fault is told, running it again would not help


@pytest.mark.parametrize("series, scope, pointer", [("mixed", "image", "/pacs/image_id"),
                                                    ("reports", "series", "/pacs/series_id")])
def test_objects_without_pixels_are_refused_at_once(server, series, scope, pointer):
    assert server.put_file(f"re/{series}/report.dcm", changed(series, make_report)).status_code == 201
    assert server.put_file("re/mixed/image.dcm", slices.ct("image", size=64)).status_code in (200, 201)
    refused = server.submit("processing_1", "c", "re", series, "report.dcm", scope)

    assert refused.status_code == 400 and refused.json()["pointer"] == pointer, refused.text
    assert len(server.get(f"/pacs/studies/re/images?series_id={series}").json()) == (2 if series == "mixed" else 1)
    assert server.get(f"/pacs/studies/re/images/{series}/report.dcm").status_code == 200


def test_a_series_is_its_images_and_not_what_else_is_stored_with_them(server):
    assert server.put_file("re/both/report.dcm", changed("report of both", make_report)).status_code == 201
    assert server.put_file("re/both/image.dcm", slices.ct("image of both", size=64)).status_code == 201
    accepted = server.submit("processing_1", "c", "re", "both", scope="series")
    job = server.wait_job(accepted.json()["job_id"])

    assert job["state"] == "succeeded" and [source["key"] for source in job["inputs"]] == ["re/both/image.dcm"]


def test_pixel_data_shorter_than_rows_and_columns_say_are_a_bad_input(server):
    assert server.put_file("st/se/cut.dcm", slices.ct("cut", size=64, missing=500)).status_code == 201
    assert server.wait_job(submit(server, "cut", image="cut.dcm"))["error"]["code"] == "bad_input"


@pytest.mark.parametrize("is_deleted", [True, False])
def test_an_input_that_was_deleted_or_changed_after_acceptance_is_gone(server, is_deleted):
    name = "deleted" if is_deleted else "changed"
    file = server.data / "objects" / "pacs" / f"st/se/{name}.dcm"
    assert server.put_file(f"st/se/{name}.dcm", slices.ct(name, size=64)).status_code == 201
    with hosts.held(server):
        hosts.wait_state(server, submit(server, f"before-{name}"), "running")
        submit(server, name, image=f"{name}.dcm")
        if is_deleted:
            file.unlink()
        else:
            data = bytearray(file.read_bytes())
            data[-1] ^= 1
            file.write_bytes(data)

    job = server.wait_job(name)
    assert job["state"] == "failed" and job["error"]["code"] == "input_gone" and job["error"]["stage"] == "fetch"


# --- cancelling ---

def test_cancelling_a_queued_job_takes_it_off_the_queue(server):
    with hosts.held(server):
        hosts.wait_state(server, submit(server, "blocker"), "running")
        submit(server, "never", client="quitter")
        hosts.wait_queue(server, visible=1, in_flight=1)
        cancelled = delete(server, "never")
        assert cancelled.status_code == 200 and cancelled.json()["state"] == "cancelled"
        hosts.wait_queue(server, visible=0, in_flight=1)

    assert server.wait_job("blocker")["state"] == "succeeded"
    job = server.job("never")
    assert job["attempts"] == 0 and job["outputs"] == [] and "started_at" not in job
    (event,) = events_of(server, "quitter", "never")
    assert event["status"] == "cancelled" and event["type"] == "result"


def test_cancelling_a_running_job_kills_its_host_and_leaves_nothing(server):
    instances = server.get("/system").json()["catalog"]["instances"]
    with hosts.held(server) as (pid,):
        submit(server, "stopped", params={"sigma": 3})
        hosts.wait_busy(server)
        assert delete(server, "stopped").json()["state"] == "cancelled"
        until(lambda: pid not in hosts.pids(server), what="the end of the host")

    assert server.wait_job(submit(server, "after"))["state"] == "succeeded"  # a new host is there
    assert server.job("stopped")["state"] == "cancelled"
    assert len(events_of(server, "c", "stopped")) == 1
    assert server.get("/system").json()["catalog"]["instances"] == instances


def test_what_a_cancelled_series_had_stored_is_swept(server):
    folder = server.data / "objects" / "output" / "st/many"
    slow = {"closing_radius_px": 29, "closing_iterations": 5, "median_size_px": 31}
    answer = server.submit("processing_6", "c", "st", "many", scope="series", job_id="half", params=slow)
    assert answer.status_code == 202
    until(lambda: folder.is_dir() and list(folder.iterdir()), what="the first output")
    stopped = hosts.pids(server)
    hosts.signal_all(stopped, signal.SIGSTOP)
    try:
        assert server.job("half")["state"] == "running", "the job was quicker than the test"
        assert delete(server, "half").json()["state"] == "cancelled"
    finally:
        hosts.signal_all(stopped, signal.SIGCONT)

    until(lambda: not list(folder.glob("*.dcm")), what="the sweep")
    assert server.get("/jobs/half/outputs").json()["outputs"] == []
    assert len(server.get("/pacs/studies/st/images?series_id=many").json()) == 16  # what came in stays


def test_cancelling_a_job_that_has_ended_is_409_with_the_job(server):
    for job_id, state in ((submit(server, "ended"), "succeeded"), ("never", "cancelled"), ("short", "failed")):
        server.wait_job(job_id)
        answer = delete(server, job_id)
        assert answer.status_code == 409 and state in answer.json()["error"]
        assert answer.json()["job"]["job_id"] == job_id and answer.json()["job"]["state"] == state
        assert server.job(job_id)["state"] == state


# --- lists ---

@pytest.fixture(scope="module")
def listed(server):
    """Five more jobs, each of which a filter tells from the others."""
    server.put_file("list/a/x.dcm", slices.ct("x", study="list", size=64))
    marks = {"since": datetime.datetime.now(datetime.timezone.utc)}
    for number in range(3):
        server.wait_job(submit(server, f"list-{number}", client="lister"))
    server.wait_job(submit(server, "list-six", client="lister", algo="processing_6"))
    server.submit("processing_1", "lister-2", "list", "a", "x.dcm", job_id="other-study")
    server.wait_job("other-study")
    return marks


def ids(server, **query):
    page = server.get("/jobs?" + urllib.parse.urlencode(query))
    assert page.status_code == 200, page.text
    return [job["job_id"] for job in page.json()["jobs"]]


def test_each_filter_narrows_the_list(server, listed):
    mine = ["list-six", "list-2", "list-1", "list-0"]
    assert ids(server, client_id="lister") == mine
    assert ids(server, client_id="lister", algo="processing_6") == ["list-six"]
    assert ids(server, study="list") == ids(server, study=slices.uid("list")) == ["other-study"]
    assert ids(server, q="list-") == mine and ids(server, q="ther-stud") == ["other-study"]
    assert ids(server, q="%") == ids(server, q="_") == [] and ids(server, client_id="liste") == []
    assert "short" in ids(server, state="failed") and "list-0" not in ids(server, state="failed")
    assert "list-0" in ids(server, state="succeeded", limit=1000) and "never" in ids(server, state="cancelled")
    assert ids(server, state="queued") == ids(server, state="running") == []
    since = listed["since"]
    for text in (since.isoformat().replace("+00:00", "Z"), int(since.timestamp() * 1000)):
        assert ids(server, since=text) == ["other-study", *mine]
    assert ids(server, client_id="lister", algo="processing_1", state="succeeded", since=text, study="st",
               q="list-1") == ["list-1"]


def test_pages_follow_one_another_without_gaps(server, listed):
    whole = ids(server, limit=1000)
    by_next, by_link = [], []
    after = None
    while True:
        page = server.get("/jobs?limit=4" + (f"&after={after}" if after else "")).json()
        by_next += [job["job_id"] for job in page["jobs"]]
        after = page.get("next")
        if after is None:
            break
    target = "/jobs?limit=3&state=succeeded"
    while target:
        answer = server.get(target)
        by_link += [job["job_id"] for job in answer.json()["jobs"]]
        target = answer.links["next"]["url"] if "next" in answer.links else None

    assert by_next == whole and len(set(whole)) == len(whole)
    assert by_link == ids(server, state="succeeded", limit=1000)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after=x", "after=0", "state=done", "since=soon",
                                   "since=-1"])
def test_a_filter_that_makes_no_sense_is_400(server, query):
    assert server.get("/jobs?" + query).status_code == 400


# --- algorithms ---

def test_algorithms_describe_themselves(server):
    listed = server.get("/algorithms").json()

    assert listed["count"] == len(ALGORITHMS) and [algo["id"] for algo in listed["items"]] == ALGORITHMS
    for algo in listed["items"]:
        assert server.get(f"/algorithms/{algo['id']}").json() == algo
        assert algo["version"] == "1.0.0" and algo["title"] and algo["description"] and algo["status"] == "ACTIVE"
        assert "series" in algo["scopes"] and {"overlay", "image"} & set(algo["outputs"])
        assert all("default" in one for one in algo["params_schema"]["properties"].values())
    assert server.get("/algorithms/processing_2").status_code == 404


def test_a_frame_over_frame_max_is_a_bad_input(tmp_path):
    with Server(tmp_path / "data", frame_max="1 MiB") as server:
        for size in (512, 1024):
            assert server.put_file(f"st/se/{size}.dcm", slices.ct(f"f{size}", size=size)).status_code == 201
        assert server.wait_job(submit(server, "within", image="512.dcm"))["state"] == "succeeded"
        assert server.wait_job(submit(server, "beyond", image="1024.dcm"))["error"]["code"] == "bad_input"


def test_many_searches_at_once_are_answered_or_told_to_wait(server):
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda number: server.get(f"/jobs?q=nothing-{number}"), range(200)))

    assert {answer.status_code for answer in answers} <= {200, 429} and answers[0].status_code in (200, 429)
    for answer in answers:
        assert answer.status_code == 200 and answer.json()["jobs"] == [] or answer.headers["Retry-After"] == "1"
    assert server.get("/jobs?q=nothing").status_code == 200
