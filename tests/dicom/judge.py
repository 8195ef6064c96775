# SPDX-License-Identifier: Apache-2.0
"""What pydicom and GDCM say about a file, in the shapes in which our reader's answers come."""
import warnings

import gdcm
import numpy
import pydicom
from pydicom.pixel_data_handlers.util import convert_color_space

warnings.simplefilter('ignore')
gdcm.Trace.WarningOff()
gdcm.Trace.ErrorOff()

NATIVE = {'1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.2'}
RLE = '1.2.840.10008.1.2.5'
HTJ2K = {f'1.2.840.10008.1.2.4.20{n}' for n in (1, 2, 3)}
# Nobody promises that two decoders of these agree on the last bit.
LOSSY = {'1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51', '1.2.840.10008.1.2.4.53', '1.2.840.10008.1.2.4.55',
         '1.2.840.10008.1.2.4.81', '1.2.840.10008.1.2.4.91', '1.2.840.10008.1.2.4.203'}

GDCM_TYPES = {gdcm.PixelFormat.UINT8: 'u1', gdcm.PixelFormat.INT8: 'i1', gdcm.PixelFormat.UINT16: '<u2',
              gdcm.PixelFormat.INT16: '<i2', gdcm.PixelFormat.UINT32: '<u4', gdcm.PixelFormat.INT32: '<i4',
              gdcm.PixelFormat.UINT12: '<u2', gdcm.PixelFormat.INT12: '<i2', gdcm.PixelFormat.SINGLEBIT: 'u1'}

TEXT_VRS = {'AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'LO', 'LT', 'PN', 'SH', 'ST', 'TM', 'UC', 'UI', 'UR', 'UT'}


def dataset(path):
    """pydicom's data set, or None."""
    try:
        return pydicom.dcmread(path, force=True)
    except Exception:  # whatever it raises means that it cannot read the file
        return None


def _frames_first(array, ds):
    """[frame, row, column(, sample)] whatever pydicom squeezed away."""
    samples = int(ds.get('SamplesPerPixel', 1))
    frames = int(ds.get('NumberOfFrames', 1) or 1)
    shape = (frames, ds.Rows, ds.Columns) + ((samples,) if samples > 1 else ())
    return array.reshape(shape)


def by_pydicom(ds):
    """Stored values by pydicom, colour as RGB; None if it cannot."""
    try:
        array = _frames_first(ds.pixel_array, ds)
        if ds.get('SamplesPerPixel', 1) == 3 and ds.PhotometricInterpretation in ('YBR_FULL', 'YBR_FULL_422'):
            array = convert_color_space(array, 'YBR_FULL', 'RGB', per_frame=True)
        return array
    except Exception:
        return None


def by_gdcm(path):
    """Stored values by GDCM, colour as RGB; None if it cannot."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        return None
    image = reader.GetImage()
    pixels = image.GetBuffer().encode('utf-8', errors='surrogateescape')
    kind = GDCM_TYPES.get(image.GetPixelFormat().GetScalarType())
    samples = image.GetPixelFormat().GetSamplesPerPixel()
    columns, rows = image.GetDimension(0), image.GetDimension(1)
    frames = image.GetDimension(2) if image.GetNumberOfDimensions() == 3 else 1
    count = frames * rows * columns * samples
    if kind is None or image.GetPixelFormat().GetScalarType() == gdcm.PixelFormat.SINGLEBIT:
        return None
    if len(pixels) < count * numpy.dtype(kind).itemsize:
        return None
    array = numpy.frombuffer(pixels, kind, count).copy()
    if samples == 1:
        return array.reshape(frames, rows, columns)
    if image.GetPlanarConfiguration() == 1:
        array = array.reshape(frames, samples, rows, columns).transpose(0, 2, 3, 1)
    else:
        array = array.reshape(frames, rows, columns, samples)
    if image.GetPhotometricInterpretation().GetType() in (
            gdcm.PhotometricInterpretation.YBR_FULL, gdcm.PhotometricInterpretation.YBR_FULL_422):
        array = convert_color_space(array, 'YBR_FULL', 'RGB', per_frame=True)
    return array


def by_pydicom_with_gdcm(ds):
    """Stored values by GDCM as pydicom sees them: it mends codestreams whose sign contradicts the header."""
    try:
        ds.convert_pixel_data('gdcm')
        return by_pydicom(ds)
    except Exception:
        return None


def _with_sign(array, ds):
    """Spread the sign from Bits Stored; what has it already stays as it is (PS3.5 section 8.1.1)."""
    if ds.get('PixelRepresentation', 0) != 1 or array.dtype.kind not in 'iu' or ds.get('SamplesPerPixel', 1) != 1:
        return array
    shift = 8 * array.dtype.itemsize - ds.BitsStored
    return (array.astype(array.dtype.str.replace('u', 'i')) << shift) >> shift


def _with_words_swapped_back(ds):
    """Big-endian OW of 8-bit samples comes in swapped words (PS3.5 section 7.3), which pydicom 2 ignores."""
    if not ds.is_little_endian and ds.get('BitsAllocated') == 8 and ds['PixelData'].VR == 'OW':
        ds.PixelData = numpy.frombuffer(ds.PixelData, '>u2').astype('<u2').tobytes()


def pixels(path, ds, syntax):
    """(judge's name, stored values) or (None, None)."""
    array = None
    name = 'pydicom'
    single_bits = ds is not None and ds.get('BitsAllocated') == 1  # GDCM aborts when these are compressed
    if ds is not None and (syntax in NATIVE or syntax == RLE):
        if 'PixelData' in ds:
            _with_words_swapped_back(ds)
        array = by_pydicom(ds)
    elif ds is not None and not single_bits:
        name = 'gdcm'
        array = by_pydicom_with_gdcm(ds)
    if array is None and ds is not None and 'PixelData' in ds and not single_bits:
        name = 'gdcm'
        array = by_gdcm(path)
    if array is None:
        return None, None
    return name, _with_sign(array, ds)


def _texts(element):
    """The values of a text element as our JSON has them, None for empty ones."""
    value = element.value
    if value is None or value == '' or value == []:
        return []
    values = list(value) if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
    return [str(one).rstrip(' \0') or None if one is not None else None for one in values]


def _ours(vr, value):
    if value is None:
        return None
    if vr == 'PN':
        parts = [value.get(name, '') for name in ('Alphabetic', 'Ideographic', 'Phonetic')]
        return '='.join(parts).rstrip('=') or None
    return value


def _same(vr, theirs, ours):
    if theirs == ours:
        return True
    if theirs is None or ours is None:
        return (theirs or '') == (ours or '')
    if vr in ('DS', 'IS'):
        try:
            return float(theirs) == float(ours)
        except ValueError:
            return str(theirs).strip() == str(ours).strip()
    if vr == 'PN':
        # Trailing spaces of a component group do not count, nor do empty groups.
        return '='.join(part.rstrip(' ') for part in theirs.split('=')).rstrip('=') == ours
    return False


def text_differences(ds, attributes, where=''):
    """Names of text elements in which pydicom and our JSON differ, and those that we lack."""
    wrong = []
    for element in ds:
        tag = f'{element.tag.group:04X}{element.tag.element:04X}'
        if element.tag.group < 4 or element.tag.element == 0 or element.tag.group == 0xFFFE:
            continue
        ours = attributes.get(tag)
        if ours is None:
            wrong.append(f'{where}{tag} is missing')
        elif element.VR == 'SQ' and 'BulkDataURI' not in ours:
            items = ours.get('Value', [])
            if len(items) != len(element.value):
                wrong.append(f'{where}{tag} has {len(items)} items instead of {len(element.value)}')
                continue
            for number, (item, our_item) in enumerate(zip(element.value, items)):
                wrong += text_differences(item, our_item, f'{where}{tag}/{number + 1}/')
        elif element.VR in TEXT_VRS and ours['vr'] == element.VR:
            theirs = _texts(element)
            values = [_ours(element.VR, value) for value in ours.get('Value', [])]
            if not any(theirs) and not any(value not in (None, '') for value in values):
                continue
            if len(theirs) != len(values) or not all(_same(element.VR, a, b) for a, b in zip(theirs, values)):
                wrong.append(f'{where}{tag} {element.VR}: {theirs!r} != {values!r}')
    return wrong
