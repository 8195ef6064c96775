# SPDX-License-Identifier: Apache-2.0
"""The figures, in the order in which they are taken.  Each adds rows to the table and raw data to the file."""
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess

import dicomweb
import scaling
import stand

# The reference system, measured on two shared cores of such a machine (reference.md section 15): worker,
# runner and PACS API against local queue and object store, processing_1.
REFERENCE_JOBS_PER_S = 0.64
REFERENCE_P50_MS, REFERENCE_P99_MS = 1540, 2080
REFERENCE_KERNEL_MS = {"processing_1": 81.7, "processing_6": 373}
KERNEL_TARGET_MS = {"processing_1": 0.5, "processing_6": 0.4}

ORGAN_TARGETS = {"lungs": "2 s", "liver": "4 s"}

MANY, FEW, WARM = 2000, 300, 20
ROUNDS = 3
CONNECTIONS, PER_CLIENT = 10000, 100
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STAGES = ("queued", "fetch", "compute", "store")


def times(value, than):
    return f"{value / than:,.0f} x" if value / than >= 10 else f"{value / than:.2f} x"


class Bench:
    """The rows so far, and the server that several figures share."""

    def __init__(self, build, work):
        self.build, self.work = build, work
        self.binary = build / "corsia"
        self.load = build / "tests" / "bench" / "bench-load"
        self.rows, self.raw, self.failed = [], {}, False
        self.servers = []
        self.stocked_server = None

    def row(self, figure, measured, target="", compared=""):
        self.rows.append({"figure": figure, "measured": measured, "target": target, "compared": compared})

    def server(self, name, **config):
        running = stand.server_module.Server(self.work / name, self.binary, **config)
        self.servers.append(running)
        return running.start()

    def stop(self):
        for running in self.servers:
            if running.process and running.process.poll() is None:
                running.stop()
        self.servers = []

    def end(self, running):
        running.stop()
        self.servers.remove(running)

    def run_load(self, mode, server, **options):
        words = [f"{name}={value}" for name, value in options.items()]
        return stand.run_json([self.load, mode, f"port={server.port}", *words])[-1]

    def import_folder(self, server, folder):
        return stand.run_json([self.binary, "import", "--json", "--server", server.url, folder])[-1]

    def stocked(self):
        """The server with the slices; the first call imports them and takes that figure."""
        if not self.stocked_server:
            many, few = self.work / "many", self.work / "few"
            stand.make_slices(many, "many", MANY)
            stand.make_slices(few, "few", FEW + WARM)
            os.sync()  # the disk is not to be busy with them later
            self.stocked_server = self.server("stocked")
            self.raw["import"] = self.import_folder(self.stocked_server, many)
            stored = self.import_folder(self.stocked_server, few)["stored"] + self.raw["import"]["stored"]
            if stored != MANY + FEW + WARM:
                raise RuntimeError(f"only {stored} slices were imported")
            shutil.rmtree(many)
            shutil.rmtree(few)
            self.run_load("jobs", self.stocked_server, client="warm", series="few", first=FEW, count=WARM)
        return self.stocked_server


def imports(bench):
    bench.stocked()
    done = bench.raw["import"]
    bench.row(f"import, {MANY} CT slices", f"{done['stored'] / done['seconds']:.0f} instances/s", "",
              f"{done['bytes'] / 1e6 / done['seconds']:.0f} MB/s")


def jobs(bench):
    server = bench.stocked()
    rounds = []
    for number in range(ROUNDS):
        pids = stand.tree(server.process.pid)
        before = {pid: stand.cpu_seconds([pid]) for pid in pids}
        # The first round has the default parameters; the others name objects of their own.
        done = bench.run_load("jobs", server, client=f"jobs{number}", count=MANY, connections=8,
                              **({"area_min_px": 20000 + number} if number else {}))
        after = stand.tree(server.process.pid)
        cpu = sum(stand.cpu_seconds([pid]) - before.get(pid, 0) for pid in after)
        rounds.append({**done, "per_second": MANY / done["seconds"], "cpu_ms_per_job": 1000 * cpu / MANY})
        if done["failed"]:
            raise RuntimeError(f"{done['failed']} jobs failed: {server.tail()}")
    bench.raw["jobs"] = rounds
    rate = statistics.median(one["per_second"] for one in rounds)
    cpu = statistics.median(one["cpu_ms_per_job"] for one in rounds)
    bench.row(f"jobs, {MANY} on as many slices, both cores", f"{rate:.0f} jobs/s", "at least 150, aim for 300",
              f"{times(rate, REFERENCE_JOBS_PER_S)} the reference's {REFERENCE_JOBS_PER_S}/s")
    bench.row("  each of the rounds", " ".join(f"{one['per_second']:.0f}" for one in rounds))
    bench.row("  processor time per job", f"{cpu:.2f} ms", "", "server and hosts")


def latency(bench):
    server = bench.stocked()
    folder = bench.work / "floor"
    folder.mkdir()
    done = bench.run_load("latency", server, client="one", series="few", count=FEW, folder=folder)
    bench.raw["latency"] = done
    total, floor = done["total"], done["floor"]
    sync = floor["fdatasync"]["p50"]
    target = 6 + 6 * sync
    bench.row("submit to WebSocket frame, unloaded, p50", f"{total['p50']:.2f} ms",
              f"at most {target:.2f} ms (6 + 6 x {sync:.2f})",
              f"{total['p50'] / target:.2f} of the target; the reference {times(REFERENCE_P50_MS, total['p50'])}")
    bench.row("submit to WebSocket frame, unloaded, p99", f"{total['p99']:.2f} ms", f"at most {4 * target:.2f} ms (4 x)",
              f"{total['p99'] / 4 / target:.2f} of the target; the reference {times(REFERENCE_P99_MS, total['p99'])}")
    # Acceptance is in the middle of the POST, so what "queued" has before the 202 is counted there.
    queued = max(done["queued"]["mean"] - done["accept"]["mean"], 0)
    parts = {"accept (POST to 202)": done["accept"]["mean"], "queued": queued}
    parts.update({name: done[name]["mean"] for name in STAGES[1:]})
    parts["deliver"] = total["mean"] - sum(parts.values())
    for name, mean in parts.items():
        bench.row(f"  {name}", f"{mean:.2f} ms", "", "mean")
    for name, what in (("fdatasync", "4 KiB overwritten, fdatasync"), ("write", "787 KB created, written, fsync"),
                       ("rename", "renamed, fsync of the folder"), ("read", "526 KB read")):
        bench.row(f"  the disk alone: {what}", f"{floor[name]['p50']:.2f} ms", "", f"p99 {floor[name]['p99']:.2f} ms")
    disk = sum(floor[name]["p50"] for name in ("write", "rename", "read")) + 4 * sync
    bench.row("  the disk alone: a job's reads and six synchronous writes", f"{disk:.2f} ms", "",
              f"the p50 above is {times(total['p50'], disk)} this")
    bench.raw["latency"].update(parts_mean_ms=parts, disk_ms=disk, target_p50_ms=target)


class Held:
    """A server whose only job host is stopped in the middle of a job, so that whatever is posted waits."""

    def __init__(self, bench, name, **config):
        self.server = bench.server(name, job_hosts_max=1, job_hosts_min=1, **config)
        self.server.put_file("bench/one/00000.dcm", bytes(stand.template()))
        self.hosts = stand.hosts_of(self.server, "jobs")
        for pid in self.hosts:
            os.kill(pid, signal.SIGSTOP)
        job = self.server.submit("processing_1", "hold", "bench", "one", "00000.dcm", job_id="hold").json()["job_id"]
        stand.server_module.until(lambda: self.server.job(job)["state"] == "running", what="the job that holds the host")

    def release(self, bench):
        # The jobs that wait are not wanted: the whole server goes.
        self.server.kill()
        for pid in self.hosts:
            os.kill(pid, signal.SIGKILL)
        bench.servers.remove(self.server)


def enqueue(bench):
    held = Held(bench, "enqueue")
    try:
        rounds = [bench.run_load("enqueue", held.server, client=f"fill{number}", series="one", connections=64, ms=2000)
                  for number in range(ROUNDS)]
    finally:
        held.release(bench)
    bench.raw["enqueue"] = rounds
    done = sorted(rounds, key=lambda one: one["jobs"] / one["seconds"])[ROUNDS // 2]
    bench.row("durable enqueues over HTTP, 64 connections", f"{done['jobs'] / done['seconds']:.0f} jobs/s", "",
              f"p50 {done['accept']['p50']:.2f} ms, p99 {done['accept']['p99']:.2f} ms")


def push(bench):
    """10,000 WebSockets in groups of one client id; the program waits between its phases."""
    held = Held(bench, "push", ws_connections_per_client=PER_CLIENT)
    pid, phases = held.server.process.pid, {}
    try:
        with subprocess.Popen([str(bench.load), "push", f"port={held.server.port}", "client=push", "series=one",
                               f"connections={CONNECTIONS}", f"group={PER_CLIENT}", "count=1500", "rate=50", "ms=5000",
                               "depth=16"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            cpu = 0
            for line in program.stdout:
                phase = json.loads(line)
                now = stand.cpu_seconds([pid])
                phases[phase["phase"]] = {**phase, "pss_kb": stand.pss_kb(pid), "cpu_seconds": now - cpu}
                cpu = now
                program.stdin.write("go\n")
                program.stdin.flush()
        if program.returncode != 0:
            raise RuntimeError(f"bench-load push: exit {program.returncode}: {held.server.tail()}")
    finally:
        held.release(bench)
    bench.raw["push"] = phases
    burst, paced = phases["burst"], phases["paced"]
    each_kb = (phases["connected"]["pss_kb"] - phases["ready"]["pss_kb"]) / CONNECTIONS
    bench.row(f"pushes at {CONNECTIONS} WebSockets, {PER_CLIENT} per client", f"{burst['frames'] / burst['seconds']:.0f} frames/s",
              "", f"{1e6 * burst['cpu_seconds'] / burst['frames']:.0f} us of the server's processor each")
    bench.row("  delay at that rate, DELETE to frame", f"p99 {burst['delay']['p99']:.1f} ms", "", f"p50 {burst['delay']['p50']:.1f} ms")
    bench.row(f"  delay at {paced['frames'] / paced['seconds']:.0f} frames/s, DELETE to frame",
              f"p99 {paced['delay']['p99']:.1f} ms", "", f"p50 {paced['delay']['p50']:.1f} ms")
    bench.row("  memory per connection", f"{each_kb:.1f} KB", "", "PSS of the server; what the kernel keeps is not in it")
    bench.row("  time to connect them all", f"{phases['connected']['seconds']:.2f} s", "",
              f"{CONNECTIONS / phases['connected']['seconds']:.0f} handshakes/s")


def memory(bench):
    server = bench.server("idle")
    sizes = [stand.pss_kb(pid) for pid in stand.tree(server.process.pid)]
    bench.end(server)
    bench.raw["memory"] = {"pss_kb": sizes}
    bench.row("memory when idle, empty store", f"{sum(sizes) / 1024:.1f} MB", "at most 60 MB",
              " + ".join(f"{size / 1024:.1f}" for size in sizes) + " (server, hosts)")


def ready(bench):
    seconds = [stand.seconds_to_ready(bench.binary, bench.work / f"ready-{number}") for number in range(5)]
    bench.raw["ready"] = {"seconds": seconds}
    bench.row("time to ready, empty store", f"{1000 * statistics.median(seconds):.0f} ms", "within 1000 ms",
              f"{1000 * min(seconds):.0f} to {1000 * max(seconds):.0f} ms in 5 starts")


def kernels(bench):
    """One run: the steps and the whole, what memory needs for the same bytes, and OpenCV's functions."""
    lines = stand.run_json([bench.load.parent / "bench-kernels"])
    lines += stand.run_json([pathlib.Path(__file__).with_name("opencv.py")])
    median = {line["bench"]: line["median_ns"] / 1e6 for line in lines}
    floor = {line["bench"]: line.get("floor_ns", 0) / 1e6 for line in lines}
    bench.raw["kernels"] = lines
    for algo, reference in REFERENCE_KERNEL_MS.items():
        took, opencv = median[algo + "/whole"], median["opencv/" + algo]
        bench.row(f"{algo}, HU to mask, one thread, {lines[0]['isa']}", f"{took:.3f} ms",
                  f"within {KERNEL_TARGET_MS[algo]} ms",
                  f"{times(opencv, took)} OpenCV's steps ({opencv:.1f} ms), {times(reference, took)} the reference's {reference} ms")
        for name in (name for name in median if name.startswith(algo) and not name.endswith(("/whole", "_f64", "/run"))):
            bench.row(f"  {name.split('/')[1]}", f"{median[name]:.4f} ms", "", f"memory alone {floor[name]:.4f} ms")
    took, opencv = median["result/overlay"], median["opencv/overlay"]
    bench.row("overlay", f"{took:.3f} ms", "",
              f"{times(opencv, took)} OpenCV's steps ({opencv:.1f} ms), memory alone {floor['result/overlay']:.4f} ms")


def organs(bench):
    lines = stand.run_json([bench.load.parent / "bench-organs"])
    bench.raw["organs"] = lines
    if "error" in lines[0]:
        bench.row("organs", lines[0]["error"])
        return
    for line in lines:
        if "value" in line:
            bench.row(f"liver, {line['change']}", f"Dice {line['value']:.3f}", "0.90", f"{line['slices']} slices")
        elif "median_ms" in line:
            bench.row(f"{line['time']}, {line['slices']} slices, {line['series']}", f"{line['median_ms'] / 1000:.2f} s",
                      ORGAN_TARGETS.get(line["time"], ""),
                      f"{line['processor_ms'] / 1000:.2f} s of a processor, "
                      f"{line['peak_mb'] / line['volume_mb']:.1f} x the volume's {line['volume_mb']} MB in memory")


def queue(bench):
    lines = stand.run_json([bench.load.parent / "bench-queue", bench.work, "1"])
    bench.raw["queue"] = lines
    floor = statistics.median(line["per_second"] for line in lines if line["what"].startswith("fdatasync"))
    for line in lines:
        if not line["what"].startswith("fdatasync"):
            bench.row(f"queue, {line['what']}, {line['threads']} threads", f"{line['per_second']}/s", "",
                      f"{times(line['per_second'], floor)} the disk's {floor:.0f} fdatasync/s; "
                      f"p50 {line['p50_us'] / 1000:.2f} ms, p99 {line['p99_us'] / 1000:.2f} ms")


def console(bench):
    """The web console in headless Chromium on loopback: a new profile each turn, medians of seven."""
    server = bench.stocked()
    found = [one for one in server.get("/dicom-web/series").json() if one["00080060"]["Value"] == ["CT"]]
    series = min(found, key=lambda one: one["00201209"]["Value"][0])  # the few slices, not the many
    names = [series[tag]["Value"][0] for tag in ("0020000D", "0020000E")]
    seen = stand.run_json([ROOT / "tools" / "in-console", "node", "scripts/speed.mjs", server.url, *names])[-1]
    bench.raw["console"] = seen
    bench.row("console, first contentful paint", f"{seen['paint_ms']:,.0f} ms", "1,000 ms")
    bench.row("console, first image of a series", f"{seen['image_ms']:,.0f} ms", "2,500 ms")


FIGURES = {"memory": memory, "ready": ready, "import": imports, "latency": latency, "jobs": jobs, "enqueue": enqueue,
           "push": push, "kernels": kernels, "organs": organs, "scaling": scaling.scaling, "queue": queue,
           "dicomweb": dicomweb.dicomweb, "console": console}
