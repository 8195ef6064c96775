# SPDX-License-Identifier: Apache-2.0
"""DICOMweb beside Debian's Orthanc: the same work on the same machine in the same run, in short turns.

The load comes from bench-web, which throws bodies away without copying them.  Processor time is that of
the server and its hosts.  Orthanc has its defaults, but threads for all 64 connections: it syncs each file and
leaves its index to the next checkpoint; Corsia syncs file and name, and its index with them or 200 ms later.
A ratio is the median of the turns of one to the median of those of the other.
"""
import io
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import pydicom
import stand

sys.path.append(str(stand.pathlib.Path(__file__).resolve().parent.parent / "interop"))
import orthanc as orthanc_module  # noqa: E402

ROOT_UID = "1.2.826.0.1.3680043.8.498.777"
GROUP, STUDIES = 200, 5  # instances of a study, in one series
MANY = 100000
TURNS, TURN_MS = 9, 400
STORE_TURNS = 5  # of 1000 instances
DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
JSON, JPEG = "application/dicom+json", "image/jpeg"


def template(path, size):
    """An instance in which 99999999 stands for its number and 88888888 for that of its study; see web.c."""
    dataset = pydicom.dcmread(io.BytesIO(stand.slices.ct("web", study="web", series="web", size=size)))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT_UID}.188888888", f"{ROOT_UID}.288888888"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{ROOT_UID}.399999999"
    dataset.PatientID, dataset.PatientName, dataset.AccessionNumber = "P88888888", "Bench^P88888888", "A88888888"
    dataset.StudyID, dataset.InstanceNumber = "S88888888", "99999999"
    noise = np.random.default_rng(1).normal(0, 12, (size, size)).astype(np.int16)
    dataset.PixelData = (np.frombuffer(dataset.PixelData, np.int16).reshape(size, size) + noise).tobytes()
    dataset.save_as(path, write_like_original=False)
    return path


def study(number):
    return f"/studies/{ROOT_UID}.1{number:08}"


def series(number):
    return f"{study(number)}/series/{ROOT_UID}.2{number:08}"


def instances(number):
    return [f"{series(number)}/instances/{ROOT_UID}.3{one:08}" for one in range(GROUP * number, GROUP * (number + 1))]


class Side:
    """One of the two servers."""

    def __init__(self, bench, name, server):
        self.web, self.name, self.server = bench.load.parent / "bench-web", name, server

    def pids(self):
        return stand.tree(self.server.process.pid)

    def pss_mb(self):
        return sum(stand.pss_kb(pid) for pid in self.pids()) / 1024

    def measured(self, mode, paths="", **options):
        """One turn: what bench-web printed, with the server's processor time per request."""
        before = {pid: stand.cpu_seconds([pid]) for pid in self.pids()}
        words = [f"{name}={value}" for name, value in options.items()]
        done = stand.run_json([self.web, mode, f"port={self.server.port}", *words], input=paths)[-1]
        cpu = sum(stand.cpu_seconds([pid]) - before.get(pid, 0) for pid in self.pids())
        count = done["instances"] or done["requests"]
        return {**done, "per_second": count / done["seconds"], "cpu_ms": 1000 * cpu / count}

    def get(self, paths, accept, connections=1, ms=TURN_MS):
        lines = "".join(f"/dicom-web{path}\n" for path in paths)
        return self.measured("get", lines, accept=accept, connections=connections, ms=ms)


class Contest:
    """What both did, turn by turn."""

    def __init__(self, bench, sides):
        self.bench, self.sides = bench, sides

    def turns(self, name, work, turns=TURNS):
        """Let each do the work in turn; {side: medians}."""
        done = {side.name: [] for side in self.sides}
        for number in range(turns):
            for side in self.sides[::-1 if number % 2 else 1]:
                done[side.name].append(work(side, number))
        self.bench.raw.setdefault("dicomweb", {})[name] = done
        return {side: medians(results) for side, results in done.items()}

    def row(self, name, work, target, unit="/s", turns=TURNS):
        found = self.turns(name, work, turns)
        ours, theirs = found["corsia"], found["orthanc"]
        measured = f"{ours['per_second']:.0f}{unit}, p50 {ours['p50']:.2f} ms, p99 {ours['p99']:.2f} ms"
        compared = (f"{ratio(ours['per_second'], theirs['per_second'])} Orthanc's {theirs['per_second']:.1f}{unit}; processor "
                    f"{ours['cpu_ms']:.3f} ms each, {share(ours['cpu_ms'], theirs['cpu_ms'])} of its {theirs['cpu_ms']:.2f} ms")
        self.bench.row(name, measured, target, compared)


def medians(results):
    return {"per_second": statistics.median(one["per_second"] for one in results),
            "cpu_ms": statistics.median(one["cpu_ms"] for one in results),
            "p50": statistics.median(one["latency"]["p50"] for one in results),
            "p99": statistics.median(one["latency"]["p99"] for one in results)}


def ratio(value, than):
    return f"{value / than:.1f} x" if than else "-"


def share(value, of):
    return f"{value / of:.2f}" if of else "-"


# Name, paths, Accept, connections, target.
QUERIES = [
    ("QIDO-RS, all studies", ["/studies"], JSON, 1, "at least 10 x"),
    ("QIDO-RS, studies of a patient", ["/studies?PatientID=P00000003"], JSON, 1, ""),
    ("QIDO-RS, series of a study", [study(0) + "/series"], JSON, 1, ""),
    ("QIDO-RS, the 200 instances of a series", [series(0) + "/instances"], JSON, 1, "at most 2 ms"),
    ("QIDO-RS, 25 instances of a series", [series(0) + "/instances?limit=25"], JSON, 1, ""),
    ("WADO-RS, metadata of 200 instances", [series(0) + "/metadata"], JSON, 1, "at least 10 x"),
]
RETRIEVALS = [
    *((f"WADO-RS, instance, {count} connections", instances(0), DICOM, count, "at least 5 x, a fifth of the processor time")
      for count in (1, 16, 64)),
    *((f"WADO-RS, frame, {count} connections", [path + "/frames/1" for path in instances(0)], FRAMES, count,
       "at least 5 x, a fifth of the processor time") for count in (1, 16, 64)),
]
PICTURES = [path + "/rendered" for path in instances(0)]


def stores(contest, large):
    """1000 instances: five turns of 60 one by one, five of 120 in tens, the rest, and 20 whose syncs are counted."""
    def one_by_one(side, number):
        return side.measured("store", template=large, first=60 * number, count=60, group=GROUP)

    def in_tens(side, number):
        return side.measured("store", template=large, first=300 + 120 * number, count=120, per=10, connections=2, group=GROUP)

    contest.row("STOW-RS, 512 x 512 CT, 1 connection, 1 per request", one_by_one, "at least 3 x", " instances/s", STORE_TURNS)
    contest.row("STOW-RS, 512 x 512 CT, 2 connections, 10 per request", in_tens, "at least 3 x", " instances/s", STORE_TURNS)
    for side in contest.sides:
        side.measured("store", template=large, first=900, count=80, per=10, group=GROUP)
    counts = {side.name: syncs(side, template=large, first=980, count=20, group=GROUP) for side in contest.sides}
    contest.bench.raw["dicomweb"]["syncs"] = counts
    contest.bench.row("  syncs per instance, 1 per request", counted(counts["corsia"]), "", f"Orthanc {counted(counts['orthanc'])}")


def syncs(side, count, **options):
    """Calls of fsync() and fdatasync() per instance while the server stores some, by strace."""
    with tempfile.NamedTemporaryFile("r") as trace:
        command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", trace.name, "-p", str(side.server.process.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            strace.stderr.readline()  # "Process ... attached"
            side.measured("store", count=count, **options)
            strace.terminate()
        calls = [line for line in trace if "sync(" in line]
    index = sum(any(name in line for name in ("/catalog.db", "/corsia.db", "/index")) for line in calls)
    return {"objects": (len(calls) - index) / count, "index": index / count}


def counted(syncs_of):
    return f"{syncs_of['objects']:.1f} of objects, {syncs_of['index']:.1f} of the index"


def gets(contest, what):
    for name, *how, target in what:
        contest.row(name, lambda side, _, how=how: side.get(*how), target)


def memory(contest, when):
    sizes = {side.name: side.pss_mb() for side in contest.sides}
    contest.bench.raw["dicomweb"][f"pss_mb {when}"] = sizes
    contest.bench.row(f"memory {when}", f"{sizes['corsia']:.0f} MB", "at most 100 MB",
                      f"Orthanc {sizes['orthanc']:.0f} MB; server and hosts, PSS")


def scale(bench, large_side, small_side, tiny):
    """The same questions to a server with 100,000 instances in its catalogue and to one with 1000.

    What is compared is the time that a request takes: the median of one connection, and of more connections than
    cores the connections by requests per second, as their median tells who was scheduled first.  The disk is idle
    and what is asked for was read once, so that writing back what was stored is not measured.
    """
    count = MANY - GROUP * STUDIES
    filled = large_side.measured("store", template=tiny, first=GROUP * STUDIES, count=count, per=50, connections=8, group=GROUP)
    bench.row(f"STOW-RS, {count} instances of 2 KB", f"{filled['per_second']:.0f} instances/s", "", f"{filled['seconds']:.0f} s")
    left = stand.settle()
    bench.row(f"disk idle after {MANY} instances were stored", f"{left:.0f} MB unwritten")
    contest = Contest(bench, [large_side, small_side])
    for side in contest.sides:
        for _, paths, accept, connections, _target in (*QUERIES[1:], *RETRIEVALS):
            side.get(paths, accept, connections, 2 * TURN_MS)
    for name, paths, accept, connections, _target in (*QUERIES[1:], *RETRIEVALS):
        found = contest.turns(f"{name}, of {MANY}", lambda side, _, how=(paths, accept, connections): side.get(*how))
        large, small = found[large_side.name], found[small_side.name]
        slower = large["p50"] / small["p50"] if connections == 1 else small["per_second"] / large["per_second"]
        bench.row(f"  {name}", f"{large['per_second']:.0f}/s, p50 {large['p50']:.2f} ms", "at most 1.2 x the time",
                  f"{slower:.2f} x the time with {GROUP * STUDIES}: {small['per_second']:.0f}/s, "
                  f"p50 {small['p50']:.2f} ms; processor {large['cpu_ms']:.3f} ms, {share(large['cpu_ms'], small['cpu_ms'])} x")
    bench.row(f"memory with {MANY} instances", f"{large_side.pss_mb():.0f} MB", "at most 100 MB", "server and hosts, PSS")


def restarted(bench, ours, **config):
    """The same store in a server with another configuration."""
    bench.end(ours.server)
    return Side(bench, "corsia", bench.server("dicomweb", **config))


def dicomweb(bench):
    subprocess.run([orthanc_module.BINARY, "--version"], stdout=subprocess.DEVNULL, check=True)
    large, tiny = template(bench.work / "large.dcm", 512), template(bench.work / "tiny.dcm", 16)
    ours = Side(bench, "corsia", bench.server("dicomweb"))
    with orthanc_module.Orthanc(bench.work / "orthanc", HttpThreadsCount=80) as peer:
        theirs = Side(bench, "orthanc", peer)
        contest = Contest(bench, [ours, theirs])
        stores(contest, large)
        stand.settle()
        memory(contest, f"after {GROUP * STUDIES} instances were stored")
        gets(contest, QUERIES + RETRIEVALS)
        warm = [(f"WADO-RS, rendered JPEG, {count} connections, warm", PICTURES, JPEG, count, "") for count in (1, 16)]
        ours.get(PICTURES, JPEG, 4, 2 * TURN_MS)
        gets(contest, warm)
        memory(contest, "after all of it")
        contest.sides[0] = ours = restarted(bench, ours, render_cache=0)
        gets(contest, [(name.replace("warm", "cold"), *how, "at least 2 x") for name, *how, _ in warm])
    large_side = restarted(bench, ours)
    small_side = Side(bench, "with few", bench.server("dicomweb-few"))
    small_side.measured("store", template=large, count=GROUP * STUDIES, per=10, connections=2, group=GROUP)
    scale(bench, large_side, small_side, tiny)
    bench.end(small_side.server)
    bench.end(large_side.server)
