# SPDX-License-Identifier: Apache-2.0
"""DICOMweb as a stranger speaks it: nothing here knows how the server is made."""
import io
import re
import urllib.parse

import pydicom
import requests

DICOM, OCTETS, JSON = "application/dicom", "application/octet-stream", "application/dicom+json"
ANY_SYNTAX = "transfer-syntax=*"
FAILED, REFERENCED, OTHER_FAILURES, RETRIEVE_URL = "00081198", "00081199", "0008119A", "00081190"
FAILURE_REASON, ERROR_COMMENT, SOP_INSTANCE = "00081197", "00000902", "00081155"


def related(media_type, syntax=None):
    """An Accept value for parts of one kind."""
    return f'multipart/related; type="{media_type}"' + (f"; transfer-syntax={syntax}" if syntax else "")


class Part:
    def __init__(self, raw):
        head, gap, self.data = raw.partition(b"\r\n\r\n")
        assert gap, "a part without the empty line behind its headers"
        self.headers = requests.structures.CaseInsensitiveDict(
            tuple(line.split(": ", 1)) for line in head.decode("ascii").split("\r\n") if line)

    @property
    def media_type(self):
        return self.headers["Content-Type"].split(";")[0].strip()

    @property
    def syntax(self):
        found = re.search(r"transfer-syntax=\"?([0-9.]+)", self.headers["Content-Type"])
        return found[1] if found else None

    def dataset(self):
        return pydicom.dcmread(io.BytesIO(self.data))


def parts(answer):
    """The parts of a multipart answer, read strictly (RFC 2046 section 5.1.1): nothing before, nothing after."""
    kind = answer.headers["Content-Type"]
    assert kind.startswith("multipart/related"), kind
    boundary = re.search(r'boundary="?([^";]+)', kind)[1].encode()
    body = answer.content
    first, last = b"--" + boundary + b"\r\n", b"\r\n--" + boundary + b"--"
    if body.startswith(b"\r\n"):
        body = body[2:]
    assert body.startswith(first), body[:100]
    assert body.rstrip(b"\r\n").endswith(last), body[-100:]
    found = [Part(raw) for raw in body.rstrip(b"\r\n")[len(first):-len(last)].split(b"\r\n--" + boundary + b"\r\n")]
    stated = re.search(r'type="([^";]+)', kind)  # Orthanc puts the transfer syntax inside the quotes
    assert stated and all(part.media_type == stated[1] for part in found), kind
    for part in found:
        if "Content-Length" in part.headers:
            assert int(part.headers["Content-Length"]) == len(part.data)
    return found


def multipart(files, boundary=b"a stranger's boundary"):
    """Body and Content-Type of an upload."""
    body = b"".join(b"--" + boundary + b"\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n" for data in files)
    return body + b"--" + boundary + b"--\r\n", f'multipart/related; type="{DICOM}"; boundary="{boundary.decode()}"'


class Archive:
    """A DICOMweb server, by its base URL."""

    def __init__(self, base):
        self.base = base
        self.session = requests.Session()

    def get(self, path, accept=None, status=200, **query):
        url = path if path.startswith("http") else self.base + path
        headers = {"Accept": accept} if accept else {}
        answer = self.session.get(url, headers=headers, params=query, timeout=120)
        assert answer.status_code == status, f"{answer.status_code} {answer.text[:300]}"
        return answer

    def search(self, path, **query):
        """The matches; none may be 204 or an empty list (PS3.18 section 8.3.4.4)."""
        words = urllib.parse.urlencode(query, safe="*,")  # Orthanc takes %2A for a star that is meant literally
        answer = self.session.get(f"{self.base}{path}?{words}", headers={"Accept": JSON}, timeout=60)
        assert answer.status_code in (200, 204), f"{answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.status_code == 200 else []

    def parts(self, path, media_type=DICOM, syntax="*"):
        return parts(self.get(path, related(media_type, syntax)))

    def store(self, files, path="/studies"):
        """The answer to one upload of several files."""
        body, kind = multipart(files)
        return self.session.post(self.base + path, data=body, headers={"Content-Type": kind, "Accept": JSON}, timeout=120)


def value(attributes, tag, missing=None):
    """The first value of an attribute of the DICOM JSON Model."""
    return (attributes.get(tag, {}).get("Value") or [missing])[0]


def path_of(dataset):
    """The path of an instance."""
    return (f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
            f"/instances/{dataset.SOPInstanceUID}")


def after_group_2(data):
    """The bytes of the data set: what follows the meta header (PS3.10 section 7.1), or all where there is none."""
    if data[128:132] != b"DICM":
        return data
    at = 132
    while data[at:at + 2] == b"\2\0":
        if data[at + 4:at + 6] in (b"OB", b"OW", b"UN", b"SQ"):
            at += 12 + int.from_bytes(data[at + 8:at + 12], "little")
        else:
            at += 8 + int.from_bytes(data[at + 6:at + 8], "little")
    return data[at:]
