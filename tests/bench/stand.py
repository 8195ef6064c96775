# SPDX-License-Identifier: Apache-2.0
"""What the figures stand on: slices, a server, and what the kernel says about its processes."""
import http.client
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import numpy as np  # noqa: E402
import server as server_module  # noqa: E402
import slices  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def template():
    """An uncompressed 512 x 512 CT slice on which processing_1 finds something, as noisy as a real one."""
    data = slices.ct("template", study="bench", series="bench")
    noisy = slices.pixels(True, seed=1) + np.random.default_rng(1).normal(0, 12, (512, 512)).astype(np.int16)
    return bytearray(data[:-noisy.nbytes] + noisy.tobytes())


def make_slices(folder, series, count):
    """count distinct instances as bench/<series>/<number>.dcm; their bytes in all."""
    data, uid = template(), slices.uid("bench", "bench", "template").encode()
    places = [i for i in range(len(data) - len(uid)) if data[i] == uid[0] and data[i:i + len(uid)] == uid]
    kind = {"many": b"1", "few": b"2"}[series]
    target = folder / "bench" / series
    target.mkdir(parents=True)
    for number in range(count):
        own = kind + b"%07d" % number
        for place in places:
            data[place + len(uid) - 8:place + len(uid)] = own
        data[-2 * 512 * 8:-2 * 512 * 8 + 8] = own
        (target / f"{number:05}.dcm").write_bytes(data)
    return count * len(data)


def tree(pid):
    """A process and its children."""
    pids, found = [pid], []
    while pids:
        found.append(pids.pop())
        for task in pathlib.Path(f"/proc/{found[-1]}/task").glob("*/children"):
            pids += [int(child) for child in task.read_text(encoding="ascii").split()]
    return found


def pss_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not tell Pss")


def cpu_seconds(pids):
    """Of those processes, since their start."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def unwritten_mb():
    """What the kernel has still to write to disks, whoever left it there."""
    lines = pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Dirty:", "Writeback:"))) / 1024


def settle(most_mb=32, patience_s=60):
    """Wait until the disk has what was stored; the MB that are left when patience ends, for others write too."""
    os.sync()
    end = time.monotonic() + patience_s
    while unwritten_mb() > most_mb and time.monotonic() < end:
        time.sleep(0.1)  # style-ok: nobody tells when a disk is idle
    return unwritten_mb()


def hosts_of(server, pool):
    """Process ids of a pool's hosts."""
    return server.get("/system").json()["hosts"][pool]["pids"]


def seconds_to_ready(binary, data):
    """From spawn to the first 200 of /health/ready, on an empty store."""
    server = server_module.Server(data, binary)
    start = time.monotonic()
    server.spawn()
    try:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            try:
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == 200:
                    return time.monotonic() - start
            except OSError:
                if server.process.poll() is not None:
                    raise RuntimeError(server.tail()) from None
            finally:
                connection.close()
            time.sleep(0.0005)  # style-ok: nobody tells when a port opens
    finally:
        server.stop()


def run_json(command, **more):
    """The JSON objects that a program prints, one per line."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(part) for part in command)}: exit {done.returncode}\n{done.stdout[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
