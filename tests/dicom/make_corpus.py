#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Make the seed corpus of fuzz-dicom-file: small synthetic files, one for each path through the reader.

Usage: make_corpus.py FOLDER

Needs DCMTK's tools for the compressed ones.  The corpus is committed; run this again to add a kind.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import gdcm
import numpy
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

EXPLICIT, IMPLICIT = '1.2.840.10008.1.2.1', '1.2.840.10008.1.2'
BIG, DEFLATED = '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'


def base(syntax=EXPLICIT, bits=16, signed=1, samples=1, rows=8, columns=9):
    """A small CT with geometry and a slope in its values."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = '1.2.840.10008.5.1.4.1.1.2'
    meta.MediaStorageSOPInstanceUID = '2.25.3'
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = '2.25.4'
    ds = FileDataset('', {}, file_meta=meta, preamble=b'\0' * 128)
    ds.is_little_endian = syntax != BIG
    ds.is_implicit_VR = syntax == IMPLICIT
    ds.SpecificCharacterSet = 'ISO_IR 100'
    ds.ImageType = ['ORIGINAL', 'PRIMARY', 'AXIAL']
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = '2.25.1', '2.25.2', '2.25.5'
    ds.PatientName, ds.PatientID, ds.Modality = 'Phantom^Ä', 'P1', 'CT'
    ds.InstanceNumber, ds.SliceThickness = 7, 2.5
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-1.5, 2, 3e1], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.WindowCenter, ds.WindowWidth = [0.5, 0.75], [40, 50], [400, 350]
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.Rows, ds.Columns, ds.SamplesPerPixel = rows, columns, samples
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, signed
    ds.PhotometricInterpretation = 'MONOCHROME2' if samples == 1 else 'RGB'
    if samples == 3:
        ds.PlanarConfiguration = 0
    values = numpy.arange(rows * columns * samples) * 37 % (1 << (bits - 1))
    kind = f"{'<' if syntax != BIG else '>'}{'i' if signed else 'u'}{bits // 8}"
    ds.PixelData = values.astype(kind).tobytes()
    ds['PixelData'].VR = 'OW' if bits > 8 else 'OB'
    if len(ds.PixelData) % 2:
        ds.PixelData += b'\0'
    return ds


def save(folder, name, ds):
    ds.save_as(folder / name, write_like_original=False)


def by_tool(folder, name, ds, *command):
    """Let one of DCMTK's tools compress it."""
    with tempfile.TemporaryDirectory() as temp:
        source = pathlib.Path(temp) / 'source.dcm'
        save(pathlib.Path(temp), 'source.dcm', ds)
        subprocess.run([*command, source, folder / name], check=True)


def by_gdcm(folder, name, ds, syntax):
    with tempfile.TemporaryDirectory() as temp:
        source = pathlib.Path(temp) / 'source.dcm'
        save(pathlib.Path(temp), 'source.dcm', ds)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(folder / name))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()


def plain(folder):
    for name, syntax in (('explicit', EXPLICIT), ('implicit', IMPLICIT), ('big-endian', BIG),
                         ('deflated', DEFLATED)):
        save(folder, name, base(syntax))
    save(folder, 'rgb', base(bits=8, signed=0, samples=3))
    save(folder, 'wide-colour', base(bits=16, signed=0, samples=3))
    save(folder, 'signed-8', base(bits=8))
    save(folder, 'unsigned-32', base(bits=32, signed=0))
    twelve = base()
    twelve.BitsStored, twelve.HighBit = 12, 11
    save(folder, 'twelve-of-sixteen', twelve)
    bare = (folder / 'implicit').read_bytes()
    length = struct.unpack('<I', bare[140:144])[0]
    (folder / 'without-meta').write_bytes(bare[144 + length:])


def kinds_of_pixels(folder):
    bits = base(bits=8, signed=0)
    bits.BitsAllocated = bits.BitsStored = 1
    bits.HighBit, bits.NumberOfFrames = 0, 2
    bits.PixelData = bytes(range(18))
    save(folder, 'single-bits', bits)

    floats = base()
    del floats.PixelData
    floats.FloatPixelData = numpy.linspace(-1, 1, 72, dtype='<f4').tobytes()
    save(folder, 'float', floats)

    palette = base(bits=8, signed=0)
    palette.PhotometricInterpretation = 'PALETTE COLOR'
    for colour in ('Red', 'Green', 'Blue'):
        setattr(palette, f'{colour}PaletteColorLookupTableDescriptor', [16, 0, 16])
        setattr(palette, f'{colour}PaletteColorLookupTableData', bytes(range(32)))
    save(folder, 'palette', palette)
    for colour in ('Red', 'Green', 'Blue'):
        delattr(palette, f'{colour}PaletteColorLookupTableData')
        segments = struct.pack('<8H', 0, 2, 0, 100, 1, 12, 60000, 2) + struct.pack('<3H', 1, 0, 0)
        setattr(palette, f'Segmented{colour}PaletteColorLookupTableData', segments)
    save(folder, 'segmented-palette', palette)

    lut = base(bits=8, signed=0)
    del lut.RescaleSlope, lut.RescaleIntercept
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [64, 0, 16], 'HU'
    item.add_new(0x00283006, 'OW', numpy.arange(64, dtype='<u2').tobytes())
    lut.ModalityLUTSequence = Sequence([item])
    save(folder, 'modality-lut', lut)

    ybr = base(bits=8, signed=0, samples=3, columns=8)
    ybr.PhotometricInterpretation = 'YBR_FULL_422'
    ybr.PixelData = bytes(range(128))
    save(folder, 'ybr-422', ybr)


def compressed(folder):
    by_tool(folder, 'rle', base(), 'dcmcrle')
    by_tool(folder, 'jpeg-baseline', base(bits=8, signed=0, samples=3, rows=16, columns=16), 'dcmcjpeg', '+eb')
    by_tool(folder, 'jpeg-lossless', base(signed=0), 'dcmcjpeg', '+e1')
    by_tool(folder, 'jpeg-ls', base(signed=0), 'dcmcjpls')
    by_gdcm(folder, 'jpeg-2000', base(), gdcm.TransferSyntax.JPEG2000Lossless)
    frames = base(bits=8, signed=0)
    frames.NumberOfFrames = 2
    frames.PixelData = frames.PixelData * 2
    by_tool(folder, 'rle-two-frames', frames, 'dcmcrle')

    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = base(bits=8, signed=0)
    packed = raw.compress(deflated.PixelData) + raw.flush()
    deflated.PixelData = encapsulate([packed + b'\0' * (len(packed) % 2)])
    deflated['PixelData'].is_undefined_length = True
    known, wanted = b'1.2.840.10008.1.2.4.90', b'1.2.840.10008.1.2.8.1\0'  # pydicom does not know it
    deflated.file_meta.TransferSyntaxUID = known.decode()
    save(folder, 'deflated-frame', deflated)
    path = folder / 'deflated-frame'
    path.write_bytes(path.read_bytes().replace(known, wanted))


def headers(folder):
    names = base()
    names.SpecificCharacterSet = ['ISO 2022 IR 13', 'ISO 2022 IR 87']
    names.PatientName = 'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう'
    save(folder, 'japanese', names)
    names.SpecificCharacterSet = ['', 'ISO 2022 IR 149']
    names.PatientName = 'Hong^Gildong=洪^吉洞=홍^길동'
    save(folder, 'korean', names)

    nested = base()
    inner = Dataset()
    inner.CodeValue = 'deep'
    for _ in range(6):
        outer = Dataset()
        outer.ConceptNameCodeSequence = Sequence([inner, Dataset()])
        inner = outer
    nested.ProcedureCodeSequence = Sequence([inner])
    nested.add_new(0x00091001, 'UN', b'\1\2\3\4')
    nested.add_new(0x00189004, 'CS', 'RESEARCH')
    nested.add_new(0x00720074, 'FD', [0.1, -1e300])
    nested.add_new(0x00080001, 'UL', 4)
    save(folder, 'nested', nested)

    frames = base(bits=8, signed=0)
    frames.NumberOfFrames = 2
    frames.PixelData = frames.PixelData * 2
    groups = []
    for number in range(2):
        item, position, values = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, number]
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 2 + number, 0.5, 'US'
        item.PlanePositionSequence = Sequence([position])
        item.PixelValueTransformationSequence = Sequence([values])
        groups.append(item)
    frames.PerFrameFunctionalGroupsSequence = Sequence(groups)
    save(folder, 'functional-groups', frames)


def broken(folder):
    whole = (folder / 'explicit').read_bytes()
    (folder / 'cut-in-pixels').write_bytes(whole[:-20])
    (folder / 'cut-in-header').write_bytes(whole[:500])
    (folder / 'nul-in-number').write_bytes(whole.replace(b'400.0\\', b'\x0000.0\\'))
    head = whole[:132 + 12 + struct.unpack('<I', whole[140:144])[0]]
    item = struct.pack('<HHI', 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack('<HH2sHI', 0x0008, 0x1140, b'SQ', 0, 0xFFFFFFFF)
    (folder / 'too-deep').write_bytes(head + (sequence + item) * 80)
    (folder / 'without-delimiters').write_bytes(head + (sequence + item) * 3)
    (folder / 'lying-length').write_bytes(head + struct.pack('<HH2sHI', 0x0008, 0x0110, b'UT', 0, 4000000000))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for make in (plain, kinds_of_pixels, compressed, headers, broken):
        make(folder)
    largest = max(path.stat().st_size for path in folder.iterdir())
    print(f'{len(list(folder.iterdir()))} files, the largest {largest} bytes')
    assert largest <= 15 * 1024 and pydicom.__version__


main()
