# SPDX-License-Identifier: Apache-2.0
"""What the sweeper may remove, and what it must never: an image that somebody was told is stored."""
import hashlib
import os
import pathlib
import shutil
import sqlite3
import time

import pytest
import requests

import slices
from server import Server, until


@pytest.fixture
def server(tmp_path):
    """Stopped, with three images and the result of one job."""
    server = Server(tmp_path / "data")
    with server:
        for number in range(3):
            assert server.put_file(f"st/se/i{number}.dcm", image(f"i{number}", number)).status_code == 201
        server.submit("processing_6", "c", "st", "se", "i0.dcm", job_id="first")
        assert server.wait_job("first")["state"] == "succeeded"
    return server


def image(name, number=0):
    return slices.ct(name, number=number, size=64)


def stored(server, bucket):
    """key -> digest of everything in a bucket"""
    root = pathlib.Path(server.data) / "objects" / bucket
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*") if path.is_file()}


def rows(server, bucket="pacs"):
    with sqlite3.connect(f"file:{server.data}/catalog.db?mode=ro", uri=True) as connection:
        found = dict(connection.execute("SELECT key, sha256 FROM instance WHERE bucket = ?", (bucket,)))
    connection.close()
    return found


def place(server, bucket, key, data):
    path = pathlib.Path(server.data) / "objects" / bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def says(server, sentence, times=1):
    return until(lambda: server.log.read_text().count(sentence) >= times, 30, sentence)


def test_images_that_an_old_copy_of_the_catalogue_does_not_name_get_their_rows_again(server):
    shutil.copy(server.data / "catalog.db", server.data.parent / "old.db")
    with server:
        for number in range(20):
            assert server.put_file(f"st/late/l{number}.dcm", image(f"l{number}", number)).status_code == 201
        for number in range(2):
            server.submit("processing_6", "c", "st", "se", f"i{number + 1}.dcm", job_id=f"late-{number}")
            assert server.wait_job(f"late-{number}")["state"] == "succeeded"
    images, results = stored(server, "pacs"), stored(server, "output")
    shutil.copy(server.data.parent / "old.db", server.data / "catalog.db")

    with server:
        says(server, "imported objects without a row catalogued again")
        says(server, "nothing is swept")
        assert server.get("/pacs/studies/st/images").status_code == 200
    assert stored(server, "pacs") == images == rows(server)
    assert stored(server, "output") == results, "two of the last three jobs have no row: nothing derived goes"
    assert not stored(server, "quarantine")


def test_an_image_that_cannot_be_read_or_is_cut_off_is_kept_in_quarantine(server):
    place(server, "pacs", "st/se/noise.dcm", b"no DICOM at all")
    place(server, "pacs", "st/se/half.dcm", image("half")[:-100])
    place(server, "quarantine", "st/se/noise.dcm", b"what was put there before")
    before = rows(server)

    with server:
        says(server, "moved to quarantine", 2)
        until(lambda: stored(server, "pacs") == before, 10, "bucket pacs without them")
    assert sorted(stored(server, "quarantine").values()) == sorted(
        hashlib.sha256(data).hexdigest() for data in
        (b"no DICOM at all", image("half")[:-100], b"what was put there before"))
    assert rows(server) == before and "noise.dcm" not in server.log.read_text()


def test_an_image_that_a_power_cut_left_half_stored_is_kept_in_quarantine(server):
    """It got its name before its bytes were on the disk: as long as it was, and it can be read."""
    whole = image("torn", 7)
    torn = whole[:-200] + bytes(200)
    for key, data in (("st/se/torn.dcm", torn), ("st/se/whole.dcm", image("whole", 8))):
        path = place(server, "pacs", key, data)
        sent = whole if data is torn else data
        try:
            os.setxattr(path, "user.corsia.sha256", hashlib.sha256(sent).digest())
        except OSError:
            pytest.skip("this file system takes no marks")
    before = rows(server)

    with server:
        says(server, "moved to quarantine")
        until(lambda: set(rows(server)) == {*before, "st/se/whole.dcm"}, 10, "the row of the whole one")
    assert stored(server, "quarantine") == {"st/se/torn.dcm": hashlib.sha256(torn).hexdigest()}
    assert "only a part of the object was stored" in server.log.read_text()


def test_an_image_that_contradicts_a_row_is_kept_in_quarantine(server):
    place(server, "pacs", "other/se/i0.dcm", image("i0", 0))
    place(server, "pacs", "other/se/i1.dcm", image("i1", 77))
    before = rows(server)

    with server:
        says(server, "moved to quarantine", 2)
        until(lambda: stored(server, "pacs") == before, 10, "bucket pacs without them")
    assert set(stored(server, "quarantine")) == {"other/se/i0.dcm", "other/se/i1.dcm"}
    assert "stored under another key" in server.log.read_text() and "other bytes" in server.log.read_text()


def test_a_derived_object_without_a_row_goes_though_another_contradicts_its_row(server):
    """The contradiction is told once and does not break the sweep off."""
    (key,) = stored(server, "output")
    strange = place(server, "output", key, image("strange"))
    os.utime(strange, (time.time() + 60, time.time() + 60))
    place(server, "output", "zz/unnamed.dcm", image("unnamed"))

    with server:
        until(lambda: set(stored(server, "output")) == {key}, 30, "the removal")
        says(server, "contradict their rows")
        server.stop()
    assert server.log.read_text().count("contradict their rows") == 1
    assert "broken off" not in server.log.read_text()


def test_a_list_of_inputs_that_was_just_stored_is_not_swept(server):
    """Its job is about to be accepted; one of the same name from yesterday belongs to nobody."""
    with server:
        young = place(server, "jobs", "job-young/inputs.json", b"[]")
        old = place(server, "jobs", "job-old/inputs.json", b"[]")
        os.utime(old, (time.time() - 7200, time.time() - 7200))
        cancel_one(server)
        until(lambda: not old.exists(), 30, "the removal of the old list")
        last = place(server, "jobs", "zzzz/outputs.json", b"[]")
        cancel_one(server)
        until(lambda: not last.exists(), 30, "the end of a sweep")
        assert young.exists()


def cancel_one(server):
    """A cancelled job asks for a sweep."""
    def is_cancelled():
        accepted = server.submit("processing_1", "c", "st", "se", scope="series").json()
        requests.delete(f"{server.url}/jobs/{accepted['job_id']}", timeout=10)
        return server.wait_job(accepted["job_id"])["state"] == "cancelled"

    until(is_cancelled, 30, "a cancelled job")
