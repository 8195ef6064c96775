# SPDX-License-Identifier: Apache-2.0
"""A run whose slices went to several hosts gives what one host gives, byte for byte."""
import json
import random
import struct

import numpy
import pytest

import phantom
import renditions
from test_segmentation import changed

HostError = renditions.host_protocol.HostError
PARTLESS = {'algo_id': 'processing_1', 'params': phantom.PARAMS, 'outputs': renditions.ALL}
DENOISE = {'algo_id': 'denoise', 'params': {'strength': 2.0, 'radius_mm': 1.5}, 'outputs': ['image']}


def ask(host, files, parts=(), **members):
    """(result, [(description, bytes)]) of one call."""
    inputs = [{'sop_instance_uid': file[0], 'series_instance_uid': file[1]} for file in files] + [{}] * len(parts)
    number = host.ask('run', files=[file[2] for file in files] + list(parts), inputs=inputs, scope='series',
                      accepted_unix_ms=renditions.ACCEPTED_UNIX_MS, **({'parts': len(parts)} if parts else {}), **members)
    answers = list(host.answers(number))
    return answers[-1][0], [answer for answer in answers if answer[0]['answer'] == 'output']


def divided(files, chunks, **members):
    """The same of a run whose slices are divided, the chunks taken in turns by two hosts."""
    made, parts = [], []
    with renditions.host_protocol.Host(renditions.BINARY) as one, renditions.host_protocol.Host(renditions.BINARY) as other:
        for number, chunk in enumerate(chunks):
            _result, outputs = ask((one, other)[number % 2], [files[i] for i in chunk], part=True, **members)
            *objects, (message, part) = outputs
            assert message['role'] == 'part' and all(output['role'] != 'part' for output, _data in objects)
            for output, data in objects:
                made.append(({**output, 'source': chunk[output['source']]}, data))
            parts.append(part)
        result, outputs = ask(other, files, parts, **members)
    ranks = {tuple(place): rank for rank, place in enumerate(result.pop('order'))}
    made.sort(key=lambda output: ranks[output[0]['source'], output[0].get('frame', 0)])
    return result, made + outputs


def plain(outputs):
    return [({key: value for key, value in message.items() if key not in ('id', 'fds')}, data) for message, data in outputs]


def same(whole, parted):
    assert parted[0].pop('decoded') <= 1 <= whole[0].pop('decoded')  # none but the one of the preview
    for result in (whole[0], parted[0]):
        del result['timing_ms'], result['id']
    assert parted[0] == whole[0]
    # Renditions of the whole run come last in both, slices in the order of their places.
    assert plain(parted[1]) == plain(whole[1])


@pytest.mark.parametrize('name', [name for name in phantom.SERIES if name != 'single-slice'])
def test_parts_give_the_same_bytes(name):
    files = phantom.SERIES[name]()
    order = list(range(len(files)))
    random.Random(name).shuffle(order)
    with renditions.host_protocol.Host(renditions.BINARY) as host:
        whole = ask(host, files, **PARTLESS)
    assert {message['role'] for message, _data in whole[1]} == {'overlay', 'segmentation', 'report', 'preview',
                                                               'thumbnail', 'measurements'}
    same(whole, divided(files, [order[i:i + 3] for i in range(0, len(order), 3)], **PARTLESS))


def test_parts_of_slices_of_several_sizes():
    files = phantom.SERIES['regular']()
    for index in (1, 4, 6):
        files = changed(files, index, Rows=40)
    with renditions.host_protocol.Host(renditions.BINARY) as host:
        whole = ask(host, files, **PARTLESS)
    assert [message['role'] for message, _data in whole[1]].count('segmentation') == 2
    same(whole, divided(files, [[7, 0, 1], [4, 2], [3, 5, 6]], **PARTLESS))


@pytest.mark.parametrize('outputs', [['overlay'], ['measurements'], ['segmentation'], ['preview']])
def test_parts_make_what_was_asked_for_and_nothing_else(outputs):
    files = phantom.SERIES['oblique']()
    with renditions.host_protocol.Host(renditions.BINARY) as host:
        whole = ask(host, files, **{**PARTLESS, 'outputs': outputs})
    same(whole, divided(files, [[0, 1, 2, 3], [4, 5, 6, 7]], **{**PARTLESS, 'outputs': outputs}))


def test_parts_of_derived_images():
    files = phantom.SERIES['regular']()
    with renditions.host_protocol.Host(renditions.BINARY) as host:
        whole = ask(host, files, **DENOISE)
    assert len(whole[1]) == len(files)
    same(whole, divided(files, [[0, 2, 4, 6], [1, 3, 5, 7]], **DENOISE))


def test_nothing_found_in_any_part():
    files = phantom.SERIES['regular']()
    members = {**PARTLESS, 'params': {**phantom.PARAMS, 'area_min_px': 100000}}
    with renditions.host_protocol.Host(renditions.BINARY) as host:
        whole = ask(host, files, **members)
    assert whole[0]['found'] is False
    same(whole, divided(files, [[0, 1, 2, 3], [4, 5, 6, 7]], **members))


def part_of(host, files):
    return ask(host, files, part=True, **PARTLESS)[1][-1][1]


def taken_apart(part):
    (size,) = struct.unpack('=Q', part[-8:])
    return part[:-8 - size], json.loads(part[-8 - size:-8])


def put_together(data, head):
    text = json.dumps(head).encode()
    return data + text + struct.pack('=Q', len(text))


def test_a_slice_that_is_missing_or_comes_twice_is_refused():
    """Not one result may be lost or counted twice."""
    files = phantom.SERIES['regular']()
    with renditions.host_protocol.Host(renditions.BINARY) as host:
        first, second, overlap = part_of(host, files[:4]), part_of(host, files[4:]), part_of(host, files[3:])
        with pytest.raises(HostError, match='no part of the run has image .*\\.5$') as missing:
            ask(host, files, [first], **PARTLESS)
        for twice in ([first, second, second], [first, overlap]):
            with pytest.raises(HostError) as refused:
                ask(host, files, twice, **PARTLESS)
            assert refused.value.code == 'corrupt'
        assert missing.value.code == 'corrupt'
        assert ask(host, files, [second, first], **PARTLESS)[0]['found']  # in any order; and the host goes on


def test_parts_that_cannot_be_are_refused():
    """They were made of foreign bytes."""
    files = phantom.SERIES['regular']()[:4]
    with renditions.host_protocol.Host(renditions.BINARY) as host:
        good = part_of(host, files)
        data, head = taken_apart(good)
        assert ask(host, files, [put_together(data, head)], **PARTLESS)[0]['found']
        bad = [b'', b'1234567', struct.pack('=Q', 1 << 63), good[:-8] + struct.pack('=Q', len(good)), bytes(64),
               put_together(data, [])]
        for label, offset in ((1, 0), (-1, 0), (0, -1), (0, len(data)), (0, 1 << 62), (0, len(data) - 70), ('x', 'y')):
            slices = [dict(item) for item in head['slices']]
            slices[0]['labels'] = [[label, offset]]
            bad.append(put_together(data, {**head, 'slices': slices}))
        for change in ({'uid': '1.2'}, {'frame': 7}, {'frame': -1}, {'labels': [[0, 0], [0, 0]]}):
            bad.append(put_together(data, {**head, 'slices': [{**head['slices'][0], **change}, *head['slices'][1:]]}))
        bad.append(put_together(data, {**head, 'uids': [1]}))
        bad.append(put_together(data, {**head, 'uids': head['uids'] + head['uids'][:1]}))
        refused = 0
        for part in bad:
            try:
                ask(host, files, [part], **PARTLESS)
            except HostError as error:
                assert error.code in ('corrupt', 'invalid', 'denied'), error
                refused += 1
        assert refused == len(bad) - 1  # {'x': 'y'} is zero: the label and the place that were there


def test_what_is_no_part_of_a_run_is_refused():
    files = phantom.SERIES['regular']()
    with renditions.host_protocol.Host(renditions.BINARY) as host:
        with pytest.raises(HostError, match='needs all slices at once') as volume:
            ask(host, files, part=True, algo_id='body', params={}, outputs=['overlay'])
        assert volume.value.code == 'unsupported'
        with pytest.raises(HostError) as both:
            ask(host, files, [b'x'], part=True, **PARTLESS)
        assert both.value.code == 'invalid'
        assert numpy.isfinite(ask(host, files, **PARTLESS)[0]['measurements']['area_px'])
