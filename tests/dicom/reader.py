# SPDX-License-Identifier: Apache-2.0
"""Our reader as a process of its own: bounded in time and memory, and never allowed to crash."""
import json
import os
import pathlib
import resource
import subprocess
import tempfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('COR_BUILD_DIR', ROOT / 'build'))
DRIVER = BUILD / 'tests' / 'dicom' / 'dicom-read'
MEMORY_MAX = 1 << 30
SECONDS_MAX = 60
TYPES = {'u1': 'u1', 'i1': 'i1', 'u2': '<u2', 'i2': '<i2', 'u4': '<u4', 'i4': '<i4', 'f4': '<f4', 'f8': '<f8',
         'rgb': 'u1'}


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
