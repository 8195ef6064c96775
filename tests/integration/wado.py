# SPDX-License-Identifier: Apache-2.0
"""Retrieving over DICOMweb, with a strict reader of multipart answers that is not ours."""
import io
import re

import pydicom

AS_STORED = "multipart/related; type=\"application/dicom\"; transfer-syntax=*"
VIEWER_FRAMES = "multipart/related; type=application/octet-stream; transfer-syntax=*"  # as Cornerstone and OHIF say it
EXPLICIT = "1.2.840.10008.1.2.1"


class Part:
    def __init__(self, head, body):
        lines = head.decode("ascii").split("\r\n")
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        self.body = body

    @property
    def type(self):
        return self.headers["content-type"]

    @property
    def syntax(self):
        found = re.search("transfer-syntax=([0-9.]+)", self.type)
        return found and found.group(1)

    def dataset(self):
        return pydicom.dcmread(io.BytesIO(self.body))


def boundary_of(content_type):
    found = re.fullmatch(r'multipart/related; type="([^"]+)"; boundary=([A-Za-z0-9\'()+_,./:=?-]{1,70})', content_type)
    assert found, content_type
    return found.group(1), found.group(2).encode()


def parts_of(answer):
    """The parts of a multipart/related answer, to the letter of RFC 2046."""
    assert answer.status_code == 200, answer.text
    inner, boundary = boundary_of(answer.headers["Content-Type"])
    pieces = (b"\r\n" + answer.content).split(b"\r\n--" + boundary)
    assert pieces[0] == b"" and pieces[-1] in (b"--\r\n", b"--"), "an answer begins and ends with its boundary"
    parts = []
    for piece in pieces[1:-1]:
        assert piece.startswith(b"\r\n")
        head, body = piece[2:].split(b"\r\n\r\n", 1)
        parts.append(Part(head, body))
        assert parts[-1].type.split(";")[0] == inner
    return parts


def path_of(dataset):
    return (f"/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
            f"/instances/{dataset.SOPInstanceUID}")


def put(server, key, raw):
    """Store a file; the path of the instance."""
    answer = server.put_file(key, raw)
    assert answer.status_code in (200, 201), answer.text
    return path_of(pydicom.dcmread(io.BytesIO(raw), stop_before_pixels=True, force=True))


def get(server, path, accept=None, **headers):
    return server.get(path, headers={"Accept": accept, **headers})
