# SPDX-License-Identifier: Apache-2.0
"""The clients of the crash test: they post, repeat, cancel, import and listen while the server dies.

Everything that a client was told is written down, and so is what it was not told: a request that was
cut off may have been carried out or not.  chaos_check.py compares the notes with what is there in the end.
"""
import asyncio
import dataclasses
import json
import random
import threading
import time
import uuid

import requests
import websockets

import slices

SIZE = 128
LENGTHS = [20, 3, 3]  # slices of each series in the stock; the first is long enough for several hosts
OPEN_MAX = 48  # jobs without an event, beyond which nobody posts
PAUSE_S = 0.01
PARAMS = {
    "processing_1": {"area_min_px": 200, "small_hole_px": 100, "closing_radius_px": 2, "opening_radius_px": 2},
    "processing_6": {"area_min_px": 200, "median_size_px": 3, "closing_radius_px": 2, "closing_iterations": 1,
                     "cross_closing_iterations": 1},
}


@dataclasses.dataclass
class Job:
    """One job as its client sees it."""
    job_id: str
    client: str
    algo: str
    body: dict
    point: str  # what was going to kill the server when it was posted
    answer: str = "unknown"  # accepted, or the request was cut off
    message_id: str = ""
    cancel: str = "none"  # none, asked (cut off), done, late


@dataclasses.dataclass
class Listener:
    """One live connection and what it saw, over all its lives."""
    client: str
    door: str
    seen: list = dataclasses.field(default_factory=list)  # (number, job id, status)
    connections: int = 0

    @property
    def last(self):
        return self.seen[-1][0] if self.seen else 0


class Load:
    """All clients together; start() and stop()."""

    def __init__(self, url, seed, clients=4, posters=3):
        self.url, self.random = url, random.Random(seed)
        self.clients = [f"client-{number}" for number in range(clients)]
        self.listeners = [Listener(client, "ws") for client in self.clients]
        self.listeners.append(Listener(self.clients[0], "prod"))
        self.jobs, self.images, self.wrong = {}, [], []
        self.ended, self.waiting = set(), set()  # job ids: whose event came; accepted and without one
        self.imports = {}  # key -> told or cut
        self.point = "none"
        self.host_dies = False
        self.lock = threading.Lock()
        self.over, self.deaf = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=self._post, args=(self.random.random(),), daemon=True)
                        for _number in range(posters)]
        self.threads.append(threading.Thread(target=self._import, daemon=True))
        self.hearing = threading.Thread(target=lambda: asyncio.run(self._hear()), daemon=True)

    def start(self):
        self.hearing.start()
        for thread in self.threads:
            thread.start()

    def stop(self):
        """End the senders; the listeners go on until silence()."""
        self.over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def silence(self):
        self.deaf.set()
        self.hearing.join(30)
        assert not self.hearing.is_alive(), "a listener hangs"

    def complain(self, what):
        with self.lock:
            self.wrong.append(what)

    # --- stock ---

    def put(self, session, key, data):
        return session.put(f"{self.url}/objects/pacs/{key}", data=data, timeout=30)

    def stock(self):
        """The images that are there from the beginning: in every series a liver on all slices but every third."""
        with requests.Session() as session:
            for series, length in enumerate(LENGTHS):
                for number in range(length):
                    data = slices.ct(f"i{number}", number % 3 < 2, "chaos", f"se{series}", number + 1, SIZE)
                    answer = self.put(session, f"st/se{series}/i{number}.dcm", data)
                    assert answer.status_code == 201, answer.text

    # --- jobs ---

    def _make_job(self, rng):
        algo = rng.choice(list(PARAMS))
        params = dict(PARAMS[algo])
        if rng.random() < 0.5:  # the same images under the same parameters again, or not
            params["area_min_px"] = rng.randrange(100, 3000)
        series = f"se{rng.randrange(len(LENGTHS))}"
        pacs = {"study_id": "st", "series_id": series, "scope": "series"}
        if rng.random() < 0.8:
            pacs.update(scope="image", image_id=f"i{rng.randrange(3)}.dcm")
            with self.lock:
                if self.images and rng.random() < 0.3:
                    pacs.update(series_id="new", image_id=rng.choice(self.images))
        body = {"job_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "client_id": rng.choice(self.clients),
                "pacs": pacs, "params": params}
        if rng.random() < 0.2:
            body["order"] = "client"
        job = Job(body["job_id"], body["client_id"], algo, body, self.point)
        with self.lock:
            self.jobs[job.job_id] = job
        return job

    def _send(self, session, job):
        """Post once; what it says must fit what was said before."""
        try:
            answer = session.post(f"{self.url}/process/{job.algo}", json=job.body, timeout=30)
        except requests.RequestException:
            return False
        told = answer.json()
        if answer.status_code != 202 or told.get("job_id") != job.job_id:
            self.complain(f"job {job.job_id}: POST answered {answer.status_code} {answer.text[:200]}")
        elif job.answer == "accepted" and told["sqs_message_id"] != job.message_id:
            self.complain(f"job {job.job_id}: posted again it has another message id")
        else:
            with self.lock:
                job.answer, job.message_id = "accepted", told["sqs_message_id"]
                if job.job_id not in self.ended:
                    self.waiting.add(job.job_id)
        return True

    def _cancel(self, session, job):
        try:
            answer = session.delete(f"{self.url}/jobs/{job.job_id}", timeout=30)
        except requests.RequestException:
            job.cancel = "asked"
            return
        if answer.status_code == 200:
            job.cancel = "done"
        elif answer.status_code == 409:
            job.cancel = "late"
        else:
            self.complain(f"job {job.job_id}: DELETE answered {answer.status_code} {answer.text[:200]}")

    def _post(self, seed):
        rng, old = random.Random(seed), None
        with requests.Session() as session:
            while not self.over.is_set():
                if len(self.waiting) >= OPEN_MAX:
                    self.over.wait(PAUSE_S)
                    continue
                job = self._make_job(rng)
                sent = self._send(session, job)
                while not sent and rng.random() < 0.9 and not self.over.is_set():
                    self.over.wait(PAUSE_S)  # nobody is there: some ask again, some give up
                    sent = self._send(session, job)
                if not sent:
                    continue
                if rng.random() < 0.15:
                    self._cancel(session, job)
                if old and rng.random() < 0.15:
                    self._send(session, old)
                if rng.random() < 0.3:
                    old = job

    # --- imports ---

    def _import(self):
        number, data = 0, None
        with requests.Session() as session:
            while not self.over.is_set():
                if data is None:
                    number += 1
                    name = f"n{number}.dcm"
                    data = slices.ct(name, number % 3 != 0, "chaos", "new", number, SIZE)
                    self.imports[f"st/new/{name}"] = "cut"
                try:
                    answer = self.put(session, f"st/new/{name}", data)
                except requests.RequestException:
                    self.over.wait(PAUSE_S)
                    continue
                if answer.status_code in (200, 201):
                    self.imports[f"st/new/{name}"] = "told"
                    with self.lock:
                        self.images.append(name)
                    data = None
                elif answer.status_code not in (415, 503) or not self.host_dies:
                    self.complain(f"import {number}: answered {answer.status_code} {answer.text[:200]}")
                    data = None
                self.over.wait(PAUSE_S)  # it shall not be all that the machine does

    # --- listening ---

    async def _hear(self):
        await asyncio.gather(*(self._listen(listener) for listener in self.listeners))

    async def _listen(self, listener):
        while not self.deaf.is_set():
            since = f"&since={listener.last}" if listener.door == "ws" else ""
            url = f"ws{self.url[4:]}/{listener.door}?client_id={listener.client}{since}"
            try:
                async with websockets.connect(url, open_timeout=5, close_timeout=1, ping_interval=0.5) as live:
                    listener.connections += 1
                    await self._follow(listener, live)
            except (OSError, asyncio.TimeoutError, websockets.WebSocketException):
                await asyncio.sleep(PAUSE_S)

    async def _follow(self, listener, live):
        while not self.deaf.is_set():
            try:
                frame = json.loads(await asyncio.wait_for(live.recv(), 0.2))
            except asyncio.TimeoutError:
                continue
            if frame["type"] == "result":
                self._note(listener, frame)
            elif frame["type"] != "progress":
                self.complain(f"{listener.door} of {listener.client}: {frame}")

    def _note(self, listener, frame):
        listener.seen.append((frame["seq"], frame["job_id"], frame["status"]))
        with self.lock:
            self.ended.add(frame["job_id"])
            self.waiting.discard(frame["job_id"])


def until(condition, timeout, what):
    """Poll; the time that it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        threading.Event().wait(PAUSE_S)
    return time.monotonic() - started
