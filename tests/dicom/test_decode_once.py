# SPDX-License-Identifier: Apache-2.0
"""A volume is decoded once, as long as it fits into a part of the host's memory, and is found alike however often."""
import functools

import phantom
import pytest
import renditions

MIB = 1 << 20


COUNT = 40


@functools.lru_cache(maxsize=None)
def files():
    """Of 512 KiB each."""
    return phantom.slices(12, phantom.CT, [5.0 * i for i in range(COUNT)], phantom.AXIAL, (0.8, 0.8), (512, 512))


def run(memory_max, algo_id='body', params=None):
    with renditions.host_protocol.Host(renditions.BINARY, memory_max=memory_max) as host:
        inputs = [{'sop_instance_uid': file[0], 'series_instance_uid': file[1]} for file in files()]
        number = host.ask('run', files=[file[2] for file in files()], inputs=inputs, scope='series', algo_id=algo_id,
                          params=params if params is not None else {}, outputs=['overlay', 'measurements'],
                          accepted_unix_ms=renditions.ACCEPTED_UNIX_MS)
        answers = list(host.answers(number))
    outputs = [({key: value for key, value in message.items() if key != 'id'}, data)
               for message, data in answers if message['answer'] == 'output']
    return answers[-1][0], outputs


def test_a_volume_is_decoded_once():
    assert run(2048 * MIB)[0]['decoded'] == COUNT


def test_what_does_not_fit_is_decoded_again_and_nothing_else_changes():
    whole, tight = run(2048 * MIB), run(64 * MIB)
    assert tight[0]['decoded'] == 2 * COUNT - 32  # a quarter of the memory holds 32
    assert tight[1] == whole[1] and tight[0]['measurements'] == whole[0]['measurements']


@pytest.mark.parametrize('algo_id, params', [('processing_1', phantom.PARAMS),
                                             ('projection', {'mode': 'maximum', 'slab_mm': 20.0, 'step_mm': 10.0})])
def test_slices_that_nobody_comes_back_to_are_decoded_once_as_well(algo_id, params):
    """And not kept: this is all that there is of the memory of which a quarter would hold 32."""
    assert run(64 * MIB, algo_id, params)[0]['decoded'] == COUNT
