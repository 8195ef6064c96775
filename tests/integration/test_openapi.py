# SPDX-License-Identifier: Apache-2.0
"""The API description against the server: every operation, every status, every body, every route."""
import asyncio
import copy
import re
import shutil
import urllib.parse

import jsonschema
import pytest
import requests
import websockets
import yaml

import hosts
import slices
from server import ROOT, Server, until
from test_queues import poison

DOCUMENT = yaml.safe_load((ROOT / "schema" / "openapi.yaml").read_text())
OPERATIONS = {operation["operationId"]: (method, path, operation)
              for path, methods in DOCUMENT["paths"].items()
              for method, operation in methods.items() if method != "parameters"}
QUEUE = "Requests-processing_1.fifo"
POST = {"client_id": "c", "pacs": {"study_id": "st", "series_id": "se", "image_id": "ct.dcm"}}
SLICE, OTHER = slices.ct("put", size=64), slices.ct("other", size=64)


def closed(node):
    """The same schema with every object that lists its members refusing others: nothing undocumented is sent."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: closed(value) for name, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        node.setdefault("additionalProperties", False)
    return node


CLOSED = closed(copy.deepcopy(DOCUMENT))
for open_one in ("Pacs",):  # unknown members of what was posted are kept
    CLOSED["components"]["schemas"][open_one]["additionalProperties"] = True
RESOLVER = jsonschema.RefResolver("", CLOSED)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One with a study, a job of each final state and three dead letters."""
    with Server(tmp_path_factory.mktemp("openapi") / "data", job_hosts_max=1, host_memory="64 MiB", attempts_max=1,
                file_max="1 MiB", queue_bound=3) as running:
        running.put_file("st/se/ct.dcm", slices.ct("ct", size=64))
        assert running.put_file("st/se/poison.dcm", poison()).status_code == 201
        running.submit("processing_1", "c", "st", "se", "ct.dcm", job_id="succeeded")
        running.wait_job("succeeded")
        for number in range(3):
            running.submit("processing_1", "c", "st", "se", "poison.dcm", job_id=f"failed-{number}")
            assert running.wait_job(f"failed-{number}")["state"] == "failed"
        with hosts.held(running):
            running.post("/process/processing_1", {**POST, "job_id": "blocker"})
            running.post("/process/processing_1", {**POST, "job_id": "cancelled"})
            requests.delete(running.url + "/jobs/cancelled", timeout=10)
        running.wait_job("blocker")
        until(lambda: hosts.queue(running)["dead"] == 3, what="dead letters")
        yield running


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """One whose disk is below its floor."""
    data = tmp_path_factory.mktemp("full") / "data"
    server = Server(data, disk_floor=f"{shutil.disk_usage(data.parent).total // (1 << 30) + 1024} GiB")
    server.spawn()
    try:
        until(lambda: reaches(server), what="liveness")
        yield server
    finally:
        server.stop()


def reaches(server):
    try:
        return requests.get(server.url + "/health/live", timeout=5)
    except requests.ConnectionError:
        return None


def schema_of(name, status, media_type):
    """The schema of a body, or None where there is none; fails if the answer is not documented."""
    responses = CLOSED["paths"][OPERATIONS[name][1]][OPERATIONS[name][0]]["responses"]
    assert str(status) in responses, f"{name} does not document {status}"
    response = responses[str(status)]
    if "$ref" in response:
        response = RESOLVER.resolve(response["$ref"])[1]
    content = response.get("content")
    if content is None:
        return None
    assert media_type in content, f"{name} {status}: {media_type} is not documented"
    return content[media_type]["schema"]


def check(answer, name, status):
    """The answer has the status, and its body is as documented."""
    assert answer.status_code == status, answer.text
    media_type = answer.headers.get("Content-Type", "").split(";")[0]
    schema = schema_of(name, status, media_type)
    if schema is None:
        assert answer.content == b""
    elif media_type.endswith("json"):
        jsonschema.Draft202012Validator(schema, resolver=RESOLVER).validate(answer.json())


def call(server, name, status, path=None, query=None, **kwargs):
    """Ask for an operation and check the answer."""
    method, template, _ = OPERATIONS[name]
    url = re.sub(r"\{(\w+)\}", lambda match: urllib.parse.quote(path[match.group(1)]), template)
    answer = requests.request(method, server.url + url, params=query, timeout=20, **kwargs)
    check(answer, name, status)
    return answer


def signed(server):
    url = server.get("/pacs/studies/st/images/se/ct.dcm").json()["url"]
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def letters(server):
    return server.get(f"/queues/{QUEUE}/dead").json()["dead"]


JOB, ALGO, LETTERS = {"job_id": "succeeded"}, {"algo_id": "processing_1"}, {"queue": QUEUE}
NO_JOB, NO_ALGO, NO_QUEUE = {"job_id": "nope"}, {"algo_id": "nope"}, {"queue": "nope"}
IMAGE, NO_IMAGE = {"study_id": "st", "image_id": "se/ct.dcm"}, {"study_id": "st", "image_id": "se/no.dcm"}
NEW_IMAGE, OBJECT = {"study_id": "new", "image_id": "se/1"}, {"bucket": "pacs", "key": "st/se/ct.dcm"}
NEW_OBJECT, BAD_OBJECT = {"bucket": "pacs", "key": "new/se/1"}, {"bucket": "pacs", "key": "a/.tmp-b"}
TEXT = {"Content-Type": "text/plain"}
PAGE = {"Accept": "application/json"}
LARGE = b"x" * ((1 << 20) + 1)
REDRIVE = {"json": {"all": True}}

# Operation, status, and what to ask with: order matters only where one call stores what the next finds.
CALLS = [
    ("provision", 200, {"json": {}}), ("provision", 400, {"json": []}),
    ("provision", 415, {"data": "{}", "headers": TEXT}),
    ("process", 202, {"path": ALGO, "json": {**POST, "job_id": "taken"}}),
    ("process", 409, {"path": ALGO, "json": {**POST, "job_id": "taken", "params": {"sigma": 2}}}),
    ("process", 400, {"path": ALGO, "json": {}}), ("process", 404, {"path": NO_ALGO, "json": POST}),
    ("process", 413, {"path": ALGO, "json": {**POST, "pad": "x" * (1 << 18)}}),
    ("process", 415, {"path": ALGO, "data": "{}", "headers": TEXT}),
    ("listJobs", 200, {}), ("listJobs", 200, {"query": {"limit": 1}}), ("listJobs", 400, {"query": {"limit": 0}}),
    *(("getJob", 200, {"path": {"job_id": state}}) for state in ("succeeded", "failed-0", "cancelled")),
    ("getJob", 404, {"path": NO_JOB}), ("cancelJob", 404, {"path": NO_JOB}), ("cancelJob", 409, {"path": JOB}),
    ("getJobOutputs", 200, {"path": JOB}), ("getJobOutputs", 404, {"path": NO_JOB}),
    ("listAlgorithms", 200, {}), ("getAlgorithm", 200, {"path": ALGO}), ("getAlgorithm", 404, {"path": NO_ALGO}),
    ("getEvents", 200, {"path": {"client_id": "c"}, "headers": PAGE}),
    ("getEvents", 200, {"path": {"client_id": "c"}, "headers": PAGE, "query": {"since": 1, "limit": 1}}),
    ("getEvents", 200, {"path": {"client_id": "c"}, "headers": {"Accept": "text/event-stream"}, "stream": True}),
    ("getEvents", 400, {"path": {"client_id": "a b"}}),
    ("getEvents", 400, {"path": {"client_id": "c"}, "query": {"since": "x"}}),
    ("live", 400, {}), ("live", 426, {"query": {"client_id": "c"}}), ("prod", 426, {}), ("makeTicket", 200, {}),
    ("pacsHealth", 200, {}), ("listStudies", 200, {}), ("listStudies", 400, {"query": {"limit": "x"}}),
    ("listImages", 200, {"path": {"study_id": "st"}}), ("listImages", 200, {"path": {"study_id": "nope"}}),
    ("listImages", 400, {"path": {"study_id": "st"}, "query": {"limit": 0}}),
    ("getImage", 200, {"path": IMAGE}), ("getImage", 404, {"path": NO_IMAGE}),
    ("putImage", 201, {"path": NEW_IMAGE, "data": SLICE}), ("putImage", 200, {"path": NEW_IMAGE, "data": SLICE}),
    ("putImage", 409, {"path": IMAGE, "data": OTHER}), ("putImage", 413, {"path": NEW_IMAGE, "data": LARGE}),
    ("putImage", 415, {"path": NEW_IMAGE, "data": b"no image"}),
    ("putImage", 400, {"path": {"study_id": "new", "image_id": ".tmp-1"}, "data": SLICE}),
    ("getObject", 200, {"path": OBJECT, "query": signed}), ("getObject", 403, {"path": OBJECT}),
    ("getObject", 206, {"path": OBJECT, "query": signed, "headers": {"Range": "bytes=0-1"}}),
    ("getObject", 304, {"path": OBJECT, "query": signed, "headers": {"If-None-Match": "*"}}),
    ("getObject", 416, {"path": OBJECT, "query": signed, "headers": {"Range": "bytes=99999999-"}}),
    ("putObject", 201, {"path": {"bucket": "pacs", "key": "o/se/1"}, "data": slices.ct("object", size=64)}),
    ("putObject", 200, {"path": NEW_OBJECT, "data": SLICE}), ("putObject", 409, {"path": OBJECT, "data": OTHER}),
    ("putObject", 400, {"path": BAD_OBJECT, "data": SLICE}), ("putObject", 413, {"path": NEW_OBJECT, "data": LARGE}),
    ("putObject", 403, {"path": {**OBJECT, "bucket": "output"}, "data": SLICE}),
    ("putObject", 415, {"path": NEW_OBJECT, "data": b"no image"}),
    ("listQueues", 200, {}), ("getQueue", 200, {"path": LETTERS}), ("getQueue", 404, {"path": NO_QUEUE}),
    ("listDeadLetters", 200, {"path": LETTERS, "query": {"limit": 2}}), ("listDeadLetters", 404, {"path": NO_QUEUE}),
    ("redrive", 200, {"path": LETTERS, "json": {"ids": ["nope"]}}), ("redrive", 400, {"path": LETTERS, "json": {}}),
    ("redrive", 404, {"path": NO_QUEUE, **REDRIVE}), ("redrive", 409, {"path": {"queue": "Results.fifo"}, **REDRIVE}),
    ("redrive", 415, {"path": LETTERS, "data": "{}", "headers": TEXT}),
    ("system", 200, {}), ("env", 200, {}), ("live_health", 200, {}), ("ready_health", 200, {}), ("metrics", 200, {}),
    ("front", 200, {}), ("openapi", 200, {}),
]
FULL = [("process", 503, {"path": ALGO, "json": POST}), ("putImage", 503, {"path": NEW_IMAGE, "data": SLICE}),
        ("putObject", 503, {"path": NEW_OBJECT, "data": SLICE}), ("redrive", 503, {"path": LETTERS, **REDRIVE}),
        ("ready_health", 503, {})]
# --- DICOMweb: the same refusals of many operations ---

DICOM_UIDS = {"study": slices.uid("web"), "series": slices.uid("web", "web"), "instance": slices.uid("web", "web", "web"),
              "frames": "1", "path": "7FE00010"}
NO_UIDS, BAD_UIDS = {**DICOM_UIDS, "study": "1.2.3"}, {**DICOM_UIDS, "study": "x"}
GONE = {**DICOM_UIDS, **{name: uid + ".9" for name, uid in list(DICOM_UIDS.items())[:3]}}
WEB_SLICE = slices.ct("web", study="web", series="web", size=64)
STORE = {"headers": {"Content-Type": "application/dicom"}, "data": WEB_SLICE}
CLASH = slices.ct("web", study="web", series="web", size=64, PatientID="other")
SOME = {"headers": {"Content-Type": "multipart/related; boundary=b"},
        "data": b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in (WEB_SLICE, CLASH)) + b"--b--"}
WADO = {"requestType": "WADO", "studyUID": DICOM_UIDS["study"], "seriesUID": DICOM_UIDS["series"],
        "objectUID": DICOM_UIDS["instance"]}
PAGE_TYPE, HAVE = {"Accept": "text/html"}, {"If-None-Match": "*"}
SINGLE = {"retrieveInstance": "application/dicom", "retrieveBulkData": "application/octet-stream"}


def of_dicomweb(name):
    """The calls of one operation that retrieves or searches: what it documents, asked for in the one way there is."""
    path = OPERATIONS[name][1]
    parts = {part: DICOM_UIDS[part] for part in re.findall(r"\{(\w+)\}", path)}
    ways = {200: {}, 304: {"headers": HAVE}, 404: {"path": {**parts, **NO_UIDS}}, 406: {"headers": PAGE_TYPE},
            400: {"path": {**parts, **BAD_UIDS}} if parts and not name.startswith("search") else {"query": {"limit": "x"}},
            206: {"headers": {"Accept": SINGLE.get(name), "Range": "bytes=0-1"}},
            416: {"headers": {"Accept": SINGLE.get(name), "Range": "bytes=99999999-"}}}
    statuses = [int(status) for status in OPERATIONS[name][2]["responses"] if status != "default"]
    return [(name, status, {"path": parts, **ways[status]}) for status in statuses]


READS = [name for name, (method, path, operation) in OPERATIONS.items()
         if operation["tags"] == ["dicomweb"] and name.startswith(("search", "retrieve"))]
CALLS += [
    ("storeInstances", 200, STORE), ("storeInstances", 202, SOME),
    ("storeInstances", 409, {**STORE, "data": CLASH}), ("storeInstances", 415, {"data": "x", "headers": TEXT}),
    ("storeInstances", 400, {**STORE, "headers": {"Content-Type": "multipart/related"}}),
    ("storeInstances", 406, {**STORE, "headers": {**STORE["headers"], **PAGE_TYPE}}),
    ("storeInstancesOfStudy", 200, {"path": DICOM_UIDS, **STORE}), ("storeInstancesOfStudy", 409, {"path": NO_UIDS, **STORE}),
    ("storeInstancesOfStudy", 400, {"path": BAD_UIDS, **STORE}),
    *(call for name in READS for call in of_dicomweb(name)),
    ("retrieveStudy", 200, {"path": DICOM_UIDS, "headers": {"Accept": "multipart/related; type=application/dicom"}}),
    ("getChanges", 200, {}), ("getChanges", 200, {"headers": {"Accept": "text/event-stream"}, "stream": True}),
    ("getChanges", 400, {"query": {"since": "x"}}),
    *((name, 200, {}) for name in ("wadoUriBase", "wadoUriBaseSlash")),
    *((name, 400, {"query": {"requestType": "WADO"}}) for name in ("wadoUriBase", "wadoUriBaseSlash")),
    *((name, status, {"query": {**WADO, **more}, "headers": headers})
      for name in ("wadoUri", "wadoUriShort")
      for status, more, headers in ((200, {}, {}), (304, {}, HAVE), (400, {"studyUID": "x"}, {}), (404, {"studyUID": "1.2.3"}, {}),
                                    (406, {"contentType": "text/html"}, {}))),
    *((f"delete{level}", status, {"path": GONE}) for level in ("Study", "Series", "Instance") for status in (404,)),
]
FULL += [("storeInstances", 503, STORE)]

# Those that need more than one call; each has a test of its own below.
OWN_TESTS = {("process", 429), ("listJobs", 429), ("cancelJob", 200), ("getObject", 404), ("live", 101), ("prod", 101),
             ("deleteStudy", 204), ("deleteSeries", 204), ("deleteInstance", 204)}


def names(calls):
    return [f"{name}-{status}-{number}" for number, (name, status, _) in enumerate(calls)]


@pytest.mark.parametrize("name, status, how", CALLS, ids=names(CALLS))
def test_every_answer_is_as_documented(server, name, status, how):
    how = {key: value(server) if callable(value) else value for key, value in how.items()}
    call(server, name, status, **how).close()


@pytest.mark.parametrize("name, status, how", FULL, ids=names(FULL))
def test_without_room_on_the_disk_too(full, name, status, how):
    call(full, name, status, **how)


def test_a_full_queue_and_a_cancelled_job_are_as_documented(server):
    with hosts.held(server):
        for number in range(3):
            call(server, "process", 202, path=ALGO, json={**POST, "job_id": f"full-{number}"})
        call(server, "process", 429, path=ALGO, json=POST)
        hosts.wait_state(server, "full-0", "running")
        call(server, "getJob", 200, path={"job_id": "full-0"})
        assert "position" in call(server, "getJob", 200, path={"job_id": "full-2"}).json()
        call(server, "cancelJob", 200, path={"job_id": "full-2"})
    server.wait_job("full-1")


def test_a_redriven_job_is_as_documented(server):
    letter = letters(server)[0]
    made = call(server, "redrive", 200, path=LETTERS, json={"ids": [letter["id"], "nope"]}).json()
    server.wait_job(made["jobs"][0]["job_id"])
    assert call(server, "getJob", 200, path=made["jobs"][0]).json()["retry_of"] == letter["job_id"]


@pytest.mark.parametrize("level", ["Study", "Series", "Instance"])
def test_what_is_deleted_is_answered_as_documented(server, level):
    data = slices.ct(level, study=level, series=level, size=64)
    call(server, "storeInstances", 200, headers=STORE["headers"], data=data)
    call(server, f"delete{level}", 204, path={"study": slices.uid(level), "series": slices.uid(level, level),
                                             "instance": slices.uid(level, level, level)})


def test_an_object_that_was_removed_is_404_as_documented(server):
    call(server, "putImage", 201, path={"study_id": "gone", "image_id": "se/1"}, data=slices.ct("gone", size=64))
    url = server.get("/pacs/studies/gone/images/se/1").json()["url"]
    (server.data / "objects/pacs/gone/se/1").unlink()
    check(requests.get(url, timeout=10), "getObject", 404)


def test_sockets_are_switched_to_as_documented(server):
    async def go(path):
        async with websockets.connect(server.ws + path) as live:
            return live.response_headers["Upgrade"]

    for name, path in (("live", "/ws?client_id=c"), ("prod", "/prod?client_id=c")):
        assert asyncio.run(go(path)).lower() == "websocket" and "101" in OPERATIONS[name][2]["responses"]


def test_no_documented_status_was_left_out():
    documented = {(name, int(status)) for name, (_, _, operation) in OPERATIONS.items()
                  for status in operation["responses"] if status != "default"}
    asked = {(name, status) for name, status, _ in (*CALLS, *FULL)} | OWN_TESTS

    assert documented == asked
    assert all("default" in operation["responses"] for _, _, operation in OPERATIONS.values())


# --- the document itself ---

def test_the_server_gives_the_document_that_the_project_has(server):
    assert server.get("/openapi.json").json() == DOCUMENT
    assert server.get("/openapi.json").headers["Content-Type"] == "application/json"


def test_every_reference_leads_somewhere_and_every_schema_is_one():
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                assert jsonschema.RefResolver("", DOCUMENT).resolve(node["$ref"])[1]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0" and len(OPERATIONS) == sum(
        method != "parameters" for methods in DOCUMENT["paths"].values() for method in methods)
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_parameters_of_a_path_are_described():
    for path, methods in DOCUMENT["paths"].items():
        resolved = [RESOLVER.resolve(one["$ref"])[1] if "$ref" in one else one for one in methods.get("parameters", [])]
        described = {one["name"] for one in resolved if one["in"] == "path"}
        assert described == set(re.findall(r"\{(\w+)\}", path)), path


# --- routes ---

def expand(words, names):
    """What a macro's name with texts around it comes to: `SERIES "/instances"`."""
    return "".join(text or expand(names[name], names) for name, text in re.findall(r'([A-Z]+)|"([^"]*)"', words))


def routes():
    """Method and pattern of every route in the source: the tables' own literals."""
    found = set()
    for file in (ROOT / "src").glob("*/*.c"):
        text = file.read_text()
        names = dict(re.findall(r'#define ([A-Z]+) ((?:[A-Z]+ )?"/[^"]*")', text))
        calls = re.findall(r'\b(GET|POST|PUT|DELETE|STORE)\(((?:[A-Z]+ ?)?(?:"/[^"]*")?)[,)]', text)
        found |= {("POST" if method == "STORE" else method, expand(words, names)) for method, words in calls if words}
        found |= set(re.findall(r'\.method = "([A-Z]+)",\s*\.pattern = "(/[^"]*)"', text))
    return found


def test_every_route_is_documented_and_every_documented_path_is_a_route(server):
    spelled = {"/pacs/studies/{path...}": ["/pacs/studies/{study_id}/images/{image_id}"], "/pacs": ["/pacs/"],
               "/objects/{bucket}/{key...}": ["/objects/{bucket}/{key}"],
               **{path.replace("{path}", "{path...}"): [path] for path in DOCUMENT["paths"] if path.endswith("/bulkdata/{path}")}}
    assert len(routes()) >= len(OPERATIONS) - 1
    console = {("GET", "/icon.svg"), ("GET", "/assets/{name}")}  # files of a web page, no part of the API
    for method, pattern in routes() - console:
        for path in spelled.get(pattern, [pattern]):
            assert method.lower() in DOCUMENT["paths"].get(path, {}), f"{method} {pattern} is not documented"

    for path, methods in DOCUMENT["paths"].items():
        allow = requests.options(server.url + re.sub(r"\{\w+\}", "x", path), timeout=10).headers["Allow"].split(", ")
        documented = {method.upper() for method in methods if method != "parameters"}
        expected = documented | {"OPTIONS"} | ({"HEAD"} if "GET" in documented else set())
        # A listing's path is also that of an image called "images" to the router, which looks at one tail.
        extra = {"PUT"} if path.endswith("/images") else set()
        assert set(allow) - extra == expected, path
