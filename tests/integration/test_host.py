# SPDX-License-Identifier: Apache-2.0
"""`corsia host` over its protocol, with a client that is not ours to begin with."""
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys

import numpy as np
import pydicom
import pytest

import slices
from host_protocol import Connection, Host, HostError, HostGone
from server import BINARY

LAYERS = {"no_new_privs", "landlock", "seccomp", "rlimits"}
PARAMS = {"sigma": 1.5}
SAMPLES = pathlib.Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def host():
    with Host(BINARY) as running:
        yield running


def run_request(host, files, inputs=None, scope="series", algo="processing_1", **more):
    more = {"outputs": ["overlay"], **more}
    if inputs is None:
        inputs = []
        for data in files:
            ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data), stop_before_pixels=True)
            inputs.append({"sop_instance_uid": ds.SOPInstanceUID, "series_instance_uid": ds.SeriesInstanceUID})
    return host.ask("run", files, inputs, algo_id=algo, params=PARAMS, scope=scope, accepted_unix_ms=1767225600000,
                    **more)


def overlays(host, number):
    return [(message, data) for message, data in host.answers(number) if message["answer"] == "output"]


def test_hello_says_what_the_host_is(host):
    assert host.hello["protocol"] == 1
    assert host.hello["pid"] == host.pid
    assert {"index", "decode", "render", "run"} <= set(host.hello["operations"])
    assert {"processing_1", "processing_6"} <= {algorithm["id"] for algorithm in host.hello["algorithms"]}
    assert set(host.hello["layers"]) <= LAYERS and "rlimits" in host.hello["layers"]


def test_a_strict_sandbox_works_or_refuses(host):
    if set(host.hello["layers"]) == LAYERS:
        with Host(BINARY, sandbox="strict") as strict:
            data = slices.ct("a", size=64)
            assert strict.result(strict.ask("index", [data]))["record"]["rows"] == 64
    else:
        with pytest.raises(HostError, match="sandbox is strict"):
            Host(BINARY, sandbox="strict")


def test_end_of_file_ends_a_host_in_order():
    with Host(BINARY) as host:
        host.connection.socket.shutdown(socket.SHUT_RDWR)
        assert host.wait() == 0


def test_nothing_is_done_before_hello():
    with Host(BINARY, greet=False) as host:
        number = host.ask("index", [slices.ct("a", size=64)])
        with pytest.raises((HostError, HostGone)):
            host.result(number)
        assert host.wait() == 1


@pytest.mark.parametrize("frame", [b"\0\0\0\0", b"\xff\xff\xff\xff{}", struct.pack(">I", 2) + b"[]",
                                   struct.pack(">I", 9) + b'{"fds":3}'])
def test_a_broken_frame_ends_the_host(frame):
    with Host(BINARY) as host:
        host.connection.socket.sendall(frame)
        assert host.wait() == 1


def test_a_host_is_not_started_by_hand():
    done = subprocess.run([BINARY, "host"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)

    assert done.returncode == 1
    assert "not by hand" in done.stderr


def test_a_host_dies_with_its_parent_even_if_the_socket_lives_on():
    """PR_SET_PDEATHSIG: we keep the other end open, so that end of file cannot be what ends it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    script = ("import sys; from host_protocol import spawn; import time\n"
              "print(spawn(sys.argv[1], int(sys.argv[2])), flush=True); sys.stdin.read()")
    with ours, theirs, subprocess.Popen(
            [sys.executable, "-c", script, str(BINARY), str(theirs.fileno())], pass_fds=[theirs.fileno()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=pathlib.Path(__file__).parent) as parent:
        pid = int(parent.stdout.readline())
        connection = Connection(ours)
        connection.send({"op": "hello", "id": 1, "protocol": 1, "sandbox": "best-effort"})
        assert connection.receive()[0]["answer"] == "result"  # it has asked to die with its parent by now
        pidfd = os.pidfd_open(pid)
        parent.send_signal(signal.SIGKILL)
        ready, _, _ = select.select([pidfd], [], [], 30)
        os.close(pidfd)
        assert ready, "the host outlived its parent"


def test_stored_values_are_those_that_pydicom_reads(host):
    for name in ("CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm"):
        path = SAMPLES / name
        if not path.exists():
            pytest.skip(f"python3-pydicom has no {name}")
        (message, pixels), _result = host.answers(host.ask("decode", [path.read_bytes()], frame=1))
        got = np.frombuffer(pixels, message["type"]).reshape(message["rows"], message["columns"])
        assert np.array_equal(got, pydicom.dcmread(path).pixel_array), name


def test_no_sample_file_ends_a_host(host):
    """Good and bad alike: an answer for each, from one and the same process."""
    files = sorted(path for path in SAMPLES.rglob("*") if path.is_file() and path.suffix != ".py")
    if not files:
        pytest.skip("python3-pydicom came without its test files")
    indexed = 0
    for path in files:
        data = path.read_bytes()
        for op in ("index", "decode"):
            try:
                host.result(host.ask(op, [data]))
                indexed += op == "index"
            except HostError as error:
                assert error.message and error.code not in ("bug", "nomem"), f"{path.name}: {error}"
    assert indexed > len(files) // 2
    os.kill(host.pid, 0)


def test_twenty_thousand_nested_sequences_are_refused(host):
    nested = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20000
    data = slices.ct("a", size=64)
    with pytest.raises(HostError) as caught:
        host.result(host.ask("index", [data[:132] + nested]))
    assert caught.value.code in ("limit", "corrupt", "unsupported", "invalid")
    assert host.result(host.ask("index", [data]))["record"]["rows"] == 64


def test_errors_hold_no_patient_data(host):
    data = slices.ct("a", size=64, patient="Unmistakable^Name")
    for cut in range(140, len(data), 97):
        for op in ("index", "decode"):
            try:
                host.result(host.ask(op, [data[:cut]]))
            except HostError as error:
                assert "Unmistakable" not in error.message and "19700101" not in error.message


def test_a_series_comes_back_in_order_whatever_order_it_was_sent_in(host):
    files = [slices.ct(f"s{number}", number=number, size=128) for number in (3, 1, 4, 5, 2)]
    results = overlays(host, run_request(host, files))

    assert [message["source"] for message, _data in results] == [1, 4, 0, 2, 3]
    for message, data in results:
        derived = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data))
        assert derived.SOPInstanceUID == message["sop_instance_uid"] == message["record"]["sop_instance_uid"]
        assert derived.SOPInstanceUID.startswith("2.25.")
        assert derived.pixel_array.shape == (128, 128, 3)
        assert message["size"] == len(data)


def test_more_inputs_than_a_frame_holds(host):
    files = [slices.ct(f"m{number}", number=number, size=64) for number in range(70)]
    assert len(overlays(host, run_request(host, files))) == 70


def test_a_retry_overwrites_itself(host):
    files = [slices.ct("r")]
    first = overlays(host, run_request(host, files, scope="image"))
    with Host(BINARY) as other:
        second = overlays(other, run_request(other, files, scope="image"))

    assert first[0][0]["found"] is True
    assert [data for _message, data in first] == [data for _message, data in second]


def test_outputs_narrow_what_is_made(host):
    number = run_request(host, [slices.ct("o", size=64)], scope="image", outputs=["report"])
    answers = list(host.answers(number))

    assert [message["answer"] for message, _data in answers if message["answer"] == "output"] == []
    assert "area_px" in answers[-1][0]["measurements"]


def test_memory_does_not_grow_with_the_series(host):
    def series(length):
        return [slices.ct(f"g{number}", number=number) for number in range(length)]

    overlays(host, run_request(host, series(4)))
    before = host.peak_bytes()
    overlays(host, run_request(host, series(60)))
    assert host.peak_bytes() - before < 16 << 20  # 60 slices and their overlays are 78 MB


def test_a_run_can_be_cancelled_and_the_host_goes_on(host):
    files = [slices.ct(f"c{number}", number=number) for number in range(40)]
    number = run_request(host, files)
    answers = host.answers(number)
    assert next(answers)[0]["answer"] == "progress"
    host.cancel(number)
    with pytest.raises(HostError) as caught:
        list(answers)
    assert caught.value.code == "cancelled"
    host.cancel(number)  # too late: ignored
    result = host.result(host.ask("index", [files[0]]))
    assert result["record"]["rows"] == result["annex"]["00280010"]["Value"][0] == 512
    assert "attributes" not in result["record"]


def test_progress_begins_with_0_and_ends_with_1(host):
    fractions = [message["fraction"] for message, _data in
                 host.answers(run_request(host, [slices.ct(f"p{n}", number=n, size=128) for n in range(5)]))
                 if message["answer"] == "progress"]

    assert fractions[0] == 0 and fractions[-1] == 1 and fractions == sorted(fractions)


def test_a_bad_input_is_named(host):
    files = [slices.ct("b1", number=1, size=64), b"not DICOM at all", slices.ct("b3", number=3, size=64)]
    inputs = [{"sop_instance_uid": slices.uid("study", "series", name),
               "series_instance_uid": slices.uid("study", "series")} for name in ("b1", "b2", "b3")]
    with pytest.raises(HostError, match=slices.uid("study", "series", "b2").replace(".", r"\.")):
        host.result(run_request(host, files, inputs))


def test_an_unknown_operation_is_unsupported(host):
    with pytest.raises(HostError) as caught:
        host.result(host.ask("transmogrify"))
    assert caught.value.code == "unsupported"
