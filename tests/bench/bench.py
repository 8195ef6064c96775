#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure a real server on this machine: bench.py [--only FIGURE,...] [--build FOLDER]

Prints a table and writes FOLDER/bench.json.  Nothing is judged: a figure stands beside its target, and
beside what the disk or the reference system needs.  Needs two cores, 5 GB of disk and up to nine minutes.
A disk is slow for some minutes after much was deleted: ext4 passes over inodes that were, and what lies
under a virtual disk has to be found again.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import figures  # noqa: E402

COLUMNS = ("figure", "measured", "target", "compared")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help=f"some of {','.join(figures.FIGURES)}")
    parser.add_argument("--build", default=str(ROOT / "build"), help="build folder [build]")
    options = parser.parse_args()
    options.only = [name for name in options.only.split(",") if name] or list(figures.FIGURES)
    for name in options.only:
        if name not in figures.FIGURES:
            parser.error(f"there is no figure '{name}'; choose from {','.join(figures.FIGURES)}")
    return options


def show(rows, out=sys.stdout):
    table = [COLUMNS] + [tuple(str(row.get(column, "")) for column in COLUMNS) for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(COLUMNS))]
    for number, line in enumerate(table):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip(), file=out)
        if number == 0:
            print("  ".join("-" * width for width in widths), file=out)


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="ascii")
                if line.startswith("model name")), "")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
                            check=False).stdout.strip()
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(), "commit": commit,
            "load_before": os.getloadavg()[0]}


def take(bench, name):
    """One figure; if it cannot be taken the others still are."""
    try:
        figures.FIGURES[name](bench)
    except (RuntimeError, AssertionError, OSError, KeyError, subprocess.SubprocessError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        bench.row(name, "could not be taken")
        bench.failed = True


def main():
    options = arguments()
    build = pathlib.Path(options.build).resolve()
    work = build / f"bench-{os.getpid()}"
    work.mkdir()
    about, start = machine(), time.monotonic()
    bench = figures.Bench(build, work)
    try:
        for name in figures.FIGURES:
            if name in options.only:
                print(f"... {name}", file=sys.stderr, flush=True)
                take(bench, name)
    finally:
        bench.stop()
        shutil.rmtree(work, ignore_errors=True)
    about["load_after"], about["seconds"] = os.getloadavg()[0], round(time.monotonic() - start, 1)
    print(f"\n{about['cores']} cores ({about['cpu']}), Linux {about['kernel']}, {about['commit']}, "
          f"load {about['load_before']:.1f} before and {about['load_after']:.1f} after, {about['seconds']:.0f} s\n")
    show(bench.rows)
    with open(build / "bench.json", "w", encoding="utf-8") as out:
        json.dump({"machine": about, "rows": bench.rows, "raw": bench.raw}, out, indent=1)
    print(f"\n{build / 'bench.json'} has the rest.")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
