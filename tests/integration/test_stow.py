# SPDX-License-Identifier: Apache-2.0
"""STOW-RS (PS3.18 section 10.5): storing instances over DICOMweb."""
import contextlib
import io
import os
import pathlib
import signal

import pydicom
import pytest
import requests

import slices
import stow
from server import Server, until

SIZE = 32


def ct(name, **kwargs):
    return slices.ct(name, size=SIZE, **kwargs)


def uid_of(name, study="study", series="series"):
    return slices.uid(study, series, name)


def stored_bytes(server, name, study="study", series="series"):
    key = f"{slices.uid(study)}/{slices.uid(study, series)}/{uid_of(name, study, series)}.dcm"
    path = server.data / "objects" / "pacs" / key
    return path.read_bytes() if path.exists() else None


def fetch(server, study="study"):
    """Names of a study's images by the PACS API with their bytes, by their presigned URLs."""
    listed = server.get(f"/pacs/studies/{slices.uid(study)}/images").json()
    return {image["key"].rsplit("/", 1)[1]: server.get(image["url"].split(server.url)[1]).content for image in listed}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("stow") / "data") as running:
        yield running


# --- success ---

def test_an_instance_is_stored_byte_for_byte_and_told(server):
    body = ct("one", study="first")
    answer = stow.store(server, body)

    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/dicom+json"
    assert "Warning" not in answer.headers
    data_set = pydicom.Dataset.from_json(answer.json())
    item = data_set.ReferencedSOPSequence[0]
    assert item.ReferencedSOPClassUID == slices.CT
    assert item.ReferencedSOPInstanceUID == uid_of("one", "first")
    study, series = slices.uid("first"), slices.uid("first", "series")
    assert data_set.RetrieveURL == f"{server.url}/dicom-web/studies/{study}"
    assert item.RetrieveURL == f"{data_set.RetrieveURL}/series/{series}/instances/{uid_of('one', 'first')}"
    assert "FailedSOPSequence" not in data_set and "OtherFailuresSequence" not in data_set
    assert fetch(server, "first") == {f"{uid_of('one', 'first')}.dcm": body}


def test_several_instances_come_back_in_the_order_of_the_parts(server):
    parts = [ct(f"several{i}", number=i) for i in range(3)]
    answer = stow.store(server, *parts)

    assert answer.status_code == 200
    assert stow.stored(answer) == [uid_of(f"several{i}") for i in range(3)]
    assert [stored_bytes(server, f"several{i}") for i in range(3)] == parts


def test_instances_of_several_studies_have_no_common_url(server):
    answer = stow.store(server, ct("x", study="left"), ct("x", study="right"))

    assert answer.status_code == 200 and "00081190" not in answer.json() and len(stow.stored(answer)) == 2


def test_a_single_file_is_stored_without_multipart(server):
    body = ct("single")
    answer = stow.post(server, body, content_type="application/dicom")

    assert answer.status_code == 200 and stow.stored(answer) == [uid_of("single")]
    assert stored_bytes(server, "single") == body


def test_five_thousand_instances_fit_into_one_request(tmp_path):
    parts = [slices.ct(f"many{i}", size=8, number=i) for i in range(5000)]
    with Server(tmp_path / "data") as server:
        answer = stow.store(server, *parts, timeout=300)

        assert answer.status_code == 200
        assert stow.stored(answer) == [uid_of(f"many{i}") for i in range(5000)]
        for i in (0, 1, 2500, 4999):
            assert stored_bytes(server, f"many{i}") == parts[i]
        assert memory_peak_mib(server) < 160


def memory_peak_mib(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.mark.parametrize("content_type", [
    "multipart/related; type=application/dicom; boundary=b",
    'Multipart/Related;boundary="b";type="application/dicom"; start=x',
    "multipart/related; boundary=b",
])
def test_content_types_are_read_as_clients_write_them(server, content_type):
    answer = stow.post(server, stow.body_of([ct("one")], boundary="b"), content_type=content_type)

    assert answer.status_code == 200 and stow.stored(answer) == [uid_of("one")]


@pytest.mark.parametrize("headers", [b"", b"content-type:  application/dicom ; transfer-syntax=1.2.840.10008.1.2.1\r\n",
                                     b"Content-Length: 7\r\nContent-Location: ../../x\r\nContent-Type: application/dicom\r\n"])
def test_headers_of_parts_are_taken_as_they_come(server, headers):
    answer = stow.post(server, stow.body_of([ct("one")], headers=headers))

    assert answer.status_code == 200 and stow.stored(answer) == [uid_of("one")]


@pytest.mark.parametrize("accept,status,media_type", [
    ("application/dicom+json", 200, "application/dicom+json"),
    ("application/json", 200, "application/json"),
    ("*/*", 200, "application/dicom+json"),
    ("application/dicom+xml, application/json;q=0.5", 200, "application/json"),
    ("application/dicom+xml", 406, "application/problem+json"),
])
def test_the_answer_is_what_the_client_accepts(server, accept, status, media_type):
    answer = stow.store(server, ct("one"), accept=accept)

    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (status, media_type)


# --- again, and conflicts ---

def test_the_same_again_is_a_success_and_writes_nothing(server):
    body = ct("again")
    answer = stow.store(server, body)
    assert answer.status_code == 200 and "Corsia-Duplicates" not in answer.headers
    path = server.data / "objects" / "pacs" / slices.uid("study") / slices.uid("study", "series") / f"{uid_of('again')}.dcm"
    before = path.stat()

    answer = stow.store(server, body, body, study=slices.uid("study"))
    assert answer.status_code == 200 and stow.stored(answer) == [uid_of("again")] * 2
    assert answer.headers["Corsia-Duplicates"] == "2"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_object_under_the_same_uid_is_a_conflict(server):
    first = ct("taken")
    assert stow.store(server, first).status_code == 200
    answer = stow.store(server, ct("taken", patient="Somebody^Else"))

    assert answer.status_code == 409
    assert stow.failures(answer) == [(uid_of("taken"), 0x0111)]
    assert "other bytes" in answer.headers["Warning"] and "Somebody" not in answer.text
    assert stored_bytes(server, "taken") == first


def test_an_image_that_came_by_the_pacs_api_is_there_already(server):
    first = ct("door", study="doors")
    assert server.put_file("doors/in/first.dcm", first).status_code == 201
    again = stow.store(server, first)
    assert again.status_code == 200 and again.headers["Corsia-Duplicates"] == "1"
    other = stow.store(server, ct("door", study="doors", patient="Somebody^Else"))

    assert other.status_code == 409 and stow.failures(other) == [(uid_of("door", "doors"), 0x0111)]
    assert stored_bytes(server, "door", "doors") is None, "what was refused or there already leaves nothing"
    assert (server.data / "objects" / "pacs" / "doors" / "in" / "first.dcm").read_bytes() == first
    found = server.get(f"/dicom-web/studies/{slices.uid('doors')}/instances").json()
    assert [answer["00080018"]["Value"] for answer in found] == [[uid_of("door", "doors")]]


def test_a_series_of_another_study_is_a_conflict(server):
    assert stow.store(server, ct("mine", study="owner")).status_code == 200
    stranger = ct("theirs", study="stranger", SeriesInstanceUID=slices.uid("owner", "series"))
    answer = stow.store(server, stranger)

    assert answer.status_code == 409 and stow.failures(answer) == [(uid_of("theirs", "stranger"), 0xA900)]
    assert stored_bytes(server, "theirs", "stranger") is None


def test_an_instance_of_another_study_than_the_path_fails_alone(server):
    answer = stow.store(server, ct("fits"), ct("alien", study="other"), study=slices.uid("study"))

    assert answer.status_code == 202
    assert stow.stored(answer) == [uid_of("fits")]
    assert stow.failures(answer) == [(uid_of("alien", "other"), 0xA901)]
    assert stored_bytes(server, "alien", "other") is None


# --- bad files ---

def without(name, tag):
    data_set = pydicom.dcmread(io.BytesIO(ct(name)))
    del data_set[tag]
    out = io.BytesIO()
    data_set.save_as(out)
    return out.getvalue()


def test_what_cannot_be_stored_fails_with_its_reason_and_the_rest_is_stored(server):
    parts = [ct("good1"), b"this is no DICOM", without("nouid", "StudyInstanceUID"), ct("cut")[:-100], b"", ct("good2")]
    answer = stow.store(server, *parts)

    assert answer.status_code == 202
    assert stow.stored(answer) == [uid_of("good1"), uid_of("good2")]
    assert stow.failures(answer) == [(None, 0xC000)] * 4
    reasons = [stow.value(item, "00000902") for item in stow.items(answer, "0008119A")]
    assert "not a DICOM file" in reasons[0] and "StudyInstanceUID" in reasons[1].replace(" ", "")
    assert "cut off" in reasons[2] and "empty" in reasons[3]
    assert stored_bytes(server, "good2") == parts[-1]


def test_nothing_but_bad_files_is_a_conflict(server):
    answer = stow.store(server, b"no DICOM", b"no DICOM either")

    assert answer.status_code == 409 and stow.failures(answer) == [(None, 0xC000)] * 2


def test_a_lenient_client_gets_an_answer_where_others_get_an_error(server):
    headers = {"Prefer": "handling=lenient", "Content-Type": "application/dicom"}
    answer = requests.post(f"{server.url}/dicom-web/studies", data=b"no image", headers=headers, timeout=30)
    assert answer.status_code == 202 and answer.headers["Preference-Applied"] == "handling=lenient"
    assert stow.failures(answer) == [(None, 0xC000)] and "1 of 1 failed" in answer.headers["Warning"]
    answer = requests.post(f"{server.url}/dicom-web/studies", data=ct("lenient"), headers=headers, timeout=30)
    assert answer.status_code == 200 and stow.stored(answer) == [uid_of("lenient")]


def test_a_part_of_another_type_fails_alone(server):
    body = (b"--a-boundary\r\nContent-Type: application/dicom+json\r\n\r\n[]\r\n" +
            stow.body_of([ct("beside")]))
    answer = stow.post(server, body)

    assert answer.status_code == 202 and stow.stored(answer) == [uid_of("beside")]
    assert stow.failures(answer) == [(None, 0xC000)]


@pytest.mark.parametrize("content_type", ["application/dicom+json", "application/dicom+xml", "text/plain", "image/jpeg",
                                          'multipart/related; type="application/dicom+json"; boundary=a-boundary',
                                          'multipart/related; type="application/dicom+xml"; boundary=a-boundary'])
def test_metadata_apart_from_bulk_data_are_refused(server, content_type):
    answer = stow.post(server, stow.body_of([b"[]"]), content_type=content_type)

    assert answer.status_code == 415 and "application/dicom" in answer.json()["detail"]


@pytest.mark.parametrize("content_type", ["multipart/related; type=\"application/dicom\"", "multipart/related; boundary=\"\"",
                                          "multipart/related; boundary=" + 71 * "x", "multipart", ""])
def test_a_content_type_without_a_usable_boundary_is_refused(server, content_type):
    assert stow.post(server, stow.body_of([ct("one")]), content_type=content_type).status_code in (400, 415)


# --- malformed bodies ---

def test_a_body_without_its_end_stores_what_was_complete_and_says_so(server):
    complete, broken = ct("complete"), ct("broken")
    body = stow.body_of([complete, broken])[:-50]
    answer = stow.post(server, body)

    assert answer.status_code == 400 and "closing boundary" in answer.json()["detail"]
    assert stow.stored(answer) == [uid_of("complete")]
    assert stored_bytes(server, "complete") == complete and stored_bytes(server, "broken") is None


@pytest.mark.parametrize("body", [b"", b"nothing like it", b"--a-boundary--", stow.body_of([b"x"], boundary="another")])
def test_a_body_without_instances_is_malformed(server, body):
    assert stow.post(server, body).status_code == 400


def test_an_illegal_study_uid_in_the_path_is_refused(server):
    for study in ("..%2F..%2Fx", "1.2.%00", "abc", "1" * 65, "1..2"):
        assert stow.store(server, ct("one"), study=study).status_code in (400, 404), study


# --- limits ---

def test_a_file_beyond_file_max_fails_and_the_others_are_stored(tmp_path):
    with Server(tmp_path / "data", file_max="1 MiB") as server:
        big = slices.ct("big", size=800)
        answer = stow.store(server, ct("before"), big, ct("after"))
        assert answer.status_code == 202
        assert stow.stored(answer) == [uid_of("before"), uid_of("after")]
        assert stow.failures(answer) == [(None, 0xA700)]
        assert stow.post(server, big, content_type="application/dicom").status_code == 413
        assert temporary_files(server) == []


def temporary_files(server):
    root = server.data / "objects"
    return [path for folder in root.glob(".tmp*") for path in folder.rglob("*") if path.is_file()]


def is_alive(server):
    with contextlib.suppress(requests.RequestException):
        return server.get("/health/live").status_code == 200
    return False


def test_nothing_is_taken_below_the_disk_floor(tmp_path):
    server = Server(tmp_path / "data", disk_floor="1000 TiB").spawn()
    try:
        until(lambda: is_alive(server), what="answers")
        answer = stow.store(server, ct("one"))
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    finally:
        assert server.stop() == 0


# --- hosts ---

def hosts_of(server):
    pids = []
    for listing in pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        with contextlib.suppress(OSError): # a thread that has just ended
            pids += [int(pid) for pid in listing.read_text(encoding="ascii").split()]
    return pids


def test_a_file_that_ends_its_reader_fails_alone(server):
    """A killed host is what a crashing codec looks like."""
    parts = [slices.ct(f"crash{i}", size=SIZE, number=i) for i in range(200)]
    boundary, bodies = stow.BOUNDARY, [stow.body_of([part])[:-len("--\r\n") - len(stow.BOUNDARY) - 2] for part in parts]

    def dripping():
        for number, piece in enumerate(bodies):
            if number % 40 == 20:
                for pid in hosts_of(server):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            yield piece
        yield f"--{boundary}--\r\n".encode()

    answer = stow.post(server, dripping())

    assert answer.status_code in (200, 202)
    assert len(stow.stored(answer)) + len(stow.failures(answer)) == 200
    assert all(reason in (0x0110, 0xA700) for _uid, reason in stow.failures(answer))
    until(lambda: stow.store(server, *parts).status_code == 200, what="everything stored")
