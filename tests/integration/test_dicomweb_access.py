# SPDX-License-Identifier: Apache-2.0
"""Who may use DICOMweb: the token on every route, and what browsers with viewers of another origin need."""
import pytest
import requests

import slices
import stow
from test_access import TOKEN, guarded_server

STUDY = f"/dicom-web/studies/{slices.uid('study')}"
SERIES = f"{STUDY}/series/{slices.uid('study', 'series')}"
INSTANCE = f"{SERIES}/instances/{slices.uid('study', 'series', 'one')}"
WADO = (f"requestType=WADO&studyUID={slices.uid('study')}&seriesUID={slices.uid('study', 'series')}"
        f"&objectUID={slices.uid('study', 'series', 'one')}")
KEY = {"Authorization": f"Bearer {TOKEN}"}
ORIGIN = "http://localhost:3000"
ROUTES = [("GET", path) for path in (
    "/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances", f"{STUDY}/series", f"{STUDY}/instances",
    f"{SERIES}/instances", "/dicom-web/changes", STUDY, SERIES, INSTANCE, f"{STUDY}/metadata", f"{SERIES}/metadata",
    f"{INSTANCE}/metadata", f"{INSTANCE}/frames", f"{INSTANCE}/frames/1", f"{INSTANCE}/bulkdata/7FE00010",
    f"{STUDY}/rendered", f"{SERIES}/rendered", f"{INSTANCE}/rendered", f"{INSTANCE}/frames/1/rendered",
    f"{STUDY}/thumbnail", f"{SERIES}/thumbnail", f"{INSTANCE}/thumbnail", f"{INSTANCE}/frames/1/thumbnail",
    f"/wado?{WADO}", f"/dicom-web?{WADO}", f"/dicom-web/?{WADO}", f"/dicom-web/wado?{WADO}")]
WRITES = [("POST", "/dicom-web/studies"), ("POST", STUDY), ("DELETE", INSTANCE), ("DELETE", SERIES), ("DELETE", STUDY)]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with guarded_server(tmp_path_factory.mktemp("guarded")) as running:
        raw = slices.ct("one", size=16)
        assert ask(running, "PUT", "/objects/pacs/st/se/1.dcm", headers=KEY, data=raw).status_code == 201
        yield running


def ask(server, method, path, **kwargs):
    return requests.request(method, server.url + path, timeout=30, **kwargs)


def test_these_are_all_routes(guarded):
    """Of what the server says about itself in OpenAPI: a route that is new must come to the lists above."""
    described = requests.get(guarded.url + "/openapi.json", timeout=10).json()["paths"]
    templates = {path for path in described if path.startswith("/dicom-web") or path == "/wado"}
    values = {"{study}": slices.uid("study"), "{series}": slices.uid("study", "series"), "{frames}": "1",
              "{instance}": slices.uid("study", "series", "one"), "{path}": "7FE00010"}

    def filled(template):
        for name, value in values.items():
            template = template.replace(name, value)
        return template
    known = {path.split("?")[0] for _method, path in ROUTES + WRITES}
    assert {filled(template) for template in templates} <= known


@pytest.mark.parametrize("method, path", ROUTES + WRITES)
def test_without_the_token_every_route_is_401_and_does_nothing(guarded, method, path):
    body = stow.body_of([slices.ct("intruder", size=16)]) if method == "POST" else None
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = ask(guarded, method, path, headers={**headers, "Origin": ORIGIN, "Content-Type": stow.RELATED}, data=body)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN  # a viewer may read why
        assert b"Phantom" not in answer.content
    found = ask(guarded, "GET", "/dicom-web/instances", headers=KEY).json()
    assert [one["00080018"]["Value"] for one in found] == [[slices.uid("study", "series", "one")]]


@pytest.mark.parametrize("method, path", ROUTES)
def test_with_the_token_every_route_answers(guarded, method, path):
    answer = ask(guarded, method, path, headers={**KEY, "Origin": ORIGIN})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_preflight_allows_what_viewers_send(guarded, method):
    """Browsers send no token with it."""
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method,
             "Access-Control-Request-Headers": "authorization,content-type,range,if-none-match"}
    answer = ask(guarded, "OPTIONS", STUDY, headers=asked)
    assert answer.status_code == 204 and answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type", "accept", "range", "if-none-match"} <= allowed


def test_a_viewer_may_read_the_headers_that_matter(guarded):
    answer = ask(guarded, "GET", f"{INSTANCE}", headers={**KEY, "Origin": ORIGIN, "Accept": "application/dicom", "Range": "bytes=0-9"})
    assert answer.status_code == 206
    shown = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert {"etag", "content-range", "accept-ranges", "warning", "content-length"} <= shown


@pytest.mark.parametrize("method, path", WRITES)
def test_a_page_from_elsewhere_changes_nothing_even_with_the_token(guarded, method, path):
    body = stow.body_of([slices.ct("intruder", size=16)]) if method == "POST" else None
    answer = ask(guarded, method, path, headers={**KEY, "Origin": "http://evil.example", "Content-Type": stow.RELATED}, data=body)
    assert answer.status_code == 403 and "Access-Control-Allow-Origin" not in answer.headers
    assert len(ask(guarded, "GET", "/dicom-web/instances", headers=KEY).json()) == 1


def test_a_page_from_elsewhere_may_not_read(guarded):
    for _method, path in ROUTES:
        answer = ask(guarded, "GET", path, headers={**KEY, "Origin": "http://evil.example"})
        assert not [name for name in answer.headers if name.lower().startswith("access-control-allow")], path


def test_a_ticket_opens_the_feed_and_nothing_else(guarded):
    def ticket():
        return ask(guarded, "POST", "/ws/ticket", headers=KEY).json()["ticket"]
    assert ask(guarded, "GET", f"/dicom-web/changes?ticket={ticket()}").status_code == 200
    for path in ("/dicom-web/studies", INSTANCE, f"{INSTANCE}/rendered"):
        assert ask(guarded, "GET", f"{path}?ticket={ticket()}").status_code == 401


def test_with_the_token_it_is_stored_and_deleted(guarded):
    raw = slices.ct("mine", study="other", size=16)
    answer = ask(guarded, "POST", "/dicom-web/studies", data=stow.body_of([raw]), headers={**KEY, "Content-Type": stow.RELATED})
    assert answer.status_code == 200
    study = f"/dicom-web/studies/{slices.uid('other')}"
    assert ask(guarded, "DELETE", study, headers=KEY).status_code == 204
