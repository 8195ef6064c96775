# SPDX-License-Identifier: Apache-2.0
"""/prod, the door of the reference system: final frames only, and a cursor that moves by itself."""
import asyncio
import contextlib

import pytest
import websockets

import live
import slices
from live import ask, cursor, in_thread, listen, make_events, metric, numbers, post_jobs, results
from server import Server, next_frame, until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Pings of its own come never, so that the cursors move only by those of the tests."""
    with Server(tmp_path_factory.mktemp("prod") / "data", ws_ping="1 h") as running:
        live.stock(running)
        assert running.put_file("st/se/ct.dcm", slices.ct("ct", True)).status_code == 201
        yield running


def prod(server, client):
    return listen(server, client, door="prod")


async def protocol_ping(tab):
    """A ping frame of the WebSocket protocol, and its pong."""
    await asyncio.wait_for(await tab.ping(), 30)


async def json_ping(tab):
    assert await ask(tab, '{"type":"ping"}') == {"type": "pong"}


def test_a_client_of_the_reference_gets_its_result_and_nothing_else(server):
    async def go():
        # As the reference's clients do it: provision, listen, post, read until the job's frame is there.
        client = (await in_thread(server.post, "/provision", {})).json()["client_id"]
        async with websockets.connect(f"{server.ws}/prod?client_id={client}") as tab:
            for number in (1, 2, 3):
                (job,) = await in_thread(post_jobs, server, client, 1, "ct.dcm")
                frame = await next_frame(tab)
                assert frame["type"] == "result" and frame["seq"] == number
                assert frame["job_id"] == job and frame["algo_id"] == "processing_1" and frame["client_id"] == client
                assert set(frame["dicom"]) == {"bucket", "key", "url"}

    asyncio.run(go())


def test_a_live_tab_beside_it_sees_the_same_frames_and_the_progress(server):
    async def go():
        async with prod(server, "beside") as old, listen(server, "beside") as new:
            await in_thread(post_jobs, server, "beside", 5, "ct.dcm")
            assert await results(new, 5) == [await next_frame(old) for _ in range(5)]

    asyncio.run(go())


@pytest.mark.parametrize("ping", [protocol_ping, json_ping])
def test_the_cursor_moves_only_after_a_ping(server, ping):
    client = ping.__name__

    async def go():
        await in_thread(make_events, server, client, 2)
        for _ in range(3):  # taken, but perhaps lost on the way: it comes again
            async with prod(server, client) as tab:
                assert await numbers(tab, 2) == [1, 2]
            assert cursor(server, client) == 0
        async with prod(server, client) as tab:
            assert await numbers(tab, 2) == [1, 2]
            await ping(tab)
            await in_thread(make_events, server, client, 1)
            assert await numbers(tab, 1) == [3]  # after the ping: not covered by it
        async with prod(server, client) as tab:
            assert await numbers(tab, 1) == [3]
            await ping(tab)
        await in_thread(make_events, server, client, 1)
        async with prod(server, client) as tab:
            assert await numbers(tab, 1) == [4]
            await ping(tab)
            await ping(tab)
        until(lambda: cursor(server, client) == 4, what="the cursor")
        async with listen(server, client, since=0) as tab:
            assert await numbers(tab, 4) == [1, 2, 3, 4]  # nothing was deleted

    asyncio.run(go())


def test_a_connection_that_breaks_without_a_word_has_moved_nothing(server):
    async def go():
        await in_thread(make_events, server, "breaks", 2)
        tab = await prod(server, "breaks")
        assert await numbers(tab, 2) == [1, 2]
        tab.transport.abort()
        async with prod(server, "breaks") as tab:
            assert await numbers(tab, 2) == [1, 2]

    asyncio.run(go())


def test_an_answer_to_the_server_s_own_ping_moves_the_cursor(data):
    async def go(server):
        await in_thread(make_events, server, "pong", 2)
        async with prod(server, "pong") as tab:  # the library answers pings by itself
            assert await numbers(tab, 2) == [1, 2]
            await in_thread(until, lambda: cursor(server, "pong") == 2)
            await in_thread(make_events, server, "pong", 1)
            assert await numbers(tab, 1) == [3]
            await in_thread(until, lambda: cursor(server, "pong") == 3)
        assert await in_thread(server.stop) == 0

    async def restarted(server):
        await in_thread(make_events, server, "pong", 1)
        async with prod(server, "pong") as tab:
            assert await numbers(tab, 1) == [4]

    server = Server(data, ws_ping="200 ms")
    with server:
        live.stock(server)
        asyncio.run(go(server))
    with server:
        asyncio.run(restarted(server))


def test_every_connection_gets_everything_and_a_new_one_steals_nothing(server):
    async def go():
        async with prod(server, "all") as one, prod(server, "all") as two:
            await in_thread(make_events, server, "all", 2)
            assert await numbers(one, 2) == [1, 2]
            async with prod(server, "all") as three:
                assert await numbers(three, 2) == [1, 2]
                await protocol_ping(three)
            await in_thread(make_events, server, "all", 1)
            assert await numbers(one, 1) == [3]
            assert await numbers(two, 3) == [1, 2, 3]

    asyncio.run(go())


def test_a_restart_of_the_server_loses_nothing_that_was_not_confirmed(data):
    async def first(server):
        await in_thread(make_events, server, "restart", 2)
        async with prod(server, "restart") as tab:
            assert await numbers(tab, 2) == [1, 2]
            await protocol_ping(tab)
            await in_thread(make_events, server, "restart", 2)
            assert await numbers(tab, 2) == [3, 4]
            await in_thread(until, lambda: cursor(server, "restart") == 2)
            server.kill()

    async def second(server):
        async with prod(server, "restart") as tab:
            assert await numbers(tab, 2) == [3, 4]

    server = Server(data, ws_ping="1 h")
    with server:
        live.stock(server)
        asyncio.run(first(server))
    with server:
        asyncio.run(second(server))


def test_without_a_client_id_it_is_accepted_and_stays_silent(server):
    async def go():
        before = metric(server, "corsia_messages_pushed_total")
        async with websockets.connect(server.ws + "/prod", ping_interval=None) as nobody:
            async with prod(server, "somebody") as tab:
                await in_thread(make_events, server, "somebody", 2)
                assert await numbers(tab, 2) == [1, 2]
            assert metric(server, "corsia_messages_pushed_total") == before + 2
            assert await ask(nobody, '{"type":"ping"}') == {"type": "pong"}  # the first thing that it hears
            assert (await ask(nobody, '{"type":"ack","seq":7}{'))["type"] == "error"
            await nobody.send('{"type":"ack","seq":7}')
            assert await ask(nobody, '{"type":"ping","t":1}') == {"type": "pong", "t": 1}
        # It counts for no client, so more of them than a client may have are no trouble.
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(40):
                await stack.enter_async_context(websockets.connect(server.ws + "/prod", ping_interval=None))

    asyncio.run(go())


def test_no_frame_tells_of_a_gap(data):
    """The reference's clients know results only."""
    async def go(server):
        async with prod(server, "gap") as tab:
            assert (await next_frame(tab))["seq"] == 3

    server = Server(data)
    with server:
        live.stock(server)
        make_events(server, "gap", 3)
    live.forget(server, "gap", 2)
    with server:
        asyncio.run(go(server))


def test_bad_frames_are_answered_and_the_connection_stays(server):
    async def go():
        async with prod(server, "bad") as tab:
            for bad in ("nonsense", '{"type":"ack"}', b"\0\1"):
                assert (await ask(tab, bad))["type"] == "error"
            await in_thread(make_events, server, "bad", 1)
            assert (await next_frame(tab))["seq"] == 1

    asyncio.run(go())
