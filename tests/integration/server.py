# SPDX-License-Identifier: Apache-2.0
"""A real server for tests: the built executable on a free loopback port, stopped by its pid."""
import asyncio
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.parse

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("COR_TEST_CORSIA", ROOT / "build" / "corsia"))
FAILPOINT_BINARY = pathlib.Path(os.environ.get("COR_TEST_CORSIA_FAILPOINTS", ROOT / "build-failpoints" / "corsia"))
SANITIZERS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
SHARED = pathlib.Path(os.environ.get("COR_SHARED_DIR", ROOT.parent / "shared"))
ALGORITHMS = ["processing_1", "processing_6", "liver", "lungs", "body", "bone", "denoise", "projection"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, timeout=30.0, what="condition"):
    """Poll what cannot tell us by itself; fails with its name when the time is over."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)  # style-ok: a poll with an end
    raise AssertionError(f"{what} did not come true within {timeout} s")


class Server:
    """One `corsia serve`; config keys are keyword arguments (queue_bound=3)."""

    def __init__(self, data, binary=BINARY, env=None, prefix=(), **config):
        self.data, self.binary, self.prefix = pathlib.Path(data), binary, list(prefix)
        self.config = {"disk_floor": "1 MiB", **config}
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **{k: os.environ[k] for k in SANITIZERS if k in os.environ},
                    **(env or {})}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.log = self.data.parent / (self.data.name + ".log")

    def spawn(self, **env):
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in self.config.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, str(self.binary), "serve", "--data", str(self.data),
                 "--listen", f"127.0.0.1:{self.port}", *flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**self.env, **env})
        return self

    def start(self, **env):
        self.spawn(**env)
        self.wait_ready()
        return self

    def wait_ready(self, timeout=30.0):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"server ended with {self.process.returncode}: {self.tail()}")
            with contextlib.suppress(requests.RequestException):
                return requests.get(self.url + "/health/ready", timeout=5).status_code == 200
            return False

        until(ready, timeout, "readiness")

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, timeout=30):
        """SIGTERM and wait; the exit status."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self):
        """kill -9, as a crash would; its hosts end by themselves."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            try:
                status = self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            assert status == 0, f"server ended with {status}: {self.tail(60)}"

    # --- requests ---

    def get(self, path, **kwargs):
        return requests.get(self.url + path, timeout=30, **kwargs)

    def post(self, path, body=None, **kwargs):
        return requests.post(self.url + path, json=body, timeout=30, **kwargs)

    def put_file(self, key, data):
        data = data if isinstance(data, bytes) else pathlib.Path(data).read_bytes()
        return requests.put(f"{self.url}/objects/pacs/{urllib.parse.quote(key)}", data=data, timeout=60)

    def submit(self, algo, client, study, series, image=None, scope="image", **more):
        pacs = {"study_id": study, "series_id": series, "scope": scope}
        if image is not None:
            pacs["image_id"] = image
        return self.post(f"/process/{algo}", {"client_id": client, "pacs": pacs, **more})

    def job(self, job_id):
        return self.get(f"/jobs/{job_id}").json()

    def wait_job(self, job_id, timeout=60.0):
        return until(lambda: (lambda job: job if job.get("state") in FINAL else None)(self.job(job_id)), timeout,
                     f"end of job {job_id}")

    def events(self, client, since=0, limit=1000):
        return self.get(f"/clients/{client}/events?since={since}&limit={limit}",
                        headers={"Accept": "application/json"}).json()

    @property
    def ws(self):
        return "ws" + self.url[len("http"):]


FINAL = ("succeeded", "failed", "cancelled")


async def next_frame(socket_, kind=None, timeout=30):
    """The next frame, or the next of a type, as JSON."""
    while True:
        frame = json.loads(await asyncio.wait_for(socket_.recv(), timeout))
        if kind is None or frame.get("type") == kind:
            return frame
