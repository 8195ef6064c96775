# SPDX-License-Identifier: Apache-2.0
"""A hundred kill -9 of the server and its hosts under load; see chaos.py, which `make chaos` runs for longer."""
import pathlib
import random
import subprocess
import sys
import time

import pytest

import slices
from server import FAILPOINT_BINARY, Server, until


def test_a_hundred_kills_lose_nothing_and_double_nothing():
    if not FAILPOINT_BINARY.exists():
        pytest.skip("there is no build with failpoints: tools/run-tests failpoints makes it")
    done = subprocess.run([sys.executable, pathlib.Path(__file__).parent / "chaos.py", "--rounds", "100", "--self-test"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:]


def test_a_first_start_that_is_killed_can_be_begun_again(tmp_path):
    """Everything that a data directory needs is made whole or not at all."""
    rng = random.Random(7)
    for number in range(12):
        server = Server(tmp_path / f"data{number}")
        for _kill in range(2):
            server.spawn()
            moment = time.monotonic() + rng.uniform(0, 0.12)
            until(lambda: time.monotonic() > moment, 5, "a moment")  # pylint: disable=cell-var-from-loop
            server.kill()
        with server:
            assert server.put_file("st/se/ct.dcm", slices.ct("ct", size=64)).status_code == 201
