# SPDX-License-Identifier: Apache-2.0
"""Liveness, readiness, metrics, /system, /env; starting and stopping."""
import asyncio
import os
import re
import shutil
import signal
import subprocess

import pytest
import requests
import websockets

import hosts
import slices
from server import ALGORITHMS, BINARY, Server, free_port, next_frame, until


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """One that has done a job that a client listened to."""
    data = tmp_path_factory.mktemp("health") / "data"
    with Server(data, job_hosts_max=2, public_url="https://pacs.example/corsia/") as running:
        running.put_file("st/se/ct.dcm", slices.ct("ct", patient="Secret^Name"))

        async def go():
            async with websockets.connect(f"{running.ws}/ws?client_id=listener-who-is-secret") as live:
                running.submit("processing_1", "listener-who-is-secret", "st", "se", "ct.dcm", job_id="told")
                return await next_frame(live, "result")

        assert asyncio.run(go())["status"] == "succeeded"
        yield running


# --- health ---

def test_a_server_that_runs_is_live_and_ready(told):
    assert told.get("/health/live").json() == {"status": "live"}
    ready = told.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "checks": {"store": "ok", "job_hosts": "ok", "viewer_hosts": "ok"}}


def test_below_the_disk_floor_it_is_live_not_ready_and_takes_nothing_in(tmp_path):
    server = Server(tmp_path / "data", disk_floor=f"{shutil.disk_usage(tmp_path).total // (1 << 30) + 1024} GiB")
    try:
        server.spawn()
        until(lambda: is_live(server), what="liveness")
        ready = server.get("/health/ready")
        assert ready.status_code == 503 and ready.json()["status"] == "not ready"
        assert "disk_floor" in ready.json()["checks"]["store"]

        refused = [server.put_file("st/se/ct.dcm", slices.ct("ct", size=64)),
                   server.submit("processing_1", "c", "st", "se", "i"),
                   server.post("/queues/Requests-processing_1.fifo/redrive", {"all": True})]
        for answer in refused:
            assert answer.status_code == 503 and answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0 and str(tmp_path) not in answer.text
        assert server.get("/jobs").json() == {"jobs": []} and server.get("/pacs/studies").json() == []
    finally:
        assert server.stop() == 0


def is_live(server):
    try:
        return requests.get(server.url + "/health/live", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def test_a_server_that_stops_finishes_what_runs_and_takes_nothing_new(tmp_path):
    with Server(tmp_path / "data", job_hosts_max=1) as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct", size=64))
        with hosts.held(server):
            server.submit("processing_1", "c", "st", "se", "ct.dcm", job_id="running")
            hosts.wait_state(server, "running", "running")
            server.submit("processing_1", "c", "st", "se", "ct.dcm", job_id="queued")
            hosts.wait_queue(server, visible=1, in_flight=1)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.get("/health/ready").status_code == 503, what="draining")
            assert server.get("/health/live").status_code == 200
            refused = server.submit("processing_1", "c", "st", "se", "ct.dcm", job_id="late")
            assert refused.status_code == 503 and "Retry-After" in refused.headers
        assert server.process.wait(30) == 0

        server.start()
        assert server.wait_job("running")["attempts"] == 1 and server.wait_job("queued")["attempts"] == 1
        assert server.get("/jobs/late").status_code == 404
        assert [event["job_id"] for event in server.events("c")["events"]] == ["running", "queued"]


def test_a_job_that_outlasts_the_drain_is_given_back_and_costs_no_attempt(tmp_path):
    with Server(tmp_path / "data", job_hosts_max=1, drain_timeout="0 s") as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct", size=64))
        with hosts.held(server):
            server.submit("processing_1", "c", "st", "se", "ct.dcm", job_id="long")
            hosts.wait_state(server, "long", "running")
            assert server.stop() == 0
        server.start()
        job = server.wait_job("long")
        assert job["state"] == "succeeded" and job["attempts"] == 1


# --- metrics ---

SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)$')


def samples(server):
    """{(name, ((label, value), ...)): number} of the text exposition; its form is checked."""
    answer = server.get("/metrics")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found, types = {}, {}
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types and f"# HELP {name} " in answer.text
            types[name] = kind
        elif not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            pairs = tuple(sorted(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', labels or "")))
            assert (name, pairs) not in found and re.sub("_(bucket|sum|count)$", "", name) in types or name in types
            found[name, pairs] = float(value)
    return found, types


def test_the_metrics_have_the_names_and_labels_that_were_promised(told):
    found, types = samples(told)

    assert found["corsia_messages_pushed_total", ()] == 1
    assert found["corsia_push_failures_total", ()] == 0 and ("corsia_disconnected_total", ()) in found
    queues = [*(f"Requests-{algo}.fifo" for algo in ALGORITHMS), "Results.fifo"]
    for queue in queues:
        assert found["corsia_queue_oldest_message_age_seconds", (("queue", queue),)] == 0
        for state in ("visible", "in_flight", "delayed", "dead"):
            assert found["corsia_queue_depth", (("queue", queue), ("state", state))] == 0
    assert types["corsia_job_seconds"] == "histogram" and types["corsia_queue_depth"] == "gauge"
    for stage in ("queued", "fetch", "compute", "store", "total"):
        labels = (("algo", "processing_1"), ("stage", stage))
        assert found["corsia_job_seconds_count", labels] == 1, stage
        assert found["corsia_job_seconds_bucket", tuple(sorted((*labels, ("le", "+Inf"))))] == 1
        assert found["corsia_job_seconds_sum", labels] >= 0
    for name, kind in types.items():
        assert (kind == "counter") == name.endswith("_total"), name


def test_buckets_of_a_histogram_never_fall(told):
    found, types = samples(told)

    for histogram in (name for name, kind in types.items() if kind == "histogram"):
        series = {}
        for (name, labels), value in found.items():
            if name == histogram + "_bucket":
                bound = float(dict(labels)["le"])
                series.setdefault(tuple(label for label in labels if label[0] != "le"), []).append((bound, value))
        assert series
        for labels, buckets in series.items():
            values = [value for _, value in sorted(buckets)]
            assert values == sorted(values) and values[-1] == found[histogram + "_count", labels]


def test_nothing_of_patients_or_clients_is_in_metrics_or_log(told):
    log = told.log.read_text()
    for text in (told.get("/metrics").text, log, told.get("/system").text):
        assert "Secret" not in text and "P1" not in text and "listener-who-is-secret" not in text
    for line in log.splitlines():
        assert re.match(r"ts=\S+Z level=(info|warning|error) room=[a-z]+ msg=\"", line), line


# --- /system, /env, the door ---

def test_the_system_tells_version_disk_hosts_throughput_and_sandbox(told):
    system = told.get("/system").json()

    version = subprocess.run([str(BINARY), "--version"], capture_output=True, text=True, check=True).stdout
    assert system["version"] in version and system["uptime_seconds"] > 0
    assert system["disk"]["free_bytes"] > system["disk"]["floor_bytes"] == 1 << 20
    assert set(system["hosts"]) == {"jobs", "viewers", "busy_per_algorithm"}
    for pool in ("jobs", "viewers"):
        state = system["hosts"][pool]
        assert state["alive"] == len(state["pids"]) >= 1 and state["idle"] + state["busy"] <= state["alive"]
        assert state["starts"] >= 1 and state["losses"] == 0 and state["waiting"] == 0
        assert set(state["layers"]) == {"no_new_privs", "landlock", "seccomp", "rlimits"}
        assert state["layers"]["no_new_privs"] is True and state["layers"]["rlimits"] is True
        for pid in state["pids"]:
            assert b"host" in open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
    assert system["hosts"]["busy_per_algorithm"] == {algo: 0 for algo in ALGORITHMS}
    assert system["jobs"] == {"queued": 0, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0}
    assert system["throughput"]["jobs_last_minute"] <= 1 and system["sandbox_mode"] == "best-effort"
    assert system["catalog"]["instances"] == 2 and system["catalog"]["studies"] == 1


def test_env_names_the_urls_from_the_public_url(told):
    base = "pacs.example/corsia"
    assert told.get("/env").json() == {
        "API_BASE": f"https://{base}", "PACS_API_BASE": f"https://{base}/pacs", "WS_ENDPOINT": f"wss://{base}/prod",
        "WS_LIVE_ENDPOINT": f"wss://{base}/ws", "RESULTS_QUEUE_URL": f"https://{base}/queues/Results.fifo",
        "DICOMWEB_ROOT": f"https://{base}/dicom-web"}
    url = told.get("/jobs/told/outputs").json()["outputs"][0]["url"]
    assert url.startswith(f"https://{base}/objects/output/st/se/ct_processing_1.dcm?")
    assert told.get("/queues/Results.fifo").json()["name"] == "Results.fifo"


def test_without_a_public_url_it_is_the_address_listened_on(stocked):
    env = stocked.get("/env").json()
    assert env["API_BASE"] == stocked.url and env["WS_LIVE_ENDPOINT"] == stocked.ws + "/ws"


def test_the_front_page_is_html_of_this_server_alone(told):
    page = told.get("/")
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


# --- starting ---

def start(data, *flags, **env):
    """Exit status and the one line that was said by a server that must not start."""
    done = subprocess.run([str(BINARY), "serve", "--data", str(data), "--listen", f"127.0.0.1:{free_port()}", *flags],
                          capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], **env})
    lines = done.stderr.strip().splitlines()
    assert done.stdout == "" and len(lines) == 1 and lines[0].startswith("corsia serve: "), done.stderr
    return done.returncode, lines[0]


@pytest.mark.parametrize("flags, env, said", [
    (["--qeue-bound=3"], {}, "unknown key 'qeue_bound'; did you mean 'queue_bound'?"),
    (["--queue-bound=0"], {}, "--queue-bound: '0' is not between"), (["--lease=soon"], {}, "--lease: 'soon'"),
    ([], {"CORSIA_NOPE": "1"}, "CORSIA_NOPE"), (["--config=/nonexistent"], {}, "/nonexistent"),
    (["--queue=nats://x"], {}, "nats"), (["--blob=ftp://x"], {}, "ftp")])
def test_a_configuration_that_is_wrong_is_refused_in_one_line(tmp_path, flags, env, said):
    status, line = start(tmp_path / "data", *flags, **env)
    assert status in ((2,) if "://" not in "".join(flags) else (1, 2)) and said in line


def test_an_unknown_key_in_the_file_is_refused_with_its_line(tmp_path):
    (tmp_path / "corsia.conf").write_text("# mine\nqueue_bound = 5\nwatermark = 3\n")
    status, line = start(tmp_path / "data", f"--config={tmp_path}/corsia.conf")
    assert status == 2 and "corsia.conf:3: unknown key 'watermark'" in line


def test_a_data_directory_that_cannot_be_used_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "file", tmp_path / "file" / "below", "/proc/corsia", "/dev/null"):
        status, line = start(data)
        assert status == 1 and str(data) in line


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(stocked):
    status, line = start(stocked.data)
    assert status == 1 and "in use" in line
    stocked.submit("processing_1", "c", "st", "se", "ct.dcm", job_id="still")
    assert stocked.wait_job("still")["state"] == "succeeded"


def test_a_port_that_is_taken_is_refused_in_one_line(told, tmp_path):
    status, line = start(tmp_path / "data", f"--listen=127.0.0.1:{told.port}")
    assert status == 1 and str(told.port) in line
