# SPDX-License-Identifier: Apache-2.0
"""Our reader as a process of its own: bounded in time and memory, and never allowed to crash."""
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('COR_BUILD_DIR', ROOT / 'build'))
DRIVER = BUILD / 'tests' / 'dicom' / 'dicom-read'
BINARY = BUILD / 'corsia'
MEMORY_MAX = 1 << 30
SECONDS_MAX = 60
TYPES = {'u1': 'u1', 'i1': 'i1', 'u2': '<u2', 'i2': '<i2', 'u4': '<u4', 'i4': '<i4', 'f4': '<f4', 'f8': '<f8',
         'rgb': 'u1'}

sys.path.append(str(ROOT / 'tests' / 'integration'))
import host_protocol  # noqa: E402  (the folder has to be known first)


def _bounded():
    if not os.environ.get('COR_SANITIZED'):  # sanitizers reserve terabytes
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))


def run(*arguments):
    """The driver's answer.  Dying of a signal, hanging and failing without an answer are errors here."""
    done = subprocess.run([DRIVER, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=SECONDS_MAX, preexec_fn=_bounded, check=False)
    assert done.returncode == 0, f'exit {done.returncode}: {done.stderr[-500:]!r}'
    return json.loads(done.stdout)


class Answer:
    """What the reader said of one file; the raw frames live as long as the `with` block."""

    def __init__(self, path):
        self._folder = tempfile.TemporaryDirectory()
        self.answer = run(path, self._folder.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    @property
    def syntax(self):
        return self.answer.get('syntax', '')

    def refusals(self):
        """{stage: 'code: text'} of everything that was refused: open, index, pixels."""
        found = {}
        if 'error' in self.answer:
            return {'open': _sentence(self.answer['error'])}
        if 'error' in self.answer['index']:
            found['index'] = _sentence(self.answer['index']['error'])
        image = self.answer['image']
        if 'error' in image:
            found['pixels'] = _sentence(image['error'])
        for frame in self.frames():
            if 'error' in frame:
                found['pixels'] = _sentence(frame['error'])
        return found

    def attributes(self):
        return self.answer['index'].get('attributes') if 'index' in self.answer else None

    def frames(self):
        return self.answer.get('image', {}).get('decoded', [])

    def plane(self, kind, number):
        """The pixels of 'stored', 'shown' or 'modality' as one long row, or the refusal as a string."""
        plane = self.frames()[number][kind]
        if 'error' in plane:
            return _sentence(plane['error'])
        return numpy.fromfile(f'{self._folder.name}/{kind}-{number}.raw', TYPES[plane['type']])


def _sentence(error):
    assert error['text'], 'a refusal without a reason'
    return f"{error['code']}: {error['text']}"


class RealHost:
    """`corsia host` in its sandbox, greeted once and asked about one file after the other."""

    def __init__(self):
        self._host = None

    def _answers(self, op, data, **members):
        """All answers, each with its output's bytes; only the refusal as a string, if it is one."""
        if self._host is None:
            self._host = host_protocol.Host(BINARY)
        try:
            return list(self._host.answers(self._host.ask(op, [data], **members)))
        except host_protocol.HostError as error:
            return [(f'{error.code}: {error.message}', None)]

    def _ask(self, op, data, **members):
        """(result or output's message, output's bytes), or the refusal as a string."""
        answers = self._answers(op, data, **members)
        if isinstance(answers[0][0], str):
            return answers[0]
        outputs = [answer for answer in answers if answer[0]['answer'] == 'output']
        return outputs[0] if outputs else answers[-1]

    def index(self, data):
        """The catalogue record, or the refusal as a string."""
        *outputs, (message, _none) = self._answers('index', data)
        if isinstance(message, str):
            return message
        attributes = json.loads(outputs[0][1]) if outputs else message['annex']
        return {**message['record'], 'attributes': attributes}

    def decode(self, data, frame, values):
        """The bytes of a frame's plane, or the refusal as a string."""
        message, output = self._ask('decode', data, frame=frame, values=values)
        return message if isinstance(message, str) else output

    def transcode(self, data, syntax):
        """The bytes of the whole file in another transfer syntax, or the refusal as a string."""
        message, output = self._ask('transcode', data, transfer_syntax_uid=syntax)
        return message if isinstance(message, str) else output

    def frame(self, data, number, syntax):
        """The bytes of one frame, or the refusal as a string; syntax None: as they are."""
        members = {'transfer_syntax_uid': syntax} if syntax else {}
        message, output = self._ask('frame', data, frame=number, **members)
        return message if isinstance(message, str) else output

    def bulk(self, data, path):
        """(VR, bytes) of one value, or the refusal as a string."""
        message, output = self._ask('bulk', data, path=path)
        return message if isinstance(message, str) else (message['vr'], output)

    def close(self):
        if self._host:
            self._host.close()
