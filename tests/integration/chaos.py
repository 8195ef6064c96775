#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The crash test: kill -9 the server, or a host, again and again under load, and count.

    chaos.py [--rounds N | --seconds S] [--seed N] [--self-test]

The executable is a build made with -Dfailpoints=true.  It is killed at each named point, at random
moments, while it starts, and its hosts are killed under it.  In the end every accepted job must have
exactly one final event, every listener must have heard every number once, and nothing may lie around.
--self-test breaks what was found to be right and demands that each damage is noticed.
"""
import argparse
import collections
import contextlib
import ctypes
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import chaos_check  # noqa: E402
from chaos_load import Load, until  # noqa: E402
from server import FAILPOINT_BINARY, Server  # noqa: E402

POINTS = ("after-accept", "after-relay", "after-claim", "while-computing", "after-object", "after-result", "before-event",
          "after-event", "while-pushing", "after-store", "after-catalog")
ANY_MOMENT, AT_START, A_HOST = "any moment", "while starting", "a host"
EVERYTHING = (*POINTS, ANY_MOMENT, A_HOST, *POINTS, AT_START, A_HOST)
PASSES_MAX = 8  # a named point ends the server when it is passed for the first to the eighth time
HOST_KILLS = 4  # in one life of the server
REACH_S = 20
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Whatever outlives a killed server becomes our child, so that we see it."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def children():
    pids = set()
    for task in pathlib.Path("/proc/self/task").iterdir():
        pids.update(int(pid) for pid in (task / "children").read_text().split())
    return pids


def is_gone(pid):
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


class Chaos:
    """One data directory, many lives of its server."""

    def __init__(self, folder, seed, binary=FAILPOINT_BINARY):
        self.random = random.Random(seed)
        self.server = Server(pathlib.Path(folder) / "data", binary=binary, log_level="warning", lease="5 s")
        self.load = Load(self.server.url, seed)
        self.kills, self.orphans = collections.Counter(), collections.Counter()
        self.before = children()

    # --- one life ---

    def _bury(self, point):
        """The server must have been killed by us, and its hosts must end by themselves."""
        status = self.server.process.wait(REACH_S)
        if status != -signal.SIGKILL:
            self.load.complain(f"{point}: the server ended with {status}: {self.server.tail(3)}")
        self.kills[point] += 1
        hosts = children() - self.before - {self.server.process.pid}
        try:
            until(lambda: all([is_gone(pid) for pid in hosts]), 5, "the end of its hosts")
        except AssertionError:
            left = [pid for pid in hosts if not is_gone(pid)]
            self.orphans[point] += len(left)
            for pid in left:
                os.kill(pid, signal.SIGKILL)

    def _named(self, point):
        self.server.spawn(CORSIA_FAILPOINT=f"{point}:{self.random.randint(1, PASSES_MAX)}")
        try:
            until(lambda: self.server.process.poll() is not None, REACH_S, f"failpoint {point}")
        except AssertionError as error:
            self.load.complain(str(error))
            self.server.kill()
        self._bury(point)

    def _any_moment(self, point):
        """After a while that is not known before: of its start, or of its work."""
        if point == ANY_MOMENT:
            self.server.start()
        else:
            self.server.spawn()
        until(lambda deadline=time.monotonic() + self.random.uniform(0, 0.8 if point == ANY_MOMENT else 0.3):
              time.monotonic() > deadline, 5, "a moment")
        self.server.kill()
        self._bury(point)

    def _kill_host(self):
        """One that the server names; it may have ended by itself when we come."""
        while True:
            pools = self.server.get("/system").json()["hosts"]
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(self.random.choice(pools["jobs"]["pids"] * 3 + pools["viewers"]["pids"]), signal.SIGKILL)
                return

    def _a_host(self, point):
        """Several hosts, one after the other, while the server goes on; then the server."""
        self.load.host_dies = True
        self.server.start()
        for _kill in range(HOST_KILLS):
            ended = len(self.load.ended)
            self._kill_host()
            self.kills[point] += 1
            until(lambda: len(self.load.ended) > ended, REACH_S, "a job that ends although its host was killed")
        self.server.kill()
        self._bury(ANY_MOMENT)
        self.load.host_dies = False

    def life(self, point):
        self.load.point = point
        if point == A_HOST:
            self._a_host(point)
        elif point in (ANY_MOMENT, AT_START):
            self._any_moment(point)
        else:
            self._named(point)

    # --- the whole ---

    def begin(self):
        self.server.start()
        self.load.stock()
        self.load.start()
        self.server.kill()
        self._bury(ANY_MOMENT)

    def _wait(self, condition, timeout, what):
        """What does not come true is told by the checks that follow, in their words too."""
        try:
            until(condition, timeout, what)
        except AssertionError as error:
            self.load.complain(str(error))

    def rest(self):
        """A last life without a kill, until nothing is left to do."""
        self.load.point = "none"
        self.server.start()
        self.load.stop()
        self._wait(self._is_idle, 120, "idleness")
        self._wait(self._is_heard, 60, "hearing everything")
        self._wait(lambda: chaos_check.is_swept(self.server.data), 60, "sweeping everything")
        self.load.silence()

    def _is_idle(self):
        queues = self.server.get("/queues").json()["queues"]
        jobs = self.server.get("/system").json()["jobs"]
        return not any(queue["visible"] + queue["in_flight"] + queue["delayed"] for queue in queues) and \
            jobs["queued"] + jobs["running"] == 0

    def _is_heard(self):
        last = {client: self.server.events(client, 0, 1)["last"] for client in self.load.clients}
        return all(listener.last >= last[listener.client] for listener in self.load.listeners)

    def table(self, findings, by_job):
        """The table and the sums."""
        lines = [f"{'killed at':<16}{'kills':>7}{'accepted':>10}{'events':>8}{'lost':>6}{'doubled':>9}{'orphans':>9}"]
        names = [name for name in dict.fromkeys((*EVERYTHING, "none")) if self.kills[name] or name == "none"]
        for name in names:
            jobs = [job for job in self.load.jobs.values() if job.point == name]
            lines.append(f"{name:<16}{self.kills[name]:>7}{sum(job.answer == 'accepted' for job in jobs):>10}"
                         f"{sum(job.job_id in by_job for job in jobs):>8}{findings.count('lost', name):>6}"
                         f"{findings.count('doubled', name):>9}{self.orphans[name]:>9}")
        accepted = sum(job.answer == "accepted" for job in self.load.jobs.values())
        lines.append(f"{'sum':<16}{self.kills.total():>7}{accepted:>10}{len(by_job):>8}{findings.count('lost'):>6}"
                     f"{findings.count('doubled'):>9}{self.orphans.total() + findings.count('orphan'):>9}")
        return "\n".join(lines)


def plan(rng, rounds, seconds):
    """The points in turn, each time in another order, until the rounds or the time are used up."""
    until_s, deck, kills = time.monotonic() + seconds if seconds else None, [], 0
    while (kills < rounds) if until_s is None else (time.monotonic() < until_s):
        if not deck:
            deck = rng.sample(EVERYTHING, len(EVERYTHING))
        point = deck.pop()
        kills += HOST_KILLS + 1 if point == A_HOST else 1
        yield point


# --- the test of the test ---

def edit(chaos, sql):
    with sqlite3.connect(chaos.server.data / "corsia.db") as connection:
        connection.execute(sql)
    connection.close()


def damages(chaos, by_job):
    """(what, the kind of finding that it must cause, do, undo)"""
    event = next(event for event in by_job.values() if event["status"] == "succeeded")
    client = event["client_id"]
    output = chaos.server.data / "objects" / event["outputs"][0]["bucket"] / event["outputs"][0]["key"]
    data, stray = output.read_bytes(), output.with_name("stray.dcm")
    live = next(one for one in chaos.load.listeners if one.client == client and one.door == "ws")
    heard = list(live.seen)
    number = event["seq"]
    saved = chaos_check.read(chaos.server.data / "corsia.db",
                             f"SELECT created, body FROM event WHERE client_id = '{client}' AND seq = {number}")[0]

    def put_back():
        with sqlite3.connect(chaos.server.data / "corsia.db") as connection:
            connection.execute("INSERT INTO event(client_id, seq, job_id, created, body) VALUES (?, ?, ?, ?, ?)",
                               (client, number, event["job_id"], *saved))
        connection.close()

    def state(value):
        return lambda: edit(chaos, f"UPDATE job SET state = {value} WHERE job_id = '{event['job_id']}'")

    return (
        ("an event is gone", "lost", lambda: edit(chaos, "DELETE FROM event WHERE client_id = "
                                                  f"'{client}' AND seq = {number}"), put_back),
        ("a state differs from its event", "wrong", state(4), state(2)),
        ("a job has failed", "wrong", state(3), state(2)),
        ("a number was not heard", "lost", lambda: live.seen.remove(heard[0]), lambda: live.seen.insert(0, heard[0])),
        ("a number was heard twice", "doubled", lambda: live.seen.append(heard[-1]), live.seen.pop),
        ("an object is cut", "wrong", lambda: os.truncate(output, len(data) // 2), lambda: output.write_bytes(data)),
        ("an object is gone", "orphan", output.unlink, lambda: output.write_bytes(data)),
        ("an object has no row", "orphan", lambda: stray.write_bytes(data), stray.unlink),
    )


def self_test(chaos, by_job):
    """Every damage must be found, and nothing be found once it is undone.  What went wrong."""
    missed = []
    for what, kind, do, undo in damages(chaos, by_job):
        do()
        found = chaos_check.check(chaos.server, chaos.load)[0].count(kind)
        undo()
        left = chaos_check.check(chaos.server, chaos.load)[0]
        print(f"self-test: {what}: {'noticed' if found else 'NOT NOTICED'}")
        if not found or left:
            missed.append((what, list(left)))
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="kills (100)")
    parser.add_argument("--seconds", type=float, help="as long as this instead")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--self-test", action="store_true", help="also show that the checks can fail")
    parser.add_argument("--keep", action="store_true", help="leave the data directory behind")
    options = parser.parse_args()
    adopt_orphans()
    started = time.monotonic()
    folder = tempfile.mkdtemp(prefix="corsia-chaos-")
    print(f"seed {options.seed}", flush=True)
    chaos = Chaos(folder, options.seed)
    chaos.begin()
    for point in plan(chaos.random, options.rounds - 1, options.seconds):
        chaos.life(point)
    chaos.rest()
    findings, by_job = chaos_check.check(chaos.server, chaos.load)
    if options.seconds is None and options.rounds >= 2 * len(EVERYTHING):
        for point in sorted(set(EVERYTHING) - set(chaos.kills)):
            findings.add("wrong", f"nothing was killed at {point}")
    print(chaos.table(findings, by_job))
    for kind, sentence, point in findings[:40]:
        print(f"{kind}: {sentence}" + (f" (posted under {point})" if point else ""))
    missed = self_test(chaos, by_job) if options.self_test and not findings else []
    if chaos.server.stop() != 0:
        findings.add("wrong", "the server did not stop in order")
    bad = len(findings) + chaos.orphans.total() + len(missed)
    print(f"{chaos.kills.total()} kills in {time.monotonic() - started:.0f} s, "
          f"{sum(listener.connections for listener in chaos.load.listeners)} connections: "
          + ("nothing lost, nothing doubled" if bad == 0 else f"{bad} FINDINGS, data in {folder}"), flush=True)
    if bad == 0 and not options.keep:
        shutil.rmtree(folder)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
