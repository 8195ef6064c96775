# SPDX-License-Identifier: Apache-2.0
"""Real servers, ours and a stranger's, for clients that are not ours."""
import os
import pathlib
import sys

import pytest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration"), str(HERE.parent / "dicom")]

import dicomweb  # noqa: E402
import orthanc as orthanc_module  # noqa: E402
import server as server_module  # noqa: E402
import slices  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore")  # pydicom comments on every odd file


@pytest.fixture(scope="module")
def corsia(tmp_path_factory):
    """An empty server of ours.  COR_INTEROP_PEER=orthanc puts the stranger in its place, to test a test."""
    if os.environ.get("COR_INTEROP_PEER") == "orthanc":
        with orthanc_module.Orthanc(tmp_path_factory.mktemp("instead") / "orthanc") as running:
            yield running
        return
    with server_module.Server(tmp_path_factory.mktemp("corsia") / "data") as running:
        running.base = running.url + "/dicom-web"
        yield running


@pytest.fixture(scope="module")
def archive(corsia):
    return dicomweb.Archive(corsia.base)


@pytest.fixture(scope="module")
def orthanc(corsia, tmp_path_factory):
    """Debian's Orthanc, which knows our server by the name of "corsia"."""
    with orthanc_module.Orthanc(tmp_path_factory.mktemp("orthanc") / "orthanc", {"corsia": corsia.base}) as running:
        yield running


@pytest.fixture(scope="session")
def ct_series():
    """A series of five CT slices, as bytes."""
    return [slices.ct(f"slice {number}", study="ct", series="ct", number=number, size=128, patient="Bianchi^Anna")
            for number in range(1, 6)]


@pytest.fixture(scope="session")
def shared():
    if not server_module.SHARED.is_dir():
        pytest.skip("no shared test data beside the checkout")
    return server_module.SHARED
