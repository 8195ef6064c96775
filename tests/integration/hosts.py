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


@contextlib.contextmanager
def held(server):
    """Stop the job hosts that there are: what is claimed stays running until the end of the block."""
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
