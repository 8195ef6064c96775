# SPDX-License-Identifier: Apache-2.0
"""Every file that we have is either read as pydicom or GDCM read it, or refused for a reason listed here.

The table at the end says for each file its transfer syntax, who was the judge and what we did.
"""
import fnmatch
import io
import re

import numpy
import pydicom
import pytest
from pydicom.pixel_data_handlers.util import apply_color_lut, apply_modality_lut

import corpus
import judge
import reader
from conftest import TABLE
from corpus import PYDICOM, SHARED

# What is refused: pattern of the path, stage (open, index, pixels), pattern of the whole reason.  A refusal that is
# not here fails, and so does a line that nothing needs any more.
NOT_DICOM = 'invalid: this is not a DICOM file'
EXPECTED = [
    ('*.txt', 'open', NOT_DICOM), ('*.md', 'open', NOT_DICOM), ('*.dump', 'open', NOT_DICOM),
    ('*.json', 'open', NOT_DICOM), ('*.gz', 'open', NOT_DICOM), ('*TINY_ALPHA/README', 'open', NOT_DICOM),
    ('*MANIFEST.tsv', 'open', NOT_DICOM), ('*.RAW', 'open', NOT_DICOM), ('*.j2c', 'open', NOT_DICOM),
    # A stray space stands before the first element.
    ('*/no_meta.dcm', 'open', NOT_DICOM),
    # The meta header states no transfer syntax and the data set begins with group 1.
    ('*/meta_missing_tsyntax.dcm', 'open', 'invalid: no transfer syntax is stated and none can be guessed'),
    # Cut off in the middle of an element.
    ('*/rtplan_truncated.dcm', 'open', r'corrupt: element \(300A,00B0\) .* goes past the end of the file'),
    ('*/DICOMDIR-nooffset', 'open', r'corrupt: element \(FFFE,E000\) .* goes past the end of the file'),
    # A VR of two spaces in the middle of nowhere; pydicom finds no pixels behind it.
    ('*/fodicom_GH179B.dcm', 'open', r'corrupt: element \(0028,0120\) .* goes past the end of the file'),
    # A private sequence whose length is four too small; pydicom finds no pixels behind it.
    ('*/fodicom_GH626.dcm', 'open', r'corrupt: element \(0000,0000\) .* goes past the end of the file'),

    # No place in a catalogue: media directories, bare data sets, palettes.
    ('*/DICOMDIR*', 'index', r'invalid: SOP Class UID \(0008,0016\) is missing or empty'),
    ('*/palettes/*.dcm', 'index', r'invalid: Study Instance UID \(0020,000D\) is missing or empty'),
    ('*/totalseg_empty_uids_00.dcm', 'index', r'invalid: SOP Class UID \(0008,0016\) is missing or empty'),
] + [
    (f'*/{name}', 'index', r'invalid: (SOP Class|SOP Instance|Study Instance) UID \(.*\) is missing or empty')
    for name in ('UN_sequence.dcm', 'chrSQEncoding.dcm', 'chrSQEncoding1.dcm', 'empty_charset_LEI.dcm',
                 'nested_priv_SQ.dcm', 'priv_SQ.dcm', 'no_meta_group_length.dcm', 'fodicom_GH223.dcm',
                 'fodicom_GH340.dcm', 'fodicom_GH487.dcm', 'HTJ2KLossless_08_RGB.dcm', 'HTJ2K_08_RGB.dcm',
                 'JLSL_16_15_1_1F.dcm', 'JLSL_RGB_ILV0.dcm', 'JLSL_RGB_ILV2.dcm', 'JLSN_RGB_ILV0.dcm',
                 'JPEGLSNearLossless_08.dcm', 'SC_rgb_jls_lossy_line.dcm')
] + [
    ('*/nested_priv_SQ.dcm', 'pixels', r'invalid: element \(0028,0010\) is missing or not from 1 to 65535'),
    ('*/fodicom_GH340.dcm', 'pixels', 'unsupported: samples of 12 allocated bits'),
    # 62 bytes are missing; pydicom refuses too.
    ('*/MR_truncated.dcm', 'pixels', 'corrupt: the pixel data has 8130 bytes, too few for frame 1 of 8192 bytes'),
    # Four bytes of the codestream were overwritten on purpose; OpenJPEG under GDCM refuses too.
    ('*/JPEG2000-embedded-sequence-delimiter.dcm', 'pixels',
     'corrupt: the frame is no JPEG 2000 or its header is damaged'),
]

# Files that neither judge can decode, and the file of the same picture that one of them can.
SAME_PICTURE = {'misc/liver_rle.dcm': 'misc/liver_1frame.dcm', 'misc/liver_j2k.dcm': 'misc/liver_1frame.dcm',
                'misc/liver_deflate.dcm': 'misc/liver_1frame.dcm'}
NO_JUDGE = {
    # GDCM 3.0 knows no HTJ2K.  The codestreams with raw references are in test_high_throughput_jpeg_2000.
    'misc/HTJ2KLossless_08_RGB.dcm', 'misc/HTJ2K_08_RGB.dcm',
}
USED = set()


FILES = corpus.files()


def check_refusals(name, refusals):
    for stage, reason in refusals.items():
        if stage == 'pixels' and reason == 'not_found: the file has no pixel data':
            continue  # compared with pydicom in check_pixels()
        lines = [line for line in EXPECTED if fnmatch.fnmatch('/' + name, line[0]) and line[1] == stage
                 and re.fullmatch(line[2], reason)]
        assert lines, f'refused without being on the list: {stage}: {reason}'
        USED.update(lines)


def has_pixels(ds):
    return any(tag in ds and len(ds[tag].value or b'') for tag in ('PixelData', 'FloatPixelData',
                                                                   'DoubleFloatPixelData'))


def frame_of(array, number):
    return array[number].reshape(-1)


def check_pixels(name, path, answer):
    """Compare every frame; returns the judge's name."""
    ds = judge.dataset(path)
    refusals = answer.refusals()
    if 'pixels' in refusals:
        if refusals['pixels'].startswith('not_found'):
            assert ds is None or not has_pixels(ds), 'pydicom sees pixels here'
        return '-'
    who, expected = judge.pixels(path, ds, answer.syntax)
    tolerance = 1 if answer.syntax in judge.LOSSY or answer.answer['image']['lossy'] else 0
    if expected is None and name in SAME_PICTURE:
        who, expected = same_picture(name)
    if expected is None:
        assert name in NO_JUDGE, 'neither judge reads this file, we do'
        return 'none'
    frames = answer.frames()
    assert len(expected) in (len(frames), 1), 'another number of frames than the judge'
    for number in range(len(expected)):
        ours = answer.plane('stored', number)
        theirs = frame_of(expected, number)
        assert ours.size == theirs.size
        difference = numpy.abs(ours.astype('f8') - theirs.astype('f8')).max()
        assert difference <= tolerance, f'frame {number + 1} differs by up to {difference}'
        check_modality(ds, answer, number, ours)
    check_palette(ds, answer, expected)
    return who


def check_layout(path, ds, answer):
    """The places that the record tells are those of the bytes that pydicom reads."""
    index = answer.answer['index']
    if ds is None or 'error' in index:
        return
    data = path.read_bytes()
    syntax = answer.syntax
    if syntax == '1.2.840.10008.1.2.1.99':
        assert index['data_set_offset'] is None and index['pixel_data'] is None
        return
    rest = pydicom.filereader.read_dataset(io.BytesIO(data[index['data_set_offset']:]), ds.is_implicit_VR,
                                           ds.is_little_endian)
    assert list(rest.keys())[0] == list(ds.keys())[0]
    layout = index['pixel_data']
    if 'pixels' in answer.refusals():
        return
    frames = answer.answer['image']['frames']
    if 'frames' in (layout or {}):
        expected = [] if frames > 1 else [b''.join(pydicom.encaps.generate_pixel_data_fragment(fragments_of(ds)))]
        if frames > 1:
            expected = list(pydicom.encaps.generate_pixel_data_frame(ds.PixelData, frames))
        assert [b''.join(data[at:at + size] for at, size in zip(frame[::2], frame[1::2]))
                for frame in layout['frames']] == expected
        return
    value = next((ds[tag].value for tag in ('PixelData', 'FloatPixelData', 'DoubleFloatPixelData') if tag in ds), b'')
    if layout:
        size = layout['frame_bytes']
        assert len(value) - frames * size <= 1, 'the frames are not all of the value'
        assert data[layout['offset']:layout['offset'] + frames * size] == value[:frames * size]
    else:
        bits = ds.get('BitsAllocated', 8) * ds.Rows * ds.Columns * ds.get('SamplesPerPixel', 1)
        has_more = len(value) - (bits * frames + 7) // 8 > 1
        assert answer.answer['truncated'] or not ds.is_little_endian or (frames > 1 and bits % 8) or has_more


def fragments_of(ds):
    """Pixel Data without its Basic Offset Table."""
    stream = pydicom.filebase.DicomBytesIO(ds.PixelData)
    stream.is_little_endian = True
    pydicom.encaps.get_frame_offsets(stream)
    return stream


def same_picture(name):
    path = SHARED / SAME_PICTURE[name]
    who, expected = judge.pixels(path, judge.dataset(path), pydicom.dcmread(path).file_meta.TransferSyntaxUID)
    return f'{who} of {path.name}', expected


def check_modality(ds, answer, number, stored):
    """Modality values are slope and intercept, or the LUT, over the stored ones, to the last bit."""
    values = answer.plane('modality', number)
    if isinstance(values, str):
        assert values.startswith('unsupported: a grey image is needed'), values
        return
    info = answer.frames()[number]['info']
    if 'ModalityLUTSequence' in ds:
        expected = apply_modality_lut(stored, ds)
    else:
        expected = stored.astype('f8') * info['slope'] + info['intercept']
    assert numpy.array_equal(values.astype('f8'), expected.astype('f8'), equal_nan=True)
    if 'RescaleSlope' in ds:
        assert (info['slope'], info['intercept']) == (float(ds.RescaleSlope), float(ds.RescaleIntercept))
    for member, keyword in (('position', 'ImagePositionPatient'), ('orientation', 'ImageOrientationPatient'),
                            ('spacing', 'PixelSpacing')):
        if ds.get(keyword) and keyword in ds:
            assert info[member] == [float(part) for part in ds[keyword].value], keyword
    assert info['frame_of_reference'] == ds.get('FrameOfReferenceUID', '')


def check_palette(ds, answer, expected):
    if ds is None or not answer.answer['image']['palette']:
        return
    colours = apply_color_lut(expected[0], ds)
    drop = 8 if colours.dtype.itemsize == 2 else 0
    assert numpy.array_equal(answer.plane('shown', 0), (colours >> drop).reshape(-1).astype('u1'))


@pytest.fixture(scope='module')
def host():
    running = reader.RealHost()
    yield running
    running.close()


@pytest.mark.skipif(not reader.BINARY.exists(), reason='the executable is not built')
@pytest.mark.parametrize('name, path', FILES, ids=[name for name, _ in FILES])
def test_a_sandboxed_host_reads_a_file_like_the_reader_without_one(name, path, host):
    data = path.read_bytes()
    with reader.Answer(path) as answer:
        refusals = answer.refusals()
        index = host.index(data)
        assert index == (refusals.get('open') or refusals.get('index') or answer.answer['index'])
        if 'open' in refusals or 'pixels' in refusals:
            assert host.decode(data, 1, 'stored') == (refusals.get('open') or refusals['pixels'])
            return
        stored = answer.plane('stored' if answer.answer['image']['palette'] else 'shown', 0)
        assert host.decode(data, 1, 'stored') == stored.tobytes()
        modality = answer.plane('modality', 0)
        assert host.decode(data, 1, 'modality') == (modality if isinstance(modality, str) else modality.tobytes())


@pytest.mark.parametrize('name, path', FILES, ids=[name for name, _ in FILES])
def test_a_file_is_read_like_others_read_it_or_refused_for_a_listed_reason(name, path):
    with reader.Answer(path) as answer:
        refusals = answer.refusals()
        who = '-'
        try:
            check_refusals(name, refusals)
            if 'open' not in refusals:
                who = check_pixels(name, path, answer)
                ds = judge.dataset(path)
                check_layout(path, ds, answer)
                if ds is not None:
                    assert not judge.text_differences(ds, answer.attributes())
        except AssertionError:
            TABLE.append((name, answer.syntax or '-', who, 'WRONG'))
            raise
        told = '; '.join(f'refused ({stage}): {reason}' for stage, reason in refusals.items()
                         if not reason.startswith('not_found'))
        read = 'ok' if 'open' not in refusals else ''
        read += ' (no pixels)' if refusals.get('pixels', '').startswith('not_found') else ''
        TABLE.append((name, answer.syntax or '-', who, told or read))


def test_no_line_of_the_list_of_refusals_is_unneeded():
    if not SHARED.is_dir():
        pytest.skip('../shared/data is not there, so not every line has its file')
    if len(TABLE) < len(FILES):
        pytest.skip('not every file was read in this run')
    assert [line for line in EXPECTED if line not in USED] == []


@pytest.mark.skipif(not (SHARED / 'htj2k').is_dir(), reason='../shared/data/htj2k is not there')
@pytest.mark.parametrize('stem', ['CT1', 'CT2', 'MR1'])
def test_high_throughput_jpeg_2000_gives_the_raw_reference(stem, tmp_path):
    ds = pydicom.dcmread(PYDICOM / 'test_files' / 'MR_small.dcm')
    ds.file_meta.TransferSyntaxUID = '1.2.840.10008.1.2.4.90'  # pydicom does not know HTJ2K: renamed below
    codestream = (SHARED / 'htj2k' / f'{stem}.j2c').read_bytes()
    raw = numpy.fromfile(SHARED / 'htj2k' / f'{stem}.RAW', '<u2')
    ds.Rows = ds.Columns = 512
    ds.PixelRepresentation = 0
    ds.PixelData = pydicom.encaps.encapsulate([codestream + b'\0' * (len(codestream) % 2)])
    ds['PixelData'].is_undefined_length = True
    path = tmp_path / 'ht.dcm'
    ds.save_as(path, write_like_original=False)
    path.write_bytes(with_syntax(path, b'1.2.840.10008.1.2.4.201'))
    with reader.Answer(path) as answer:
        assert answer.syntax == '1.2.840.10008.1.2.4.201'
        assert numpy.array_equal(answer.plane('stored', 0).astype('<u2'), raw)


def with_syntax(path, uid):
    """The file's bytes with another transfer syntax UID in the meta header."""
    data = path.read_bytes()
    element = b'\x02\0\x10\0UI'
    at = data.index(element)
    length = int.from_bytes(data[at + 6:at + 8], 'little')
    value = uid + b'\0' * (len(uid) % 2)
    return data[:at] + element + len(value).to_bytes(2, 'little') + value + data[at + 8 + length:]


@pytest.mark.skipif(not SHARED.is_dir(), reason='../shared/data is not there')
def test_lossy_and_lossless_high_throughput_jpeg_2000_show_the_same_picture():
    with reader.Answer(SHARED / 'misc/HTJ2KLossless_08_RGB.dcm') as lossless, \
            reader.Answer(SHARED / 'misc/HTJ2K_08_RGB.dcm') as lossy:
        a, b = lossless.plane('stored', 0).astype('f8'), lossy.plane('stored', 0).astype('f8')
    assert a.size == b.size
    assert 10 * numpy.log10(255 ** 2 / numpy.mean((a - b) ** 2)) > 30
