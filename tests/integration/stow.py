# SPDX-License-Identifier: Apache-2.0
"""Storing over DICOMweb, with bodies made by hand: what travels is what the test says."""
import requests

BOUNDARY = "a-boundary"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
DICOM = b"Content-Type: application/dicom\r\n"


def body_of(parts, headers=DICOM, boundary=BOUNDARY):
    delimiter = b"--" + boundary.encode()
    return b"".join(delimiter + b"\r\n" + headers + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


def post(server, body, study=None, content_type=RELATED, accept=None, timeout=120):
    headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
    path = "/dicom-web/studies" + (f"/{study}" if study else "")
    return requests.post(server.url + path, data=body, headers=headers, timeout=timeout)


def store(server, *parts, **kwargs):
    return post(server, body_of(parts), **kwargs)


def items(answer, tag):
    data_set = answer.json()
    return data_set.get("response", data_set).get(tag, {}).get("Value", [])


def value(item, tag):
    return item[tag]["Value"][0]


def stored(answer):
    """SOP Instance UIDs of the ReferencedSOPSequence."""
    return [value(item, "00081155") for item in items(answer, "00081199")]


def failures(answer):
    """Pairs of SOP Instance UID (None where it could not be read) and Failure Reason."""
    return ([(value(item, "00081155"), value(item, "00081197")) for item in items(answer, "00081198")] +
            [(None, value(item, "00081197")) for item in items(answer, "0008119A")])
