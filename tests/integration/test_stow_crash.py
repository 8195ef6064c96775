# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every step of an upload of several instances: what was answered is there, nothing is half stored, and the
next start is clean.  (Kills at random moments of many uploads at once are in test_stow_hostile.py.)"""

import pytest
import requests

import slices
import stow
from server import FAILPOINT_BINARY, Server, until
from test_stow_hostile import Peer, objects, temporary_files

COUNT = 6


def parts_of(name):
    return {slices.uid("study", "series", f"{name}{i}"): slices.ct(f"{name}{i}", number=i, size=32) for i in range(COUNT)}


def found(server):
    """SOP Instance UIDs that searches find."""
    answers = server.get("/dicom-web/instances", params={"limit": 1000}).json()
    return {answer["00080018"]["Value"][0] for answer in answers}


def assert_whole(server, parts, at_least=frozenset(), at_most=None):
    """After a start: objects, rows, counts and feed say the same, each object is a file that was sent."""
    until(lambda: not temporary_files(server), what="no temporary files")
    until(lambda: len(objects(server)) == len(found(server)), what="no objects without a row")
    stored = {name.removesuffix(".dcm"): data for name, data in objects(server).items()}
    assert set(stored) == found(server)
    assert all(parts[uid] == data for uid, data in stored.items())
    assert set(at_least) <= set(stored) <= set(parts if at_most is None else at_most)
    feed = server.get("/dicom-web/changes", params={"since": 0, "limit": 1000}).json()["changes"]
    assert [change["seq"] for change in feed] == list(range(1, len(stored) + 1))
    assert {change["sop_instance_uid"] for change in feed} == set(stored)
    study = server.get("/dicom-web/studies").json()
    assert [answer["00201208"]["Value"] for answer in study] == ([[len(stored)]] if stored else [])


@pytest.mark.parametrize("passes", [1, 2, COUNT])
@pytest.mark.parametrize("point", ["after-store", "after-catalog"])
def test_a_kill_between_object_row_and_answer_leaves_whole_instances(tmp_path, point, passes):
    if not FAILPOINT_BINARY.exists():
        pytest.skip("there is no build with failpoints: tools/run-tests failpoints makes it")
    before, parts = parts_of("before"), parts_of("during")
    server = Server(tmp_path / "data")
    with server:
        assert stow.store(server, *before.values()).status_code == 200
    server = Server(tmp_path / "data", binary=FAILPOINT_BINARY)
    server.start(CORSIA_FAILPOINT=f"{point}:{passes}")
    with pytest.raises(requests.ConnectionError):
        stow.store(server, *parts.values())
    assert server.process.wait(10) == -9
    with Server(tmp_path / "data") as server:
        assert_whole(server, before | parts, at_least=before)
        again = stow.store(server, *parts.values())
        assert again.status_code == 200 and set(stow.stored(again)) == set(parts)
        assert_whole(server, before | parts, at_least=before | parts)


def test_a_kill_at_every_part_of_an_upload_keeps_what_was_whole(tmp_path):
    """The body stops at a place, then the server dies; each round begins where the last one ended."""
    parts, sent = {}, {}
    data = tmp_path / "data"
    sizes = [0]
    for part in parts_of("0").values():
        sizes.append(sizes[-1] + len(stow.body_of([part])) - len(f"--{stow.BOUNDARY}--\r\n"))
    places = sorted({place + shift for place in sizes for shift in (-40, 3, 60, 700) if 0 <= place + shift < sizes[-1]})
    assert len(places) > 3 * COUNT
    for number, place in enumerate(places):
        mine = parts_of(f"round{number}-")
        body = stow.body_of(mine.values())
        whole = [uid for uid, part in mine.items() if body.find(part) + len(part) < place]
        with Server(data) as server:
            assert_whole(server, parts, at_least=sent)
            with Peer(server) as peer:
                peer.head(f"Content-Length: {len(body)}")
                peer.send(body[:place])
                until(lambda: set(whole[:-1]) <= found(server), what="the parts that are over stored")
                known = found(server)
                server.kill()
        parts |= mine
        sent |= {uid: parts[uid] for uid in known}
    with Server(data) as server:
        assert_whole(server, parts, at_least=sent)


def test_a_kill_on_the_way_back_loses_nothing(tmp_path):
    """200 is on the wire, and at that moment the server is gone."""
    data, everything = tmp_path / "data", {}
    for number in range(5):
        parts = parts_of(f"answered{number}-")
        with Server(data) as server:
            answer = stow.store(server, *parts.values())
            server.kill()
            assert answer.status_code == 200 and set(stow.stored(answer)) == set(parts)
        everything |= parts
    with Server(data) as server:
        assert_whole(server, everything, at_least=everything)
