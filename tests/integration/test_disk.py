# SPDX-License-Identifier: Apache-2.0
"""Full disks, read-only disks, and disks that come back.  Needs root for mounts; else it is skipped and says so."""
import contextlib
import os
import pathlib
import subprocess
import uuid

import pytest
import requests

import slices
from server import Server, until

MIB = 1 << 20


def run(*command, check=True):
    return subprocess.run([str(part) for part in command], check=check, capture_output=True, text=True, timeout=60)


@pytest.fixture
def mounts():
    """mount(...) as the command; everything is unmounted in the end."""
    done = []

    def mount(*arguments):
        try:
            run("mount", *arguments)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"this test mounts a file system, which is not allowed here: {getattr(error, 'stderr', error)}")
        done.append(arguments[-1])

    if os.geteuid() != 0:
        pytest.skip("this test mounts a file system: run it as root")
    yield mount
    for place in reversed(done):
        run("umount", "-l", place, check=False)


@pytest.fixture
def small(tmp_path, mounts):
    """A folder on an ext4 of its own, of 96 MiB."""
    image, place = tmp_path / "image", tmp_path / "small"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(96 * MIB)
    run("mkfs.ext4", "-q", "-m", "0", "-N", "4096", image)
    mounts("-o", "loop,errors=remount-ro", image, place)
    return place


def on(small, **config):
    """A server on it; what it logs goes elsewhere."""
    server = Server(small / "data", **config)
    server.log = small.parent / "log"
    return server


class Ballast:
    """Files that take all the room, down to the last block."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "ballast"

    def fill(self, leave=0):
        if leave:
            room = os.statvfs(self.path.parent)
            with open(self.path, "ab") as file:
                os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave)
            return
        with open(self.path, "ab") as file:
            for size in (MIB, 4096, 512):
                with contextlib.suppress(OSError):
                    while True:
                        os.write(file.fileno(), bytes(size))
            with contextlib.suppress(OSError):
                os.fsync(file.fileno())

    def drop(self):
        self.path.unlink()


def store(server, count, size=256):
    """Import until it is refused or all are in: (names that were stored, the refusal or None)."""
    names = []
    for number in range(count):
        answer = server.put_file(f"st/se/i{number}.dcm", slices.ct(f"i{number}", number=number, size=size))
        if answer.status_code not in (200, 201):
            return names, answer
        names.append(f"st/se/i{number}.dcm")
    return names, None


def submit_until_refused(server, client, count):
    """Post a job for each image until one is refused for want of room; the ids of the others."""
    ids = []
    for number in range(count):
        answer = server.submit("processing_6", client, "st", "se", f"i{number}.dcm", job_id=str(uuid.uuid4()))
        if answer.status_code != 202:
            assert is_problem(answer, 503)
            break
        ids.append(answer.json()["job_id"])
    return ids


def submit_all(server, client, count):
    """Post a job for each image; the ids."""
    ids = submit_until_refused(server, client, count)
    assert len(ids) == count
    return ids


def is_problem(answer, status):
    """A problem document that says it to old and new clients, and nothing of our paths."""
    body = answer.json()
    assert answer.status_code == status and answer.headers["Content-Type"].startswith("application/problem+json")
    assert body["status"] == status and body["error"]
    assert "objects" not in answer.text and "sqlite" not in answer.text
    return True


def is_ready(server):
    return server.get("/health/ready").status_code == 200


def states(server, ids):
    return [server.job(job_id)["state"] for job_id in ids]


def all_succeed(server, client, ids, timeout=30):
    """Each once, none with a second attempt, and the log knows each exactly once."""
    jobs = [server.wait_job(job_id, timeout) for job_id in ids]
    assert [job["state"] for job in jobs] == ["succeeded"] * len(ids)
    assert [job["attempts"] for job in jobs] == [1] * len(ids)
    events = server.events(client)["events"]
    assert [event["seq"] for event in events] == list(range(1, len(ids) + 1))
    assert sorted(event["job_id"] for event in events) == sorted(ids)
    dead = [queue["dead"] for queue in server.get("/queues").json()["queues"]]
    assert sum(dead) == 0


def test_a_full_disk_refuses_imports_and_takes_them_again(small):
    ballast = Ballast(small)
    with on(small, disk_floor="0") as server:
        names, _none = store(server, 5)
        ballast.fill()
        refused = server.put_file("st/se/late.dcm", slices.ct("late", number=99))
        assert is_problem(refused, 503)
        until(lambda: not is_ready(server), 10, "readiness to end")
        assert "store" in server.get("/health/ready").json()["checks"]
        ballast.drop()
        until(lambda: is_ready(server), 10, "readiness")
        assert server.put_file("st/se/late.dcm", slices.ct("late", number=99)).status_code == 201
        listed = [image["key"] for image in server.get("/pacs/studies/st/images").json()]
        assert listed == sorted([*names, "st/se/late.dcm"])
        assert [path for path in (server.data / "objects").glob(".tmp-*/*")] == []


def test_the_floor_refuses_before_the_disk_is_full(small):
    with on(small, disk_floor="32 MiB") as server:
        names, refused = store(server, 200, 512)
        assert names and is_problem(refused, 503)
        assert "disk_floor" in server.get("/health/ready").json()["checks"]["store"]
        client = server.post("/provision", {}).json()["client_id"]
        assert is_problem(server.submit("processing_1", client, "st", "se", "i0.dcm"), 503)
        for name in names:
            assert requests.head(server.get(f"/pacs/studies/st/images/{name.removeprefix('st/')}").json()["url"],
                                 timeout=10).status_code in (200, 403)


def test_jobs_wait_for_a_full_disk_and_finish_by_themselves(small):
    ballast = Ballast(small)
    with on(small, disk_floor="0") as server:
        client = server.post("/provision", {}).json()["client_id"]
        store(server, 20, 512)
        ballast.fill(leave=6 * MIB)  # enough for some of the results
        ids = submit_until_refused(server, client, 20)
        until(lambda: "job waits for the store" in server.log.read_text(), 20, "a job that meets the full disk")

        def refuses():  # each try of a job gives some room back for a moment
            ballast.fill()
            answer = server.submit("processing_1", client, "st", "se", "i0.dcm")
            if answer.status_code == 202:
                ids.append(answer.json()["job_id"])
            return answer.status_code != 202 and is_problem(answer, 503)

        until(refuses, 20, "a refusal")
        assert set(states(server, ids)) <= {"queued", "running", "succeeded"}
        ballast.drop()
        until(lambda: is_ready(server), 10, "readiness")
        all_succeed(server, client, ids)


def test_jobs_wait_for_objects_that_became_read_only(tmp_path, mounts):
    objects = tmp_path / "data" / "objects"
    objects.mkdir(parents=True)
    mounts("--bind", objects, objects)
    with Server(tmp_path / "data") as server:
        client = server.post("/provision", {}).json()["client_id"]
        store(server, 20, 512)
        ids = submit_all(server, client, 20)
        until(lambda: run("mount", "-o", "remount,bind,ro", objects, check=False).returncode == 0, 20,
              "a moment without an open file")
        until(lambda: not is_ready(server), 10, "readiness to end")
        assert is_problem(server.put_file("st/se/late.dcm", slices.ct("late", number=99)), 503)
        assert is_problem(server.submit("processing_1", client, "st", "se", "i0.dcm"), 503)
        until(lambda: all(state != "running" for state in states(server, ids)), 20, "running jobs to go back")
        assert "failed" not in states(server, ids)
        run("mount", "-o", "remount,bind,rw", objects)
        until(lambda: is_ready(server), 10, "readiness")
        all_succeed(server, client, ids)


def test_a_file_system_that_gives_up_loses_nothing_that_was_accepted(small):
    """ext4 goes read-only for good after an error; the next server finishes the jobs."""
    server = on(small).start()
    client = server.post("/provision", {}).json()["client_id"]
    store(server, 10, 512)
    ids = submit_all(server, client, 10)
    device = next(line.split()[0] for line in open("/proc/mounts", encoding="utf-8") if line.split()[1] == str(small))
    trigger = pathlib.Path("/sys/fs/ext4") / pathlib.Path(device).name / "trigger_fs_error"
    trigger.write_text("1")
    until(lambda: not is_ready(server), 10, "readiness to end")
    assert is_problem(server.submit("processing_1", client, "st", "se", "i0.dcm"), 503)
    assert is_problem(server.put_file("st/se/late.dcm", slices.ct("late", number=99)), 503)
    assert server.get("/health/live").status_code == 200
    server.kill()
    run("umount", small)
    run("mount", "-o", "loop,errors=remount-ro", small.parent / "image", small)
    with server:
        all_succeed(server, client, ids)
