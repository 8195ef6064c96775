# SPDX-License-Identifier: Apache-2.0
"""Slices per second of series jobs by the number of job hosts.

One job alone, whose slices spread over the hosts, and several jobs at once.  Servers with one, two and
as many hosts as cores take turns.  Once for figures alone, where nothing but the slices is computed, and
once with an overlay stored for each slice, where the disk is asked as well.  How many cores server and
hosts had busy meanwhile tells what a ratio is worth: on a machine with other work, or one whose cores
one host keeps busy together with the server, more hosts cannot be faster.
"""
import os
import pathlib
import shutil
import statistics
import time

import stand

SLICES, JOBS, ROUNDS = 64, 8, 3
WORKS = {"figures alone": ["measurements"], "an overlay of each": ["overlay"]}


class Side:
    """A server with its number of hosts, and the slices."""

    def __init__(self, bench, hosts, folder):
        self.hosts = hosts
        self.server = bench.server(f"scaling-{hosts}", job_hosts_min=hosts, job_hosts_max=hosts)
        if bench.import_folder(self.server, folder)["stored"] != SLICES:
            raise RuntimeError("not all slices were imported")
        self.asked = 0

    def cpu_seconds(self):
        """Of the server, its hosts and those that have ended."""
        total = 0
        for pid in stand.tree(self.server.process.pid):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
        return total / stand.TICKS

    def measured(self, outputs, count):
        """(slices per second, cores busy) of some jobs that are there at once, each of whose objects are its own."""
        start, cpu, ids = time.monotonic(), self.cpu_seconds(), []
        for _ in range(count):
            self.asked += 1
            answer = self.server.submit("processing_1", "scaling", "bench", "few", scope="series", outputs=outputs,
                                        params={"area_min_px": 20000 + self.asked})
            ids.append(answer.json()["job_id"])
        for job_id in ids:
            if self.server.wait_job(job_id)["state"] != "succeeded":
                raise RuntimeError(f"a series job failed: {self.server.tail()}")
        seconds = time.monotonic() - start
        return count * SLICES / seconds, (self.cpu_seconds() - cpu) / seconds


def measure(sides, outputs, count):
    """The medians of each side; they take turns."""
    turns = [[side.measured(outputs, count) for side in sides] for _ in range(ROUNDS)]
    return [tuple(map(statistics.median, zip(*of_side))) for of_side in zip(*turns)]


def scaling(bench):
    folder = bench.work / "scaling-slices"
    stand.make_slices(folder, "few", SLICES)
    sides = [Side(bench, hosts, folder) for hosts in sorted({1, 2, len(os.sched_getaffinity(0))})]
    shutil.rmtree(folder)
    raw = bench.raw["scaling"] = []
    for work, outputs in WORKS.items():
        measure(sides, outputs, 1)  # everybody has been busy once
        for count in (1, JOBS):
            found = measure(sides, outputs, count)
            for side, (rate, cores) in zip(sides, found):
                raw.append({"work": work, "jobs": count, "hosts": side.hosts, "slices_per_second": rate, "cores": cores})
                what = "one job" if count == 1 else f"{count} jobs at once"
                times = f"{rate / found[0][0]:.2f} x one host; " if side.hosts > 1 else ""
                bench.row(f"series of {SLICES} slices, {work}, {what}, hosts: {side.hosts}", f"{rate:.0f} slices/s", "",
                          f"{times}{cores:.1f} cores busy")
    for side in sides:
        bench.end(side.server)
