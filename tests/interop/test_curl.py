# SPDX-License-Identifier: Apache-2.0
"""curl, as a person would use it at a terminal; and dcm2niix on what was fetched with it."""
import json
import pathlib
import subprocess

import numpy
import pydicom
import pytest

import dicomweb
import slices

STUDY, SERIES = slices.uid("curl"), slices.uid("curl", "curl")
SLICES = 6


def curl(*words, **kwargs):
    done = subprocess.run(["curl", "-sS", "--max-time", "60", *map(str, words)], capture_output=True, check=False, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A series in files: oblique, and with spacings that differ, so that every axis tells itself apart."""
    made = tmp_path_factory.mktemp("files")
    for number in range(1, SLICES + 1):
        normal = numpy.cross([0.8, 0.6, 0], [0, 0, -1])
        data = slices.ct(f"slice {number}", study="curl", series="curl", number=number, size=64,
                         ImageOrientationPatient=[0.8, 0.6, 0, 0, 0, -1], PixelSpacing=[0.7, 0.9],
                         ImagePositionPatient=[round(float(one), 4) for one in numpy.array([-20, 30, 10]) + 2.5 * number * normal],
                         SliceThickness="2.5", SpacingBetweenSlices="2.5")
        (made / f"{number}.dcm").write_bytes(data)
    return made


@pytest.fixture(scope="module", autouse=True)
def stored(corsia, folder):
    """Each file is sent by itself, as application/dicom; the statuses."""
    return [curl("-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-H", "Content-Type: application/dicom",
                 "--data-binary", f"@{folder}/{number}.dcm", f"{corsia.base}/studies") for number in range(1, SLICES + 1)]


def test_single_files_are_stored(stored, corsia):
    assert stored == [b"200"] * SLICES
    assert len(json.loads(curl(f"{corsia.base}/studies/{STUDY}/instances"))) == SLICES


def test_a_form_of_several_parts_is_stored(corsia, tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.dcm").write_bytes(slices.ct(f"part {number}", study="form", series="form", size=32))
    body = tmp_path / "body"
    with open(body, "wb") as out:
        for number in (1, 2):
            out.write(b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + (tmp_path / f"{number}.dcm").read_bytes() + b"\r\n")
        out.write(b"--edge--")
    answer = json.loads(curl("-X", "POST", "-H", "Content-Type: multipart/related; type=application/dicom; boundary=edge",
                             "-H", "Accept: application/dicom+json", "-T", body, f"{corsia.base}/studies"))

    assert len(answer[dicomweb.REFERENCED]["Value"]) == 2


def test_what_is_asked_for_without_an_accept_is_given(corsia):
    assert json.loads(curl(f"{corsia.base}/studies?StudyInstanceUID={STUDY}"))[0]["0020000D"]["Value"] == [STUDY]
    assert len(json.loads(curl(f"{corsia.base}/studies/{STUDY}/series/{SERIES}/metadata"))) == SLICES


def test_a_file_is_fetched_whole(corsia, folder, tmp_path):
    url = f"{corsia.base}/studies/{STUDY}/series/{SERIES}/instances/{slices.uid('curl', 'curl', 'slice 3')}"
    curl("-H", "Accept: application/dicom", "-o", tmp_path / "one.dcm", url)

    assert dicomweb.after_group_2((tmp_path / "one.dcm").read_bytes()) == dicomweb.after_group_2((folder / "3.dcm").read_bytes())


def test_a_fetch_that_broke_off_goes_on(corsia, tmp_path):
    url = f"{corsia.base}/studies/{STUDY}/series/{SERIES}/instances/{slices.uid('curl', 'curl', 'slice 3')}"
    accept = ["-H", "Accept: application/dicom; transfer-syntax=*"]
    whole = curl(*accept, url)
    head = curl("-I", *accept, url).decode().lower()
    if "accept-ranges: bytes" not in head:
        pytest.skip("the server offers no ranges")
    (tmp_path / "part.dcm").write_bytes(whole[:1000])
    curl(*accept, "-C", "-", "-o", tmp_path / "part.dcm", url)

    assert (tmp_path / "part.dcm").read_bytes() == whole


def test_what_has_not_changed_is_not_sent_again(corsia, tmp_path):
    url = f"{corsia.base}/studies/{STUDY}/series/{SERIES}/metadata"
    words = ["-o", tmp_path / "metadata", "-w", "%{http_code}", "--etag-compare", tmp_path / "etag", "--etag-save", tmp_path / "etag", url]

    (tmp_path / "etag").write_bytes(b"")
    assert curl(*words) == b"200"
    assert json.loads((tmp_path / "metadata").read_bytes())
    assert curl(*words) == b"304"


def test_a_picture_is_fetched_by_both_doors(corsia):
    sop = slices.uid("curl", "curl", "slice 3")
    rendered = curl("-H", "Accept: image/jpeg", f"{corsia.base}/studies/{STUDY}/series/{SERIES}/instances/{sop}/rendered")
    query = f"requestType=WADO&studyUID={STUDY}&seriesUID={SERIES}&objectUID={sop}"
    by_uri = curl(f"{corsia.url}/wado?{query}&contentType=image/jpeg")
    whole = curl(f"{corsia.url}/wado?{query}&contentType=application/dicom")

    assert rendered.startswith(b"\xff\xd8\xff") and by_uri.startswith(b"\xff\xd8\xff")
    assert whole[128:132] == b"DICM"


def nifti(folder):
    """dcm2niix's volume of a folder of DICOM files: header and voxels."""
    out = folder / "nifti"
    out.mkdir()
    done = subprocess.run(["dcm2niix", "-b", "n", "-z", "n", "-f", "volume", "-o", out, folder], capture_output=True, text=True,
                          check=False)
    found = list(out.glob("*.nii"))
    assert done.returncode == 0 and len(found) == 1, done.stdout + done.stderr
    data = found[0].read_bytes()
    assert data[344:347] == b"n+1"
    return {"dim": numpy.frombuffer(data, "<i2", 8, 40).tolist(), "spacing": numpy.frombuffer(data, "<f4", 8, 76).tolist(),
            "type": numpy.frombuffer(data, "<i2", 1, 70).tolist(), "scale": numpy.frombuffer(data, "<f4", 2, 112).tolist(),
            "affine": numpy.frombuffer(data, "<f4", 12, 280).tolist(), "voxels": data[352:]}


def test_dcm2niix_makes_the_same_volume_of_the_series(archive, folder, tmp_path):
    for number, part in enumerate(archive.parts(f"/studies/{STUDY}/series/{SERIES}")):
        (tmp_path / f"came-{number}.dcm").write_bytes(part.data)
    ours, theirs = nifti(tmp_path), nifti(folder)

    assert ours == theirs
    assert ours["dim"][:4] == [3, 64, 64, SLICES] and numpy.allclose(ours["spacing"][1:4], [0.9, 0.7, 2.5])


def test_dcm2niix_makes_the_same_volume_of_real_images(archive, shared, tmp_path):
    source = pathlib.Path(shared) / "data" / "ct_liver_contrast"
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() == ".dcm")[:24]
    (tmp_path / "files").mkdir()
    (tmp_path / "came").mkdir()
    assert archive.store([path.read_bytes() for path in files]).status_code == 200
    dataset = pydicom.dcmread(files[0], stop_before_pixels=True)
    for path in files:
        (tmp_path / "files" / path.name).write_bytes(path.read_bytes())
    for number, part in enumerate(archive.parts(f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}")):
        (tmp_path / "came" / f"{number}.dcm").write_bytes(part.data)

    assert nifti(tmp_path / "came") == nifti(tmp_path / "files")
