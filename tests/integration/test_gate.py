# SPDX-License-Identifier: Apache-2.0
"""What the gate refuses: kept apart with its reason and a picture, and the client is told."""
import json

import pytest
from server import FAILPOINT_BINARY, Server

import slices


@pytest.mark.parametrize("role", ["overlay", "segmentation"])
def test_an_object_that_lies_elsewhere_is_quarantined(tmp_path, role):
    if not FAILPOINT_BINARY.exists():
        pytest.skip("there is no build with failpoints: tools/run-tests failpoints makes it")
    with Server(tmp_path / "data", binary=FAILPOINT_BINARY, env={"COR_BREAK_RENDITION": role}) as server:
        assert server.put_file("st/se/1.dcm", slices.ct("1")).status_code == 201
        answer = server.submit("processing_1", "c1", "st", "se", image="1.dcm", outputs=["overlay", "segmentation"])
        job = server.wait_job(answer.json()["job_id"])
        assert job["state"] == "failed" and job["outputs"] == [] and job["attempts"] == 1
        (event,) = server.events("c1")["events"]
        assert event["error"]["code"] == "gate_refused" and "does not lie on its source" in event["error"]["message"]
        assert "dicom" not in event
        kept = server.data / "objects" / "quarantine" / job["job_id"]
        reason = json.loads((kept / f"{role}-1.0.json").read_text())
        assert reason["job_id"] == job["job_id"] and reason["role"] == role
        assert reason["reason"] == "frame 1: it does not lie on its source"
        assert reason["source_sop_instance_uid"] == slices.uid("study", "series", "1")
        assert (kept / f"{role}-1.0.dcm").read_bytes()[128:132] == b"DICM"
        assert (kept / "preview-1.0.png").read_bytes().startswith(b"\x89PNG")
        listed = server.get(f"/dicom-web/studies/{slices.uid('study')}/instances").json()
        assert [item["00080018"]["Value"][0] for item in listed] == [slices.uid("study", "series", "1")]
