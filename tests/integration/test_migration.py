# SPDX-License-Identifier: Apache-2.0
"""A data directory that an older program left: the catalogue of each older schema is brought up to date by the first
start, and everything is answered as before.

The old catalogue is made of the old schema itself (schema/sql is never edited), filled with what the columns that it
has are in the present one.
"""
import contextlib
import json
import pathlib
import shutil
import sqlite3

import pytest
import requests
from pydicom.data import get_testdata_file

import slices
import stow
from server import ROOT, Server
from wado import AS_STORED, parts_of

STEPS = sorted((ROOT / "schema" / "sql").glob("catalog-*.sql"), key=lambda path: int(path.stem.split("-")[1]))
OLDER = range(1, len(STEPS))


def files():
    for number in range(1, 4):
        yield slices.ct(f"a{number}", study="one", series="a", number=number, size=16, patient="Müller^Jürgen=山田^太郎")
    yield slices.ct("b1", study="one", series="b", size=16, patient="Müller^Jürgen=山田^太郎", Modality="MR")
    yield slices.ct("c1", study="two", series="c", size=16, patient="Doe^Jane")
    for name in ("SC_rgb_rle_2frame.dcm", "ExplVR_LitEndNoMeta.dcm", "rtdose.dcm"):
        yield pathlib.Path(get_testdata_file(name, download=False)).read_bytes()


def answers(server):
    """What the catalogue answers, as it stands."""
    def get(path, **query):
        answer = server.get("/dicom-web" + path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()
    found = {path: get(path) for path in ("/studies", "/series", "/instances", "/changes")}
    found["all"] = get("/instances", includefield="all")
    for key, value in (("PatientName", "müller*"), ("PatientName", "山田*"), ("ModalitiesInStudy", "MR"), ("KVP", "120"),
                       ("StudyDate", "20260102-"), ("SeriesInstanceUID", slices.uid("one", "b"))):
        found[f"{key}={value}"] = get("/instances", **{key: value})
    for study in found["/studies"]:
        uid = study["0020000D"]["Value"][0]
        found[uid] = get(f"/studies/{uid}/metadata")
    found["lists"] = server.get("/pacs/studies").json()
    found["totals"] = server.get("/system").json()["catalog"]
    return json.loads(json.dumps(found).replace(server.url, ""))


def objects_of(server):
    """Bytes and frames of every instance."""
    found = {}
    for one in server.get("/dicom-web/instances", params={"limit": 100}).json():
        study, series, instance = (one[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
        path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
        resources = [(AS_STORED, "")] + ([("*/*", "/frames")] if "00280010" in one else [])
        found[instance] = [part.body for accept, what in resources
                           for part in parts_of(server.get(path + what, headers={"Accept": accept}))]
    return found


@pytest.fixture(scope="module")
def present(tmp_path_factory):
    """A data directory of this program, its answers and its objects."""
    data = tmp_path_factory.mktemp("present") / "data"
    with Server(data, job_hosts_max=1) as server:
        for raw in files():
            assert stow.store(server, raw).status_code == 200
        gone = requests.delete(f"{server.url}/dicom-web/studies/{slices.uid('two')}", timeout=30)
        assert gone.status_code == 204
        assert stow.store(server, slices.ct("c1", study="two", series="c", size=16, patient="Doe^Jane")).status_code == 200
        told, objects = answers(server), objects_of(server)
    return data, told, objects


def older(present, path, version):
    """Write the catalogue as the program of a version had it."""
    with contextlib.closing(sqlite3.connect(path)) as old:
        for step in STEPS[:version]:
            old.executescript(step.read_text(encoding="utf-8"))
        old.execute("ATTACH DATABASE ? AS present", [str(present)])
        for name in ("schema_version", "deliver_mark"):  # of no step
            old.execute(*old.execute("SELECT sql FROM present.sqlite_master WHERE name = ?", [name]).fetchone())
        for table, in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"DELETE FROM main.{table}")
            old.execute(f"INSERT INTO main.{table}({columns}) SELECT {columns} FROM present.{table}")
        old.execute("UPDATE main.schema_version SET version = ? WHERE room = 'catalog'", [version])
        for pragma in ("application_id", "user_version"):
            value, = old.execute(f"PRAGMA present.{pragma}").fetchone()
            old.execute(f"PRAGMA main.{pragma} = {value}")
        old.commit()
        old.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("version", OLDER)
def test_a_directory_of_an_older_program_answers_the_same(present, tmp_path, version):
    source, told, objects = present
    told, objects = dict(told), dict(objects)
    if version < 3:  # an identity is drawn
        told["/changes"] = {**told["/changes"], "catalog": None}
    data = tmp_path / "data"
    shutil.copytree(source, data, symlinks=True)
    for path in data.glob("catalog.db*"):
        path.unlink()
    older(source / "catalog.db", data / "catalog.db", version)
    for _start in range(2):  # the second finds nothing to do
        with Server(data, job_hosts_max=1) as server:
            now, bytes_now = answers(server), objects_of(server)
            told["/changes"]["catalog"] = told["/changes"]["catalog"] or now["/changes"]["catalog"]
            for what, expected in told.items():
                assert now[what] == expected, what
            assert bytes_now.keys() == objects.keys()
            for uid, parts in objects.items():
                # The first version did not note where data sets begin; `corsia check --rebuild` does.
                may_be_bare = version == 1 and parts[0].endswith(bytes_now[uid][0])
                assert bytes_now[uid] == parts or may_be_bare, uid
    with Server(data, job_hosts_max=1) as server:  # and it goes on from there
        assert stow.store(server, *files()).status_code == 200
        assert answers(server) == now
        new = slices.ct("new", study="three", series="x", size=16)
        assert stow.store(server, new).status_code == 200
        assert server.get("/dicom-web/changes", params={"since": now["/changes"]["last"]}).json()["last"] == now["/changes"]["last"] + 1


def test_a_directory_of_a_newer_program_is_refused_and_left_as_it_is(present, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(present[0], data, symlinks=True)
    with contextlib.closing(sqlite3.connect(data / "catalog.db")) as db:
        db.execute("UPDATE schema_version SET version = version + 1 WHERE room = 'catalog'")
        db.commit()
    server = Server(data)
    server.spawn()
    assert server.process.wait(30) == 1
    assert "it is older than the one that wrote the file" in server.tail()
