# SPDX-License-Identifier: Apache-2.0
"""Deleting studies, series and instances: row and object go together, and nothing comes back by itself."""
import io
import pathlib

import pydicom
import pytest
import requests

import hosts
import slices
from server import FAILPOINT_BINARY, Server, until


def image(name, series="series", number=1, study="study"):
    return slices.ct(name, study=study, series=series, number=number, size=64)


def objects(server, bucket="pacs"):
    root = pathlib.Path(server.data) / "objects" / bucket
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def delete(server, *uids):
    names = ("studies", "series", "instances")
    path = "".join(f"/{name}/{uid}" for name, uid in zip(names, uids))
    return requests.delete(f"{server.url}/dicom-web{path}", timeout=30)


@pytest.fixture
def filled(server):
    """st: one series of two images, one of one; other: one image."""
    for key, data in {"st/a/1.dcm": image("a1", "a", 1), "st/a/2.dcm": image("a2", "a", 2), "st/b/1.dcm": image("b1", "b", 1),
                      "other/a/1.dcm": image("o1", "o", 1, study="other")}.items():
        assert server.put_file(key, data).status_code == 201
    return server


def keys(server, study):
    return [entry["key"] for entry in server.get(f"/pacs/studies/{study}/images").json()]


def test_an_instance_goes_with_its_object(filled):
    assert delete(filled, slices.uid("study"), slices.uid("study", "a"), slices.uid("study", "a", "a1")).status_code == 204
    assert keys(filled, "st") == ["st/a/2.dcm", "st/b/1.dcm"]
    assert objects(filled) == {"st/a/2.dcm", "st/b/1.dcm", "other/a/1.dcm"}


def test_an_instance_that_was_read_again_and_again_goes_at_once(filled):
    uids = slices.uid("study"), slices.uid("study", "a"), slices.uid("study", "a", "a1")
    path = "/studies/{}/series/{}/instances/{}".format(*uids)
    for _ in range(5):
        assert [filled.get("/dicom-web" + path + more).status_code for more in ("", "/frames/1", "/rendered")] == [200] * 3
    for elsewhere in [(slices.uid("other"), *uids[1:]), (uids[0], slices.uid("study", "b"), uids[2])]:
        assert filled.get("/dicom-web/studies/{}/series/{}/instances/{}".format(*elsewhere)).status_code == 404
    assert delete(filled, *uids).status_code == 204
    assert [filled.get("/dicom-web" + path + more).status_code for more in ("", "/frames/1", "/rendered")] == [404] * 3


def test_a_series_goes_and_its_neighbours_stay(filled):
    assert delete(filled, slices.uid("study"), slices.uid("study", "a")).status_code == 204
    assert keys(filled, "st") == ["st/b/1.dcm"]
    assert objects(filled) == {"st/b/1.dcm", "other/a/1.dcm"}


def test_a_study_goes_and_others_stay(filled):
    assert delete(filled, slices.uid("study")).status_code == 204
    assert keys(filled, "st") == []
    assert objects(filled) == {"other/a/1.dcm"}


def test_what_is_not_there_or_not_there_is_404(filled):
    study, a, b = slices.uid("study"), slices.uid("study", "a"), slices.uid("study", "b")
    a1 = slices.uid("study", "a", "a1")
    for uids in [("1.2.3",), (study, "1.2.3"), (study, a, "1.2.3"), (study, b, a1), (slices.uid("other"), a, a1),
                 (slices.uid("other"), a), ("9" * 100,), (study, "x" * 4000)]:
        answer = delete(filled, *uids)
        assert answer.status_code == 404, uids
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(objects(filled)) == 4
    assert delete(filled, study).status_code == 204
    assert delete(filled, study).status_code == 404


def test_a_deleted_image_can_be_stored_again(filled):
    uids = slices.uid("study"), slices.uid("study", "a"), slices.uid("study", "a", "a1")
    assert delete(filled, *uids).status_code == 204
    assert filled.put_file("elsewhere/1.dcm", image("a1", "a", 1)).status_code == 201
    assert delete(filled, *uids).status_code == 204
    assert filled.put_file("st/a/1.dcm", image("a1", "a", 1)).status_code == 201
    assert objects(filled) == {"st/a/1.dcm", "st/a/2.dcm", "st/b/1.dcm", "other/a/1.dcm"}


def test_derived_images_go_with_their_study_and_the_sweeper_does_not_mind(filled):
    filled.submit("processing_6", "c", "st", "a", "1.dcm", job_id="job")
    assert filled.wait_job("job")["state"] == "succeeded"
    assert len(objects(filled, "output")) == 1
    assert delete(filled, slices.uid("study")).status_code == 204
    assert objects(filled, "output") == set()
    (pathlib.Path(filled.data) / "objects" / "output" / "left.dcm").write_bytes(b"nobody names me")
    assert filled.stop() == 0
    filled.start()
    until(lambda: not objects(filled, "output"), what="the sweeper's work")
    assert "old copy" not in filled.log.read_text()


def said(server, level, **query):
    """What searches say at a level: [(Patient's Name, Study Date, Series Description, Modality, instances)]."""
    answers = server.get(f"/dicom-web/{level}", params={"includefield": "00080060", **query}).json()
    def value(answer, tag):
        return answer.get(tag, {}).get("Value", [None])[0]
    return [(value(answer, "00100010")["Alphabetic"], value(answer, "00080020"), value(answer, "0008103E"),
             value(answer, "00080060"), value(answer, "00201208")) for answer in answers]


def test_what_is_said_of_a_study_and_a_series_is_said_by_an_image_that_is_there(server):
    for number, (series, patient, date, text, modality) in enumerate([
            ("a", "First^Name", "20260101", "one", "CT"), ("a", "Second^Name", "20260202", "two", "MR"),
            ("b", "Third^Name", "20260303", "three", "CT")]):
        body = slices.ct(f"i{number}", study="study", series=series, number=number, size=16, patient=patient,
                         StudyDate=date, SeriesDescription=text, Modality=modality)
        assert server.put_file(f"st/{series}/{number}.dcm", body).status_code == 201
    first, second = (("First^Name", "20260101", "one", "CT"), ("Second^Name", "20260202", "two", "MR"))
    third = ("Third^Name", "20260303", "three", "CT")
    assert said(server, "series") == [(*first, 3), (first[0], first[1], *third[2:], 3)]
    assert delete(server, slices.uid("study"), slices.uid("study", "a"), slices.uid("study", "a", "i0")).status_code == 204

    assert said(server, "series") == [(*second, 2), (second[0], second[1], *third[2:], 2)]
    assert len(said(server, "studies", PatientName="Second*", StudyDate="20260202", ModalitiesInStudy="MR")) == 1
    assert said(server, "studies", PatientName="First*") == said(server, "studies", StudyDate="20260101") == []
    assert said(server, "series", SeriesDescription="one") == []
    assert delete(server, slices.uid("study"), slices.uid("study", "a")).status_code == 204

    assert said(server, "series") == [(*third, 1)]
    assert said(server, "studies", PatientName="Second*") == said(server, "studies", ModalitiesInStudy="MR") == []


def test_an_input_that_is_deleted_fails_the_job_that_waits_for_it(server):
    for name in ("1", "2"):
        assert server.put_file(f"{name}/a/i.dcm", image(name, "a", study=name)).status_code == 201
    with hosts.held(server):
        for name in ("1", "2"):  # the second one cannot begin before the first one ends
            server.submit("processing_6", "c", name, "a", "i.dcm", job_id=name, order="client")
        assert delete(server, slices.uid("2")).status_code == 204
    assert server.wait_job("1")["state"] == "succeeded"
    job = server.wait_job("2")
    assert job["state"] == "failed" and job["error"]["code"] == "input_gone"


def test_a_crash_between_row_and_object_brings_nothing_back(tmp_path):
    if not FAILPOINT_BINARY.exists():
        pytest.skip("there is no build with failpoints: tools/run-tests failpoints makes it")
    server = Server(tmp_path / "data", binary=FAILPOINT_BINARY)
    server.start(CORSIA_FAILPOINT="after-removal")
    for number in range(3):
        assert server.put_file(f"st/a/{number}.dcm", image(f"i{number}", "a", number)).status_code == 201
    with pytest.raises(requests.ConnectionError):
        delete(server, slices.uid("study"))
    server.process.wait(10)
    assert len(objects(server)) == 3
    with server:
        assert objects(server) == set()
        assert keys(server, "st") == []


def rewrapped(data, **meta):
    """The same data set by another program: another meta header."""
    ds = pydicom.dcmread(io.BytesIO(data))
    for keyword, value in meta.items():
        setattr(ds.file_meta, keyword, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, write_like_original=False)
    return buffer.getvalue()


def test_the_same_image_in_another_wrapping_is_a_duplicate(server):
    first = image("one")
    second = rewrapped(first, ImplementationVersionName="OTHER_PROGRAM", SourceApplicationEntityTitle="PEER")
    assert first != second
    assert server.put_file("st/se/1.dcm", first).status_code == 201
    again = server.put_file("elsewhere/1.dcm", second)
    assert again.status_code == 200
    assert (again.json()["outcome"], again.json()["key"]) == ("duplicate", "st/se/1.dcm")
    assert objects(server) == {"st/se/1.dcm"}


def test_another_image_under_the_same_uid_is_a_conflict_in_any_wrapping(server):
    first = image("one")
    other = pydicom.dcmread(io.BytesIO(first))
    other.PatientName = "Other^Name"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, other, write_like_original=False)
    assert server.put_file("st/se/1.dcm", first).status_code == 201
    assert server.put_file("st/se/2.dcm", buffer.getvalue()).status_code == 409
    assert objects(server) == {"st/se/1.dcm"}
