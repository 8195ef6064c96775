# SPDX-License-Identifier: Apache-2.0
"""Presigned URLs: who may read, and how: signatures, ranges, conditions, names."""
import hashlib
import hmac
import stat
import time
import urllib.parse

import pytest
import requests

import slices
from server import Server

KEY = "st/se/ct.dcm"
ODD = "st/se/ö \"q\" %2F+;.DCM"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("objects") / "data", job_hosts_max=1) as running:
        for name, key in (("ct", KEY), ("odd", ODD)):
            assert running.put_file(key, slices.ct(name)).status_code == 201
        yield running


@pytest.fixture(scope="module")
def body():
    return slices.ct("ct")


@pytest.fixture
def url(server):
    return server.get("/pacs/studies/st/images/se/ct.dcm").json()["url"]


def sign(server, key=KEY, bucket="pacs", method="GET", expires=None):
    """What an independent implementation makes of the server's key, from the description alone."""
    expires = str(int(time.time()) + 60 if expires is None else expires)
    secret = (server.data / "server.key").read_bytes()
    mac = hmac.new(secret, "\n".join((method, bucket, key, expires)).encode(), hashlib.sha256).hexdigest()
    path = urllib.parse.quote(key)
    return f"{server.url}/objects/{bucket}/{path}?expires={expires}&signature={mac}"


def get(url, **headers):
    return requests.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=10)


# --- who may read ---

def test_the_key_of_the_server_is_its_own(server):
    key = server.data / "server.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_bytes()) == 32


def test_a_url_is_signed_with_hmac_sha256_over_get_bucket_key_and_expiry(server, url, body):
    expires = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["expires"][0]

    assert sign(server, expires=expires) == url
    assert get(sign(server)).content == body
    assert get(sign(server, key=ODD)).content == slices.ct("odd")


def changed(url, **query):
    parts = urllib.parse.urlsplit(url)
    old = dict(urllib.parse.parse_qsl(parts.query))
    new = {name: value for name, value in {**old, **query}.items() if value is not None}
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(new)))


def test_a_signature_that_is_wrong_in_any_part_is_403(server, url):
    signature = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["signature"]
    expires = int(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["expires"])
    flipped = ("0" if signature[0] != "0" else "1") + signature[1:]
    for wrong in (changed(url, signature=flipped), changed(url, signature=signature[:-1]), changed(url, signature=""),
                  changed(url, signature=signature + "00"), changed(url, signature="x" * 64),
                  changed(url, signature=None),
                  changed(url, expires=expires + 1), changed(url, expires=None), changed(url, expires="x"),
                  changed(url, expires=f"+{expires}"), changed(url, expires=f"{expires}0"),
                  changed(url, expires="9" * 40),
                  url.replace("ct.dcm", "none.dcm"), url.replace("/pacs/", "/output/"), url.split("?")[0],
                  sign(server, method="PUT"), sign(server, key="st/se").replace("/st/se", f"/{KEY}"),
                  sign(server).replace("/st/se", "/st//se")):
        answer = get(wrong)
        assert answer.status_code == 403 and answer.headers["Content-Type"] == "application/problem+json", wrong
        assert requests.head(wrong, timeout=10).status_code == 403


def test_a_url_whose_time_is_over_is_403(server):
    assert get(sign(server, expires=int(time.time()))).status_code == 403
    assert get(sign(server, expires=1)).status_code == 403


def test_what_is_rightly_signed_and_not_there_is_404(server):
    assert get(sign(server, key="st/se/none.dcm")).status_code == 404
    assert get(sign(server, key="st/se")).status_code == 404  # a folder is no object
    assert get(sign(server, bucket="output")).status_code == 404


def test_the_key_outlives_a_restart(server, url, body):
    server.stop()
    server.start()
    assert get(url).content == body


# --- how ---

def test_an_object_comes_whole_with_its_headers(url, body):
    answer = get(url)

    assert answer.status_code == 200 and answer.content == body
    assert answer.headers["Content-Type"] == "application/dicom" and answer.headers["Accept-Ranges"] == "bytes"
    assert int(answer.headers["Content-Length"]) == len(body) and answer.headers["ETag"].startswith('"')
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and "private" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="ct.dcm"')


def test_a_name_of_any_characters_is_told_in_both_forms(server):
    said = get(sign(server, key=ODD)).headers["Content-Disposition"]

    quoted = urllib.parse.quote("ö \"q\" %2F+;.DCM", safe="")
    assert said.isascii() and said.startswith('attachment; filename="')
    assert said.split("filename*=UTF-8''")[1].lower() == quoted.lower()


def test_head_tells_what_get_would(url):
    got, head = get(url), requests.head(url, timeout=10)

    assert head.status_code == 200 and head.content == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Content-Disposition"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("asked, first, end", [
    ("bytes=0-0", 0, 1), ("bytes=0-99", 0, 100), ("bytes=100-", 100, None), ("bytes=-100", -100, None),
    ("bytes=5-99999999", 5, None), ("bytes=-99999999", 0, None), ("BYTES=1-2", 1, 3), ("bytes=7-7 ", 7, 8),
    ("bytes=0-18446744073709551615", 0, None), ("bytes=0-99999999999999999999999", 0, None)])
def test_one_range_is_206(url, body, asked, first, end):
    answer = get(url, Range=asked)

    part = body[first:end]
    start = first if first >= 0 else len(body) + first
    assert answer.status_code == 206 and answer.content == part
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(body)}"
    assert int(answer.headers["Content-Length"]) == len(part)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", "bytes=99999999999999999999999-"])
def test_a_range_beyond_the_end_is_416(url, body, asked):
    answer = get(url, Range=asked)
    assert answer.status_code == 416 and answer.headers["Content-Range"] == f"bytes */{len(body)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=9-3", "bytes=x-", "bytes=", "bytes=-", "items=0-1",
                                   "bytes 0-1", "bytes=0-1x"])
def test_several_ranges_or_none_that_makes_sense_give_the_whole(url, body, asked):
    answer = get(url, Range=asked)
    assert answer.status_code == 200 and answer.content == body


def test_if_none_match_saves_the_bytes(url, body):
    etag = get(url).headers["ETag"]
    for held in (etag, "*", f'"x", {etag}', f"W/{etag}"):
        answer = get(url, If_None_Match=held)
        assert answer.status_code == 304 and answer.content == b"" and answer.headers["ETag"] == etag
        assert requests.head(url, headers={"If-None-Match": held}, timeout=10).status_code == 304
    assert get(url, If_None_Match='"other"').content == body


def test_a_range_of_what_has_changed_is_the_whole(url, body):
    etag = get(url).headers["ETag"]
    assert get(url, Range="bytes=0-9", If_Range=etag).content == body[:10]
    for other in ('"other"', f"W/{etag}", "Mon, 01 Jan 2024 00:00:00 GMT"):
        assert get(url, Range="bytes=0-9", If_Range=other).content == body


def test_an_object_can_only_be_read_or_stored(server, url):
    for method in ("DELETE", "POST", "PATCH"):
        answer = requests.request(method, url, timeout=10)
        assert answer.status_code == 405 and {"GET", "HEAD", "PUT"} <= set(answer.headers["Allow"].split(", "))
    assert get(url).status_code == 200


def test_overlays_are_signed_for_a_day(server):
    server.submit("processing_1", "c", "st", "se", "ct.dcm", job_id="day")
    (output,) = server.wait_job("day")["outputs"]

    expires = int(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(output["url"]).query))["expires"])
    now = time.time()
    assert now + 80000 < expires <= now + 86401
    assert hashlib.sha256(get(output["url"]).content).hexdigest() == output["sha256"]
