# SPDX-License-Identifier: Apache-2.0
"""Every file that we have in every transfer syntax that we write: the same pixels, by our reader and by others', and
the same data set but for what describes the encoding."""
import pathlib
import re

import numpy
import pydicom
import pytest

import judge
import reader
from test_read_everything import FILES, NO_JUDGE, has_pixels

EXPLICIT, DEFLATED, RLE = '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.5'
CODESTREAMS = [f'1.2.840.10008.1.2.4.{n}' for n in (57, 70, 80, 90)]
TARGETS = [EXPLICIT, DEFLATED, RLE, *CODESTREAMS]

# What describes the encoding of pixels, or is void in another one.
DESCRIBES = {0x00280004, 0x00280006, 0x00280102, 0x00282110, 0x7FE00001, 0x7FE00002, 0x7FE00010}

# What a syntax cannot hold.  Everything else that is refused must be what the reader refuses as well.
CANNOT = re.compile(r'unsupported: (an object without pixels|samples of (1|32) allocated bits|real numbers) '
                    r'in transfer syntax [0-9.]+')

pytestmark = pytest.mark.skipif(not reader.BINARY.exists(), reason='the executable is not built')


@pytest.fixture(scope='module')
def host():
    running = reader.RealHost()
    yield running
    running.close()


def element_tags(ds):
    return [tag for tag in sorted(ds.keys()) if tag.element != 0 and tag.group > 2 and int(tag) not in DESCRIBES]


def same(is_same, where):
    """Fail without printing what differs, which may have megabytes."""
    if not is_same:
        pytest.fail(f'{where} differs')


def assert_same_value(old, new, tag, is_big, where):
    """Values are the same bytes, padding apart; those of big-endian files the same numbers and texts."""
    if not is_big or old.get_item(tag).VR == 'UN':  # UN is little endian everywhere (PS3.5 section 6.2.2)
        a, b = old.get_item(tag).value, new.get_item(tag).value
        if isinstance(a, bytes) and isinstance(b, bytes):
            same(a.rstrip(b'\0 ') == b.rstrip(b'\0 '), where)
            return
    a, b = old[tag].value, new[tag].value
    if isinstance(a, bytes) and is_big and old[tag].VR == 'OW':
        a = numpy.frombuffer(a, '>u2').astype('<u2').tobytes()
    same(str(a) == str(b), where)


def assert_same_data_set(old, new, is_big, where=''):
    assert element_tags(old) == element_tags(new), where
    for tag in element_tags(old):
        here = f'{where}{tag}'
        if new.get_item(tag).VR != 'SQ':
            assert_same_value(old, new, tag, is_big, here)
            continue
        items = old[tag].value
        if isinstance(items, bytes):
            continue  # pydicom does not look into UN
        assert len(items) == len(new[tag].value), here
        for number, (a, b) in enumerate(zip(items, new[tag].value)):
            assert_same_data_set(a, b, is_big, f'{here}/{number + 1}/')


def number_of_frames(ds):
    try:
        return int(ds.get('NumberOfFrames', 1) or 1)
    except ValueError:  # no number
        return 1


def frames_to_look_at(ds):
    frames = number_of_frames(ds)
    return sorted({1, min(2, frames), frames})


def stored(host, data, frames):
    return [host.decode(data, frame, 'stored') for frame in frames]


def assert_same_by_others(path, target, values, ds):
    """pydicom, for codestreams with GDCM, sees the values that our reader gave for the source."""
    who, expected = judge.pixels(path, ds, target)
    if expected is None:
        return 'none'
    for frame, value in zip(frames_to_look_at(ds), values):
        theirs = expected[frame - 1].reshape(-1)
        if ds.get('SamplesPerPixel', 1) == 3 and theirs.dtype.itemsize > 1:
            theirs = (theirs >> (ds.BitsStored - 8)).astype('u1')
        ours = numpy.frombuffer(value, theirs.dtype)
        limit = 1 if ds.PhotometricInterpretation.startswith('YBR_FULL') else 0  # theirs is floating point
        assert numpy.abs(ours.astype('f8') - theirs.astype('f8')).max() <= limit
    return who


def check_pixel_element(ds, target):
    element = ds['PixelData'] if 'PixelData' in ds else None
    if element is None:
        return
    if target in (EXPLICIT, DEFLATED):
        assert not element.is_undefined_length
        assert element.VR == ('OW' if ds.get('BitsAllocated', 8) > 8 else element.VR)
    else:
        assert element.is_undefined_length and element.VR == 'OB'
        frames = number_of_frames(ds)
        found = list(pydicom.encaps.generate_pixel_data_frame(ds.PixelData, frames))
        assert len(found) == frames


@pytest.mark.parametrize('name, path', FILES, ids=[name for name, _ in FILES])
def test_a_file_keeps_its_pixels_and_attributes_in_every_syntax(name, path, host, tmp_path):
    data = path.read_bytes()
    source = judge.dataset(path)
    refusal = host.index(data)
    if isinstance(refusal, str) and not refusal.startswith('invalid: ') or source is None:
        return
    frames = frames_to_look_at(source)
    before = stored(host, data, frames)
    for target in TARGETS:
        made = host.transcode(data, target)
        if isinstance(made, str):
            assert CANNOT.fullmatch(made) or made.split(': ')[-1] in str(before) or \
                any(isinstance(value, str) for value in before) or made == refusal, f'{target}: {made}'
            continue
        copy = tmp_path / 'copy.dcm'
        copy.write_bytes(made)
        ds = pydicom.dcmread(copy)
        assert ds.file_meta.TransferSyntaxUID == target
        assert ds.file_meta.FileMetaInformationGroupLength
        assert_same_data_set(judge.dataset(path), pydicom.dcmread(copy), not source.is_little_endian)
        if not has_pixels(source):
            continue
        check_pixel_element(ds, target)
        same(stored(host, made, frames) == before, target)
        if not any(isinstance(value, str) for value in before) and name not in NO_JUDGE and \
                source.get('BitsAllocated') != 1:
            assert assert_same_by_others(copy, target, before, ds) != 'none', target
        for frame in frames:
            check_frame(host, data, made, target, frame)


def check_frame(host, data, made, target, frame):
    """A single frame in the target syntax is what stands in the whole file."""
    piece = host.frame(data, frame, target)
    again = host.frame(made, frame, None)
    if target not in (EXPLICIT, DEFLATED) and not isinstance(piece, str):
        piece += b'\0' * (len(piece) % 2)
    same(piece == again, f'{target}, frame {frame}')
