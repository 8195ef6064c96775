# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import server as server_module  # noqa: E402
import slices  # noqa: E402


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def server(data):
    """A running server on an empty data directory."""
    with server_module.Server(data) as running:
        yield running


@pytest.fixture
def stocked(server):
    """A running server with one study: st/se/ct.dcm (a liver is found) and st/se/none.dcm (none is)."""
    for name, is_found in (("ct", True), ("none", False)):
        assert server.put_file(f"st/se/{name}.dcm", slices.ct(name, is_found)).status_code == 201
    return server


@pytest.fixture(scope="session")
def shared():
    if not server_module.SHARED.is_dir():
        pytest.skip("no shared test data beside the checkout")
    return server_module.SHARED
