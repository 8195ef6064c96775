# SPDX-License-Identifier: Apache-2.0
"""Scope series, and what derived objects are: one series, the geometry of the source, valid DICOM."""
import asyncio
import io
import json
import subprocess

import pydicom
import pytest
import requests
import websockets

import slices
from server import SHARED, Server, next_frame

SLICES = 8
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID", "Rows", "Columns",
            "StudyInstanceUID", "PatientID", "StudyDate", "AccessionNumber")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("series") / "data", job_hosts_max=2) as running:
        for number in range(SLICES, 0, -1):  # stored in another order than that of the slices
            body = slices.ct(f"i{number}", number=number, is_found=number < SLICES, SliceThickness=2.5)
            assert running.put_file(f"st/se/i{number}.dcm", body).status_code == 201
        yield running


def run(server, algo="processing_1", study="st", series="se", image=None, scope="series", **more):
    accepted = server.submit(algo, "c", study, series, image, scope, **more)
    assert accepted.status_code == 202, accepted.text
    return server.wait_job(accepted.json()["job_id"])


def fetch(url):
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    return pydicom.dcmread(io.BytesIO(answer.content))


@pytest.fixture(scope="module")
def job(server):
    job = run(server)
    assert job["state"] == "succeeded", job
    return job


def test_every_slice_of_a_series_gets_its_overlay_in_order(server, job):
    keys = [output["key"] for output in job["outputs"]]

    assert [source["key"] for source in job["inputs"]] == [f"st/se/i{number}.dcm" for number in range(1, SLICES + 1)]
    assert keys == [f"st/se/i{number}_processing_1.dcm" for number in range(1, SLICES + 1)]
    assert {output["role"] for output in job["outputs"]} == {"overlay"} and job["scope"] == "series"
    assert [output["found"] for output in job["outputs"]] == [True] * (SLICES - 1) + [False]
    assert job["found"] is True and job["measurements"]["found_slices"] == SLICES - 1
    assert isinstance(job["measurements"]["area_px"], int)
    assert job["measurements"]["area_px"] == sum(output["measurements"]["area_px"] for output in job["outputs"])


def test_the_overlays_are_one_series_that_lies_where_its_source_lies(server, job):
    sources = [fetch(image["url"]) for image in server.get("/pacs/studies/st/images?series_id=se").json()]
    derived = [fetch(output["url"]) for output in job["outputs"]]

    assert len({one.SeriesInstanceUID for one in derived}) == 1
    assert derived[0].SeriesInstanceUID != sources[0].SeriesInstanceUID
    assert len({one.SOPInstanceUID for one in derived}) == SLICES
    by_uid = {source.SOPInstanceUID: source for source in sources}
    for output, one in zip(job["outputs"], derived):
        source = by_uid[output["source_sop_instance_uid"]]
        for keyword in GEOMETRY:
            assert one[keyword].value == source[keyword].value, keyword
        assert one.InstanceNumber == source.InstanceNumber
        assert one.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID == output["sop_instance_uid"]
        assert list(one.ImageType)[0] == "DERIVED" and one.pixel_array.shape == (512, 512, 3)


def test_image_and_series_scope_land_in_one_derived_series(server, job):
    single = run(server, image="i3.dcm", scope="image")["outputs"][0]

    of_series = job["outputs"][2]
    assert single["sop_instance_uid"] == of_series["sop_instance_uid"] and single["key"] == of_series["key"]
    assert single["series_instance_uid"] == of_series["series_instance_uid"]
    assert fetch(single["url"]).PixelData == fetch(of_series["url"]).PixelData


def test_algorithm_and_parameters_tell_series_apart(server, job):
    other = run(server, "processing_6", image="i3.dcm", scope="image")["outputs"][0]
    third = run(server, image="i3.dcm", scope="image", params={"sigma": 3})["outputs"][0]

    series = {one["series_instance_uid"] for one in (job["outputs"][2], other, third)}
    instances = {one["sop_instance_uid"] for one in (job["outputs"][2], other, third)}
    assert len(series) == 3 and len(instances) == 3


def test_a_series_can_be_named_by_uids(server, job):
    by_uid = run(server, study=slices.uid("study"), series=slices.uid("study", "series"))
    assert [output["key"] for output in by_uid["outputs"]] == [output["key"] for output in job["outputs"]]


def test_images_whose_keys_differ_in_their_ending_only_keep_what_is_derived_apart(server):
    twins = ["twin/se/1.dcm", "twin/se/1", "twin/se/1.DCM", "twin/se/1.dcm.dcm"]
    sources = {}
    for number, key in enumerate(twins, 1):
        body = slices.ct(key, study="twin", number=number, size=64)
        sources[key] = str(slices.uid("twin", "series", key))
        assert server.put_file(key, body).status_code == 201
    single = {key: run(server, study="twin", image=key.rsplit("/", 1)[1], scope="image") for key in twins}
    series = run(server, study="twin")

    assert {job["state"] for job in (*single.values(), series)} == {"succeeded"}
    outputs = {key: job["outputs"][0] for key, job in single.items()}
    assert outputs[twins[0]]["key"] == "twin/se/1_processing_1.dcm"
    assert outputs[twins[3]]["key"] == "twin/se/1.dcm_processing_1.dcm"
    uids = f"{slices.uid('twin')}/{slices.uid('twin', 'series')}"
    for key in twins[1:3]:
        assert outputs[key]["key"] == f"{uids}/{sources[key]}_processing_1.dcm"
    assert [output["key"] for output in series["outputs"]] == [outputs[key]["key"] for key in twins]
    for key, output in (*outputs.items(), *zip(twins, series["outputs"])):
        derived = fetch(output["url"])
        assert output["source_sop_instance_uid"] == sources[key]
        assert derived.SOPInstanceUID == output["sop_instance_uid"]
        assert derived.SourceImageSequence[0].ReferencedSOPInstanceUID == sources[key]


def test_the_live_socket_tells_progress_and_the_first_slice(server):
    async def go():
        async with websockets.connect(f"{server.ws}/ws?client_id=live") as live:
            accepted = server.submit("processing_1", "live", "st", "se", scope="series", params={"sigma": 2.5}).json()
            frames = [await next_frame(live)]
            while frames[-1]["type"] != "result":
                frames.append(await next_frame(live))
            return accepted["job_id"], frames

    job_id, frames = asyncio.run(go())
    progress = [frame for frame in frames if frame["type"] == "progress"]
    fractions = [frame["fraction"] for frame in progress]
    assert progress and {frame["job_id"] for frame in frames} == {job_id}
    assert fractions == sorted(fractions) and all(0 <= fraction <= 1 for fraction in fractions)
    assert {frame["stage"] for frame in progress} <= {"fetch", "compute", "store"}
    assert not any("seq" in frame for frame in progress) and frames[-1]["seq"] == 1
    assert frames[-1]["dicom"]["key"] == frames[-1]["outputs"][0]["key"]
    assert frames[-1]["outputs"][0]["key"].startswith("st/se/i1_processing_1-")
    assert len(frames[-1]["outputs"]) == SLICES and all(fetch(out["url"]) for out in frames[-1]["outputs"][:2])


def test_a_series_with_a_slice_that_cannot_be_used_fails_and_names_it(server):
    bad = slices.ct("bad", study="mixed", series="se", size=64, PhotometricInterpretation="PALETTE COLOR")
    server.put_file("mixed/se/1.dcm", slices.ct("good", study="mixed", series="se", size=64))
    assert server.put_file("mixed/se/2.dcm", bad).status_code == 201

    job = run(server, study="mixed")
    assert job["state"] == "failed" and slices.uid("mixed", "se", "bad") in job["error"]["message"]
    assert job["outputs"] == []


def test_a_long_series_travels_by_lists_of_its_own(server):
    folder = "long/" + "x" * 250 + "/" + "y" * 250  # so that 120 inputs are more than 64 KiB
    for number in range(120):
        body = slices.ct(f"l{number}", study="long", series="long", number=number + 1, size=64)
        assert server.put_file(f"{folder}/l{number:03}.dcm", body).status_code == 201

    job = run(server, study=folder.rsplit("/", 1)[0], series="y" * 250)
    assert job["state"] == "succeeded", job
    assert [source["key"][-8:] for source in job["inputs"]] == [f"l{number:03}.dcm" for number in range(120)]
    assert len(job["outputs"]) == 120 and len({output["sop_instance_uid"] for output in job["outputs"]}) == 120
    (inputs,) = (server.data / "objects" / "jobs" / job["job_id"]).glob("inputs-*.json")
    assert inputs.stat().st_size > 64 * 1024 and json.loads(inputs.read_text()) == job["inputs"]
    event = server.events("c")["events"][-1]
    assert event["job_id"] == job["job_id"] and event["dicom"]["key"] == job["outputs"][0]["key"]
    assert len(server.get(f"/jobs/{job['job_id']}/outputs").json()["outputs"]) == 120


# --- conformance ---

# What dciodvfy calls an error although the derived object is right: it is so in the source.
EXCUSED = {"dicomdir/98892003/MR1/4919": "StudyInstanceUID has same value as FrameOfReferenceUID"}


def errors_of(tmp_path, data):
    file = tmp_path / "derived.dcm"
    file.write_bytes(data)
    said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("algo", ["processing_1", "processing_6"])
def test_dciodvfy_finds_no_error_in_overlays_of_ours(server, tmp_path, algo):
    for number in (1, SLICES):
        job = run(server, algo, image=f"i{number}.dcm", scope="image")
        assert errors_of(tmp_path, requests.get(job["outputs"][0]["url"], timeout=10).content) == []


def test_dciodvfy_finds_no_error_in_overlays_of_real_images(server, shared, tmp_path):
    names = ["ct_liver_contrast/z-0770.5.dcm", "ct_lidc0314_liver_part/z-0600.8.dcm", "misc/CT_small.dcm",
             "misc/MR_small_RLE.dcm", "misc/693_J2KI.dcm", "misc/JPGExtended.dcm", "misc/JPEG2000.dcm",
             "misc/MR-SIEMENS-DICOM-WithOverlays.dcm", "misc/mlut_18.dcm", "misc/parametric_map_float.dcm",
             "misc/liver_1frame.dcm", "misc/image_dfl.dcm", "highdicom/dx_image.dcm", "transfer_syntax/CT1_J2KR",
             "mr_brain/36747514.dcm", "pet_headneck/000015.dcm", "dicomdir/98892003/MR1/4919"]
    for number, name in enumerate(names):
        source = SHARED / "data" / name
        assert server.put_file(f"real/s{number}/image", source).status_code == 201, name
        job = run(server, study="real", series=f"s{number}", image="image", scope="image")
        assert job["state"] == "succeeded", (name, job["error"])
        errors = errors_of(tmp_path, requests.get(job["outputs"][0]["url"], timeout=10).content)
        assert [error for error in errors if EXCUSED.get(name, "no excuse") not in error] == [], name
