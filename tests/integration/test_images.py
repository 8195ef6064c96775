# SPDX-License-Identifier: Apache-2.0
"""Algorithms that give images: derived series of the source's own class, bits, rescale and geometry."""
import io
import shutil
import subprocess

import numpy
import pydicom
import pytest
import requests

import slices
from server import Server

SAME = ("SOPClassUID", "Modality", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
        "PhotometricInterpretation", "RescaleSlope", "RescaleIntercept", "ImagePositionPatient", "ImageOrientationPatient",
        "PixelSpacing", "FrameOfReferenceUID", "StudyInstanceUID", "PatientID", "WindowCenter", "WindowWidth", "InstanceNumber")
# Files of the shared data: implicit, big endian, deflated and compressed CT; MR; PET with fractions.
FILES = ("transfer_syntax/CTImage.dcm", "transfer_syntax/CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
         "transfer_syntax/CTImage.dcm_DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99.dcm",
         "transfer_syntax/CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm",
         "transfer_syntax/CTImage.dcm_LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm",
         "misc/CT_small.dcm", "misc/MR_small_bigendian.dcm", "pet_headneck/000015.dcm", "mr_brain/36747514.dcm")


@pytest.fixture(scope="module")
def server(tmp_path_factory, shared):
    with Server(tmp_path_factory.mktemp("images") / "data", job_hosts_max=2) as running:
        for path in sorted((shared / "data" / "ct_lidc0314_liver_part").glob("*.dcm"))[:12]:
            assert running.put_file(f"st/ct/{path.name}", path).status_code == 201
        yield running


def run(server, algo, series="ct", image=None, scope="series", **params):
    accepted = server.submit(algo, "c", "st", series, image, scope, params=params)
    assert accepted.status_code == 202, accepted.text
    return server.wait_job(accepted.json()["job_id"])


def fetch(url):
    return pydicom.dcmread(io.BytesIO(requests.get(url, timeout=10).content))


def sources(server, series="ct"):
    listed = server.get(f"/pacs/studies/st/images?series_id={series}").json()
    return {one.SOPInstanceUID: one for one in (fetch(image["url"]) for image in listed)}


def values(dataset):
    return dataset.pixel_array.astype(float) * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))


def check_same(derived, source):
    for keyword in SAME:
        assert derived.get(keyword) == source.get(keyword), keyword
    assert list(derived.ImageType)[:2] == ["DERIVED", "PRIMARY" if source.Modality == "PT" else "SECONDARY"]
    assert derived.SOPInstanceUID == derived.file_meta.MediaStorageSOPInstanceUID != source.SOPInstanceUID
    assert derived.SeriesInstanceUID != source.SeriesInstanceUID
    assert not [element for element in derived if element.tag.is_private]


def test_denoise_gives_a_series_that_differs_in_its_pixels_alone(server):
    job = run(server, "denoise")
    by_uid = sources(server)

    assert job["state"] == "succeeded" and job["found"] is True and len(job["outputs"]) == 12
    assert {output["role"] for output in job["outputs"]} == {"image"}
    derived = [fetch(output["url"]) for output in job["outputs"]]
    assert len({one.SeriesInstanceUID for one in derived}) == 1 and len({one.SOPInstanceUID for one in derived}) == 12
    for output, one in zip(job["outputs"], derived):
        source = by_uid[output["source_sop_instance_uid"]]
        check_same(one, source)
        assert [item.ReferencedSOPInstanceUID for item in one.SourceImageSequence] == [source.SOPInstanceUID]
        assert one.DerivationCodeSequence[0].CodeMeaning == "Smoothing"
        assert one.SliceThickness == source.SliceThickness
        before, after = values(source), values(one)
        liver = (slice(240, 265), slice(150, 175))  # an even place
        assert after[liver].std() < 0.6 * before[liver].std() and abs(after[liver].mean() - before[liver].mean()) < 1
        bone = before > 600
        assert abs(after[bone].mean() - before[bone].mean()) < 10


def test_a_projection_is_that_of_its_source_images(server):
    by_uid = sources(server)
    for mode, function in (("maximum", numpy.max), ("minimum", numpy.min), ("mean", numpy.mean)):
        job = run(server, "projection", mode=mode, slab_mm=5, step_mm=2)
        assert job["state"] == "succeeded" and len(job["outputs"]) == 6
        for output in job["outputs"]:
            one = fetch(output["url"])
            check_same(one, by_uid[output["source_sop_instance_uid"]])
            stack = [values(by_uid[item.ReferencedSOPInstanceUID]) for item in one.SourceImageSequence]
            assert 3 <= len(stack) <= 5 and one.SliceThickness == len(stack)
            assert numpy.abs(values(one) - function(stack, axis=0)).max() <= (0.5 if mode == "mean" else 0)


@pytest.mark.parametrize("name", FILES)
def test_every_encoding_gives_a_valid_image(server, shared, tmp_path, name):
    source = pydicom.dcmread(shared / "data" / name)
    source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[name])
    plain = io.BytesIO()
    source.save_as(plain)
    assert server.put_file(f"one/{name}", plain.getvalue()).status_code == 201
    uids = {key: source[key].value for key in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}
    accepted = server.submit("denoise", "c", *uids.values(), "image")
    assert accepted.status_code == 202, accepted.text
    job = server.wait_job(accepted.json()["job_id"])
    assert job["state"] == "succeeded", job
    derived = fetch(job["outputs"][0]["url"])

    check_same(derived, source)
    assert derived.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert derived.pixel_array.shape == (source.Rows, source.Columns)
    if shutil.which("dciodvfy"):
        path = tmp_path / "derived.dcm"
        derived.save_as(path)
        before = subprocess.run(["dciodvfy", shared / "data" / name], capture_output=True, text=True, check=False).stderr
        after = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False).stderr
        known = {line for line in before.splitlines() if line.startswith("Error")}
        assert [line for line in after.splitlines() if line.startswith("Error") and line not in known] == []


def test_colour_and_single_slices_are_clear_failures(server, shared):
    assert server.put_file("rgb/se/i.dcm", shared / "data" / "misc" / "SC_rgb_rle.dcm").status_code == 201
    accepted = server.submit("denoise", "c", "rgb", "se", "i.dcm", "image")
    job = server.wait_job(accepted.json()["job_id"])
    assert job["state"] == "failed" and "grey" in job["error"]["message"]
    assert server.put_file("st/short/1.dcm", slices.ct("s1", number=1)).status_code == 201
    job = run(server, "projection", series="short")
    assert job["state"] == "failed" and "at least 2 slices are needed" in job["error"]["message"]
