# SPDX-License-Identifier: Apache-2.0
"""What must be true when the server has been killed many times and is idle again.

check() returns what is wrong, each with its kind: "lost" (an accepted job without its event, a number
that was not heard), "doubled" (more than one), "orphan" (an object without a row, a row without an
object) or "wrong" (everything else).
"""
import collections
import hashlib
import io
import pathlib
import sqlite3

import pydicom

BUCKETS = ("pacs", "output")
STATES = ("queued", "running", "succeeded", "failed", "cancelled")


class Findings(list):
    """(kind, sentence, the point that the job was posted under or None)"""

    def add(self, kind, sentence, point=None):
        self.append((kind, sentence, point))

    def count(self, kind, point=None):
        return sum(1 for one in self if one[0] == kind and (point is None or one[2] == point))


def read(database, sql):
    """All rows; the server may be running."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10) as connection:
        return connection.execute(sql).fetchall()


def objects(data, bucket):
    """key -> path of everything in a bucket."""
    root = pathlib.Path(data) / "objects" / bucket
    return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}


def rows(data):
    return {(bucket, key): sha256
            for bucket, key, sha256 in read(pathlib.Path(data) / "catalog.db", "SELECT bucket, key, sha256 FROM instance")}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_swept(data):
    """Objects and catalogue name the same things, and the same bytes."""
    known = rows(data)
    there = {(bucket, key): path for bucket in BUCKETS for key, path in objects(data, bucket).items()}
    return set(there) == set(known) and all(digest(path) == known[name] for name, path in there.items())


def all_events(server, client):
    """The client's log, page by page."""
    events, since = [], 0
    while page := server.events(client, since, 500)["events"]:
        events += page
        since = page[-1]["seq"]
    return events


def check_log(server, load, findings):
    """Numbers 1..n, one event per job, every accepted job has one; returns them by job."""
    by_job = {}
    for client in load.clients:
        events = all_events(server, client)
        numbers = [event["seq"] for event in events]
        for missing in sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers)):
            findings.add("lost", f"{client}: number {missing} is missing in the log")
        if len(set(numbers)) != len(numbers):
            findings.add("doubled", f"{client}: the log has a number twice")
        for event in events:
            job = load.jobs.get(event["job_id"])
            point = job.point if job else None
            if event["job_id"] in by_job:
                findings.add("doubled", f"job {event['job_id']}: has two events", point)
            if not job or job.client != client:
                findings.add("wrong", f"{client}: number {event['seq']} is of a job that it has not posted", point)
            by_job[event["job_id"]] = event
    for job in load.jobs.values():
        if job.answer == "accepted" and job.job_id not in by_job:
            findings.add("lost", f"job {job.job_id}: accepted, but has no event", job.point)
    return by_job


def check_jobs(data, load, by_job, findings):
    """State and event say the same; what nobody was told about may exist, but then it ended."""
    states = {job_id: STATES[state] for job_id, state in
              read(pathlib.Path(data) / "corsia.db", "SELECT job_id, state FROM job")}
    for job_id, state in states.items():
        job, event = load.jobs.get(job_id), by_job.get(job_id)
        point = job.point if job else None
        if not event:
            findings.add("lost", f"job {job_id}: is {state} and has no event", point)
        elif event["status"] != state:
            findings.add("wrong", f"job {job_id}: is {state}, its event says {event['status']}", point)
        if state == "failed":
            findings.add("wrong", f"job {job_id}: failed: {event and event.get('error')}", point)
        if state == "cancelled" and job and job.cancel not in ("done", "asked"):
            findings.add("wrong", f"job {job_id}: was cancelled by nobody", point)
        if job and job.cancel == "done" and state != "cancelled":
            findings.add("wrong", f"job {job_id}: its cancellation was confirmed, and it is {state}", point)
    for job in load.jobs.values():
        if job.answer == "accepted" and job.job_id not in states:
            findings.add("lost", f"job {job.job_id}: accepted, but is not there", job.point)
    for name, dead in read(pathlib.Path(data) / "corsia.db", "SELECT q.name, count(d.seq) FROM queue q LEFT JOIN "
                           "queue_dead d ON d.queue = q.id GROUP BY q.name"):
        if dead:
            findings.add("wrong", f"{name}: {dead} dead letters")


def check_listeners(load, by_job, findings):
    """/ws with since: every number once and in order.  /prod: every number, some perhaps again."""
    for listener in load.listeners:
        expected = sorted((event["seq"], event["job_id"], event["status"]) for event in by_job.values()
                          if load.jobs[event["job_id"]].client == listener.client)
        name = f"{listener.door} of {listener.client}"
        for one in sorted(set(expected) - set(listener.seen)):
            findings.add("lost", f"{name}: has not heard {one}", load.jobs[one[1]].point)
        for one in sorted(set(listener.seen) - set(expected)):
            findings.add("wrong", f"{name}: heard {one}, which the log does not know")
        if listener.door != "ws":
            continue
        numbers = [seq for seq, _job_id, _status in listener.seen]
        for number in sorted(number for number, times in collections.Counter(numbers).items() if times > 1):
            findings.add("doubled", f"{name}: heard number {number} more than once")
        if numbers != sorted(numbers):
            findings.add("wrong", f"{name}: heard numbers out of order")


def check_object(path, sha256, findings):
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        findings.add("wrong", f"{path.name}: its digest is not that of the catalogue")
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        assert len(dataset.PixelData) >= dataset.Rows * dataset.Columns
    except Exception as error:  # pylint: disable=broad-except
        findings.add("wrong", f"{path.name}: is no whole DICOM file ({error})")


def check_objects(data, load, by_job, findings):
    """Objects, catalogue and events name the same things; nothing is half written."""
    known = rows(data)
    there = {(bucket, key): path for bucket in BUCKETS for key, path in objects(data, bucket).items()}
    for name in sorted(set(there) - set(known)):
        findings.add("orphan", f"{name[0]}: an object without a row ({name[1]})")
    for name in sorted(set(known) - set(there)):
        findings.add("orphan", f"{name[0]}: a row without an object ({name[1]})")
    for name in sorted(set(known) & set(there)):
        check_object(there[name], known[name], findings)
    for event in by_job.values():
        named = [(output["bucket"], output["key"]) for output in event.get("outputs", [])]
        if event["status"] == "succeeded" and not named:
            findings.add("wrong", f"job {event['job_id']}: succeeded without an output")
        for name in named:
            if name not in there:
                findings.add("lost", f"job {event['job_id']}: its output is not there", load.jobs[event["job_id"]].point)
    for key, told in load.imports.items():
        if told == "told" and ("pacs", key) not in there:
            findings.add("lost", f"import {key}: was stored and is not there")
    for path in objects(data, "jobs").values():
        if path.name == "outputs.json":
            findings.add("orphan", f"jobs: a list of outputs that nobody needs ({path})")
    for folder in (pathlib.Path(data) / "objects").glob(".tmp-*"):
        for path in folder.iterdir():
            findings.add("orphan", f"a temporary file stays behind ({path.name})")


def check(server, load):
    """Everything; the server runs and is idle."""
    findings = Findings()
    for sentence in load.wrong:
        findings.add("wrong", sentence)
    by_job = check_log(server, load, findings)
    check_jobs(server.data, load, by_job, findings)
    check_listeners(load, by_job, findings)
    check_objects(server.data, load, by_job, findings)
    return findings, by_job
