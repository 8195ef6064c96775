# SPDX-License-Identifier: Apache-2.0
"""Runs an algorithm in a host and gathers what it makes."""
import functools
import os
import pathlib
import sys

import phantom

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests' / 'integration'))
import host_protocol  # noqa: E402

BINARY = pathlib.Path(os.environ.get('CORSIA_BINARY', TOP / 'build' / 'corsia'))
ALL = ['overlay', 'segmentation', 'report', 'preview', 'measurements']
ACCEPTED_UNIX_MS = 1767225600123


def run(files, algo_id='processing_1', params=None, outputs=None, scope=None):
    """(result, [(description, bytes)]) of a run over [(uid, series uid, bytes, ...)]."""
    with host_protocol.Host(BINARY) as host:
        inputs = [{'sop_instance_uid': file[0], 'series_instance_uid': file[1]} for file in files]
        number = host.ask('run', files=[file[2] for file in files], inputs=inputs, algo_id=algo_id,
                          params=phantom.PARAMS if params is None else params,
                          scope=scope or ('image' if len(files) == 1 else 'series'),
                          accepted_unix_ms=ACCEPTED_UNIX_MS, outputs=outputs or ALL)
        answers = list(host.answers(number))
    made = [(message, data) for message, data in answers if message['answer'] == 'output']
    return answers[-1][0], made


@functools.lru_cache(maxsize=None)
def of(name):
    """(source files, result, outputs) of one of the phantoms."""
    files = phantom.SERIES[name]()
    return (files, *run(files))


def with_role(outputs, role):
    return [(message, data) for message, data in outputs if message['role'] == role]
