# SPDX-License-Identifier: Apache-2.0
"""POST /provision and POST /process: every row of the table of cases, and what they mean."""
import concurrent.futures
import copy
import datetime
import hashlib
import json
import re
import uuid

import pytest
import requests

import hosts
import slices
from server import Server, until

KEY = "liver1/phantom/D55-01"
SERIES = "300/AiCE_300"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("process") / "data"
    with Server(data, job_hosts_max=4, job_hosts_min=4) as running:
        for name in ("ct", "other"):
            assert running.put_file(f"st/se/{name}.dcm", slices.ct(name)).status_code == 201
        for key in (f"{KEY}/{SERIES}/IM-1.dcm", "a/b/s/x.dcm", "a/bc/s/y.dcm"):
            body = slices.ct(key, study=key[:4], series=key[:7], size=64)
            assert running.put_file(key, body).status_code == 201
        yield running


POST = {"client_id": "c", "pacs": {"study_id": "st", "series_id": "se", "image_id": "ct.dcm"}}


def post(**changes):
    body = copy.deepcopy(POST)
    body["pacs"].update(changes.pop("pacs", {}))
    body.update(changes)
    return body


def without(body, *path):
    body = copy.deepcopy(body)
    inner = body
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return body


def check_problem(answer, status, pointer=None):
    """RFC 9457 with the member "error"."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "about:blank" and problem["status"] == status
    assert problem["title"] and problem["detail"] and problem["error"] == problem["detail"]
    assert "database" not in problem["error"]
    assert problem.get("pointer") == pointer
    return problem


# --- provision ---

@pytest.mark.parametrize("body", [None, {}, {"client_id": ""}, {"client_id": "a b"}, {"client_id": "x" * 129},
                                  {"client_id": 7}, {"client_id": None}, {"other": 1}])
def test_without_a_legal_id_a_random_one_is_made(server, body):
    made = {server.post("/provision", body).json()["client_id"] for _ in range(2)}

    assert len(made) == 2
    assert all(uuid.UUID(one).version == 4 and str(uuid.UUID(one)) == one for one in made)


@pytest.mark.parametrize("given", ["a", "x" * 128, "A-z.0_9~"])
def test_a_legal_id_is_confirmed(server, given):
    assert server.post("/provision", {"client_id": given}).json() == {"client_id": given}


def test_a_body_of_provision_that_is_no_object_is_refused(server):
    check_problem(server.post("/provision", []), 400, "")
    check_problem(requests.post(server.url + "/provision", data="{", timeout=9,
                                headers={"Content-Type": "application/json"}), 400, "")
    check_problem(requests.post(server.url + "/provision", data="{}", timeout=9), 415)


# --- the table of cases ---

def test_an_unknown_algorithm_is_told_before_anything_else(server):
    for kwargs in ({"json": POST}, {"data": "no json"}, {}):
        answer = requests.post(server.url + "/process/nope", timeout=9, **kwargs)
        assert check_problem(answer, 404)["error"] == "Unknown algorithm"


@pytest.mark.parametrize("pointer, body", [
    ("", []), ("", "text"), ("", 1),
    ("/client_id", without(POST, "client_id")), ("/client_id", post(client_id="a b")),
    ("/client_id", post(client_id=5)), ("/client_id", post(client_id="")),
    ("/job_id", post(job_id="a/b")), ("/job_id", post(job_id="")), ("/job_id", post(job_id="x" * 129)),
    ("/job_id", post(job_id=None)),
    ("/pacs", without(POST, "pacs")), ("/pacs", {**POST, "pacs": 5}),
    ("/pacs/study_id", without(POST, "pacs", "study_id")), ("/pacs/study_id", post(pacs={"study_id": ""})),
    ("/pacs/series_id", without(POST, "pacs", "series_id")), ("/pacs/series_id", post(pacs={"series_id": 1})),
    ("/pacs/image_id", without(POST, "pacs", "image_id")), ("/pacs/image_id", post(pacs={"image_id": ["a"]})),
    ("/pacs/scope", post(pacs={"scope": "frame"})), ("/pacs/scope", post(pacs={"scope": "study"})),
    ("/order", post(order="random")), ("/outputs", post(outputs=[])), ("/outputs", post(outputs="overlay")),
    ("/outputs/1", post(outputs=["overlay", "movie"])), ("/outputs/0", post(outputs=["Overlay"])),
    ("/params", post(params=[])), ("/params", post(params=None)), ("/params/nope", post(params={"nope": 1})),
    ("/params/sigma", post(params={"sigma": "2"})), ("/params/sigma", post(params={"sigma": 11})),
    ("/params/sigma", post(params={"sigma": -0.5})), ("/params/hu_min", post(params={"hu_min": 7.5})),
    ("/params/hu_min", post(params={"hu_min": True})), ("/params", post(params={"hu_min": 90, "hu_max": 90})),
    ("/params/side", post(params={"side": "up"})),
])
def test_a_wrong_request_is_400_and_names_the_member(server, pointer, body):
    check_problem(server.post("/process/processing_1", body), 400, pointer)


@pytest.mark.parametrize("text", ["", "{", '{"a":1}x', '{"a":1,"a":2}', "[" * 10000, '"\\ud800"', b"\xff{}"])
def test_what_is_not_json_is_400(server, text):
    answer = requests.post(server.url + "/process/processing_1", data=text, timeout=9,
                           headers={"Content-Type": "application/json"})
    check_problem(answer, 400, "")


def test_json_under_another_media_type_is_415(server):
    for kind in ("text/plain", "application/jsonx", None):
        answer = requests.post(server.url + "/process/processing_1", data=json.dumps(POST), timeout=9,
                               headers={"Content-Type": kind} if kind else {})
        check_problem(answer, 415)


@pytest.mark.parametrize("pacs, pointer", [({"study_id": "nope"}, "/pacs/study_id"),
                                           ({"series_id": "nope"}, "/pacs/series_id"),
                                           ({"image_id": "nope"}, "/pacs/image_id"),
                                           ({"study_id": "s"}, "/pacs/study_id"),
                                           ({"series_id": "s", "scope": "series"}, "/pacs/series_id"),
                                           ({"study_id": "../st"}, "/pacs/study_id"),
                                           ({"study_id": "%"}, "/pacs/study_id"),
                                           ({"study_id": "s_"}, "/pacs/study_id")])
def test_what_is_not_in_the_catalogue_is_404(server, pacs, pointer):
    check_problem(server.post("/process/processing_1", post(pacs=pacs)), 404, pointer)


def test_a_body_over_the_bound_is_413(server):
    assert server.post("/process/processing_1", post(pad="x" * 200_000)).status_code == 202
    check_problem(server.post("/process/processing_1", post(pad="x" * 262_144)), 413)


def test_202_names_the_job_and_where_to_ask(server):
    accepted = server.post("/process/processing_1", post(job_id="named-1"))

    assert accepted.status_code == 202
    body = accepted.json()
    assert uuid.UUID(body.pop("sqs_message_id"))
    assert body == {"message": "Enqueued", "job_id": "named-1", "algo_id": "processing_1",
                    "status_url": "/jobs/named-1"}
    made = server.post("/process/processing_1", POST).json()["job_id"]
    assert uuid.UUID(made).version == 4


def test_unknown_members_are_kept(server):
    body = post(job_id="kept-1", note={"by": "å", "n": [1, 2.5]}, pacs={"server": "pacs-2"})
    assert server.post("/process/processing_1", body).status_code == 202

    job = server.job("kept-1")
    assert job["request"]["note"] == body["note"] and job["request"]["pacs"]["server"] == "pacs-2"
    assert job["pacs"]["server"] == "pacs-2"


# --- the same job again ---

def test_the_same_job_again_runs_once_and_gets_the_same_ids(server):
    body = post(job_id="same-1", client_id="same")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.post("/process/processing_1", body), range(20)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    server.wait_job("same-1")
    assert server.post("/process/processing_1", body).text == answers[0].text
    assert [job["job_id"] for job in server.get("/jobs?client_id=same").json()["jobs"]] == ["same-1"]
    assert [event["job_id"] for event in server.events("same")["events"]] == ["same-1"]
    reordered = dict(reversed(list(body.items())))
    assert server.post("/process/processing_1", reordered).status_code == 202


def test_another_job_under_the_same_id_is_409_with_the_earlier_job(server):
    assert server.post("/process/processing_1", post(job_id="taken")).status_code == 202

    for algo, body in (("processing_1", post(job_id="taken", params={"sigma": 2})),
                       ("processing_6", post(job_id="taken")),
                       ("processing_1", post(job_id="taken", client_id="d"))):
        problem = check_problem(server.post(f"/process/{algo}", body), 409, "/job_id")
        assert problem["job"]["job_id"] == "taken" and problem["job"]["algo_id"] == "processing_1"
        assert problem["job"]["state"] in ("queued", "running", "succeeded")


# --- back-pressure ---

def test_a_full_queue_is_429_until_there_is_room(tmp_path):
    with Server(tmp_path / "data", queue_bound=3, job_hosts_max=1) as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct", size=64))
        with hosts.held(server):
            bodies = [post(job_id=f"j{number}") for number in range(3)]
            for body in bodies:  # one that is on its way to the queue may count twice for a moment
                until(lambda: server.post("/process/processing_1", body).status_code == 202, what="acceptance")
            refused = server.post("/process/processing_1", post(job_id="j3"))
            check_problem(refused, 429)
            assert int(refused.headers["Retry-After"]) > 0
            assert server.get("/jobs/j3").status_code == 404
            assert server.post("/process/processing_1", post(job_id="j0")).status_code == 202  # nothing new
            assert server.post("/process/processing_6", post()).status_code == 202  # another queue
        until(lambda: server.post("/process/processing_1", post(job_id="j3")).status_code == 202, what="room")
        assert server.wait_job("j3")["state"] == "succeeded"


# --- parameters, and the keys that come of them ---

def test_many_at_once_do_not_pass_the_bound_together(tmp_path):
    with Server(tmp_path / "data", queue_bound=5, job_hosts_max=1) as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct", size=64))
        with hosts.held(server), concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: server.post("/process/processing_1", POST), range(60)))
            accepted = [answer for answer in answers if answer.status_code == 202]
            assert 1 <= len(accepted) <= 5 and len(server.get("/jobs").json()["jobs"]) == len(accepted)
            assert {answer.status_code for answer in answers} == {202, 429}
        for answer in accepted:
            assert server.wait_job(answer.json()["job_id"])["state"] == "succeeded"
        # Places of those that were refused are free again.
        for _ in range(5):
            assert run(server)["state"] == "succeeded"


def run(server, algo="processing_1", **changes):
    job_id = server.post(f"/process/{algo}", post(**changes)).json()["job_id"]
    job = server.wait_job(job_id)
    assert job["state"] == "succeeded", job
    return job


def test_integers_may_be_written_as_reals_and_back(server):
    assert run(server, params={"hu_min": 7.0})["params"]["hu_min"] == 7
    assert '"hu_min":7,' in server.get("/jobs/" + run(server, params={"hu_min": 7.0})["job_id"]).text
    one, other = run(server, params={"sigma": 2}), run(server, params={"sigma": 2.0})
    assert one["outputs"][0]["key"] == other["outputs"][0]["key"]


def test_default_parameters_give_the_plain_key_however_they_are_written(server):
    for params in ({}, {"params": {}}, {"params": {"hu_min": 30.0, "sigma": 1.5}}):
        job = run(server, **params)
        assert job["outputs"][0]["key"] == "st/se/ct_processing_1.dcm"
        assert job["params"]["closing_radius_px"] == 7


def test_other_parameters_give_a_key_with_their_hash(server):
    params = {"sigma": 2.0, "hu_min": 20}
    one = run(server, params=params)
    other = run(server, params=dict(reversed(list(params.items()))))
    third = run(server, params={**params, "hu_max": 151})

    keys = [job["outputs"][0]["key"] for job in (one, other, third)]
    uids = [job["outputs"][0]["sop_instance_uid"] for job in (one, other, third)]
    assert keys[0] == keys[1] != keys[2] and uids[0] == uids[1] != uids[2]
    assert all(re.fullmatch(r"st/se/ct_processing_1-[0-9a-f]{8}\.dcm", key) for key in keys)
    assert all(re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", uid) and int(uid[5:]) < 1 << 128 for uid in uids)


def test_outputs_can_be_narrowed_to_what_the_algorithm_makes(server):
    assert [out["role"] for out in run(server, outputs=["overlay"])["outputs"]] == ["overlay"]


# --- ids ---

def test_keys_and_uids_name_the_same_image_mixed_as_one_likes(server):
    key = f"{KEY}/{SERIES}/IM-1.dcm"
    study, series, sop = slices.uid(key[:4]), slices.uid(key[:4], key[:7]), slices.uid(key[:4], key[:7], key)
    for pacs in ((KEY, SERIES, "IM-1.dcm"), (KEY + "/300", "AiCE_300", "IM-1.dcm"),
                 ("liver1", "phantom/D55-01", SERIES + "/IM-1.dcm"), (KEY + "/", SERIES + "/", "IM-1.dcm"),
                 (KEY.replace("/", "%2F"), SERIES.replace("/", "%2f"), "IM-1.dcm"), (study, series, sop),
                 (study, SERIES, "IM-1.dcm"), (KEY, series, "IM-1.dcm"), (KEY, SERIES, sop),
                 (study, series, "IM-1.dcm")):
        body = post(pacs=dict(zip(("study_id", "series_id", "image_id"), pacs)))
        accepted = server.post("/process/processing_1", body)
        assert accepted.status_code == 202, (pacs, accepted.text)
        job = server.wait_job(accepted.json()["job_id"])
        assert [found["key"] for found in job["inputs"]] == [key] and job["study_instance_uid"] == study
        assert job["outputs"][0]["key"] == f"{KEY}/{SERIES}/IM-1_processing_1.dcm"


def test_a_study_id_that_begins_another_does_not_reach_into_it(server):
    def ask(study, image):
        pacs = {"study_id": study, "series_id": "s", "image_id": image}
        return server.post("/process/processing_1", post(pacs=pacs))

    assert ask("a/b", "x.dcm").status_code == 202
    check_problem(ask("a/b", "y.dcm"), 404, "/pacs/image_id")
    check_problem(ask("a/bc", "x.dcm"), 404, "/pacs/image_id")


# --- order ---

def submit_four(server, order, **pacs):
    name = f"{order}-{uuid.uuid4().hex[:6]}"
    ids = [f"{name}-{number}" for number in range(4)]
    for job_id in ids:
        body = post(job_id=job_id, client_id=name, order=order, pacs=pacs)
        assert server.post("/process/processing_1", body).status_code == 202
    return ids


def milliseconds(job, name):
    return datetime.datetime.fromisoformat(job[name].replace("Z", "+00:00")).timestamp() * 1000


@pytest.mark.parametrize("order", ["client", "study"])
def test_an_ordered_group_runs_one_at_a_time_in_order_of_arrival(server, order):
    with hosts.held(server):
        ids = submit_four(server, order)
        hosts.wait_state(server, ids[0], "running")
        hosts.wait_queue(server, visible=3, in_flight=1)
        assert [server.job(job_id)["state"] for job_id in ids] == ["running"] + ["queued"] * 3
        assert [server.job(job_id)["position"] for job_id in ids[1:]] == [1, 2, 3]  # the running one too

    jobs = [server.wait_job(job_id) for job_id in ids]
    assert {job["state"] for job in jobs} == {"succeeded"}
    for before, after in zip(jobs, jobs[1:]):  # both clocks are cut to whole milliseconds
        sent = milliseconds(before, "accepted_at") + before["timeline"]["total"]
        assert sent <= milliseconds(after, "started_at") + 2


def test_jobs_without_an_order_run_in_parallel(server):
    with hosts.held(server):
        ids = submit_four(server, "none")
        hosts.wait_queue(server, visible=0, in_flight=4)
    assert {server.wait_job(job_id)["state"] for job_id in ids} == {"succeeded"}


def test_the_hash_in_a_key_is_that_of_version_and_canonical_parameters(server):
    job = run(server, params={"hu_min": 20, "sigma": 2, "centroid_x_max": 0.5, "centroid_y_max": 0.75})

    both = {"version": job["algo_version"], "params": job["params"]}
    text = json.dumps(both, sort_keys=True, separators=(",", ":"))
    assert job["outputs"][0]["key"] == f"st/se/ct_processing_1-{hashlib.sha256(text.encode()).hexdigest()[:8]}.dcm"
