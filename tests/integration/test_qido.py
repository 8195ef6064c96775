# SPDX-License-Identifier: Apache-2.0
"""QIDO-RS: every kind of matching at every level, paging, includefield, warnings (PS3.18 section 10.6).

Kinds of matching are tested value by value in tests/unit/test-catalog-search.c; here they come through HTTP, and
answers are compared with pydicom's reading of the same files.
"""
import io
import re
import threading

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import dicomjson
import slices
from server import Server

STUDY, SERIES, SOP = "0020000D", "0020000E", "00080018"


def step(identifier):
    item = Dataset()
    item.ScheduledProcedureStepID = identifier
    item.RequestedProcedureID = "R1"
    return Sequence([item])


def files():
    """Two studies: one/a of three images, one/b of one, two/c of one."""
    common = {"size": 16}
    yield "one/a/1", slices.ct(1, study="one", series="a", number=1, patient="Doe^Jane^^Dr.", **common,
                               RequestAttributesSequence=step("STEP1"), StudyID="")
    yield "one/a/2", slices.ct(2, study="one", series="a", number=2, patient="Doe^Jane^^Dr.", KVP=80, **common)
    yield "one/a/3", slices.ct(3, study="one", series="a", number=3, patient="Doe^Jane^^Dr.", **common)
    yield "one/b/1", slices.ct(1, study="one", series="b", number=1, patient="Doe^Jane^^Dr.", **common, SeriesNumber=7,
                               SeriesDescription="Lung [1%_]", Modality="MR", PerformedProcedureStepStartDate="20260105",
                               PerformedProcedureStepStartTime="0915")
    yield "two/c/1", slices.ct(1, study="two", series="c", patient="Müller^Jürgen=山田^太郎", **common, PatientID="P 2",
                               StudyDate="20200229", StudyTime="235959.5", AccessionNumber="B,2",
                               TimezoneOffsetFromUTC="+0100", PatientAge="042Y")


UIDS = {"one": slices.uid("one"), "two": slices.uid("two"), "a": slices.uid("one", "a"), "b": slices.uid("one", "b"),
        "c": slices.uid("two", "c")}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("qido") / "data", job_hosts_max=1) as running:
        for key, body in files():
            assert running.put_file(key + ".dcm", body).status_code == 201
        yield running


def search(server, path, status=200, headers=None, **query):
    answer = server.get("/dicom-web" + path, params=query, headers=headers)
    assert answer.status_code == status, (answer.status_code, answer.text)
    if status == 200:
        assert answer.headers["Content-Type"].startswith("application/dicom+json")
        for item in answer.json():
            assert list(item) == sorted(item), "attributes in the order of tags"
    return answer


def found(server, path, tag=STUDY, **query):
    names = {uid: name for name, uid in UIDS.items()}
    values = [item[tag]["Value"][0] for item in search(server, path, **query).json()]
    return [names.get(value, value) for value in values]


# --- matching ---

@pytest.mark.parametrize("query, expected", [
    ({}, ["one", "two"]),
    ({"PatientID": "P1"}, ["one"]),
    ({"00100020": "P 2"}, ["two"]),
    ({"PatientID": "p1"}, []),
    ({"PatientID": ""}, ["one", "two"]),
    ({"AccessionNumber": "B,2"}, ["two"]),
    ({"StudyInstanceUID": UIDS["two"]}, ["two"]),
    ({"StudyInstanceUID": [UIDS["two"], UIDS["one"]]}, ["one", "two"]),
    ({"StudyInstanceUID": f"{UIDS['two']},{UIDS['one']}"}, ["one", "two"]),
    ({"StudyInstanceUID": f"{UIDS['two']}\\1.2"}, ["two"]),
    ({"PatientID": "P*"}, ["one", "two"]),
    ({"PatientID": "P?"}, ["one"]),
    ({"StudyDate": "20200229"}, ["two"]),
    ({"StudyDate": "20200101-20251231"}, ["two"]),
    ({"StudyDate": "-20200229"}, ["two"]),
    ({"StudyDate": "20200301-"}, ["one"]),
    ({"StudyTime": "2359"}, ["two"]),
    ({"StudyTime": "10-11"}, ["one"]),
    ({"StudyDate": "20200229", "StudyTime": "-12"}, []),
    ({"PatientName": "doe^jane*"}, ["one"]),
    ({"PatientName": "MÜLLER JÜRGEN"}, ["two"]),
    ({"PatientName": "山田^太?"}, ["two"]),
    ({"PatientName": "Doe"}, []),
    ({"ModalitiesInStudy": "MR"}, ["one"]),
    ({"ModalitiesInStudy": "MR\\CT"}, ["one", "two"]),
    ({"Modality": "MR"}, ["one"]),
    ({"SeriesInstanceUID": UIDS["c"]}, ["two"]),
    ({"SOPClassesInStudy": slices.CT}, ["one", "two"]),
    ({"PatientAge": "042Y"}, ["two"]),
    ({"NumberOfStudyRelatedInstances": "4"}, ["one"]),
])
def test_studies_that_match(server, query, expected):
    assert found(server, "/studies", **query) == expected


@pytest.mark.parametrize("path, query, expected", [
    ("/series", {}, ["a", "b", "c"]),
    ("/studies/one/series", {}, ["a", "b"]),
    ("/studies/one/series", {"Modality": "MR"}, ["b"]),
    ("/series", {"SeriesNumber": "007"}, ["b"]),
    ("/series", {"SeriesDescription": "Lung [1%_]"}, ["b"]),
    ("/series", {"SeriesDescription": "Lung [*"}, ["b"]),
    ("/series", {"SeriesDescription": "Lung _1*"}, []),
    ("/series", {"PatientID": "P 2"}, ["c"]),
    ("/series", {"RequestAttributesSequence.ScheduledProcedureStepID": "STEP?"}, ["a"]),
    ("/series", {"00400275.00400009": "STEP1"}, ["a"]),
    ("/series", {"00400275.00400009": "STEP2"}, []),
    ("/series", {"PerformedProcedureStepStartTime": "0900-10"}, ["b"]),
    ("/studies/two/series", {"PatientID": "P1"}, []),
])
def test_series_that_match(server, path, query, expected):
    for name, uid in UIDS.items():
        path = path.replace(f"/{name}/", f"/{uid}/")
    assert found(server, path, SERIES, **query) == expected


@pytest.mark.parametrize("path, query, expected", [
    ("/instances", {}, 5),
    ("/studies/one/instances", {}, 4),
    ("/studies/one/series/a/instances", {}, 3),
    ("/studies/two/series/a/instances", {}, 0),
    ("/studies/one/series/a/instances", {"InstanceNumber": "2"}, 1),
    ("/instances", {"InstanceNumber": "1", "Modality": "CT"}, 2),
    ("/instances", {"KVP": "80.0"}, 1),
    ("/instances", {"Rows": "16", "PatientName": "*^J*"}, 5),
    ("/instances", {"SOPInstanceUID": slices.uid("one", "a", 2)}, 1),
])
def test_instances_that_match(server, path, query, expected):
    for name, uid in UIDS.items():
        path = path.replace(f"/{name}/", f"/{uid}/")
    assert len(search(server, path, **query).json()) == expected


# --- answers ---

def computed(answer):
    return {tag: answer.pop(tag, {}).get("Value") for tag in
            ("00080056", "00080061", "00081190", "00201206", "00201208", "00201209")}


def of_files(study=None, series=None):
    for key, body in files():
        parts = key.split("/")
        if study in (None, parts[0]) and series in (None, parts[1]):
            yield pydicom.dcmread(io.BytesIO(body))


def assert_equal_to_file(answer, dataset):
    """Every attribute of the answer is that of the file, or one of type 2 that the file lacks."""
    expected = dicomjson.model(dataset)
    for tag, member in dicomjson.normal(answer).items():
        assert member == expected.get(tag, {"vr": dicomjson.vr_of(tag)}), tag


def test_a_study_is_told_as_the_file_that_came_first_says_it(server):
    for name, answer in zip(("one", "two"), search(server, "/studies").json()):
        made = computed(answer)
        assert made["00080056"] == ["ONLINE"]
        assert made["00080061"] == (["CT", "MR"] if name == "one" else ["CT"])
        assert made["00081190"] == [f"{server.url}/dicom-web/studies/{UIDS[name]}"]
        assert (made["00201206"], made["00201208"]) == (([2], [4]) if name == "one" else ([1], [1]))
        assert_equal_to_file(answer, next(of_files(name)))
        assert {"00080020", "00080030", "00080050", "00080090", "00100010", "00100020", "00100030", "00100040", STUDY,
                "00200010", "00081030"} <= set(answer)


def test_a_series_is_told_as_the_file_that_came_first_says_it(server):
    for name, answer in zip(("a", "b"), search(server, f"/studies/{UIDS['one']}/series").json()):
        made = computed(answer)
        assert made["00081190"] == [f"{server.url}/dicom-web/studies/{UIDS['one']}/series/{UIDS[name]}"]
        assert made["00201209"] == [3 if name == "a" else 1] and made["00201206"] is None
        assert_equal_to_file(answer, next(of_files("one", name)))
        assert {"00080060", "0008103E", STUDY, SERIES, "00200011"} <= set(answer) and "00100010" not in answer
        assert ("00400275" in answer) == (name == "a") and ("00400244" in answer) == (name == "b")


def test_an_instance_is_told_as_its_file_says_it(server):
    answers = search(server, f"/studies/{UIDS['one']}/series/{UIDS['a']}/instances").json()
    for answer, dataset in zip(answers, of_files("one", "a")):
        made = computed(answer)
        assert made["00081190"] == [f"{server.url}/dicom-web/studies/{UIDS['one']}/series/{UIDS['a']}/instances/"
                                    f"{dataset.SOPInstanceUID}"]
        assert_equal_to_file(answer, dataset)
        assert {"00080016", SOP, STUDY, SERIES, "00200013", "00280010", "00280011", "00280100"} <= set(answer)
        assert "00080060" not in answer and "00100010" not in answer


def test_what_the_path_leaves_open_is_told_at_every_level(server):
    assert all("00100010" in item and "00201208" in item for item in search(server, "/series").json())
    whole = search(server, "/instances").json()
    assert all({"00100010", "00080060", "00201209", "00201206", "00280010"} <= set(item) for item in whole)
    below = search(server, f"/studies/{UIDS['one']}/instances").json()
    assert all("00080060" in item and "00100010" not in item for item in below)


def test_included_attributes_come_from_the_files(server):
    path = f"/studies/{UIDS['one']}/series/{UIDS['a']}/instances"
    for query in ("KVP,00100010", ["KVP", "PatientName"], "00180060,00100010"):
        answers = search(server, path, includefield=query).json()
        assert [item["00180060"]["Value"][0] for item in answers] == [120, 80, 120]
        assert all(item["00100010"]["Value"][0] == {"Alphabetic": "Doe^Jane^^Dr."} for item in answers)
    for answer, dataset in zip(search(server, path, includefield="all").json(), of_files("one", "a")):
        computed(answer)
        pixels = answer.pop("7FE00010")
        assert pixels["BulkDataURI"] == (f"{server.url}/dicom-web/studies/{dataset.StudyInstanceUID}/series/"
                                         f"{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
                                         "/bulkdata/7FE00010")
        del dataset.PixelData
        assert dicomjson.normal(answer) == dicomjson.model(dataset)


def test_all_of_a_study_is_what_belongs_to_studies(server):
    one, two = search(server, "/studies", includefield="all").json()
    assert two["00101010"]["Value"] == ["042Y"] and "00101010" not in one
    assert "00080060" not in one and "00180060" not in one and "7FE00010" not in one


def test_a_key_is_included_too(server):
    (answer,) = search(server, "/studies", PatientAge="042Y").json()
    assert answer["00101010"]["Value"] == ["042Y"]


# --- pages and warnings ---

def test_limit_and_offset_and_what_remains(server):
    whole = [item[SOP]["Value"][0] for item in search(server, "/instances").json()]
    for offset in range(6):
        answer = search(server, "/instances", limit=2, offset=offset)
        assert [item[SOP]["Value"][0] for item in answer.json()] == whole[offset:offset + 2]
        remaining = 5 - offset - 2
        warning = answer.headers.get("Warning", "")
        assert (f"There are {remaining} additional results that can be requested" in warning) == (remaining > 0)
    assert search(server, "/instances", limit=100000).headers.get("Warning") is None
    answer = search(server, "/instances", Modality="CT", limit=1)
    assert "There are 3 additional results" in answer.headers["Warning"]
    assert search(server, "/instances", limit=0).json() == []


def test_what_is_not_done_is_said_and_no_error(server):
    answer = search(server, "/studies", foo="1", fuzzymatching="true", PixelData="x", includefield="Rows,bar")
    assert len(answer.json()) == 2
    for words in ('299 corsia "', "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
                  "foo", "PixelData", "Rows", "bar"):
        assert words in answer.headers["Warning"]
    assert "Warning" not in search(server, "/studies", fuzzymatching="false", includefield="StudyDescription").headers
    nasty = search(server, "/studies?%22%0d%0aX-Evil%3a%201=1&%C3%A9=1")
    assert "X-Evil" not in nasty.headers and "illegible" in nasty.headers["Warning"]


@pytest.mark.parametrize("query", [
    {"StudyInstanceUID": "1.2.x"}, {"SOPInstanceUID": "1.*"}, {"StudyDate": "2020-x"}, {"StudyDate": "20201340"},
    {"StudyTime": "99"}, {"SeriesNumber": "one"}, {"limit": "-1"}, {"limit": "x"}, {"offset": "-1"},
])
def test_what_makes_no_sense_is_400_and_named(server, query):
    answer = search(server, "/studies", status=400, **query)
    assert next(iter(query)) in answer.text


def test_paths_that_are_no_uids_are_400_and_unknown_ones_are_empty(server):
    search(server, "/studies/x/series", status=400)
    assert search(server, "/studies/1.2.3/series").json() == []


@pytest.mark.parametrize("accept, status, kind", [
    (None, 200, "application/dicom+json"), ("*/*", 200, "application/dicom+json"),
    ("application/dicom+json", 200, "application/dicom+json"), ("application/json", 200, "application/json"),
    ("application/dicom+json;q=0.5, application/json", 200, "application/json"),
    ('multipart/related; type="application/dicom+xml"', 406, None), ("text/html", 406, None),
])
def test_the_two_names_of_json_and_nothing_else(server, accept, status, kind):
    answer = server.get("/dicom-web/studies", headers={"Accept": accept})
    assert answer.status_code == status
    assert kind is None or answer.headers["Content-Type"].startswith(kind)


def test_no_file_is_opened_for_an_answer(tmp_path):
    """What has no column is found in the header that the catalogue keeps: with the objects moved away answers are the same."""
    asked = [("/studies", {"PatientAge": "042Y"}), ("/studies", {"KVP": "80", "includefield": "all"}),
             ("/series", {"RequestAttributesSequence.ScheduledProcedureStepID": "STEP?"}),
             ("/instances", {"KVP": "120", "ImageType": "*AXIAL*", "includefield": "all"}),
             ("/instances", {"includefield": ["RequestAttributesSequence", "00181030"], "PatientName": "doe^*"})]
    with Server(tmp_path / "data", job_hosts_max=1) as server:
        for key, body in files():
            assert server.put_file(key + ".dcm", body).status_code == 201
        before = [search(server, path, **query).json() for path, query in asked]
        metadata = server.get(f"/dicom-web/studies/{UIDS['one']}/metadata").json()
        (tmp_path / "data" / "objects" / "pacs").rename(tmp_path / "elsewhere")
        assert all(before) and len(metadata) == 4
        assert [search(server, path, **query).json() for path, query in asked] == before
        assert server.get(f"/dicom-web/studies/{UIDS['one']}/metadata").json() == metadata
        (tmp_path / "elsewhere").rename(tmp_path / "data" / "objects" / "pacs")


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
@pytest.mark.parametrize("key", ["Foo", "00091001", "0009xx01", "7FE00010", "RequestAttributesSequence", "PatientName.StudyDate",
                                 "EncapsulatedDocument", "ffffffff", "x" * 300, "Patient\u00c4ge", "StudyDate.", ".", "RedPaletteColorLookupTableData"])
def test_a_key_that_nothing_can_be_matched_with_is_no_error_and_said(server, level, key):
    answer = search(server, f"/{level}", **{key: "1"})
    assert len(answer.json()) == len(search(server, f"/{level}").json())
    shown = key if len(key) <= 64 and key.isascii() else "(illegible)"
    assert f"These parameters were not used: {shown}" in answer.headers["Warning"]


def test_pages_stay_while_images_arrive(tmp_path):
    with Server(tmp_path / "data", job_hosts_max=1) as server:
        def store(numbers):
            for number in numbers:
                body = slices.ct(number, study=f"s{number}", series="x", size=16)
                assert server.put_file(f"k{999 - number}/x/i.dcm", body).status_code == 201
        store(range(10))
        writer = threading.Thread(target=store, args=(range(10, 60),))
        writer.start()
        seen, page, is_over, counts = [], [], False, []
        while page or not is_over:
            is_over = not writer.is_alive()  # before the page is asked for, so that the last one is whole
            answer = server.get("/dicom-web/studies", params={"limit": 3, "offset": len(seen)})
            page = [item[STUDY]["Value"][0] for item in answer.json()]
            seen += page
            rest = re.search("There are ([0-9]+) additional", answer.headers.get("Warning", ""))
            counts.append(len(seen) + int(rest[1] if rest else 0))
        writer.join()
        assert seen == [slices.uid(f"s{number}") for number in range(60)]
        assert counts == sorted(counts) and counts[0] >= 10 and counts[-1] == 60


# --- files of others ---

def test_all_character_sets_are_read_as_pydicom_reads_them(shared, tmp_path):
    paths = sorted((shared / "data" / "charset").glob("*.dcm"))
    assert len(paths) >= 9
    with Server(tmp_path / "data", job_hosts_max=1) as server:
        bodies = {path: dicomjson.with_uids(path) for path in paths}
        for path, body in bodies.items():
            assert server.put_file(f"c/{path.stem}/x.dcm", body).status_code == 201, path.name
        for path, body in bodies.items():
            dataset = pydicom.dcmread(io.BytesIO(body), force=True, stop_before_pixels=True)
            (answer,) = server.get("/dicom-web/instances", params={"SOPInstanceUID": dataset.SOPInstanceUID}).json()
            computed(answer)
            assert_equal_to_file(answer, dataset)
            for text in filter(None, str(dataset.get("PatientName", "")).split("=")):
                for pattern in (text.upper(), text[:2] + "*"):
                    hits = server.get("/dicom-web/instances", params={"PatientName": pattern}).json()
                    assert dataset.SOPInstanceUID in [hit[SOP]["Value"][0] for hit in hits], (path.name, pattern)
