# SPDX-License-Identifier: Apache-2.0
"""Small series with one bright ellipse per slice, in every geometry that a Segmentation has to follow."""
import math

import numpy
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite

CT, MR, ENHANCED_CT = '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.5.1.4.1.1.2.1'
ROOT = '1.2.826.0.1.3680043.8.498.77'
PARAMS = {'hu_min': 30, 'hu_max': 150, 'sigma': 0.0, 'threshold': 110, 'closing_radius_px': 0, 'opening_radius_px': 0,
          'small_hole_px': 0, 'area_min_px': 20, 'centroid_x_max': 0.55, 'centroid_y_max': 1.0, 'side': 'any'}


def values(index, rows, columns):
    """The pixels of a slice: an ellipse of another size and brightness on each, none on every fifth."""
    y, x = numpy.mgrid[:rows, :columns]
    ellipse = ((x - columns / 3) / (5 + index % 4)) ** 2 + ((y - rows / 2) / (7 + index % 3)) ** 2 <= 1
    noise = (x * 7 + y * 13 + index * 5) % 23
    return numpy.where(ellipse & (index % 5 != 4), 100 + index + noise % 5, noise - 20).astype('<i2')


def mask(pixels):
    """What processing_1 finds with PARAMS (shared/algorithms.md section 1)."""
    return (numpy.clip(pixels.astype(int), 30, 150) - 30) * 255 // 120 > 110


def cross(o):
    return numpy.cross(o[:3], o[3:])


def text(number):
    return f'{number:.10g}'[:16]


def base(kind, series, uid, rows, columns):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, uid
    meta.TransferSyntaxUID = '1.2.840.10008.1.2.1'
    data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    data.is_little_endian, data.is_implicit_VR = True, False
    data.SpecificCharacterSet = 'ISO_IR 192'
    data.SOPClassUID, data.SOPInstanceUID = kind, uid
    data.StudyInstanceUID, data.SeriesInstanceUID = f'{ROOT}.1', f'{ROOT}.2.{series}'
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = f'{ROOT}.3.{series}', ''
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = 'Müller^Ä', 'P1', '19500101', 'O'
    data.StudyDate, data.StudyTime, data.AccessionNumber, data.StudyID = '20250102', '101112', 'A1', 'S1'
    data.ReferringPhysicianName, data.Manufacturer, data.BodyPartExamined = '', 'Nobody', 'ABDOMEN'
    data.ContentDate, data.ContentTime, data.AcquisitionDateTime = '20250102', '101112', '20250102101112'
    data.Modality = 'MR' if kind == MR else 'CT'
    data.SeriesNumber, data.ImageType = 3, ['ORIGINAL', 'PRIMARY', 'AXIAL']
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, 'MONOCHROME2', 1
    data.Rows, data.Columns = rows, columns
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    return data


def to_bytes(data):
    file = DicomBytesIO()
    dcmwrite(file, data, write_like_original=False)
    return file.getvalue()


def slices(series, kind, places, orientation, spacing, size, order=None, step=None):
    """One file per place in mm along the normal (or along step): [(uid, series uid, bytes, pixels, dataset)]."""
    rows, columns = size
    normal = cross(orientation) if step is None else numpy.array(step)
    made = []
    for index, place in enumerate(places):
        data = base(kind, series, f'{ROOT}.4.{series}.{index + 1}', rows, columns)
        data.InstanceNumber = (order or list(range(len(places))))[index] + 1
        data.ImageOrientationPatient = [text(value) for value in orientation]
        data.ImagePositionPatient = [text(value) for value in numpy.array([-20.5, 11.25, -300]) + place * normal]
        data.PixelSpacing, data.SliceThickness = [text(value) for value in spacing], '5'
        if kind == CT:
            data.RescaleIntercept, data.RescaleSlope, data.RescaleType = '-1024', '1', 'HU'
            data.KVP, data.AcquisitionNumber = '120', '1'
        pixels = values(index, rows, columns)
        data.PixelData = (pixels + (1024 if kind == CT else 0)).astype('<i2').tobytes()
        made.append((data.SOPInstanceUID, data.SeriesInstanceUID, to_bytes(data), pixels, data))
    return made


def item(**members):
    data = Dataset()
    for name, value in members.items():
        setattr(data, name, value)
    return Sequence([data])


def multi_frame(series, count, orientation, spacing, size):
    """One Enhanced CT of so many frames, stored from top to bottom."""
    rows, columns = size
    data = base(ENHANCED_CT, series, f'{ROOT}.4.{series}.1', rows, columns)
    data.ImageType, data.InstanceNumber, data.NumberOfFrames = ['ORIGINAL', 'PRIMARY', 'VOLUME', 'NONE'], 1, count
    shared = Dataset()
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=[text(value) for value in orientation])
    shared.PixelMeasuresSequence = item(PixelSpacing=[text(value) for value in spacing], SliceThickness='5')
    shared.PixelValueTransformationSequence = item(RescaleIntercept='0', RescaleSlope='1', RescaleType='HU')
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    frames, pixels = [], []
    for index in range(count):
        frame = Dataset()
        place = numpy.array([-20.5, 11.25, -300]) + 5 * (count - index) * cross(orientation)
        frame.PlanePositionSequence = item(ImagePositionPatient=[text(value) for value in place])
        frames.append(frame)
        pixels.append(values(index, rows, columns))
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    data.PixelData = numpy.stack(pixels).tobytes()
    return [(data.SOPInstanceUID, data.SeriesInstanceUID, to_bytes(data), numpy.stack(pixels), data)]


AXIAL = (1, 0, 0, 0, 1, 0)
ANGLE = math.radians(25)
TILT = (1, 0, 0, 0, math.cos(ANGLE), -math.sin(ANGLE))
OBLIQUE = (0.8, 0.6, 0, -0.36, 0.48, -0.8)
EVEN = [5.0 * i for i in range(8)]

SERIES = {
    'regular': lambda: slices(1, CT, EVEN, AXIAL, (0.8, 0.8), (48, 64)),
    'oblique': lambda: slices(2, CT, EVEN, OBLIQUE, (0.8, 0.8), (48, 64)),
    'non-square': lambda: slices(3, CT, EVEN, AXIAL, (1.5, 0.7), (37, 51)),
    'gantry-tilted': lambda: slices(4, CT, EVEN, TILT, (0.8, 0.8), (48, 64), step=(0, 0, 1)),
    'mr': lambda: slices(5, MR, EVEN, OBLIQUE, (1.1, 1.1), (40, 40)),
    'multi-frame': lambda: multi_frame(6, 8, OBLIQUE, (0.9, 0.7), (37, 51)),
    'single-slice': lambda: slices(7, CT, [0.0], AXIAL, (0.8, 0.8), (48, 64)),
    'gaps': lambda: slices(8, CT, [0.0, 5.0, 10.0, 25.0, 30.0, 45.0], AXIAL, (0.8, 0.8), (48, 64)),
    'duplicated': lambda: slices(9, CT, [0.0, 5.0, 5.0, 10.0, 10.0, 15.0], AXIAL, (0.8, 0.8), (48, 64)),
    'reversed': lambda: slices(10, CT, EVEN, AXIAL, (0.8, 0.8), (48, 64), order=list(range(7, -1, -1))),
}
