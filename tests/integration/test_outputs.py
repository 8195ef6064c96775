# SPDX-License-Identifier: Apache-2.0
"""Every rendition of a result: which are made, their names and URLs, the catalogue, and a second run."""
import asyncio
import io
import json

import pydicom
import pytest
import requests
import websockets
from server import Server, next_frame

import slices

ALL = ["overlay", "segmentation", "report", "preview", "measurements"]


def fill(server, names=("1", "2", "3"), folder="st/se", series="series"):
    for number, name in enumerate(names, 1):
        body = slices.ct(name, name != "2", series=series, number=number, size=512)
        assert server.put_file(f"{folder}/{name}.dcm", body).status_code == 201


def run(server, client="c1", study="st", series="se", image=None, scope="series", **more):
    answer = server.submit("processing_1", client, study, series, image=image, scope=scope, **more)
    assert answer.status_code == 202, answer.text
    job = server.wait_job(answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    return job


def keys(job):
    return [(output["role"], output["bucket"], output["key"]) for output in job["outputs"]]


def by_role(job, role):
    (output,) = [output for output in job["outputs"] if output["role"] == role]
    return output


def fetch(output):
    answer = requests.get(output["url"], timeout=30)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == output["media_type"]
    return answer.content


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("outputs") / "data") as running:
        fill(running)
        yield running


@pytest.fixture(scope="module")
def job(server):
    return run(server, outputs=ALL)


def test_each_has_its_name(job):
    assert keys(job) == [
        *[("overlay", "output", f"st/se/{n}_processing_1.dcm") for n in (1, 2, 3)],
        ("segmentation", "output", "st/se/processing_1.seg.dcm"), ("report", "output", "st/se/processing_1.sr.dcm"),
        ("preview", "jobs", f"{job['job_id']}/preview.png"), ("thumbnail", "jobs", f"{job['job_id']}/thumbnail.png"),
        ("measurements", "jobs", f"{job['job_id']}/measurements.json")]


def test_each_can_be_fetched(server, job):
    seg = pydicom.dcmread(io.BytesIO(fetch(by_role(job, "segmentation"))))
    report = pydicom.dcmread(io.BytesIO(fetch(by_role(job, "report"))))
    assert seg.NumberOfFrames == 2 and seg.SOPInstanceUID == by_role(job, "segmentation")["sop_instance_uid"]
    assert report.SOPInstanceUID == by_role(job, "report")["sop_instance_uid"]
    assert fetch(by_role(job, "preview")).startswith(b"\x89PNG") and fetch(by_role(job, "thumbnail")).startswith(b"\x89PNG")
    figures = json.loads(fetch(by_role(job, "measurements")))
    assert figures["measurements"] == job["measurements"] and len(figures["slices"]) == 3
    assert job["measurements"]["labels"]["liver"]["volume_ml"] > 0
    (event,) = [event for event in server.events("c1")["events"] if event["job_id"] == job["job_id"]]
    assert [output["role"] for output in event["outputs"]] == [output["role"] for output in job["outputs"]]
    assert event["dicom"]["key"] == "st/se/1_processing_1.dcm"


def test_the_catalogue_has_the_objects(server, job):
    listed = {item["0020000E"]["Value"][0]: item["00080060"]["Value"][0]
              for item in server.get(f"/dicom-web/studies/{slices.uid('study')}/series").json()}
    for role, modality in (("overlay", "OT"), ("segmentation", "SEG"), ("report", "SR")):
        series = next(output["series_instance_uid"] for output in job["outputs"] if output["role"] == role)
        assert listed[series] == modality


def test_an_image_alone_is_named_after_itself(server):
    job = run(server, image="3.dcm", scope="image", outputs=["segmentation", "report"])
    assert keys(job) == [("segmentation", "output", "st/se/3_processing_1.seg.dcm"),
                         ("report", "output", "st/se/3_processing_1.sr.dcm")]


def test_other_parameters_have_other_names(server, job):
    other = run(server, outputs=["segmentation"], params={"sigma": 2.0})
    key = by_role(other, "segmentation")["key"]
    assert key.startswith("st/se/processing_1-") and key.endswith(".seg.dcm")
    assert by_role(other, "segmentation")["sop_instance_uid"] != by_role(job, "segmentation")["sop_instance_uid"]


def test_a_job_that_says_nothing_gets_what_the_algorithm_makes_by_default(server):
    assert {output["role"] for output in run(server)["outputs"]} == {"overlay"}


def test_an_algorithm_says_what_it_makes_and_finds(server):
    simple, organs = (server.get(f"/algorithms/{name}").json() for name in ("processing_1", "lungs"))
    assert simple["outputs"] == ALL and simple["default_outputs"] == ["overlay"]
    assert simple["labels"] == [{"number": 1, "id": "liver", "name": "Liver", "rgb": [255, 0, 255]}]
    assert organs["default_outputs"] == ALL and [label["id"] for label in organs["labels"]] == ["lung_left", "lung_right"]


def test_a_job_may_ask_for_figures_alone(server):
    assert [output["role"] for output in run(server, outputs=["measurements"])["outputs"]] == ["measurements"]


def test_nothing_found_is_no_segmentation(server):
    job = run(server, image="2.dcm", scope="image", outputs=ALL)
    assert job["found"] is False
    assert [output["role"] for output in job["outputs"]] == ["overlay", "preview", "thumbnail", "measurements"]


def test_a_second_series_in_a_folder_is_named_by_its_uids(server):
    fill(server, ["x", "y"], series="other")
    study, series = slices.uid("study"), slices.uid("study", "other")
    job = run(server, study=study, series=series, outputs=["segmentation"])
    assert by_role(job, "segmentation")["key"] == f"{study}/{series}/processing_1.seg.dcm"
    first = run(server, study=study, series=slices.uid("study", "series"), outputs=["segmentation"])
    assert by_role(first, "segmentation")["key"] == "st/se/processing_1.seg.dcm"


def test_slices_of_two_sizes_get_two_segmentations_and_two_reports(server):
    for number in range(1, 5):
        body = slices.ct(f"m{number}", series="mixed", number=number, size=512 if number < 4 else 256)
        assert server.put_file(f"st/mixed/m{number}.dcm", body).status_code == 201
    job = run(server, series="mixed", outputs=["segmentation", "report"], params={"area_min_px": 5000})
    assert keys(job) == [("segmentation", "output", f"st/mixed/processing_1-{hash_of(job)}.seg.dcm"),
                         ("report", "output", f"st/mixed/processing_1-{hash_of(job)}.sr.dcm"),
                         ("segmentation", "output", f"st/mixed/processing_1-{hash_of(job)}.2.seg.dcm"),
                         ("report", "output", f"st/mixed/processing_1-{hash_of(job)}.2.sr.dcm")]
    large, small = (pydicom.dcmread(io.BytesIO(fetch(output))) for output in job["outputs"][::2])
    assert (large.Rows, large.NumberOfFrames) == (512, 3) and (small.Rows, small.NumberOfFrames) == (256, 1)
    again = run(server, series="mixed", outputs=["segmentation", "report"], params={"area_min_px": 5000})
    assert keys(again) == keys(job)


def hash_of(job):
    """Of its parameters, from the name of the first output."""
    return job["outputs"][0]["key"].split("processing_1-")[1].split(".")[0]


def test_a_series_that_has_grown_is_segmented_anew(tmp_path):
    with Server(tmp_path / "data") as server:
        fill(server)
        before = by_role(run(server, outputs=["segmentation"]), "segmentation")
        assert server.put_file("st/se/4.dcm", slices.ct("4", number=4)).status_code == 201
        after = by_role(run(server, outputs=["segmentation"]), "segmentation")
        assert after["key"] == before["key"] and after["sop_instance_uid"] != before["sop_instance_uid"]
        listed = server.get(f"/dicom-web/studies/{slices.uid('study')}/series/{after['series_instance_uid']}/instances").json()
        assert [item["00080018"]["Value"][0] for item in listed] == [after["sop_instance_uid"]]


def test_the_configuration_says_what_is_made(tmp_path):
    with Server(tmp_path / "data", outputs="segmentation, measurements") as server:
        fill(server)
        assert [output["role"] for output in run(server)["outputs"]] == ["segmentation", "measurements"]
        assert [output["role"] for output in run(server, outputs=["preview"])["outputs"]] == ["preview", "thumbnail"]


def test_a_multi_frame_image_gives_a_picture_per_frame(server, shared):
    path = shared / "data" / "misc" / "eCT_Supplemental.dcm"
    assert server.put_file("mf/se/e.dcm", path).status_code == 201
    job = run(server, study="mf", image="e.dcm", scope="image", outputs=["overlay", "segmentation"],
              params={"area_min_px": 1, "small_hole_px": 0, "closing_radius_px": 0, "opening_radius_px": 0, "side": "any",
                      "centroid_y_max": 1.0, "hu_min": -1000})
    frames = int(pydicom.dcmread(path, stop_before_pixels=True).NumberOfFrames)
    names = [output["key"] for output in job["outputs"] if output["role"] == "overlay"]
    assert sorted(name.split(".")[-2] for name in names) == [f"frame{n + 1}" for n in range(frames)]


def test_the_first_overlay_is_shown_before_the_last_slice_is_computed(tmp_path):
    """Progress carries the overlay that was stored last; it can be fetched while the job runs."""
    async def go(server, job_id):
        async with websockets.connect(f"{server.ws}/ws?client_id=preview") as tab:
            answer = server.submit("processing_1", "preview", "st", "se", scope="series", job_id=job_id)
            assert answer.status_code == 202
            shown = []
            while not shown or shown[-1]["type"] != "result":
                shown.append(await next_frame(tab))
                if shown[-1].get("preview"):
                    assert requests.get(shown[-1]["preview"]["url"], timeout=30).content[128:132] == b"DICM"
            return shown

    with Server(tmp_path / "data", job_hosts_max=1) as server:
        for number in range(1, 41):
            assert server.put_file(f"st/se/{number}.dcm", slices.ct(number, number=number)).status_code == 201
        *progress, result = asyncio.run(go(server, "p1"))
    previews = [frame for frame in progress if "preview" in frame]
    assert result["status"] == "succeeded" and previews and previews[0]["fraction"] < 0.9
    assert previews[0]["preview"]["role"] == "overlay"
    assert previews[0]["preview"]["key"] in {output["key"] for output in result["outputs"]}


def test_a_real_liver_in_every_rendition(server, shared):
    for path in sorted((shared / "data" / "ct_liver_contrast").glob("*.dcm")):
        assert server.put_file(f"real/se/{path.name}", path).status_code == 201
    answer = server.submit("liver", "c1", "real", "se", scope="series")
    job = server.wait_job(answer.json()["job_id"])
    assert job["state"] == "succeeded" and job["found"]
    seg = pydicom.dcmread(io.BytesIO(fetch(by_role(job, "segmentation"))))
    figures = job["measurements"]["labels"]["liver"]
    assert seg.pixel_array.sum() == figures["area_px"] and seg.NumberOfFrames == 20
    assert by_role(job, "segmentation")["key"] == "real/se/liver.seg.dcm"
    assert by_role(job, "report")["key"] == "real/se/liver.sr.dcm"
    listed = server.get(f"/dicom-web/studies/{seg.StudyInstanceUID}/series?Modality=SEG").json()
    assert seg.SeriesInstanceUID in {item["0020000E"]["Value"][0] for item in listed}
