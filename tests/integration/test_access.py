# SPDX-License-Identifier: Apache-2.0
"""Who may come in: Host, Origin, media type, token, ticket; and what is refused to start with."""
import asyncio
import json
import os
import socket
import subprocess

import pytest
import requests
import websockets

import slices
from server import BINARY, Server, free_port, next_frame

TOKEN = "a-token-of-twenty-nine-letters"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    config = {"origins": "https://viewer.example", "hosts": "pacs.example", "public_url": "https://public.example/x"}
    with Server(tmp_path_factory.mktemp("access") / "data", job_hosts_max=1, **config) as running:
        yield running


def guarded_server(folder):
    """A server that wants the token, to be started."""
    token_file = folder / "token"
    token_file.write_text(TOKEN + "\n")
    token_file.chmod(0o600)
    return Server(folder / "data", job_hosts_max=1, token_file=token_file)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with guarded_server(tmp_path_factory.mktemp("guarded")) as running:
        yield running


def ask(server, method, path, **kwargs):
    return requests.request(method, server.url + path, timeout=10, **kwargs)


# --- Host ---

@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.9.8.7:1", "[::1]:8080", "pacs.example",
                                  "pacs.example:99", "public.example"])
def test_a_host_that_is_ours_is_served(server, host):
    assert ask(server, "GET", "/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80",
                                  "xpacs.example", "1.2.3.4", "[::2]", "localhost:x", "pacs.example@evil.example"])
def test_another_host_is_421_whatever_is_asked(server, host):
    for method, path in (("GET", "/jobs"), ("GET", "/health/live"), ("POST", "/provision"), ("GET", "/nope")):
        answer = ask(server, method, path, headers={"Host": host})
        assert answer.status_code == 421 and answer.headers["Content-Type"] == "application/problem+json"


# --- Origin ---

OURS = ["http://localhost:3000", "http://localhost", "http://127.0.0.1:5173", "http://[::1]:8080",
        "https://viewer.example"]
FOREIGN = ["http://evil.example", "https://localhost.evil.example", "null", "http://127.0.0.1.evil.example",
           "http://viewer.example", "https://viewer.example:444", "https://viewer.example.evil", "file://"]


@pytest.mark.parametrize("origin", OURS)
def test_an_origin_of_ours_may_read_every_answer(server, origin):
    for method, path, status in (("GET", "/jobs", 200), ("GET", "/jobs/nope", 404), ("POST", "/provision", 200),
                                 ("GET", "/nope", 404), ("DELETE", "/jobs", 405)):
        answer = ask(server, method, path, headers={"Origin": origin})
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == origin and "Origin" in answer.headers["Vary"]
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type"}
    preflight = ask(server, "OPTIONS", "/process/processing_1", headers=asked)
    assert preflight.status_code == 204 and "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert {"content-type", "authorization"} <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))
    assert preflight.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_origin_gets_no_cors_header_and_changes_nothing(server, origin):
    headers = {"Origin": origin}
    read = ask(server, "GET", "/jobs", headers=headers)
    refused = [ask(server, "POST", "/provision", headers=headers), ask(server, "DELETE", "/jobs/x", headers=headers),
               ask(server, "POST", "/process/processing_1", headers=headers, json={}),
               ask(server, "PUT", "/objects/pacs/a/b", headers=headers, data=slices.ct("x", size=64))]
    preflight = ask(server, "OPTIONS", "/provision", headers={**headers, "Access-Control-Request-Method": "POST"})

    assert [answer.status_code for answer in refused] == [403] * 4
    for answer in (read, preflight, *refused):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-allow")]
    assert not (server.data / "objects/pacs/a").exists()


def test_what_has_no_origin_is_no_browser_and_passes(server):
    answer = ask(server, "POST", "/provision")
    assert answer.status_code == 200 and "Access-Control-Allow-Origin" not in answer.headers


async def connect(server, path="/ws?client_id=c", **kwargs):
    """The first answer to a ping, or the HTTP status of the refusal."""
    try:
        async with websockets.connect(server.ws + path, **kwargs) as live:
            await live.send('{"type":"ping"}')
            return await next_frame(live, "pong"), live.subprotocol
    except websockets.InvalidStatusCode as refusal:
        return refusal.status_code


@pytest.mark.parametrize("path", ["/ws?client_id=c", "/prod?client_id=c"])
def test_a_websocket_of_a_foreign_origin_is_403(server, path):
    for origin in FOREIGN:
        assert asyncio.run(connect(server, path, origin=origin)) == 403, origin
    for origin in (*OURS, None):
        assert not isinstance(asyncio.run(connect(server, "/ws?client_id=c", origin=origin)), int), origin


def test_a_foreign_host_is_421_on_a_websocket_too(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"GET /ws?client_id=c HTTP/1.1\r\nHost: evil.example\r\n"
                    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 421 ")


# --- media type ---

def test_json_is_posted_as_json_else_415(server):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json5", "multipart/form-data"):
        for path in ("/provision", "/process/processing_1", "/queues/Results.fifo/redrive"):
            assert ask(server, "POST", path, data="{}", headers={"Content-Type": kind}).status_code == 415, path
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        assert ask(server, "POST", "/provision", data="{}", headers={"Content-Type": kind}).status_code == 200


# --- token ---

PROTECTED = [("GET", "/jobs"), ("GET", "/jobs/x"), ("DELETE", "/jobs/x"), ("POST", "/provision"),
             ("POST", "/process/processing_1"), ("GET", "/algorithms"), ("GET", "/queues"), ("GET", "/system"),
             ("POST", "/queues/Results.fifo/redrive"), ("GET", "/env"), ("GET", "/metrics"), ("POST", "/ws/ticket"),
             ("GET", "/clients/c/events"), ("GET", "/pacs/"), ("GET", "/pacs/studies"),
             ("PUT", "/objects/pacs/a/b"), ("PUT", "/pacs/studies/a/images/b")]


@pytest.mark.parametrize("method, path", PROTECTED)
def test_without_the_token_it_is_401(guarded, method, path):
    wrong = ("Bearer wrong", f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", TOKEN)
    for headers in ({}, *({"Authorization": value} for value in wrong)):
        answer = ask(guarded, method, path, headers=headers)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer"), headers
        assert answer.headers["Content-Type"] == "application/problem+json"
    answer = ask(guarded, method, path, headers={"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"})
    assert answer.status_code != 401


def test_health_and_presigned_urls_need_no_token(guarded):
    key = {"Authorization": f"Bearer {TOKEN}"}
    body = slices.ct("open", size=64)
    assert ask(guarded, "PUT", "/objects/pacs/st/se/o.dcm", data=body, headers=key).status_code == 201
    url = ask(guarded, "GET", "/pacs/studies/st/images/se/o.dcm", headers=key).json()["url"]

    assert requests.get(url, timeout=10).content == body and TOKEN not in url
    assert requests.get(url.replace("signature=", "signature=0"), timeout=10).status_code == 403
    for path in ("/health/live", "/health/ready", "/openapi.json"):
        assert ask(guarded, "GET", path).status_code == 200
    preflight = ask(guarded, "OPTIONS", "/jobs", headers={"Origin": "http://localhost:3000"})
    assert preflight.status_code == 204  # browsers send no token with it


def test_a_websocket_takes_the_token_as_header_sub_protocol_or_ticket(guarded):
    key = {"Authorization": f"Bearer {TOKEN}"}
    assert asyncio.run(connect(guarded)) == 401
    assert asyncio.run(connect(guarded, subprotocols=["bearer.wrong"])) == 401
    assert asyncio.run(connect(guarded, extra_headers=key))[0]["type"] == "pong"
    _, chosen = asyncio.run(connect(guarded, subprotocols=[f"bearer.{TOKEN}"]))
    assert chosen == f"bearer.{TOKEN}"  # RFC 6455: one of those offered

    ticket = ask(guarded, "POST", "/ws/ticket", headers=key).json()
    assert ticket["expires_in"] == 30
    path = f"/ws?client_id=c&ticket={ticket['ticket']}"
    assert asyncio.run(connect(guarded, path))[0]["type"] == "pong"
    assert asyncio.run(connect(guarded, path)) == 401  # it works once
    assert asyncio.run(connect(guarded, "/ws?client_id=c&ticket=nope")) == 401
    other = ask(guarded, "POST", "/ws/ticket", headers=key).json()["ticket"]
    assert ask(guarded, "GET", f"/jobs?ticket={other}").status_code == 401  # for sockets and event streams only
    page = ask(guarded, "GET", f"/clients/c/events?ticket={other}", headers={"Accept": "application/json"})
    assert page.status_code == 200 and page.json()["events"] == []


def test_the_token_is_nowhere_in_the_log(guarded):
    assert TOKEN not in guarded.log.read_text() and "bearer." not in guarded.log.read_text()


# --- beyond loopback ---

def refused(tmp_path, *flags):
    """Exit status and what was said by a server that must not start."""
    done = subprocess.run([str(BINARY), "serve", "--data", str(tmp_path / "data"), *flags], capture_output=True,
                          text=True, timeout=30, check=False, env={"PATH": os.environ["PATH"]})
    assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("listen", ["0.0.0.0", "[::]", "192.0.2.1", "pacs.example"])
def test_beyond_loopback_it_needs_a_token_or_the_word_insecure(tmp_path, listen):
    status, said = refused(tmp_path, f"--listen={listen}:{free_port()}")
    assert status == 2 and "token_file" in said and "insecure" in said and not (tmp_path / "data").exists()


def test_beyond_loopback_with_a_token_or_insecure_it_serves(tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    for number, flags in enumerate(({"token_file": token_file}, {"insecure": "yes"})):
        server = Server(tmp_path / f"data{number}", job_hosts_max=1, **flags)
        server.config["listen"] = f"0.0.0.0:{server.port}"
        with server:
            assert server.get("/health/live").status_code == 200
            assert server.get("/jobs").status_code == (401 if "token_file" in flags else 200)


@pytest.mark.parametrize("text, mode", [("short", 0o600), (TOKEN, 0o644), ("a b" * 9, 0o600), ("", 0o600), (None, 0)])
def test_a_token_file_that_is_no_good_is_refused(tmp_path, text, mode):
    token_file = tmp_path / "token"
    if text is not None:
        token_file.write_text(text)
        token_file.chmod(mode)
    status, said = refused(tmp_path, f"--listen=127.0.0.1:{free_port()}", f"--token-file={token_file}")
    assert status in (1, 2) and "token file" in said and (not text or text not in said)


def test_an_answer_never_names_another_than_the_configured_url(server):
    body = slices.ct("named", size=64)
    assert server.put_file("st/se/n.dcm", body).status_code == 201
    answer = ask(server, "GET", "/pacs/studies/st/images/se/n.dcm", headers={"Host": "pacs.example"})
    assert answer.json()["url"].startswith("https://public.example/x/objects/pacs/st/se/n.dcm?")
    assert "pacs.example" not in json.dumps(ask(server, "GET", "/env", headers={"Host": "pacs.example"}).json())
