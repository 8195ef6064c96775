# SPDX-License-Identifier: Apache-2.0
"""What the next start makes of images that were on their way when the last one ended: a row whose object is not whole is
of an upload that nobody was told of, for both become durable side by side (test_power_cut.py cuts the power for real)."""
import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import time

import pytest
import requests

import slices
import stow
from server import Server
from test_stow_hostile import objects

NAMES = ["whole", "gone", "short", "torn"]


def part(name):
    return slices.ct(name, size=64)


def found(server):
    return {answer["00080018"]["Value"][0] for answer in server.get("/dicom-web/instances").json()}


def uid(name):
    return slices.uid("study", "series", name)


def path(server, name):
    return server.data / "objects" / "pacs" / slices.uid("study") / slices.uid("study", "series") / f"{uid(name)}.dcm"


def quarantine(server):
    return [file for file in (server.data / "objects" / "quarantine").rglob("*") if file.is_file()]


def damage(server):
    path(server, "gone").unlink()
    os.truncate(path(server, "short"), 1000)
    with open(path(server, "torn"), "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(bytes(100))


def crash(server, damage_after=True):
    """Five images in one series, kill -9, and what a power cut might have done to three of them."""
    server.start()
    assert stow.store(server, part("first")).status_code == 200
    assert stow.store(server, *map(part, NAMES)).status_code == 200
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    if damage_after:
        damage(server)


def boot_anew(server):
    """As if the machine had been started since."""
    assert (server.data / ".running").read_text(encoding="ascii")
    (server.data / ".running").write_text("another boot\n", encoding="ascii")


def gone(server):
    return sum("not stored completely" in line for line in server.log.read_text().splitlines())


def test_rows_without_whole_objects_go_after_a_power_cut_and_their_images_can_be_sent_again(tmp_path):
    server = Server(tmp_path / "data")
    crash(server)
    boot_anew(server)

    with server:
        assert found(server) == {uid("first"), uid("whole")} and gone(server) == 3
        assert set(objects(server)) == {f"{uid('first')}.dcm", f"{uid('whole')}.dcm"}
        assert len(quarantine(server)) == 2
        again = stow.store(server, *map(part, NAMES))
        assert again.status_code == 200 and set(stow.stored(again)) == set(map(uid, NAMES))
        assert again.headers["Corsia-Duplicates"] == "1"
        assert objects(server) == {f"{uid(name)}.dcm": part(name) for name in ["first", *NAMES]}
        feed = server.get("/dicom-web/changes", params={"since": 0}).json()["changes"]
        assert [change["kind"] for change in feed] == ["added"] * 5 + ["removed"] * 3 + ["added"] * 3


def test_after_a_kill_nothing_goes(tmp_path):
    """The bytes are in the page cache: what differs from them has another cause, which is for corsia check to tell."""
    server = Server(tmp_path / "data")
    crash(server)
    with server:
        assert found(server) == set(map(uid, ["first", *NAMES])) and gone(server) == 0
        assert not quarantine(server)
        again = stow.store(server, part("gone"))
        assert again.status_code == 200 and again.headers["Corsia-Duplicates"] == "1"
        assert path(server, "gone").read_bytes() == part("gone")


def test_a_recovery_that_is_cut_off_is_done_again_whenever_that_is(tmp_path):
    """It changes the catalogue itself: that must not make what it has still to look at old."""
    server = Server(tmp_path / "data")
    crash(server)
    boot_anew(server)
    with contextlib.closing(sqlite3.connect(server.data / "catalog.db")) as connection, connection:
        connection.execute("UPDATE instance SET created = created - 3600000")
        connection.execute("UPDATE change SET at = at - 3600000")
    whole = path(server, "torn").read_bytes()
    path(server, "torn").write_bytes(part("torn"))
    with server:
        assert gone(server) == 2
    path(server, "torn").write_bytes(whole)
    (server.data / ".running").write_text("another boot\n", encoding="ascii")
    with server:
        assert gone(server) == 3 and found(server) == {uid("first"), uid("whole")}


def test_what_came_long_before_the_crash_is_not_looked_at(tmp_path):
    server = Server(tmp_path / "data")
    crash(server)
    boot_anew(server)
    with contextlib.closing(sqlite3.connect(server.data / "catalog.db")) as connection, connection:
        connection.execute("UPDATE instance SET created = created - 3600000")
    with server:
        assert found(server) == set(map(uid, ["first", *NAMES])) and gone(server) == 0


def test_one_image_that_came_again_and_again_is_one(tmp_path):
    """Its object is missing as often as it came: that is no store that is not mounted."""
    server = Server(tmp_path / "data")
    server.start()
    for _ in range(70):
        assert stow.store(server, part("probe")).status_code == 200
        assert requests.delete(f"{server.url}/dicom-web/studies/{slices.uid('study')}", timeout=30).status_code == 204
    assert stow.store(server, part("probe")).status_code == 200
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    boot_anew(server)
    path(server, "probe").unlink()
    with server:
        assert not found(server) and gone(server) == 1


def test_a_store_that_is_not_mounted_stops_the_start_and_takes_nothing_out(tmp_path):
    server = Server(tmp_path / "data")
    server.start()
    names = [f"many{number}" for number in range(70)]
    assert stow.store(server, *map(part, names)).status_code == 200
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    boot_anew(server)
    (server.data / "objects").rename(server.data / "elsewhere")
    with pytest.raises(AssertionError):
        server.start()
    assert "is the object store mounted?" in server.log.read_text()
    shutil.rmtree(server.data / "objects")
    (server.data / "elsewhere").rename(server.data / "objects")
    with server:
        assert found(server) == set(map(uid, names))


def test_nothing_is_taken_out_after_a_stop_in_order(tmp_path):
    with Server(tmp_path / "data") as server:
        assert stow.store(server, *map(part, NAMES)).status_code == 200
    damage(server)
    with server:
        assert found(server) == set(map(uid, NAMES)), "what was lost since is for corsia check to tell"


def test_what_was_deleted_does_not_come_back_though_its_object_is_still_there(tmp_path):
    """Its removal failed, and is to be tried again."""
    with Server(tmp_path / "data") as server:
        assert stow.store(server, part("first")).status_code == 200
        path(server, "deleted").write_bytes(part("deleted"))
        key = str(path(server, "deleted").relative_to(server.data / "objects" / "pacs"))
        with contextlib.closing(sqlite3.connect(server.data / "catalog.db")) as connection, connection:
            connection.execute("INSERT INTO removal(bucket, key, at) VALUES ('pacs', ?, ?)", (key, int(time.time() * 1000) + 1000))
        other = slices.ct("deleted", size=64, patient="Somebody^Else")
        answer = stow.store(server, other)
        assert answer.status_code == 200 and "Corsia-Duplicates" not in answer.headers
        assert objects(server)[f"{uid('deleted')}.dcm"] == other
        assert not quarantine(server)


def test_what_a_crash_left_without_a_row_keeps_its_place(tmp_path):
    """An object may be of an upload that was answered, although its row is lost: it is looked at before anything takes
    its place, whoever comes first, the upload or the sweeper."""
    whole, torn = slices.ct("orphan", size=64), slices.ct("half", size=64)
    with Server(tmp_path / "data") as server:
        assert stow.store(server, part("first")).status_code == 200
        path(server, "orphan").write_bytes(whole)
        path(server, "half").write_bytes(torn[:-200] + bytes(200))
        try:
            os.setxattr(path(server, "half"), "user.corsia.sha256", hashlib.sha256(torn).digest())
        except OSError:
            pytest.skip("this file system takes no marks")

        other = stow.store(server, slices.ct("orphan", size=64, patient="Somebody^Else"))
        assert other.status_code == 409 and stow.failures(other) == [(uid("orphan"), 0x0111)]
        assert found(server) == {uid("first"), uid("orphan")}
        again = stow.store(server, whole)
        assert again.status_code == 200 and again.headers["Corsia-Duplicates"] == "1"
        stored = stow.store(server, torn)
        assert stored.status_code == 200 and "Corsia-Duplicates" not in stored.headers
        assert objects(server) == {f"{uid(name)}.dcm": data for name, data in
                                   {"first": part("first"), "orphan": whole, "half": torn}.items()}
        assert len(quarantine(server)) == 1
