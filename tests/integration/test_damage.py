# SPDX-License-Identifier: Apache-2.0
"""Damaged files: refused with one line that names the way out, and the ways out as docs/operations.md says them."""
import pathlib
import re
import shutil
import sqlite3
import subprocess

import pytest
import requests

import slices
from server import BINARY, ROOT, Server, free_port, until

DATABASES = ("corsia.db", "catalog.db")


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A data directory as a server leaves it that stored six images and did twelve jobs."""
    data = tmp_path_factory.mktemp("used") / "data"
    with Server(data) as server:
        for number in range(6):
            assert server.put_file(f"st/se/i{number}.dcm", slices.ct(f"i{number}", number=number,
                                                                     size=128)).status_code == 201
        for algo in ("processing_1", "processing_6"):
            for number in range(6):
                server.submit(algo, "c", "st", "se", f"i{number}.dcm", job_id=f"{algo}-{number}")
        for algo in ("processing_1", "processing_6"):
            for number in range(6):
                assert server.wait_job(f"{algo}-{number}")["state"] == "succeeded"
    return data


@pytest.fixture
def data(used, tmp_path):
    """A copy of it, to be damaged."""
    return pathlib.Path(shutil.copytree(used, tmp_path / "data"))


def refusal(data):
    """Start a server that must refuse; the one line that it says."""
    done = subprocess.run([BINARY, "serve", "--data", data, "--listen", f"127.0.0.1:{free_port()}"],
                          capture_output=True, text=True, timeout=30, check=False)
    said = [line for line in done.stderr.splitlines() if not line.startswith("ts=")]
    assert done.returncode == 1 and done.stdout == "" and len(said) == 1, (done.returncode, done.stderr)
    assert said[0].startswith("corsia serve: ")
    return said[0]


def is_refused_as_damaged(data, name):
    said = refusal(data)
    assert f"{data / name}' is damaged" in said and said.endswith("see docs/operations.md#damaged-database")
    return True


def check(*arguments):
    return subprocess.run([BINARY, "check", *arguments], capture_output=True, text=True, timeout=60, check=False)


def overwrite(path, at, bytes_):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes_)


def cut(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)


@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize("damage", [
    lambda path: cut(path, 0),
    lambda path: cut(path, 60),
    lambda path: cut(path, path.stat().st_size // 2),
    lambda path: cut(path, path.stat().st_size - 4096),
    lambda path: overwrite(path, 0, b"not what it was "),
    lambda path: overwrite(path, 18, b"\x09\x09"),
    lambda path: overwrite(path, 100, b"\xff" * 64),
    lambda path: overwrite(path, path.stat().st_size // 2 // 4096 * 4096, b"\xa5" * 4096),
    lambda path: overwrite(path, 4096, b"\xa5" * (path.stat().st_size - 4096)),
], ids=["empty", "no header", "half", "a page short", "another magic", "another version", "first page broken",
        "a page in the middle broken", "all other pages broken"])
def test_a_damaged_database_is_refused(data, name, damage):
    damage(data / name)

    assert is_refused_as_damaged(data, name)
    told = check("--data", data)
    assert told.returncode == 1 and re.search(f"^NOT OK +{name} .*damaged", told.stdout, re.M)


@pytest.mark.parametrize("name", DATABASES)
def test_a_log_without_its_database_is_refused(data, name):
    server = Server(data).start()
    server.post("/provision", {})
    assert server.put_file("st/se/more.dcm", slices.ct("more", size=128)).status_code == 201
    server.kill()
    (data / name).unlink()

    said = refusal(data)
    assert f"{data / name}' is " in said and said.endswith("see docs/operations.md#damaged-database")


def test_a_cut_log_loses_its_tail_only(data):
    """Whatever the place of the cut: what is left is the beginning of what happened."""
    server = Server(data).start()
    for number in range(12):
        server.submit("processing_6", "late", "st", "se", f"i{number % 6}.dcm", job_id=f"late-{number}",
                      params={"area_min_px": 100 + number})
        server.wait_job(f"late-{number}")
    whole = [event["job_id"] for event in server.events("late")["events"]]
    server.kill()
    log = data / "corsia.db-wal"
    with open(log, "rb") as file:
        frames = file.read()
    used = max(at for at in range(32, len(frames), 4096 + 24) if frames[at + 8:at + 16] == frames[16:24])
    for share in (0.9, 0.6, 0.3, 0.05):
        copy = data.parent / f"cut-{share}"
        shutil.copytree(data, copy)
        cut(copy / "corsia.db-wal", int(used * share))
        with sqlite3.connect(copy / "corsia.db") as connection:
            kept = connection.execute("SELECT job_id FROM event WHERE client_id = 'late' ORDER BY seq").fetchall()
            known = connection.execute("SELECT job_id FROM job WHERE client_id = 'late'").fetchall()
        connection.close()
        assert [job_id for job_id, in kept] == whole[:len(kept)]
        with Server(copy) as cut_server:
            for job_id, in known:
                assert cut_server.wait_job(job_id)["state"] == "succeeded"
            events = cut_server.events("late")["events"]
            assert [event["seq"] for event in events] == list(range(1, len(known) + 1))
            assert {event["job_id"] for event in events} == {job_id for job_id, in known}
            assert len(cut_server.events("c")["events"]) == 12


def recipe():
    """The commands of way 2, from the page that the refusal names."""
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page[page.index("**Save what can be read.**"):]
    return re.search(r"\n\n((?: {7}\S.*\n)+)", section).group(1)


def test_the_recipe_for_a_damaged_ledger_saves_what_can_be_read(data):
    if not shutil.which("sqlite3"):
        pytest.skip("the recipe uses Debian's package sqlite3, which is not installed")
    with sqlite3.connect(data / "corsia.db") as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'job_algo'").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    overwrite(data / "corsia.db", (root - 1) * 4096, b"\xa5" * 4096)
    assert is_refused_as_damaged(data, "corsia.db")

    subprocess.run(["sh", "-e", "-c", recipe()], cwd=data, check=True, timeout=60)

    with Server(data) as server:
        assert [event["seq"] for event in server.events("c")["events"]] == list(range(1, 13))
        assert server.job("processing_1-3")["state"] == "succeeded"
        accepted = server.submit("processing_1", "c", "st", "se", "i0.dcm")
        assert accepted.status_code == 202
        assert server.wait_job(accepted.json()["job_id"])["state"] == "succeeded"
        assert server.events("c", 12)["events"][0]["seq"] == 13


def images(server):
    return sorted(image["key"] for image in server.get("/pacs/studies/st/images").json())


@pytest.mark.parametrize("damage", [
    lambda path: overwrite(path, 4096, b"\xa5" * 4096),
    lambda path: cut(path, 0),
    lambda path: path.unlink(),
], ids=["broken", "empty", "moved away"])
def test_the_catalogue_is_made_again_from_the_objects(data, damage):
    with Server(data) as server:
        before, totals = images(server), server.get("/system").json()["catalog"]
    damage(data / "catalog.db")

    done = check("--rebuild", "--data", data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 objects catalogued, 0 left out" in done.stdout

    with Server(data) as server:
        assert images(server) == before
        assert server.get("/system").json()["catalog"] == totals
        accepted = server.submit("processing_6", "c", "st", "se", scope="series")
        assert server.wait_job(accepted.json()["job_id"])["state"] == "succeeded"


def stored(data):
    return sorted(path for path in (data / "objects").rglob("*.dcm"))


def test_objects_without_their_catalogue_are_not_swept_but_refused(data):
    """An empty catalogue would name none of them, and what is not named is removed."""
    before = stored(data)
    (data / "catalog.db").unlink()

    assert "catalog.db' is missing, and there are stored objects" in refusal(data)
    assert stored(data) == before


def test_a_rebuild_that_was_interrupted_is_refused_until_it_is_done(data):
    before = stored(data)
    (data / "catalog.rebuild").touch()  # what a kill -9 of `check --rebuild` leaves

    assert "check --rebuild was interrupted" in refusal(data)
    assert check("--rebuild", "--data", data).returncode == 0
    with Server(data) as server:
        assert len(images(server)) == 6
    assert stored(data) == before


def test_an_old_copy_of_the_catalogue_removes_nothing(data):
    old = data.parent / "old.db"
    shutil.copy(data / "catalog.db", old)
    with Server(data) as server:
        for number in range(10):
            accepted = server.submit("processing_6", "c", "st", "se", "i0.dcm", params={"area_min_px": 100 + number})
            assert server.wait_job(accepted.json()["job_id"])["state"] == "succeeded"
    before = stored(data)
    shutil.copy(old, data / "catalog.db")
    server = Server(data)
    with server:
        until(lambda: "nothing is swept" in server.log.read_text(), 20, "the sweeper's refusal")
    assert stored(data) == before

    assert check("--rebuild", "--data", data).returncode == 0
    with Server(data) as server:
        assert server.get("/system").json()["catalog"]["instances"] == len(before)


def test_a_rebuild_refuses_beside_a_running_server(data):
    with Server(data) as server:
        done = check("--rebuild", "--data", data)
        assert done.returncode == 1 and "in use by another server" in done.stdout
        assert len(images(server)) == 6


def test_a_second_server_on_the_same_data_is_refused(data):
    with Server(data) as server:
        assert "in use by another server" in refusal(data)
        assert server.get("/health/live").status_code == 200


def test_a_missing_key_is_made_again_and_old_links_end(data):
    with Server(data) as server:
        old = server.get("/pacs/studies/st/images").json()[0]["url"]
        assert requests.get(old, timeout=10).status_code == 200
        port = server.port
    (data / "server.key").unlink()
    server = Server(data)
    server.port, server.url = port, f"http://127.0.0.1:{port}"
    with server:
        assert requests.get(old, timeout=10).status_code == 403
        new = server.get("/pacs/studies/st/images").json()[0]["url"]
        assert requests.get(new, timeout=10).status_code == 200
        assert (data / "server.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage, reason", [
    (lambda path: cut(path, 31), "not 32 bytes"),
    (lambda path: cut(path, 0), "not 32 bytes"),
    (lambda path: path.chmod(0o644), "chmod 600"),
    (lambda path: (path.unlink(), path.mkdir(mode=0o700)), "server.key"),
])
def test_a_key_that_cannot_be_used_is_refused(data, damage, reason):
    damage(data / "server.key")

    assert reason in refusal(data)


def test_a_data_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "data").write_text("")

    assert "data directory" in refusal(tmp_path / "data")
