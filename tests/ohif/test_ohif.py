# SPDX-License-Identifier: Apache-2.0
"""The OHIF viewer, unchanged, in Debian's Chromium."""
import json
import pathlib
import subprocess

import pydicom
import pytest

import dicomweb
import slices
from conftest import HERE, ROOT

SCREENSHOTS = ROOT / "build" / "ohif" / "screenshots"


def synthetic():
    return [slices.ct(f"slice {number}", study="ohif", series="ohif", number=number, patient="Scroll^Anna", is_found=number % 2 == 0)
            for number in range(1, 13)]


def real():
    folder = ROOT.parent / "shared" / "data" / "ct_liver_contrast"
    files = sorted(folder.rglob("*.dcm"))
    if not files:
        pytest.skip("no shared test data beside the checkout")
    return [path.read_bytes() for path in files]


@pytest.mark.parametrize("files", [synthetic, real])
def test_the_viewer_lists_shows_and_scrolls_a_study(corsia, viewer, files):
    data = files()
    assert dicomweb.Archive(corsia.base).store(data).status_code == 200
    dataset = pydicom.dcmread(dicomweb.io.BytesIO(data[0]), stop_before_pixels=True)
    folder = SCREENSHOTS / files.__name__
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["node", str(HERE / "viewer.mjs"), viewer, dataset.StudyInstanceUID,
                           str(dataset.PatientName.family_name), str(folder)],
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)

    assert seen["listed"] and seen["failed"] == [] and seen["foreign"] == []
    for picture in ("first", "scrolled"):  # neither black nor of one grey
        assert seen[picture]["greys"] > 20 and seen[picture]["mean"] > 5
    assert all(pathlib.Path(folder / f"{name}.png").stat().st_size > 10000 for name in ("list", "first", "scrolled"))
