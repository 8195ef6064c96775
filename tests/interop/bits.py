# SPDX-License-Identifier: Apache-2.0
"""Pixels of one bit, which neither pydicom nor GDCM decodes when they are compressed."""
import io
import zlib

import numpy
import pydicom
from pydicom.pixel_data_handlers import rle_handler

import judge

RLE, DEFLATED_FRAMES = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"


def _frames_of(dataset):
    return int(dataset.get("NumberOfFrames", 1) or 1)


def unpacked(data, count):
    """So many pixels, packed from bit 0 on (PS3.5 section 8.1.1)."""
    return numpy.unpackbits(numpy.frombuffer(data, "u1"), count=count, bitorder="little")


def _by_rle(frame, count):
    """One segment of packed bits."""
    (offset,) = rle_handler._parse_rle_header(frame[:64])
    return unpacked(bytes(rle_handler._rle_decode_segment(frame[offset:])), count)


def _by_gdcm(dataset, frame, syntax):
    """The bit stream in an image of bytes, which GDCM decodes."""
    eight = pydicom.dcmread(io.BytesIO(_image_of_bytes(dataset, frame, syntax)))
    eight.convert_pixel_data("gdcm")
    return eight.pixel_array.reshape(-1)


def _image_of_bytes(dataset, frame, syntax):
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = "2.25.1"
    image.Rows, image.Columns, image.SamplesPerPixel = dataset.Rows, dataset.Columns, 1
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation, image.PhotometricInterpretation = 7, 0, "MONOCHROME2"
    image.PixelData = pydicom.encaps.encapsulate([frame])
    image["PixelData"].is_undefined_length = True
    image.is_little_endian, image.is_implicit_VR = True, False
    out = io.BytesIO()
    image.save_as(out, write_like_original=False)
    return out.getvalue()


def _frame(dataset, part, size, syntax):
    if syntax == RLE:
        return _by_rle(part, size)
    if syntax == DEFLATED_FRAMES:
        return unpacked(zlib.decompress(part, -zlib.MAX_WBITS), size)
    return _by_gdcm(dataset, part, syntax)


def array(dataset, syntax):
    """[frame, row, column] of a data set of single bits."""
    frames, size = _frames_of(dataset), dataset.Rows * dataset.Columns
    if syntax in judge.NATIVE:
        bits = unpacked(dataset.PixelData, frames * size)
    else:
        parts = pydicom.encaps.generate_pixel_data_frame(dataset.PixelData, frames)
        bits = numpy.concatenate([_frame(dataset, part, size, syntax) for part in parts])
    return bits.reshape(frames, dataset.Rows, dataset.Columns)
