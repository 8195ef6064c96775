# SPDX-License-Identifier: Apache-2.0
"""Jobs whose message is damaged, lost or refused end or run all the same; dead letters that cannot be redriven stay."""
import contextlib
import signal
import sqlite3
import zlib

import pytest

import hosts
import slices
from server import Server, until

QUEUE = "Requests-processing_1.fifo"
BODY_MAX = 256 * 1024


@contextlib.contextmanager
def database(server):
    with contextlib.closing(sqlite3.connect(server.data / "corsia.db")) as db, db:
        yield db


def body_id(db, job_id):
    return db.execute("SELECT id FROM queue_message WHERE dedup_id = ?", (job_id,)).fetchone()[0]


def damage(db, job_id):
    number = body_id(db, job_id)
    body = db.execute("SELECT body FROM queue_body WHERE id = ?", (number,)).fetchone()[0]
    db.execute("UPDATE queue_body SET body = ? WHERE id = ?", (bytes(byte ^ 1 for byte in body), number))


def garble(db, job_id):
    """Bytes that are whole and no request."""
    text = b'{"client_id": "c"}'
    db.execute("UPDATE queue_body SET body = ? WHERE id = ?", (text, body_id(db, job_id)))
    db.execute("UPDATE queue_message SET crc = ? WHERE dedup_id = ?", (zlib.crc32(text), job_id))


def remove(db, job_id):
    db.execute("DELETE FROM queue_body WHERE id = ?", (body_id(db, job_id),))
    db.execute("DELETE FROM queue_message WHERE dedup_id = ?", (job_id,))
    db.execute("DELETE FROM queue_dedup WHERE dedup_id = ?", (job_id,))


def back_to_outbox(db, job_id, more):
    """As after a crash between acceptance and sending."""
    remove(db, job_id)
    number, body = db.execute("SELECT number, body FROM job JOIN job_request USING (number) WHERE job_id = ?",
                              (job_id,)).fetchone()
    db.execute("UPDATE job_request SET body = ? WHERE number = ?", (body + " " * more, number))
    db.execute("INSERT INTO outbox(op, job_number) VALUES (0, ?)", (number,))


def accept(server, job_id, algo="processing_1", **more):
    answer = server.submit(algo, "c", "st", "se", "ct.dcm", job_id=job_id, **more)
    assert answer.status_code == 202, answer.text


@pytest.fixture(scope="module")
def mended(tmp_path_factory):
    """A server that found, when it started, what a disk and a stranger have done to its queue."""
    with Server(tmp_path_factory.mktemp("lost") / "data", job_hosts_max=1) as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct", size=64))
        with hosts.held(server):
            accept(server, "blocker")
            hosts.wait_busy(server)
            for job_id in ("damaged", "garbled", "vanished", "ordered", "long", "fine"):
                accept(server, job_id, order="client" if job_id == "ordered" else "none")
            accept(server, "other", algo="processing_6")
            hosts.wait_queue(server, visible=6, in_flight=1)
            hosts.wait_queue(server, "processing_6", visible=1)
            server.kill()
        with database(server) as db:
            damage(db, "damaged")
            garble(db, "garbled")
            remove(db, "vanished")
            remove(db, "ordered")
            back_to_outbox(db, "long", more=BODY_MAX)
            back_to_outbox(db, "fine", more=0)
            back_to_outbox(db, "other", more=0)
        server.start()
        yield server


@pytest.mark.parametrize("job_id", ["damaged", "garbled", "long"])
def test_a_job_whose_message_cannot_be_used_fails_and_says_so(mended, job_id):
    job = mended.wait_job(job_id)
    assert job["state"] == "failed" and job["error"]["code"] == "internal"
    (event,) = [event for event in mended.events("c")["events"] if event["job_id"] == job_id]
    assert event["status"] == "failed" and event["error"]["message"] and event["client_id"] == "c"
    assert event["algo_id"] == "processing_1"


@pytest.mark.parametrize("job_id", ["blocker", "vanished", "ordered", "fine", "other"])
def test_a_job_whose_message_was_lost_or_came_beside_a_bad_one_is_done(mended, job_id):
    assert mended.wait_job(job_id)["state"] == "succeeded"
    assert len([event for event in mended.events("c")["events"] if event["job_id"] == job_id]) == 1


def test_messages_that_cannot_be_used_are_dead_letters(mended):
    mended.wait_job("garbled")
    letters = until(lambda: (lambda dead: dead if len(dead) == 2 else None)(
        mended.get(f"/queues/{QUEUE}/dead").json()["dead"]), what="dead letters")
    assert {letter["job_id"] for letter in letters} == {"damaged", "garbled"}


# --- redrive ---

def die(server, job_id, **more):
    """Let a job use up its only attempt; the id of its dead letter."""
    with hosts.held(server) as stopped:
        accept(server, job_id, **more)
        hosts.wait_busy(server)
        hosts.signal_all(stopped, signal.SIGKILL)
        assert server.wait_job(job_id)["state"] == "failed"
    dead = until(lambda: [letter for letter in server.get(f"/queues/{QUEUE}/dead").json()["dead"]
                          if letter["job_id"] == job_id], what="the dead letter")
    return dead[0]["id"]


def test_a_letter_that_cannot_become_a_job_is_skipped_with_the_reason_and_stays(tmp_path):
    with Server(tmp_path / "data", job_hosts_max=1, attempts_max=1) as server:
        server.put_file("st/se/ct.dcm", slices.ct("ct", size=64))
        accept(server, "probe", note="")
        server.wait_job("probe")
        with database(server) as db:
            size = len(db.execute("SELECT body FROM job_request").fetchone()[0])
        huge = die(server, "large", note="x" * (BODY_MAX - size))
        taken = die(server, "taken")
        accept(server, f"retry-{taken}")
        assert server.wait_job(f"retry-{taken}")["state"] == "succeeded"

        answer = server.post(f"/queues/{QUEUE}/redrive", {"all": True}).json()
        assert answer["jobs"] == []
        reasons = {skipped["id"]: skipped["error"] for skipped in answer["skipped"]}
        assert set(reasons) == {huge, taken}
        assert "too long" in reasons[huge] and "another job" in reasons[taken]
        assert hosts.queue(server)["dead"] == 2
        accept(server, "after")
        assert server.wait_job("after")["state"] == "succeeded"
