# SPDX-License-Identifier: Apache-2.0
"""The same log over Server-Sent Events, and as pages of JSON."""
import asyncio
import concurrent.futures
import json
import subprocess

import pytest
import requests

import live
import slices
from live import Stream, listen, make_events, metric, page, post_jobs, results
from server import Server, until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("events") / "data") as running:
        live.stock(running)
        assert running.put_file("st/se/ct.dcm", slices.ct("ct", True)).status_code == 201
        yield running


@pytest.fixture(scope="module", autouse=True)
def quiet(server):
    """A stream on which nothing happens while the other tests of this file run."""
    with Stream(server, "quiet") as stream:
        yield stream


def live_frames(server, client, count):
    async def go():
        async with listen(server, client, since=0) as tab:
            return await results(tab, count)

    return asyncio.run(go())


def same(frame, other):
    """Equal but for the moment at which their URLs were signed."""
    def bare(one):
        return {**one, "dicom": one["dicom"]["key"], "outputs": [output["key"] for output in one["outputs"]]}

    return bare(frame) == bare(other) and list(frame) == list(other)


# --- streams ---

def test_a_stream_replays_and_goes_on_live_with_the_frames_of_the_web_socket(server):
    make_events(server, "stream", 2)
    with Stream(server, "stream", since=0) as stream:
        assert stream.answer.status == 200
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        assert stream.answer.headers["Cache-Control"] == "no-store"
        seen = [stream.next(), stream.next()]
        post_jobs(server, "stream", 1, "ct.dcm")
        while len(seen) < 3:
            event = stream.next()
            if event[0] == "result":
                seen.append(event)
    assert [(event, number) for event, number, _ in seen] == [("result", 1), ("result", 2), ("result", 3)]
    frames = live_frames(server, "stream", 3)
    assert all(same(data, frame) for (_, _, data), frame in zip(seen, frames))
    for _, _, data in seen:
        assert requests.get(data["dicom"]["url"], timeout=10).status_code == 200


def test_progress_is_an_event_without_an_id(server):
    for _ in range(20):  # it may be dropped
        with Stream(server, "progress") as stream:
            (job,) = post_jobs(server, "progress", 1, "ct.dcm")
            events = [stream.next()]
            while events[-1][2]["job_id"] != job or events[-1][0] != "result":
                events.append(stream.next())
        progress = [event for event in events if event[0] == "progress"]
        if progress:
            break
    assert progress
    for _, number, data in progress:
        assert number is None and data["type"] == "progress" and "seq" not in data


def test_a_stream_begins_at_the_cursor_unless_told_otherwise(server):
    make_events(server, "begin", 4)

    async def acknowledge():
        async with listen(server, "begin") as tab:
            await tab.send('{"type":"ack","seq":1}')

    asyncio.run(acknowledge())
    until(lambda: live.cursor(server, "begin") == 1, what="the cursor")
    for query, header, expected in (({}, None, [2, 3, 4]), ({"since": 0}, None, [1, 2, 3, 4]),
                                    ({"since": 3}, None, [4]), ({}, "2", [3, 4]), ({"since": 0}, "3", [4]),
                                    ({"since": 3}, "0", [1, 2, 3, 4]), ({"since": 2}, "", [3, 4])):
        headers = {} if header is None else {"Last-Event-ID": header}
        with Stream(server, "begin", headers, **query) as stream:
            assert stream.results(len(expected)) == expected, (query, header)
    assert live.cursor(server, "begin") == 1  # listening acknowledges nothing


def test_who_comes_back_with_the_last_id_misses_nothing_of_a_burst(server):
    count, seen = 150, []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        posting = pool.submit(post_jobs, server, "burst", count)
        while len(seen) < count:
            headers = {"Last-Event-ID": str(seen[-1])} if seen else {}
            with Stream(server, "burst", headers, since=0) as stream:
                seen += stream.results(min(17, count - len(seen)))
        posting.result()
    assert seen == list(range(1, count + 1))


def test_gap_and_reset_are_events_of_these_names(data):
    server = Server(data)
    with server:
        live.stock(server)
        make_events(server, "gap", 3)
    live.forget(server, "gap", 2)
    with server:
        with Stream(server, "gap", since=0) as stream:
            assert stream.next() == ("gap", None, {"type": "gap", "oldest": 3})
            assert stream.results(1) == [3]
        with Stream(server, "gap", {"Last-Event-ID": "7"}) as stream:
            # Its id takes the browser's back to what there is.
            assert stream.next() == ("reset", 3, {"type": "reset", "last": 3})
            make_events(server, "gap", 1)
            assert stream.results(1) == [4]


def test_streams_count_among_the_connections_of_a_client_and_leave_with_their_peer(server):
    streams = [Stream(server, "many") for _ in range(32)]
    assert {stream.answer.status for stream in streams} == {200}
    with Stream(server, "many") as refused:
        assert refused.answer.status == 429 and refused.answer.headers["Retry-After"]
    assert live.refusal(server, "/ws?client_id=many") == 429
    streams[5].__exit__()

    def accepted():
        with Stream(server, "many") as stream:
            return stream.answer.status == 200

    until(accepted, what="room for another stream")
    make_events(server, "many", 1)
    for number, stream in enumerate(streams):
        if number != 5:
            assert stream.results(1) == [1]
            stream.__exit__()


def test_a_stream_shows_its_own_client_only(server):
    with Stream(server, "mine") as mine, Stream(server, "mine2") as other:
        post_jobs(server, "mine2", 3)
        post_jobs(server, "mine", 2)
        for stream, client, count in ((mine, "mine", 2), (other, "mine2", 3)):
            seen = [stream.next() for _ in range(count)]
            while [event for event, _, _ in seen].count("result") < count:
                seen.append(stream.next())
            assert {data.get("client_id", client) for _, _, data in seen} == {client}
            assert [number for event, number, _ in seen if event == "result"] == list(range(1, count + 1))


def test_head_answers_without_a_body_and_holds_no_connection(server):
    for _ in range(40):
        answer = requests.head(f"{server.url}/clients/head/events", timeout=10)
        assert answer.status_code == 200 and not answer.content
        assert answer.headers["Content-Type"] == "text/event-stream"
    accept = {"Accept": "application/json"}
    answer = requests.head(f"{server.url}/clients/head/events", headers=accept, timeout=10)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) == len(server.get("/clients/head/events", headers=accept).content)


def test_curl_shows_events_as_they_come(server):
    make_events(server, "curl", 1)
    with subprocess.Popen(["curl", "-sN", f"{server.url}/clients/curl/events"], stdout=subprocess.PIPE,
                          text=True) as curl:
        try:
            assert [curl.stdout.readline() for _ in range(2)] == ["id: 1\n", "event: result\n"]
            assert json.loads(curl.stdout.readline().removeprefix("data: "))["seq"] == 1
            assert curl.stdout.readline() == "\n"
            make_events(server, "curl", 1)
            line = curl.stdout.readline()
            while line != "id: 2\n":
                line = curl.stdout.readline()
        finally:
            curl.terminate()


def test_a_stream_ends_cleanly_when_the_server_drains(data):
    server = Server(data)
    with server:
        live.stock(server)
        curl = subprocess.Popen(["curl", "-sN", f"{server.url}/clients/drain/events"], stdout=subprocess.PIPE)
        with Stream(server, "drain") as stream:
            make_events(server, "drain", 1)
            assert stream.results(1) == [1]
            until(lambda: server.process.poll() is None and curl.stdout.readline() == b"id: 1\n", what="curl's event")
            assert server.stop() == 0
            assert stream.next() is None  # the last chunk came: http.client raises if it did not
        curl.stdout.read()
        curl.stdout.close()
        assert curl.wait(10) == 0


def test_a_reader_that_stops_reading_is_cut_off(data):
    server = Server(data, ws_buffer="64 KiB")
    with server:
        live.stock(server)
        with live.Bare(server, "/clients/slow/events", upgrade=False) as peer:
            made = 0

            def cut_off():
                nonlocal made
                made += len(post_jobs(server, "slow", 40))
                return metric(server, "corsia_push_failures_total") > 0

            until(cut_off, 120, "the end of patience with a slow stream")
            seen = peer.event_ids()
        assert seen == list(range(1, len(seen) + 1)) and 0 < len(seen) < made
        with Stream(server, "slow", {"Last-Event-ID": str(seen[-1])}) as stream:
            assert stream.results(made - seen[-1]) == list(range(seen[-1] + 1, made + 1))


def test_with_a_token_a_ticket_opens_a_stream_once(tmp_path):
    token = "a-token-of-32-characters-or-more"
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    bearer = {"Authorization": "Bearer " + token}
    with Server(tmp_path / "data", token_file=tmp_path / "token") as server:
        ticket = server.post("/ws/ticket", headers=bearer).json()["ticket"]
        for query, headers, status in (({}, {}, 401), ({"ticket": "x"}, {}, 401), ({"ticket": ticket}, {}, 200),
                                       ({"ticket": ticket}, {}, 401), ({}, bearer, 200)):
            with Stream(server, "t", headers, **query) as stream:
                assert stream.answer.status == status


def test_a_page_from_elsewhere_cannot_read_a_stream(server):
    for origin, allowed in (("http://localhost:5173", "http://localhost:5173"), ("http://evil.example", None)):
        with Stream(server, "cors", {"Origin": origin}) as stream:
            assert stream.answer.headers.get("Access-Control-Allow-Origin") == allowed
    with Stream(server, "cors", {"Host": "evil.example"}) as stream:
        assert stream.answer.status == 421


# --- pages ---

def test_pages_follow_each_other_to_the_end_without_gaps(server):
    make_events(server, "pages", 7)
    seen, since = [], 0
    while since is not None:
        one = page(server, "pages", since=since, limit=3)
        assert one["last"] == 7 and one["oldest"] == 1 and len(one["events"]) <= 3
        seen += one["events"]
        since = one.get("next")
    assert [event["seq"] for event in seen] == list(range(1, 8))
    assert all(same(event, frame) for event, frame in zip(seen, live_frames(server, "pages", 7)))
    assert "next" not in page(server, "pages", since=4, limit=3)
    assert page(server, "pages", since=7)["events"] == [] and page(server, "pages", since=99)["events"] == []


def test_a_page_begins_at_the_cursor_unless_told_otherwise(server):
    make_events(server, "page-cursor", 3)

    async def acknowledge():
        async with listen(server, "page-cursor") as tab:
            await tab.send('{"type":"ack","seq":2}')

    asyncio.run(acknowledge())
    until(lambda: [event["seq"] for event in page(server, "page-cursor")["events"]] == [3], what="the cursor")
    assert [event["seq"] for event in page(server, "page-cursor", since=0)["events"]] == [1, 2, 3]


def test_a_page_of_a_client_that_is_not_known_is_empty(server):
    empty = {"events": [], "last": 0, "oldest": 1}
    assert page(server, "never-seen") == page(server, "never-seen", since=5) == empty
    assert page(server, "never-seen") == empty  # asking makes nobody known


def test_the_accept_header_chooses_between_page_and_stream(server):
    for accept, kind in (("application/json", "application/json"), ("application/json, */*", "application/json"),
                         ("text/event-stream", "text/event-stream"), ("*/*", "text/event-stream"),
                         ("text/event-stream, application/json", "text/event-stream"), (None, "text/event-stream")):
        with requests.get(f"{server.url}/clients/accept/events", headers={"Accept": accept}, stream=True,
                          timeout=10) as answer:
            assert answer.status_code == 200 and answer.headers["Content-Type"] == kind, accept


@pytest.mark.parametrize("path", ["a/events?since=x", "a/events?since=-1", "a/events?since=", "a/events?limit=0",
                                  "a/events?limit=1001", "a/events?limit=x", "a%20b/events", "%C3%A9/events",
                                  "a" * 129 + "/events"])
def test_what_is_wrong_with_a_request_is_told(server, path):
    answer = server.get("/clients/" + path, headers={"Accept": "application/json"})
    assert answer.status_code == 400 and answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["error"]


def test_a_last_event_id_that_is_no_number_is_told(server):
    with Stream(server, "a", {"Last-Event-ID": "x"}) as stream:
        assert stream.answer.status == 400


# --- after the others, which give it its time ---

def test_a_stream_on_which_nothing_happens_says_that_it_lives(quiet):
    assert quiet.next() == (":", None, None)
