# SPDX-License-Identifier: Apache-2.0
"""The PACS API: studies, listings, presigned URLs, storing."""
import concurrent.futures
import datetime
import re
import urllib.parse

import pytest
import requests

import slices
from server import Server

KEYS = ["liver1/ds/D55/300/A/IM-1.dcm", "liver1/ds/D55/300/A/IM-2.DCM", "liver1/ds/D55/300/A/IM-3",
        "liver1/ds/D55/300/A/deep/er.ima", "liver1/ds/D55/300/B/b.dcm", "liver1/ds/D55/300/B/å ü%2F+.dcm"]


def body_of(key, study, series):
    return slices.ct(key, study=study, series=series, size=64)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("pacs") / "data", job_hosts_max=1) as running:
        for key in reversed(KEYS):
            assert running.put_file(key, body_of(key, "D55", key.split("/")[4])).status_code == 201
        for number in range(24):
            body = body_of(number, f"page{number}", "s")
            assert running.put_file(f"page/{number:02}/s/x.dcm", body).status_code == 201
        assert running.put_file("flat1.dcm", body_of("f1", "flat", "s")).status_code == 201
        yield running


def images(server, study, **query):
    answer = server.get(f"/pacs/studies/{study}/images", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def put(server, path, data):
    return requests.put(f"{server.url}/pacs/studies/{path}", data=data, timeout=10)


def test_the_pacs_api_says_that_it_is_there(server):
    assert server.get("/pacs/").json() == {"status": "ok"} and server.get("/pacs").json() == {"status": "ok"}


# --- studies ---

def test_studies_are_common_folders_or_uids_in_pages(server):
    first = server.get("/pacs/studies")
    rest = server.get(first.links["next"]["url"])

    ids = first.json() + rest.json()
    assert len(first.json()) == 20 and "next" not in rest.links
    assert sorted(ids) == sorted(["liver1/ds/D55/300", slices.uid("flat"), *(f"page/{n:02}/s" for n in range(24))])
    assert ids == sorted(ids, key=str.encode)


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_of_studies_have_no_gaps(server, limit):
    whole, target = [], f"/pacs/studies?limit={limit}"
    while target:
        page = server.get(target)
        assert len(page.json()) <= limit
        whole += page.json()
        target = page.links["next"]["url"] if "next" in page.links else None
    assert whole == server.get("/pacs/studies?limit=1000").json()
    assert server.get("/pacs/studies", params={"after": whole[3], "limit": 2}).json() == whole[4:6]


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1", "1.5", ""])
def test_a_limit_that_makes_no_sense_is_400(server, limit):
    assert server.get("/pacs/studies?limit=" + limit).status_code == 400


# --- listings ---

def test_a_listing_has_every_object_whatever_its_extension_sorted_by_key(server):
    for study in ("liver1/ds/D55", "liver1%2Fds%2FD55", "liver1/ds", slices.uid("D55"), "liver1/ds/D55/300"):
        listed = images(server, study)
        assert [image["key"] for image in listed] == sorted(KEYS, key=str.encode), study
        assert all(set(image) == {"url", "key"} for image in listed)


def test_a_listing_has_uids_for_who_asks(server):
    first, *_rest = images(server, "liver1/ds/D55", uids="true", limit=1)
    assert first["key"] == min(KEYS, key=str.encode)
    assert first["study_instance_uid"] == slices.uid("D55")
    assert first["series_instance_uid"] == slices.uid("D55", "A")
    assert first["sop_instance_uid"] == slices.uid("D55", "A", first["key"])
    page = server.get("/pacs/studies/liver1/ds/D55/images?uids=true&limit=1")
    assert "sop_instance_uid" in server.get(page.links["next"]["url"]).json()[0]
    assert set(images(server, "liver1/ds/D55", uids="false")[0]) == {"url", "key"}
    assert server.get("/pacs/studies/liver1/ds/D55/images?uids=1").status_code == 400


def test_a_series_narrows_the_listing_with_its_subfolders(server):
    in_a = [key for key in KEYS if "/A/" in key]
    for study, series in (("liver1/ds/D55", "300/A"), ("liver1/ds/D55", "300/A/"), (slices.uid("D55"), "300/A"),
                          ("liver1/ds/D55", slices.uid("D55", "A")), (slices.uid("D55"), slices.uid("D55", "A"))):
        assert [image["key"] for image in images(server, study, series_id=series)] == in_a, (study, series)


def test_what_matches_nothing_is_an_empty_listing(server):
    for study, query in (("nope", {}), ("liver1/d", {}), ("liver1/ds/D55", {"series_id": "30"}),
                         ("liver1/ds/D55", {"series_id": slices.uid("flat", "s")}), ("%25", {}), ("liver_", {})):
        assert images(server, study, **query) == []


def test_the_urls_of_a_listing_give_the_stored_bytes(server):
    for image in images(server, "liver1/ds/D55"):
        answer = requests.get(image["url"], timeout=10)
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/dicom"
        assert answer.content == body_of(image["key"], "D55", image["key"].split("/")[4])


@pytest.mark.parametrize("limit", [1, 2, 5, len(KEYS), 10000])
@pytest.mark.parametrize("study", ["liver1/ds/D55", slices.uid("D55")])
def test_pages_of_images_have_no_gaps(server, study, limit):
    for query in ("", "&series_id=300%2FA", "&series_id=" + slices.uid("D55", "A")):
        whole, target = [], f"/pacs/studies/{study}/images?limit={limit}{query}"
        while target:
            page = server.get(target)
            assert page.status_code == 200 and 0 < len(page.json()) <= limit
            whole += [image["key"] for image in page.json()]
            target = page.links["next"]["url"] if "next" in page.links else None
        assert whole == [key for key in KEYS if not query or "/A/" in key]


def test_a_listing_of_images_begins_after_a_key(server):
    after = [image["key"] for image in images(server, "liver1/ds/D55", after=KEYS[2])]
    assert after == KEYS[3:] and images(server, "liver1/ds/D55", after=KEYS[-1]) == []


@pytest.mark.parametrize("limit", ["0", "10001", "x", ""])
def test_a_limit_of_images_that_makes_no_sense_is_400(server, limit):
    assert server.get("/pacs/studies/liver1/ds/D55/images?limit=" + limit).status_code == 400


# --- one image ---

def test_an_image_is_named_by_key_or_uid_with_raw_or_encoded_slashes(server):
    key = KEYS[1]
    sop = slices.uid("D55", "A", key)
    for path in ("liver1/ds/D55/images/300/A/IM-2.DCM", "liver1%2Fds%2FD55/images/300%2FA%2FIM-2.DCM",
                 "liver1/images/ds/D55/300/A/IM-2.DCM", f"{slices.uid('D55')}/images/{sop}",
                 f"{slices.uid('D55')}/images/{slices.uid('D55', 'A')}/{sop}", f"liver1/ds/D55/images/{sop}",
                 f"liver1/ds/D55/images/300/A/{sop}", f"liver1/ds/D55/images/{slices.uid('D55', 'A')}/IM-2.DCM"):
        answer = server.get("/pacs/studies/" + path)
        assert answer.status_code == 200, path
        assert urllib.parse.urlsplit(answer.json()["url"]).path == "/objects/pacs/" + key, path


def test_a_presigned_url_lives_900_seconds_and_says_until_when(server):
    answer = server.get("/pacs/studies/liver1/ds/D55/images/300/A/IM-3").json()

    assert set(answer) == {"url", "expires"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", answer["expires"])
    told = datetime.datetime.fromisoformat(answer["expires"].replace("Z", "+00:00")).timestamp()
    signed = int(urllib.parse.parse_qs(urllib.parse.urlsplit(answer["url"]).query)["expires"][0])
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert abs(told - signed) <= 1 and now < signed <= now + 900


@pytest.mark.parametrize("path", ["nope/images/x", "liver1/ds/D55/images/300/A/IM-9.dcm", "liver1/ds/D55/images/300/A",
                                  "liver1/ds/D55/images/IM-3", "liver1/ds/D55/images/", "images/x", "liver1",
                                  "liver1/ds/D55/images/300/B/IM-3", "page/00/images/300/A/IM-3"])
def test_an_image_that_is_not_there_is_404(server, path):
    answer = server.get("/pacs/studies/" + path)
    assert answer.status_code == 404 and answer.json()["error"]


def test_the_last_images_divides_study_from_image(server):
    body = body_of("w", "w", "s")
    stored = put(server, "w/images/x/images/s/images.dcm", body)

    assert stored.status_code == 201 and stored.json()["key"] == "w/images/x/s/images.dcm"
    for study in ("w/images/x", "w%2Fimages%2Fx", "w"):
        assert [image["key"] for image in images(server, study)] == ["w/images/x/s/images.dcm"]
    url = server.get("/pacs/studies/w/images/x/images/s/images.dcm").json()["url"]
    assert requests.get(url, timeout=10).content == body


# --- storing ---

def test_storing_is_201_then_200_for_the_same_bytes(server):
    body = body_of("new", "new", "s")
    paths = ("new/images/s/1", "new/images/s/1", "new/images/s/2")
    first, again, elsewhere = (put(server, path, body) for path in paths)

    assert [first.status_code, again.status_code, elsewhere.status_code] == [201, 200, 200]
    assert first.json() == {"outcome": "stored", "bucket": "pacs", "key": "new/s/1",
                            "sop_instance_uid": slices.uid("new", "s", "new"),
                            "series_instance_uid": slices.uid("new", "s"), "study_instance_uid": slices.uid("new")}
    assert again.json() == elsewhere.json() == {**first.json(), "outcome": "duplicate"}  # the first key stays
    assert [image["key"] for image in images(server, "new")] == ["new/s/1"]


def test_other_bytes_under_the_same_uid_or_key_are_409_and_change_nothing(server):
    body, other = body_of("one", "keep", "s"), body_of("two", "keep", "s")
    assert put(server, "keep/images/s/1", body).status_code == 201

    for path, data in (("keep/images/s/1", other), ("keep/images/s/2", body[:-2] + b"zz"),
                       ("keep/images/s/1", body[:-2] + b"zz"), ("keep/images/s/1/below", other),
                       ("keep/images/s", other)):
        refused = put(server, path, data)
        assert refused.status_code == 409 and refused.headers["Content-Type"] == "application/problem+json"
    (image,) = images(server, "keep")
    assert requests.get(image["url"], timeout=10).content == body


def test_what_is_no_dicom_file_is_415_and_leaves_nothing(server):
    whole = body_of("cut", "cut", "s")
    for data in (b"", b"hello", b"\0" * 4096, whole[:100], whole[:132], whole[:200], b"\x89PNG\r\n\x1a\n" + whole):
        refused = put(server, "cut/images/s/1", data)
        assert refused.status_code == 415 and refused.json()["error"], len(data)
    assert images(server, "cut") == [] and not (server.data / "objects/pacs/cut").exists()
    assert not [left for left in server.data.rglob(".tmp-*") if left.is_file()]


def test_a_file_that_was_cut_off_is_415_and_the_whole_one_can_still_come(server):
    whole = slices.ct("cut")

    for size in (len(whole) - 1, len(whole) // 2, 2000):
        answer = server.put_file("cut/cut/cut.dcm", whole[:size])
        assert answer.status_code == 415, answer.text
    assert server.put_file("cut/cut/cut.dcm", whole).status_code == 201


@pytest.mark.parametrize("key", ["a//b", "a/", "a/%2e%2e/b", "%2e/b", "a%5Cb", "a%0ab", "a%7fb", ".tmp-a", "x" * 256,
                                 "a%00b", "%ff", "/".join(["x" * 200] * 6)])
def test_a_key_that_is_not_legal_is_400(server, key):
    data = body_of("key", "key", "s")
    # requests would tidy the path up: it is sent as it is.
    prepared = requests.Request("PUT", server.url, data=data).prepare()
    prepared.url = f"{server.url}/objects/pacs/{key}"
    with requests.Session() as session:
        assert session.send(prepared, timeout=10).status_code == 400


def test_only_the_bucket_of_the_pacs_takes_uploads(server):
    for bucket in ("output", "jobs", "quarantine", "nope"):
        answer = requests.put(f"{server.url}/objects/{bucket}/a/b", data=body_of("b", "b", "s"), timeout=10)
        assert answer.status_code == 403


def test_many_storing_the_same_at_once_store_it_once(server):
    body = body_of("race", "race", "s")
    others = [body[:-2] + bytes([number, 0]) for number in range(1, 5)]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        same = list(pool.map(lambda _: put(server, "race/images/s/1", body), range(8)))
        different = list(pool.map(lambda data: put(server, "race/images/s/2", data), others))
        keys = list(pool.map(lambda n: put(server, "race/images/s/3", body_of(f"k{n}", "race", "s")), range(6)))

    assert sorted(answer.status_code for answer in same) == [200] * 7 + [201]
    assert {answer.status_code for answer in different} == {409}
    assert sorted(answer.status_code for answer in keys) == [201] + [409] * 5
    assert [image["key"] for image in images(server, "race")] == ["race/s/1", "race/s/3"]
    (kept,) = [image for image in images(server, "race") if image["key"] == "race/s/3"]
    winner = next(n for n, answer in enumerate(keys) if answer.status_code == 201)
    assert requests.get(kept["url"], timeout=10).content == body_of(f"k{winner}", "race", "s")


def test_a_file_over_the_bound_is_413(tmp_path):
    with Server(tmp_path / "data", file_max="1 MiB") as server:
        large = slices.ct("large", size=1024)
        for data in (large, (large[at:at + 65536] for at in range(0, len(large), 65536))):  # with and without a length
            assert put(server, "st/images/s/1", data).status_code == 413
        assert images(server, "st") == []
        assert put(server, "st/images/s/1", slices.ct("small", size=512)).status_code == 201
