# SPDX-License-Identifier: Apache-2.0
"""/ws as interfaces.md section 4 promises it: frames, replay, cursor, tabs, bad frames, slow and silent peers."""
import asyncio
import calendar
import io
import json
import random
import time
import urllib.parse

import pydicom
import pytest
import requests
import websockets

import hosts
import live
import slices
from live import ask, cursor, in_thread, listen, make_events, numbers, post_jobs, refusal, results
from server import Server, next_frame, until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("push") / "data") as running:
        live.stock(running)
        assert running.put_file("st/se/ct.dcm", slices.ct("ct", True)).status_code == 201
        yield running


def one_frame(server, client, image):
    async def go():
        async with listen(server, client) as tab:
            (job,) = await in_thread(post_jobs, server, client, 1, image)
            (frame,) = await results(tab, 1)
            assert frame["job_id"] == job
            return frame

    return asyncio.run(go())


def without_urls(frame):
    outputs = [{name: value for name, value in output.items() if name != "url"} for output in frame["outputs"]]
    return {**frame, "outputs": outputs, "dicom": {name: frame["dicom"][name] for name in ("bucket", "key")}}


# --- frames ---

def test_a_result_has_the_members_of_the_interface_and_a_url_that_works_for_a_day(server):
    before = calendar.timegm(time.gmtime())
    frame = one_frame(server, "frames", "ct.dcm")
    after = calendar.timegm(time.gmtime())

    assert list(frame) == live.FRAME
    assert (frame["algo_id"], frame["client_id"], frame["type"]) == ("processing_1", "frames", "result")
    assert frame["seq"] == 1 and frame["status"] == "succeeded" and frame["found"] is True
    (overlay,) = frame["outputs"]
    assert list(overlay) == ["role", "bucket", "key", "url", "media_type", "sop_instance_uid"]
    assert overlay["role"] == "overlay" and overlay["media_type"] == "application/dicom"
    assert frame["dicom"] == {name: overlay[name] for name in ("bucket", "key", "url")}
    assert (overlay["bucket"], overlay["key"]) == ("output", "st/se/ct_processing_1.dcm")
    assert set(frame["timing_ms"]) == {"queued", "fetch", "compute", "store", "total"}
    assert isinstance(frame["measurements"], dict) and frame["measurements"]
    url = urllib.parse.urlparse(overlay["url"])
    expires = int(urllib.parse.parse_qs(url.query)["expires"][0])
    assert url.netloc == f"127.0.0.1:{server.port}" and before + 86400 <= expires <= after + 86400
    answer = requests.get(overlay["url"], timeout=10)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/dicom"
    assert pydicom.dcmread(io.BytesIO(answer.content)).SOPInstanceUID == overlay["sop_instance_uid"]


def test_nothing_found_is_a_success_with_the_same_members(server):
    frame = one_frame(server, "nothing", "small.dcm")

    assert list(frame) == live.FRAME and frame["status"] == "succeeded" and frame["found"] is False


def test_a_failure_is_a_result_with_its_reason_and_no_dicom(server):
    frame = one_frame(server, "failures", "cut.dcm")

    assert frame["type"] == "result" and frame["status"] == "failed" and frame["seq"] == 1
    assert frame["algo_id"] == "processing_1" and frame["client_id"] == "failures"
    assert set(frame["error"]) == {"code", "message", "stage", "attempts"}
    assert frame["error"]["code"] == "bad_input" and frame["error"]["attempts"] == 1
    assert not {"dicom", "outputs", "found", "measurements"} & set(frame)


def test_a_cancelled_job_is_a_result_too(server):
    async def go():
        async with listen(server, "cancels") as tab:
            with hosts.held(server):
                (job,) = await in_thread(post_jobs, server, "cancels", 1)
                answer = await in_thread(requests.delete, f"{server.url}/jobs/{job}")
                assert answer.status_code == 200
                (frame,) = await results(tab, 1)
            assert frame == {"job_id": job, "algo_id": "processing_1", "client_id": "cancels", "type": "result",
                             "seq": 1, "status": "cancelled"}

    asyncio.run(go())


def test_progress_is_shown_before_the_result_and_has_no_number(server):
    async def go():
        async with listen(server, "progress") as tab:
            (job,) = await in_thread(post_jobs, server, "progress", 1, "ct.dcm")
            shown = []
            while not shown or shown[-1]["type"] != "result":
                shown.append(await next_frame(tab))
            return job, shown

    # It may be dropped: of a job that is quick enough nothing but its end is seen.
    for _ in range(20):
        job, shown = asyncio.run(go())
        if len(shown) > 1:
            break
    *progress, result = shown
    assert progress and result["job_id"] == job
    for frame in progress:
        assert frame["type"] == "progress" and frame["job_id"] == job and 0 <= frame["fraction"] <= 1
        assert frame["stage"] and "seq" not in frame
    assert [frame["fraction"] for frame in progress] == sorted(frame["fraction"] for frame in progress)


# --- replay ---

def test_without_since_a_client_gets_what_is_past_its_cursor_and_then_live_events(server):
    async def go():
        ids = await in_thread(make_events, server, "cursor", 4)
        async with listen(server, "cursor") as tab:
            whole = await results(tab, 4)
            assert [frame["job_id"] for frame in whole] == ids
            await tab.send('{"type":"ack","seq":2}')
        async with listen(server, "cursor") as tab:
            assert await numbers(tab, 2) == [3, 4]
            await in_thread(make_events, server, "cursor", 1)
            assert await numbers(tab, 1) == [5]

    asyncio.run(go())


def test_with_since_a_client_gets_everything_after_it_once_and_then_live_events(server):
    async def go():
        await in_thread(make_events, server, "since", 3)
        last = 3
        for since in (0, 1, 3):
            async with listen(server, "since", since=since) as tab:
                assert await numbers(tab, last - since) == list(range(since + 1, last + 1))
                await in_thread(make_events, server, "since", 1)
                last += 1
                assert await numbers(tab, 1) == [last]

    asyncio.run(go())


def test_since_does_not_move_the_cursor_and_the_cursor_does_not_limit_since(server):
    async def go():
        await in_thread(make_events, server, "both", 3)
        async with listen(server, "both", since=3) as tab:
            assert (await ask(tab, '{"type":"ping"}'))["type"] == "pong"
        assert cursor(server, "both") == 0
        async with listen(server, "both", since=3) as tab:
            await tab.send('{"type":"ack","seq":3}')
        async with listen(server, "both", since=0) as tab:
            assert await numbers(tab, 3) == [1, 2, 3]

    asyncio.run(go())


def test_a_number_beyond_the_last_is_answered_with_reset_and_live_events_follow(server):
    async def go():
        await in_thread(make_events, server, "reset", 2)
        for client, since, last in (("reset", 3, 2), ("reset-unknown", 7, 0), ("reset-unknown", 10**18 - 1, 0)):
            async with listen(server, client, since=since) as tab:
                assert await next_frame(tab) == {"type": "reset", "last": last}
        async with listen(server, "reset", since=99) as tab:
            assert await next_frame(tab) == {"type": "reset", "last": 2}
            await in_thread(make_events, server, "reset", 1)
            assert await numbers(tab, 1) == [3]

    asyncio.run(go())


def test_an_ack_moves_the_cursor_forward_only_and_deletes_nothing(server):
    async def go():
        await in_thread(make_events, server, "ack", 4)
        for seq, expected in ((3, 3), (1, 3), (0, 3), (99, 4), (2, 4)):
            async with listen(server, "ack") as tab:
                await tab.send(json.dumps({"type": "ack", "seq": seq}))
                assert (await ask(tab, '{"type":"ping"}'))["type"] == "pong"
            # A connection that comes after an ack begins behind it; so does a page, a moment later.
            await in_thread(until, lambda: cursor(server, "ack") == expected)
        async with listen(server, "ack", since=0) as tab:
            assert await numbers(tab, 4) == [1, 2, 3, 4]
        await in_thread(make_events, server, "ack", 1)
        async with listen(server, "ack") as tab:  # 99 was no promise about the future
            assert await numbers(tab, 1) == [5]

    asyncio.run(go())


def test_whoever_acknowledges_and_comes_back_is_not_sent_it_again(server):
    async def go():
        await in_thread(make_events, server, "comeback", 1)
        for seq in range(1, 12):
            async with listen(server, "comeback") as tab:
                assert await numbers(tab, 1) == [seq]
                await tab.send(json.dumps({"type": "ack", "seq": seq}))
            await in_thread(make_events, server, "comeback", 1)

    asyncio.run(go())


def test_an_ack_of_one_tab_leaves_the_others_alone(server):
    async def go():
        await in_thread(make_events, server, "two", 2)
        async with listen(server, "two") as one, listen(server, "two") as other:
            assert await numbers(one, 2) == await numbers(other, 2) == [1, 2]
            await one.send('{"type":"ack","seq":99}')
            await in_thread(make_events, server, "two", 2)
            assert await numbers(one, 2) == await numbers(other, 2) == [3, 4]

    asyncio.run(go())


# --- what a client may say ---

def test_a_ping_is_answered_with_what_it_brought(server):
    async def go():
        async with listen(server, "pings") as tab:
            assert await ask(tab, '{"type":"ping"}') == {"type": "pong"}
            for t in (0, 1700000000000.5, "x", None, False, {"a": [1, None]}):
                assert await ask(tab, json.dumps({"type": "ping", "t": t, "more": 1})) == {"type": "pong", "t": t}

    asyncio.run(go())


BAD_FRAMES = ["", "{", "nonsense", "[]", "null", '"ping"', "{}", '{"type":5}', '{"type":"PING"}', '{"type":"ack"}',
              '{"type":"ack","seq":"1"}', '{"type":"ack","seq":1.5}', '{"type":"ack","seq":-1}',
              '{"type":"ack","seq":true}', '{"type":"ack","seq":null}', '{"type":"ack","seq":99999999999999999999}',
              '{"type":"subscribe","channel":"all"}', '{"type":"ack","seq":1}{"type":"ack","seq":2}',
              "[" * 5000, '{"type":"ping","type":"ack"}', b'{"type":"ping"}', b"", b"\0" * 1000]


def test_other_frames_are_answered_with_an_error_and_the_connection_stays(server):
    async def go():
        await in_thread(make_events, server, "other", 1)
        async with listen(server, "other", since=1) as tab:
            for bad in BAD_FRAMES:
                answer = await ask(tab, bad)
                assert answer["type"] == "error" and answer["error"], bad
            assert await ask(tab, '{"type":"ping"}') == {"type": "pong"}
            await in_thread(make_events, server, "other", 1)
            assert await numbers(tab, 1) == [2]
        assert cursor(server, "other") == 0

    asyncio.run(go())


def test_a_message_larger_than_64_kib_ends_the_connection_with_1009(server):
    async def go():
        async with listen(server, "large") as tab:
            assert (await ask(tab, "x" * 65536))["type"] == "error"
            await tab.send("x" * 65537)
            await tab.wait_closed()
            assert tab.close_code == 1009

    asyncio.run(go())


# --- tabs ---

def test_every_tab_gets_everything_and_a_new_one_steals_nothing(server):
    async def go():
        async with listen(server, "tabs") as one, listen(server, "tabs") as two:
            await in_thread(make_events, server, "tabs", 2)
            assert await numbers(one, 2) == [1, 2]
            async with listen(server, "tabs") as three:
                assert await numbers(three, 2) == [1, 2]
                await in_thread(make_events, server, "tabs", 1)
                assert [await numbers(tab, 1) for tab in (one, three)] == [[3], [3]]
                assert await numbers(two, 3) == [1, 2, 3]

    asyncio.run(go())


def test_closing_one_tab_disturbs_no_other(server):
    async def go():
        async with listen(server, "closing") as stays:
            for round_ in range(1, 4):
                leaves = await listen(server, "closing", since=round_ - 1)
                breaks = await listen(server, "closing", since=round_ - 1)
                await in_thread(make_events, server, "closing", 1)
                for tab in (stays, leaves, breaks):
                    assert await numbers(tab, 1) == [round_]
                await leaves.close()
                breaks.transport.abort()
            await in_thread(make_events, server, "closing", 1)
            assert await numbers(stays, 1) == [4]

    asyncio.run(go())


def test_the_33rd_connection_of_a_client_is_refused_over_both_doors(server):
    async def go():
        doors = ["ws", "prod"] * 16
        tabs = await asyncio.gather(*(listen(server, "many", door) for door in doors))
        for door in ("ws", "prod"):
            assert await in_thread(refusal, server, f"/{door}?client_id=many") == 429
        assert await in_thread(refusal, server, "/ws?client_id=many.other") == 101
        await in_thread(make_events, server, "many", 1)
        assert await asyncio.gather(*(numbers(tab, 1) for tab in tabs)) == [[1]] * 32
        tabs[7].transport.abort()
        await in_thread(until, lambda: refusal(server, "/ws?client_id=many") == 101)
        await asyncio.gather(*(tab.close() for tab in tabs))

    asyncio.run(go())


def test_a_client_never_sees_another_s_events(server):
    clients = ["iso", "iso1", "Iso", "is", "iso.", "iso~"]

    async def go():
        tabs = [await listen(server, client) for client in clients]
        await asyncio.gather(*(in_thread(post_jobs, server, client, 3) for client in clients))
        for client, tab in zip(clients, tabs):
            frames = await results(tab, 3)
            assert [frame["seq"] for frame in frames] == [1, 2, 3]
            assert {frame["client_id"] for frame in frames} == {client}
            # Nothing waits behind them that would have been sent by now.
            assert await ask(tab, '{"type":"ping"}') == {"type": "pong"}
            await tab.close()

    asyncio.run(go())


# --- who may connect ---

@pytest.mark.parametrize("target, status", [
    ("/ws", 400), ("/ws?client_id=", 400), ("/ws?client_id=a%20b", 400), ("/ws?client_id=a/b", 400),
    ("/ws?client_id=" + "a" * 129, 400), ("/ws?client_id=%C3%A9", 400), ("/ws?client_id=" + "a" * 128, 101),
    ("/ws?client_id=A-z_0.~", 101), ("/ws?client_id=a&since=x", 400), ("/ws?client_id=a&since=-1", 400),
    ("/ws?client_id=a&since=", 400), ("/ws?client_id=a&since=1e3", 400), ("/ws?client_id=a&since=0", 101),
    ("/prod?client_id=a%20b", 400), ("/prod?client_id=", 400), ("/wss?client_id=a", 404)])
def test_an_id_or_number_that_is_illegal_is_refused(server, target, status):
    assert refusal(server, target) == status


@pytest.mark.parametrize("door", ["ws", "prod"])
def test_only_pages_of_allowed_origins_come_in(server, door):
    target = f"/{door}?client_id=origins"
    for origin in ("http://localhost:5173", "http://127.0.0.1", "http://[::1]:80"):
        assert refusal(server, target, origin=origin) == 101
    for origin in ("http://evil.example", "null", "https://localhost.evil.example", "http://127.0.0.1.evil.example",
                   "file://"):
        assert refusal(server, target, origin=origin) == 403
    assert refusal(server, target) == 101  # no browser
    assert server.get(target, headers={"Host": "evil.example"}).status_code == 421


def test_a_plain_request_is_told_to_upgrade(server):
    for door in ("ws", "prod"):
        answer = server.get(f"/{door}?client_id=plain")
        assert answer.status_code == 426 and answer.headers["Upgrade"] == "websocket"
        assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["error"]


def test_with_a_token_the_doors_open_by_sub_protocol_header_or_one_time_ticket(tmp_path):
    token = "a-token-of-32-characters-or-more"
    (tmp_path / "token").write_text(token + "\n")
    (tmp_path / "token").chmod(0o600)
    bearer = {"Authorization": "Bearer " + token}

    async def protocol(server, door):
        async with websockets.connect(f"{server.ws}/{door}?client_id=t", ping_interval=None,
                                      subprotocols=["bearer." + token]) as tab:
            assert tab.subprotocol == "bearer." + token
            return await ask(tab, '{"type":"ping"}')

    with Server(tmp_path / "data", token_file=tmp_path / "token", origins="https://viewer.example") as server:
        for door in ("ws", "prod"):
            target = f"/{door}?client_id=t"
            assert refusal(server, target) == 401
            assert refusal(server, target, subprotocols=["bearer.wrong"]) == 401
            assert refusal(server, target + "&ticket=wrong") == 401
            assert refusal(server, target + "&token=" + token) == 401
            assert asyncio.run(protocol(server, door)) == {"type": "pong"}
            assert refusal(server, target, extra_headers=bearer) == 101
            assert refusal(server, target, extra_headers=bearer, origin="http://evil.example") == 403
            assert refusal(server, target, extra_headers=bearer, origin="https://viewer.example") == 101
            assert server.post("/ws/ticket").status_code == 401
            ticket = server.post("/ws/ticket", headers=bearer).json()["ticket"]
            assert refusal(server, f"{target}&ticket={ticket}") == 101
            assert refusal(server, f"{target}&ticket={ticket}") == 401  # good once


# --- bursts, restarts, crashes ---

class Tab:
    """A reader that leaves at random and comes back with the last number that it has seen."""

    def __init__(self, server, client, seed):
        self.server, self.client, self.random = server, client, random.Random(seed)
        self.seen, self.connections = [], 0

    async def read_until(self, last):
        while not self.seen or self.seen[-1] < last:
            self.connections += 1
            tab = await listen(self.server, self.client, since=self.seen[-1] if self.seen else 0)
            for _ in range(self.random.randrange(1, 40)):
                if self.seen and self.seen[-1] >= last:
                    break
                self.seen += await numbers(tab, 1)
            if self.random.random() < 0.5:
                tab.transport.abort()
            else:
                await tab.close()


def test_a_burst_reaches_readers_that_come_and_go_in_order_and_once_each(server):
    count = 200

    async def go():
        tabs = [Tab(server, "burst", seed) for seed in (1, 2)]
        posting = in_thread(post_jobs, server, "burst", count)
        await asyncio.gather(posting, *(tab.read_until(count) for tab in tabs))
        return tabs

    for tab in asyncio.run(go()):
        assert tab.seen == list(range(1, count + 1)) and tab.connections > 4


def test_a_restart_keeps_events_numbers_and_cursor_and_signs_urls_anew(data):
    async def first(server):
        await in_thread(make_events, server, "restart", 3)
        async with listen(server, "restart") as tab:
            frames = await results(tab, 3)
            await tab.send('{"type":"ack","seq":2}')
            assert (await ask(tab, '{"type":"ping"}'))["type"] == "pong"
            assert await in_thread(server.stop) == 0
            await tab.wait_closed()
            assert tab.close_code == 1001
        return frames

    async def second(server, before):
        async with listen(server, "restart") as tab:
            assert await numbers(tab, 1) == [3]
            await in_thread(make_events, server, "restart", 1)
            assert await numbers(tab, 1) == [4]
        async with listen(server, "restart", since=0) as tab:
            after = await results(tab, 3)
        assert [without_urls(frame) for frame in after] == [without_urls(frame) for frame in before]
        for frame in after:  # another port, so another base URL
            assert frame["dicom"]["url"].startswith(server.url + "/objects/")
            assert requests.get(frame["dicom"]["url"], timeout=10).status_code == 200

    with Server(data) as server:
        live.stock(server)
        frames = asyncio.run(first(server))
    with Server(data) as server:
        asyncio.run(second(server, frames))


def test_numbers_that_are_gone_are_told_as_a_gap(data):
    async def go(server):
        for since, gap, rest in ((0, 3, [3, 4]), (1, 3, [3, 4]), (2, None, [3, 4]), (3, None, [4])):
            async with listen(server, "gap", since=since) as tab:
                if gap:
                    assert await next_frame(tab) == {"type": "gap", "oldest": gap}
                assert [(await next_frame(tab))["seq"] for _ in rest] == rest
        async with listen(server, "gap-whole", since=0) as tab:
            assert await next_frame(tab) == {"type": "gap", "oldest": 3}
            await in_thread(make_events, server, "gap-whole", 1)
            assert await numbers(tab, 1) == [3]
        async with listen(server, "gap-whole", since=9) as tab:
            assert await next_frame(tab) == {"type": "reset", "last": 3}

    server = Server(data)
    with server:
        live.stock(server)
        make_events(server, "gap", 4)
        make_events(server, "gap-whole", 2)
    live.forget(server, "gap", 2)
    live.forget(server, "gap-whole", 2)
    with server:
        asyncio.run(go(server))


def test_after_kill_9_every_job_ends_and_the_replay_is_complete(data):
    async def before(server):
        async with listen(server, "killed") as tab:
            posting = in_thread(post_jobs, server, "killed", 60)
            frames = await results(tab, 5)
            ids = await posting
            server.kill()
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                while True:
                    frames += await results(tab, 1)
            return ids, frames

    async def after(server, seen):
        async with listen(server, "killed", since=seen[-1]["seq"]) as tab:
            seen = seen + await results(tab, 60 - len(seen))
        async with listen(server, "killed", since=0) as tab:
            return seen, await results(tab, 60)

    server = Server(data)
    with server:
        live.stock(server)
        ids, seen = asyncio.run(before(server))
    with server:
        seen, replay = asyncio.run(after(server, seen))
    assert [frame["seq"] for frame in seen] == [frame["seq"] for frame in replay] == list(range(1, 61))
    assert [frame["job_id"] for frame in seen] == [frame["job_id"] for frame in replay]
    assert sorted(frame["job_id"] for frame in replay) == sorted(ids)
