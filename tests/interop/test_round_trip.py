# SPDX-License-Identifier: Apache-2.0
"""Every sample file there and back: stored in an empty server, retrieved, described, found, decoded."""
import concurrent.futures
import contextlib
import multiprocessing
import os
import re

import pytest
import requests

import check
import dicomweb
import samples
from dicomweb import ERROR_COMMENT, FAILED, FAILURE_REASON, JSON, OTHER_FAILURES, REFERENCED, SOP_INSTANCE, value
from server import Server

SAMPLES = samples.samples()
STORED = [sample for sample in SAMPLES if not sample.refusal]
REFUSED = [sample for sample in SAMPLES if sample.refusal]
COLLIDING = [sample for sample in STORED if sample.round]


def ids(chosen):
    return [sample.name for sample in chosen]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """One empty server for each round."""
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(1 + max(sample.round for sample in SAMPLES)):
            server = stack.enter_context(Server(tmp_path_factory.mktemp("round") / "data", job_hosts_max=1))
            server.base = server.url + "/dicom-web"
            found.append(server)
        yield found


def _store(job):
    """Status and response of one file, sent by itself."""
    base, path = job
    body, kind = dicomweb.multipart([path.read_bytes()])
    answer = requests.post(base + "/studies", data=body, headers={"Content-Type": kind, "Accept": JSON}, timeout=120)
    is_response = answer.headers.get("Content-Type", "").startswith(JSON)
    return answer.status_code, answer.json() if is_response else answer.text


@pytest.fixture(scope="module")
def answers(servers):
    """{name: (status, response)} of everything that was sent, in its round."""
    jobs = [(servers[sample.round].base, sample.path) for sample in SAMPLES]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return dict(zip(ids(SAMPLES), pool.map(_store, jobs)))


@pytest.fixture(scope="module")
def verdicts(servers, answers):
    """{name: {check: what is wrong}} of everything that was stored."""
    jobs = [(servers[sample.round].base, sample.path, sample.name) for sample in STORED if answers[sample.name][0] == 200]
    with multiprocessing.get_context("spawn").Pool(max(2, len(os.sched_getaffinity(0)))) as pool:
        return dict(pool.imap_unordered(check.check, jobs, chunksize=1))


def test_there_are_files():
    assert len(STORED) > 50 and len(REFUSED) > 10


@pytest.mark.parametrize("sample", STORED, ids=ids(STORED))
def test_a_file_is_stored(answers, sample):
    status, response = answers[sample.name]

    assert status == 200, response
    assert [value(item, SOP_INSTANCE) for item in response[REFERENCED]["Value"]] == [sample.uids["SOPInstanceUID"]]
    assert not response.get(FAILED, {}).get("Value")


def reasons(refusal):
    """What the sentence may be: a file that pydicom reads without UIDs may be none at all, or one that is cut off earlier."""
    damage = "goes past|cut off"
    if not refusal.startswith("without "):
        return damage
    words = re.sub("([a-z]|SOP)(?=[A-Z])", r"\1 ", refusal.removeprefix("without "))
    return f"^{words} .* is missing or empty|^this is not a DICOM file|^no transfer syntax is stated|{damage}"


@pytest.mark.parametrize("sample", REFUSED, ids=ids(REFUSED))
def test_a_file_without_uids_or_a_damaged_one_is_refused_with_the_reason(answers, sample):
    status, response = answers[sample.name]

    assert status == 409, (sample.refusal, response)
    (item,) = response.get(FAILED, response.get(OTHER_FAILURES))["Value"]
    assert 0xA900 <= value(item, FAILURE_REASON) <= 0xA9FF or 0xC000 <= value(item, FAILURE_REASON) <= 0xCFFF
    assert re.search(reasons(sample.refusal), value(item, ERROR_COMMENT))
    assert not response.get(REFERENCED, {}).get("Value")


def test_refused_files_leave_nothing(servers, answers):
    for number, server in enumerate(servers):
        found = dicomweb.Archive(server.base).search("/instances", limit=5000)
        expected = {sample.uids["SOPInstanceUID"] for sample in STORED if sample.round == number}
        assert {value(one, SOP_INSTANCE, value(one, "00080018")) for one in found} == expected


@pytest.mark.parametrize("sample", COLLIDING, ids=ids(COLLIDING))
def test_other_bytes_under_a_stored_uid_are_a_conflict(servers, answers, sample):
    """The first round has the UIDs already."""
    status, response = _store((servers[0].base, sample.path))

    assert status == 409, response
    (item,) = response[FAILED]["Value"]
    assert value(item, SOP_INSTANCE) == sample.uids["SOPInstanceUID"] and value(item, FAILURE_REASON) == 0x0111


@pytest.mark.parametrize("sample", STORED[::10], ids=ids(STORED[::10]))
def test_the_same_file_again_is_welcome(servers, answers, sample):
    status, response = _store((servers[sample.round].base, sample.path))

    assert status in (200, 202), response
    assert [value(item, SOP_INSTANCE) for item in response[REFERENCED]["Value"]] == [sample.uids["SOPInstanceUID"]]


def verdict(verdicts, sample, what):
    assert sample.name in verdicts, "it was not stored"
    assert not verdicts[sample.name][what], verdicts[sample.name][what]


@pytest.mark.parametrize("sample", STORED, ids=ids(STORED))
def test_the_data_set_comes_back_byte_for_byte(verdicts, sample):
    verdict(verdicts, sample, "identical")


@pytest.mark.parametrize("sample", STORED, ids=ids(STORED))
def test_the_metadata_are_pydicoms_model_of_the_file(verdicts, sample):
    verdict(verdicts, sample, "model")


@pytest.mark.parametrize("sample", STORED, ids=ids(STORED))
def test_searches_at_every_level_find_what_is_in_the_file(verdicts, sample):
    verdict(verdicts, sample, "search")


LEVELS = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID"}


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_said_of_a_study_or_series_is_in_one_of_its_files(servers, answers, level):
    """Each attribute by itself; and the counts."""
    for number, server in enumerate(servers):
        archive, members = dicomweb.Archive(server.base), {}
        for sample in STORED:
            if sample.round == number:
                members.setdefault(sample.uids[LEVELS[level]], []).append(sample)
        found = archive.search("/" + level, includefield="all", limit=5000)
        assert len(found) == len(members)
        for attributes in found:
            files = members[value(attributes, {"studies": "0020000D", "series": "0020000E"}[level])]
            assert value(attributes, {"studies": "00201208", "series": "00201209"}[level]) == len(
                {sample.uids["SOPInstanceUID"] for sample in files})
            for name, attribute in attributes.items():
                of_study = check.OF_THE_FIRST if level == "series" and name != "00080060" else ()
                wrong = [check.differences(sample.dataset, {name: attribute}, of_study) for sample in files]
                assert not all(wrong), wrong[0]


@pytest.mark.parametrize("sample", STORED, ids=ids(STORED))
def test_frames_are_those_of_the_uncompressed_file(verdicts, sample):
    verdict(verdicts, sample, "frames")


@pytest.mark.parametrize("sample", STORED, ids=ids(STORED))
def test_an_image_is_rendered(verdicts, sample):
    verdict(verdicts, sample, "rendered")


@pytest.mark.parametrize("syntax", check.SYNTAXES)
@pytest.mark.parametrize("sample", STORED, ids=ids(STORED))
def test_another_transfer_syntax_has_the_same_pixels(verdicts, sample, syntax):
    verdict(verdicts, sample, syntax)
