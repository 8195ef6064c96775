# SPDX-License-Identifier: Apache-2.0
"""A hundred kill -9 of the server and its hosts under load; see chaos.py, which `make chaos` runs for longer."""
import pathlib
import subprocess
import sys

import pytest

from server import FAILPOINT_BINARY


def test_a_hundred_kills_lose_nothing_and_double_nothing():
    if not FAILPOINT_BINARY.exists():
        pytest.skip("there is no build with failpoints: tools/run-tests failpoints makes it")
    done = subprocess.run([sys.executable, pathlib.Path(__file__).parent / "chaos.py", "--rounds", "100", "--self-test"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:]
