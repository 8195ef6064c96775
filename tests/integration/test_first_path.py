# SPDX-License-Identifier: Apache-2.0
"""The whole path on one slice: store, provision, process, and the frame that arrives."""
import asyncio
import io

import pydicom
import requests
import websockets

from server import next_frame


def run_job(server, algo="processing_1", image="ct.dcm", **more):
    """Submit while listening; the final frame."""

    async def go():
        client = server.post("/provision", {}).json()["client_id"]
        async with websockets.connect(f"{server.ws}/ws?client_id={client}") as live:
            accepted = server.submit(algo, client, "st", "se", image, **more)
            assert accepted.status_code == 202, accepted.text
            frame = await next_frame(live, "result")
            assert frame["job_id"] == accepted.json()["job_id"]
            return frame

    return asyncio.run(go())


def test_a_posted_job_arrives_as_a_frame_whose_url_gives_the_derived_dicom(stocked):
    frame = run_job(stocked)

    assert frame["status"] == "succeeded" and frame["found"] is True and frame["seq"] == 1
    assert frame["dicom"]["bucket"] == "output"
    assert frame["dicom"]["key"] == "st/se/ct_processing_1.dcm"
    assert frame["measurements"]["area_px"] >= 20000
    answer = requests.get(frame["dicom"]["url"], timeout=10)
    assert answer.status_code == 200
    derived = pydicom.dcmread(io.BytesIO(answer.content))
    assert derived.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert derived.pixel_array.shape == (512, 512, 3)


def test_nothing_found_is_told(stocked):
    frame = run_job(stocked, image="none.dcm")

    assert frame["status"] == "succeeded" and frame["found"] is False


def test_the_same_job_again_gives_the_same_bytes(stocked):
    first = requests.get(run_job(stocked)["dicom"]["url"], timeout=10).content
    second = requests.get(run_job(stocked)["dicom"]["url"], timeout=10).content

    # The acceptance time is inside, so only that may differ.
    one, other = (pydicom.dcmread(io.BytesIO(data)) for data in (first, second))
    assert one.SOPInstanceUID == other.SOPInstanceUID
    assert one.SeriesInstanceUID == other.SeriesInstanceUID
    assert one.PixelData == other.PixelData


def test_a_server_that_is_told_to_stop_drains_and_exits_with_0(stocked):
    assert stocked.stop() == 0
