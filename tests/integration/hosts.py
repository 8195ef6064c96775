# SPDX-License-Identifier: Apache-2.0
"""Algorithm hosts in a test's hand: stopped, continued, killed, by the process ids of /system."""
import contextlib
import os
import signal

from server import until


def pids(server, pool="jobs"):
    return server.get("/system").json()["hosts"][pool]["pids"]


def signal_all(process_ids, number):
    for pid in process_ids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def is_idle(server):
    queues = server.get("/queues").json()["queues"]
    pool = server.get("/system").json()["hosts"]["jobs"]
    is_empty = not any(queue["visible"] + queue["in_flight"] + queue["delayed"] for queue in queues)
    return is_empty and pool["idle"] == pool["alive"] >= int(server.config.get("job_hosts_min", 1))


@contextlib.contextmanager
def held(server):
    """Stop the job hosts when nothing runs: what is claimed then stays running until the end of the block."""
    until(lambda: is_idle(server), what="idle hosts")
    stopped = pids(server)
    signal_all(stopped, signal.SIGSTOP)
    try:
        yield stopped
    finally:
        signal_all(stopped, signal.SIGCONT)


def wait_state(server, job_id, state):
    """Wait until the job is in the state; the job."""
    def look():
        job = server.job(job_id)
        return job if job["state"] == state else None

    return until(look, what=f"job {job_id} {state}")


def queue(server, algo="processing_1"):
    return server.get(f"/queues/Requests-{algo}.fifo").json()


def wait_queue(server, algo="processing_1", **numbers):
    """Wait until the queue has these numbers (visible=3, in_flight=1)."""
    return until(lambda: numbers.items() <= queue(server, algo).items(), what=f"queue {numbers}")


def wait_busy(server, count=1):
    """Wait until so many job hosts are lent: a job is running a little before it has its host."""
    until(lambda: server.get("/system").json()["hosts"]["jobs"]["busy"] == count, what=f"{count} busy hosts")
