# SPDX-License-Identifier: Apache-2.0
"""What a power cut leaves: a copy of a disk has what its file system had given to it by then, and nothing that was
still in memory.  A server on the copy must have every image that was answered as stored, and no other than whole ones."""
import concurrent.futures
import contextlib
import hashlib
import itertools
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading

import pytest
import requests

import slices
import stow
from server import Server, until

SIZE, CUTS, THREADS, EACH, ALONE = 512 << 20, 3, 6, 60, 60
MKFS = {"ext4": ["mkfs.ext4", "-q", "-F"], "ext4 without a journal": ["mkfs.ext4", "-q", "-F", "-O", "^has_journal"]}


def run(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def mounted(image, folder, options="rw"):
    """The loop device's name; commit=300: nothing gets to the disk because some seconds have passed."""
    folder.mkdir()
    device = run("losetup", "-f", "--show", image)
    try:
        run("mount", "-o", options, device, folder)
        try:
            yield pathlib.Path(device).name
        finally:
            run("umount", folder)
    finally:
        run("losetup", "-d", device)


@pytest.fixture(params=MKFS)
def disk(request, tmp_path):
    """An empty file system in a file; its kind."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4") or not shutil.which("losetup"):
        pytest.skip("needs root and mkfs.ext4")
    image = tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(SIZE)
    run(*MKFS[request.param], image)
    try:
        with mounted(image, tmp_path / "probe"):
            pass
    except subprocess.CalledProcessError as error:
        pytest.skip(f"cannot mount: {error.stderr}")
    return image, request.param


def instances(server):
    """SOP Instance UID -> (key, digest) of what the catalogue names."""
    with contextlib.closing(sqlite3.connect(f"file:{server.data}/catalog.db?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT sop_uid, key, sha256 FROM instance WHERE bucket = 'pacs'").fetchall()
    return {uid: (key, sha256) for uid, key, sha256 in found}


def objects(server):
    root = pathlib.Path(server.data) / "objects" / "pacs"
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*") if path.is_file()}


class Senders:
    """Threads that upload one after the other, and what they were answered."""

    def __init__(self, server, parts):
        self.server, self.waiting, self.lock = server, iter(list(parts.items())), threading.Lock()
        self.stored = set()

    def next(self, count):
        with self.lock:
            return [part for part in (next(self.waiting, None) for _ in range(count)) if part]

    def send(self, number):
        while group := self.next(1 if number % 2 else 5):
            with contextlib.suppress(requests.RequestException, ValueError):
                answer = stow.store(self.server, *[data for _uid, data in group])
                with self.lock:
                    self.stored.update(stow.stored(answer))

    def answered(self):
        with self.lock:
            return set(self.stored)


def cut(server, device, image, copy):
    """Copy the disk of a server that stands still, when nothing is on its way to the disk any more."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        inflight = pathlib.Path(f"/sys/block/{device}/inflight")
        until(lambda: inflight.read_text(encoding="ascii").split() == ["0", "0"], 30, "a quiet disk")
        run("cp", "--sparse=always", image, copy)
    finally:
        server.process.send_signal(signal.SIGCONT)


def holds(path, size):
    return path.exists() and path.stat().st_size == size


@contextlib.contextmanager
def started_anew(copy, folder, kind):
    """A server on the copy, after another boot of the machine."""
    if kind != "ext4":
        subprocess.run(["e2fsck", "-fy", copy], check=False, capture_output=True)
    with mounted(copy, folder):
        assert not holds(folder / f"canary{copy.name[-1]}", 100000), "this is no power cut"
        assert (folder / "data" / ".running").read_text(encoding="ascii")
        (folder / "data" / ".running").write_text("another boot\n", encoding="ascii")
        with Server(folder / "data") as server:
            yield server


def check(copy, folder, kind, sent, stored):
    with started_anew(copy, folder, kind) as server:
        assert stored <= set(instances(server)), "an image that was answered as stored is not there from the beginning"
        until(lambda: {key for key, _sha in instances(server).values()} == set(objects(server)), 30, "a row for each object")
        named, lying = instances(server), objects(server)
        assert stored <= set(named), "an image that was answered as stored is gone"
        for uid, (key, sha256) in named.items():
            assert lying[key] == sha256 == hashlib.sha256(sent[uid]).hexdigest()


def test_what_was_answered_as_stored_survives_a_power_cut_and_nothing_half_stored_shows(disk, tmp_path):
    image, kind = disk
    sent = {slices.uid("study", "series", f"cut{i}"): slices.ct(f"cut{i}", number=i, study="study", series="series", size=128)
            for i in range(THREADS * EACH)}
    copies = []
    with mounted(image, tmp_path / "disk-mounted", "commit=300" if kind == "ext4" else "rw") as device, \
            Server(tmp_path / "disk-mounted" / "data") as server, concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        senders = Senders(server, sent)
        done = [pool.submit(senders.send, number) for number in range(THREADS)]
        for number in range(CUTS):
            until(lambda: len(senders.answered()) > len(sent) * (number + 1) // (CUTS + 2), 60, "enough images")
            (tmp_path / "disk-mounted" / f"canary{number}").write_bytes(b"x" * 100000)  # never synced
            copies.append((tmp_path / f"copy{number}", senders.answered()))
            cut(server, device, image, copies[-1][0])
        concurrent.futures.wait(done)
        assert senders.answered() == set(sent)
    for number, (copy, stored) in enumerate(copies):
        check(copy, tmp_path / f"copy{number}-mounted", kind, sent, stored)
        copy.unlink()


def test_an_image_whose_row_a_power_cut_took_has_it_again_before_the_server_is_there(disk, tmp_path):
    """Rows of images that come one by one are synced a moment later than their objects."""
    image, kind = disk
    sent = {slices.uid("study", "series", f"alone{i}"): slices.ct(f"alone{i}", number=i, study="study", series="series", size=128)
            for i in range(ALONE)}
    lost = 0
    with mounted(image, tmp_path / "disk-mounted", "commit=300" if kind == "ext4" else "rw") as device, \
            Server(tmp_path / "disk-mounted" / "data") as server:
        waiting, stored = iter(sent.items()), set()
        for number in range(CUTS):
            (tmp_path / "disk-mounted" / f"canary{number}").write_bytes(b"x" * 100000)  # never synced
            for uid, data in itertools.islice(waiting, ALONE // CUTS):
                assert stow.stored(stow.store(server, data)) == [uid]
                stored.add(uid)
            copy = tmp_path / f"copy{number}"
            cut(server, device, image, copy)
            with started_anew(copy, tmp_path / f"{copy.name}-mounted", kind) as after:
                assert set(instances(after)) == stored
                assert all(hashlib.sha256(sent[uid]).hexdigest() == sha256 for uid, (_key, sha256) in instances(after).items())
                lost += "rows were lost" in after.log.read_text()
            copy.unlink()
    assert lost > 0, "no row was lost: this tests nothing"
