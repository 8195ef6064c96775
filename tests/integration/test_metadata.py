# SPDX-License-Identifier: Apache-2.0
"""Metadata (PS3.18 section 10.4.1.1.2) against pydicom's JSON model of the same files."""
import io

import pydicom
import pytest

import dicomjson
import slices
from server import Server

STUDY, SERIES = slices.uid("study"), slices.uid("study", "series")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("metadata") / "data", job_hosts_max=1) as running:
        for number in (3, 1, 2):
            assert running.put_file(f"s/e/{number}.dcm", slices.ct(number, size=16, number=number)).status_code == 201
        assert running.put_file("s/f/1.dcm", slices.ct(1, series="other", size=16)).status_code == 201
        yield running


def metadata(server, path="", **headers):
    return server.get(f"/dicom-web/studies/{STUDY}{path}/metadata", headers=headers)


def test_each_level_gives_its_instances_in_the_order_of_arrival(server):
    def numbers(path):
        return [item["00200013"]["Value"][0] for item in metadata(server, path).json()]
    sop = slices.uid("study", "series", 2)
    assert numbers(f"/series/{SERIES}") == [3, 1, 2]
    assert numbers(f"/series/{SERIES}/instances/{sop}") == [2]
    assert numbers("") == [3, 1, 2, 1]


def test_it_is_what_pydicom_reads(server):
    for item, number in zip(metadata(server, f"/series/{SERIES}").json(), (3, 1, 2)):
        dataset = pydicom.dcmread(io.BytesIO(slices.ct(number, size=16, number=number)))
        del dataset.PixelData
        assert list(item) == sorted(item)
        bulk = item.pop("7FE00010")
        assert bulk == {"vr": "OW", "BulkDataURI": f"{server.url}/dicom-web/studies/{STUDY}/series/{SERIES}/instances/"
                                                   f"{dataset.SOPInstanceUID}/bulkdata/7FE00010"}
        assert dicomjson.normal(item) == dicomjson.model(dataset)


def test_a_validator_holds_until_something_below_changes(server):
    path = f"/series/{SERIES}"
    whole, part = metadata(server), metadata(server, path)
    assert metadata(server, path, **{"If-None-Match": part.headers["ETag"]}).status_code == 304
    assert metadata(server, path, **{"If-None-Match": f'"x", W/{part.headers["ETag"]}'}).status_code == 304
    assert metadata(server, path, **{"If-None-Match": '"x"'}).status_code == 200
    assert server.put_file("s/f/2.dcm", slices.ct(2, series="other", size=16)).status_code == 201
    assert metadata(server, path, **{"If-None-Match": part.headers["ETag"]}).status_code == 304
    answer = metadata(server, **{"If-None-Match": whole.headers["ETag"]})
    assert answer.status_code == 200 and len(answer.json()) == 5


@pytest.mark.parametrize("accept, status", [
    ("application/dicom+json", 200), ("application/json", 200), ("*/*", 200), ("application/*", 200),
    ('multipart/related; type="application/dicom+xml"', 406), ("image/png", 406),
])
def test_accept(server, accept, status):
    assert metadata(server, Accept=accept).status_code == status


@pytest.mark.parametrize("path", ["/studies/1.2.3", f"/studies/{STUDY}/series/1.2.3", "/studies/x",
                                  f"/studies/1.2/series/{SERIES}", f"/studies/{STUDY}/series/{SERIES}/instances/1.2",
                                  "/studies/" + "1" * 500])
def test_what_is_not_there_is_404(server, path):
    answer = server.get(f"/dicom-web{path}/metadata")
    assert answer.status_code == 404 and answer.headers["Content-Type"].startswith("application/problem+json")


def test_a_study_of_many_headers_is_streamed_whole(tmp_path):
    """Headers of 16 MB together: more than is sent in one piece."""
    with Server(tmp_path / "data", job_hosts_max=2) as server:
        for number in range(16):
            body = slices.ct(number, size=16, number=number, TextString="x" * 10,
                             ImageComments="y" * 1024 * 1024)
            assert server.put_file(f"s/e/{number}.dcm", body).status_code == 201
        answer = metadata(server)
        assert "Content-Length" not in answer.headers and len(answer.content) > 16 * 1024 * 1024
        assert [item["00200013"]["Value"][0] for item in answer.json()] == list(range(16))


def test_files_of_others_are_what_pydicom_reads(shared, tmp_path):
    folders = ("charset", "misc", "ct_liver_contrast", "mr_brain", "sr", "seg", "transfer_syntax", "pet_headneck")
    paths = [path for folder in folders for path in sorted((shared / "data" / folder).rglob("*.dcm"))[:8]]
    assert len(paths) > 20
    compared = 0
    with Server(tmp_path / "data", job_hosts_max=2) as server:
        for number, path in enumerate(paths):
            body = dicomjson.with_uids(path)
            answer = server.put_file(f"m/{number}/x.dcm", body)
            if answer.status_code != 201:
                # the same image in other clothes, or one without UIDs that pydicom cannot write
                assert answer.status_code in (200, 409, 415), (path, answer.text)
                continue
            dataset = pydicom.dcmread(io.BytesIO(body), force=True)
            (item,) = server.get(f"/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/"
                                 f"instances/{dataset.SOPInstanceUID}/metadata").json()
            expected = dicomjson.model(without_bulk(dataset, item))
            assert dicomjson.normal(drop_bulk(item)) == expected, path
            compared += 1
    assert compared > 20


def drop_bulk(item):
    return {tag: {**member, "Value": [drop_bulk(value) for value in member.get("Value", [])]} if member["vr"] == "SQ"
            else member for tag, member in item.items() if "BulkDataURI" not in member}


def without_bulk(dataset, item):
    """Take out of the data set what the metadata name as bulk data."""
    for tag, member in item.items():
        number = int(tag, 16)
        if "BulkDataURI" in member:
            del dataset[number]
        elif member["vr"] == "SQ" and number in dataset:
            for inner, value in zip(dataset[number].value, member.get("Value", [])):
                without_bulk(inner, value)
    return dataset
