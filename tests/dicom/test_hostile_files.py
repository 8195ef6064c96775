# SPDX-License-Identifier: Apache-2.0
"""Files made to hurt: each is answered in bounded time and memory (reader.py bounds both), never by a crash."""
import random
import struct
import zlib

import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

import reader
from test_read_everything import PYDICOM, with_syntax

EXPLICIT, IMPLICIT = b'1.2.840.10008.1.2.1', b'1.2.840.10008.1.2'
UNDEFINED = 0xFFFFFFFF


def element(tag, vr, value, length=None):
    """Explicit VR little endian, with a length that may lie."""
    head = struct.pack('<HH2s', tag >> 16, tag & 0xFFFF, vr)
    length = len(value) if length is None else length
    if vr in (b'OB', b'OW', b'SQ', b'UN', b'UT', b'UC', b'UR'):
        return head + struct.pack('<HI', 0, length) + value
    return head + struct.pack('<H', length) + value


def meta(syntax):
    syntax += b'\0' * (len(syntax) % 2)
    return b'\0' * 128 + b'DICM' + element(0x00020010, b'UI', syntax)


def item(length=UNDEFINED):
    return struct.pack('<HHI', 0xFFFE, 0xE000, length)


def written(path):
    """What came of the file in every other syntax: sizes, or refusals with a reason."""
    answer = reader.run('--write', path)
    for outcome in answer.values():
        assert isinstance(outcome, int) or (outcome['text'] and outcome['code'] != 'bug'), outcome
    return answer


def refusal(tmp_path, data, stage='open'):
    path = tmp_path / 'hostile.dcm'
    path.write_bytes(data)
    written(path)
    with reader.Answer(path) as answer:
        return answer.refusals().get(stage, '')


def image(rows, columns, bits=16, frames=1, pixels=b'\0' * 64, syntax=EXPLICIT):
    """A small image that says that it is large."""
    ds = FileDataset('', {}, file_meta=FileMetaDataset(), preamble=b'\0' * 128)
    ds.file_meta.TransferSyntaxUID = '1.2.840.10008.1.2.4.90' if syntax != EXPLICIT else EXPLICIT.decode()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = '1.2.840.10008.5.1.4.1.1.7'
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = '2.25.1'
    ds.StudyInstanceUID, ds.SeriesInstanceUID = '2.25.2', '2.25.3'
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.Rows, ds.Columns, ds.NumberOfFrames, ds.SamplesPerPixel = rows, columns, frames, 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    ds.PhotometricInterpretation = 'MONOCHROME2'
    ds.PixelData = pixels if syntax == EXPLICIT else encapsulate([pixels + b'\0' * (len(pixels) % 2)])
    ds['PixelData'].VR = 'OW' if syntax == EXPLICIT else 'OB'
    ds['PixelData'].is_undefined_length = syntax != EXPLICIT
    return ds


def as_bytes(ds, tmp_path, syntax=EXPLICIT):
    path = tmp_path / 'made.dcm'
    ds.save_as(path, write_like_original=False)
    return with_syntax(path, syntax)


@pytest.mark.parametrize('syntax', [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize('levels', [65, 20000])
def test_deep_nesting_is_refused(tmp_path, syntax, levels):
    if syntax == EXPLICIT:
        level = element(0x00081140, b'SQ', b'', UNDEFINED) + item()
    else:
        level = struct.pack('<HHI', 0x0008, 0x1140, UNDEFINED) + item()
    assert refusal(tmp_path, meta(syntax) + level * levels) == 'limit: sequences are nested deeper than 64 levels'


def test_deep_nesting_with_lengths_is_refused(tmp_path):
    data = b''
    for _ in range(20000):
        data = element(0x00081140, b'SQ', item(len(data)) + data)
    assert refusal(tmp_path, meta(EXPLICIT) + data) == 'limit: sequences are nested deeper than 64 levels'


def test_deep_nesting_under_the_name_of_un_is_refused(tmp_path):
    level = element(0x00091001, b'UN', b'', UNDEFINED) + item()
    inner = struct.pack('<HHI', 0x0009, 0x1001, UNDEFINED) + item()
    assert refusal(tmp_path, meta(EXPLICIT) + level + inner * 20000).startswith('limit: sequences are nested')


@pytest.mark.parametrize('vr', [b'UT', b'OB', b'SQ', b'UN', b'OW'])
@pytest.mark.parametrize('length', [0xFFFFFFFE, 4000000000, 0x7FFFFFFF, 1000])
def test_a_length_past_the_end_is_refused_by_name(tmp_path, vr, length):
    reason = refusal(tmp_path, meta(EXPLICIT) + element(0x00280010, vr, b'abcd', length))
    assert reason.startswith('corrupt: element (0028,0010)') and 'goes past the end of the file' in reason


def test_a_length_past_the_end_of_its_item_is_refused(tmp_path):
    inner = element(0x00080100, b'SH', b'ab', 200)
    data = element(0x00081140, b'SQ', item(len(inner)) + inner) + element(0x00100010, b'PN', b'x' * 300)
    assert 'goes past the end of the item' in refusal(tmp_path, meta(EXPLICIT) + data)


def test_an_undefined_length_where_none_may_be_is_refused(tmp_path):
    data = element(0x00100010, b'UT', b'abcdefgh', UNDEFINED)
    assert refusal(tmp_path, meta(EXPLICIT) + data) == 'corrupt: element (0010,0010) has an undefined length'


def test_too_many_elements_are_refused(tmp_path):
    data = element(0x00280010, b'US', b'') * 1200000
    assert refusal(tmp_path, meta(EXPLICIT) + data) == 'limit: the file has more than 1000000 elements'


def test_a_million_unsorted_elements_are_answered(tmp_path):
    tags = list(range(0x00110000, 0x00110000 + 300000))
    random.Random(1).shuffle(tags)
    data = b''.join(element(0x00110000 | (tag * 0x10000 & 0xFFFE0000) | tag & 0xFFFF, b'US', b'\1\0') for tag in tags)
    assert 'SOP Class UID' in refusal(tmp_path, meta(EXPLICIT) + data, 'index')


def test_a_deflate_bomb_is_refused(tmp_path):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeeze.compress(element(0x00280010, b'US', b'\1\0'))
    for _ in range(300):
        bomb += squeeze.compress(b'\0' * (1 << 20))
    bomb += squeeze.flush()
    assert refusal(tmp_path, meta(b'1.2.840.10008.1.2.1.99') + bomb).startswith('limit: the deflated data set grows')


def test_damaged_and_cut_deflated_data_is_refused(tmp_path):
    whole = (PYDICOM / 'test_files' / 'image_dfl.dcm').read_bytes()
    assert refusal(tmp_path, whole[:2000]) == 'corrupt: the deflated data set is cut off'
    reserved_block_type = b'\x07'
    assert refusal(tmp_path, meta(b'1.2.840.10008.1.2.1.99') + reserved_block_type) == \
        'corrupt: the deflated data set is damaged'


@pytest.mark.parametrize('rows, columns, bits', [(65535, 65535, 32), (65535, 65535, 8), (40000, 40000, 16)])
def test_a_giant_frame_is_refused_before_anything_is_allocated(tmp_path, rows, columns, bits):
    reason = refusal(tmp_path, as_bytes(image(rows, columns, bits), tmp_path), 'pixels')
    assert reason.startswith('limit: a frame of ')


@pytest.mark.parametrize('frames', [2, 2147483647])
def test_frames_that_are_not_there_are_refused(tmp_path, frames):
    reason = refusal(tmp_path, as_bytes(image(4, 8, frames=frames), tmp_path), 'pixels')
    assert 'too few for frame 2 of 64 bytes' in reason


def codestream(rows, columns):
    """A JPEG 2000 main header for one 8-bit component, without tiles behind it."""
    size = struct.pack('>HIIIIIIIIHBBB', 0, columns, rows, 0, 0, columns, rows, 0, 0, 1, 7, 1, 1)
    style = bytes([0, 0, 0, 1, 0, 0, 4, 4, 0, 1])
    steps = bytes([0x40, 0x40])
    return (b'\xff\x4f\xff\x51' + struct.pack('>H', len(size) + 2) + size + b'\xff\x52'
            + struct.pack('>H', len(style) + 2) + style + b'\xff\x5c' + struct.pack('>H', len(steps) + 2) + steps
            + b'\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x01\xff\x93\xff\xd9')


@pytest.mark.parametrize('rows, columns', [(60000, 60000), (4294967295, 4294967295), (100, 8)])
def test_a_codestream_larger_than_its_data_set_is_refused(tmp_path, rows, columns):
    syntax = b'1.2.840.10008.1.2.4.90'
    data = as_bytes(image(8, 8, bits=8, pixels=codestream(rows, columns), syntax=syntax), tmp_path, syntax)
    assert refusal(tmp_path, data, 'pixels').startswith('corrupt: ')


def test_a_giant_codestream_without_content_is_refused_before_it_is_decoded(tmp_path):
    syntax = b'1.2.840.10008.1.2.4.90'
    data = as_bytes(image(20000, 20000, bits=8, pixels=codestream(20000, 20000), syntax=syntax), tmp_path, syntax)
    assert refusal(tmp_path, data, 'pixels') == 'limit: JPEG 2000 planes of 1600000000 bytes are more than 536870912'


@pytest.mark.parametrize('uid', ['5', '4.50', '4.57', '4.70', '4.80', '4.90', '4.201', '8.1'])
def test_noise_instead_of_a_codestream_is_refused(tmp_path, uid):
    syntax = b'1.2.840.10008.1.2.' + uid.encode()
    noise = random.Random(uid).randbytes(4000)
    data = as_bytes(image(64, 64, bits=8, pixels=noise, syntax=syntax), tmp_path, syntax)
    assert refusal(tmp_path, data, 'pixels').startswith('corrupt: ')


SAMPLES = ['CT_small.dcm', 'MR_small_RLE.dcm', 'MR_small_jp2klossless.dcm', 'MR_small_jpeg_ls_lossless.dcm', 'JPGExtended.dcm',
           'SC_rgb_jpeg_gdcm.dcm', 'MR_small_bigendian.dcm', 'MR_small_implicit.dcm', 'reportsi.dcm', 'image_dfl.dcm']


@pytest.mark.parametrize('name', SAMPLES)
def test_a_file_cut_off_anywhere_is_answered(tmp_path, name):
    whole = (PYDICOM / 'test_files' / name).read_bytes()
    places = sorted({len(whole) * step // 40 for step in range(40)} | set(range(len(whole) - 4, len(whole))))
    complete = refusal_of_everything(tmp_path, whole)
    assert complete == {} or set(complete.values()) <= {'not_found: the file has no pixel data'}
    for place in places:
        refusal_of_everything(tmp_path, whole[:place])


@pytest.mark.parametrize('name', SAMPLES)
def test_a_file_with_damaged_bytes_is_answered(tmp_path, name):
    whole = bytearray((PYDICOM / 'test_files' / name).read_bytes())
    dice = random.Random(name)
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(dice.choice((1, 4, 40))):
            damaged[dice.randrange(132, len(damaged))] = dice.choice((0, 1, 0x7F, 0xFE, 0xFF, dice.randrange(256)))
        refusal_of_everything(tmp_path, bytes(damaged))


def refusal_of_everything(tmp_path, data):
    path = tmp_path / 'damaged.dcm'
    path.write_bytes(data)
    written(path)
    with reader.Answer(path) as answer:
        return answer.refusals()


def test_no_refusal_names_a_patient(tmp_path):
    secret = 'Zebedee'
    ds = pydicom.dcmread(PYDICOM / 'test_files' / 'CT_small.dcm')
    ds.PatientName = ds.PatientID = ds.StudyDescription = ds.AccessionNumber = secret
    ds.SOPClassUID = secret
    path = tmp_path / 'named.dcm'
    ds.save_as(path)
    whole = path.read_bytes()
    dice = random.Random(7)
    reasons = []
    for _ in range(100):
        damaged = bytearray(whole[:dice.randrange(200, len(whole))])
        damaged[dice.randrange(132, len(damaged))] = dice.randrange(256)
        reasons += refusal_of_everything(tmp_path, bytes(damaged)).values()
    assert len(set(reasons)) > 10
    assert not [reason for reason in reasons if secret in reason]


def test_no_other_encoding_of_a_giant_image_is_begun(tmp_path):
    path = tmp_path / 'giant.dcm'
    path.write_bytes(as_bytes(image(60000, 60000, bits=8), tmp_path))
    answer = written(path)
    assert answer['1.2.840.10008.1.2.4.90']['text'].startswith('a frame of 3600000000 bytes is larger than')
    path.write_bytes(as_bytes(image(8, 8, frames=2147483647), tmp_path))
    assert written(path)['1.2.840.10008.1.2.5']['text'] == \
        'the pixel data has 64 bytes, too few for 2147483647 frames'


def test_many_fragments_without_a_table_are_answered(tmp_path):
    """Nothing tells which of half a million fragments make a frame but what they begin with."""
    syntax = b'1.2.840.10008.1.2.4.90'
    fragment = struct.pack('<HHI', 0xFFFE, 0xE000, 4) + b'\xff\x4f\xff\x51'
    rest = struct.pack('<HHI', 0xFFFE, 0xE000, 4) + b'abcd'
    data = as_bytes(image(8, 8, bits=8, frames=250000, pixels=b'1234', syntax=syntax), tmp_path, syntax)
    at = data.index(struct.pack('<HH2s', 0x7FE0, 0x0010, b'OB'))
    data = data[:at + 12] + item(0) + (fragment + rest) * 250000 + struct.pack('<HHI', 0xFFFE, 0xE0DD, 0)
    path = tmp_path / 'many.dcm'
    path.write_bytes(data)
    assert written(path)['1.2.840.10008.1.2.1']['text'].startswith('frame 1: ')
