# SPDX-License-Identifier: Apache-2.0
"""The algorithms on volumes, end to end over real series: objects in, overlays and volumes out."""
import gzip
import io

import numpy
import pydicom
import pytest
import requests

import slices
from server import Server

LIVER = 5  # in the label map
SLICES = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory, shared):
    with Server(tmp_path_factory.mktemp("organs") / "data", job_hosts_max=2) as running:
        for path in sorted((shared / "data" / "ct_liver_contrast").glob("*.dcm")):
            assert running.put_file(f"st/ct/{path.name}", path).status_code == 201
        for number in range(1, 3):
            assert running.put_file(f"st/short/{number}.dcm", slices.ct(f"s{number}", number=number)).status_code == 201
        yield running


@pytest.fixture(scope="module")
def labels(shared):
    """Slice by slice upwards, rows downwards."""
    raw = gzip.decompress((shared / "data" / "ct_liver_contrast" / "labels_example_seg_dicom.nii.gz").read_bytes())
    offset = int(numpy.frombuffer(raw, "<f4", 1, 108)[0])
    return numpy.frombuffer(raw, "u1", SLICES * 512 * 512, offset).reshape(SLICES, 512, 512)[:, ::-1]


def run(server, algo, series="ct", outputs=("overlay",), **params):
    accepted = server.submit(algo, "c", "st", series, scope="series", params=params, outputs=list(outputs))
    assert accepted.status_code == 202, accepted.text
    return server.wait_job(accepted.json()["job_id"])


def coloured(job):
    """What the overlays colour, slice by slice upwards."""
    slices_found = []
    for output in job["outputs"]:
        found = pydicom.dcmread(io.BytesIO(requests.get(output["url"], timeout=10).content))
        pixels = found.pixel_array.astype(int)
        slices_found.append((found.ImagePositionPatient[2], pixels[..., 0] != pixels[..., 1]))
    return numpy.stack([mask for _, mask in sorted(slices_found, key=lambda one: one[0])])


def test_the_liver_of_a_series_is_that_of_the_label_map(server, labels):
    job = run(server, "liver")
    assert job["state"] == "succeeded" and job["found"] is True and len(job["outputs"]) == SLICES

    mask, liver = coloured(job), labels == LIVER
    dice = 2 * (mask & liver).sum() / (mask.sum() + liver.sum())
    assert dice >= 0.95
    told = job["measurements"]
    assert told["slices"] == told["found_slices"] == SLICES
    assert told["labels"]["liver"]["volume_ml"] == pytest.approx(mask.sum() * 2 * 0.9765625**2 / 1000, rel=1e-3)
    assert told["mean_hu"] == pytest.approx(90, abs=3) and told["mode_hu"] == pytest.approx(100, abs=5)


def test_the_segmentation_holds_what_the_overlays_show(server):
    job = run(server, "liver", outputs=("overlay", "segmentation"))
    found = [output for output in job["outputs"] if output["role"] == "segmentation"]
    assert len(found) == 1
    segmentation = pydicom.dcmread(io.BytesIO(requests.get(found[0]["url"], timeout=10).content))
    assert segmentation.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Liver"
    job["outputs"] = [output for output in job["outputs"] if output["role"] == "overlay"]
    heights = [frame.PlanePositionSequence[0].ImagePositionPatient[2] for frame in segmentation.PerFrameFunctionalGroupsSequence]
    masks = [mask for _, mask in sorted(zip(heights, segmentation.pixel_array > 0), key=lambda one: one[0])]
    assert (numpy.stack(masks) == coloured(job)).all()


def test_running_twice_gives_the_same_objects(server):
    first, second = (run(server, "liver") for _ in range(2))
    for name in ("sop_instance_uid", "key", "measurements"):
        assert [output[name] for output in first["outputs"]] == [output[name] for output in second["outputs"]]
    assert (coloured(first) == coloured(second)).all()


def test_what_is_not_there_is_said_not_to_be(server):
    job = run(server, "lungs")
    assert job["state"] == "succeeded" and job["found"] is False
    assert job["measurements"]["reason"] == "too_small"
    assert not coloured(job).any()


def test_bone_and_body_of_a_series(server, labels):
    bone, body = run(server, "bone"), run(server, "body")
    bones = numpy.isin(labels, [32, 33, 69, 70, *range(92, 116)])
    assert (coloured(bone) & bones).sum() >= 0.82 * bones.sum()
    assert (coloured(body) & (labels > 0)).sum() >= 0.999 * (labels > 0).sum()
    assert 3200 < body["measurements"]["labels"]["body"]["volume_ml"] < 3400


@pytest.mark.parametrize("params, says", [({"tolerance_hu": 4}, "tolerance_hu"), ({"side": "both"}, "side"),
                                          ({"area_min_px": 3}, "area_min_px")])
def test_parameters_are_checked_before_a_job_is_accepted(server, params, says):
    answer = server.submit("liver", "c", "st", "ct", scope="series", params=params)
    assert answer.status_code == 400 and says in answer.text


def test_too_few_slices_are_a_clear_failure(server):
    job = run(server, "liver", series="short")
    assert job["state"] == "failed" and "at least 3 slices are needed, there are 2" in job["error"]["message"]
    assert server.submit("liver", "c", "st", "ct", "z-0766.5.dcm", "image").status_code in (400, 422)
