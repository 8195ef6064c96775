# SPDX-License-Identifier: Apache-2.0
"""Derived Secondary Captures under the eyes of dciodvfy and pydicom."""
import datetime
import re
import shutil
import subprocess

import numpy
import pydicom
import pytest

import reader
from test_read_everything import PYDICOM, SHARED

SOURCES = [PYDICOM / 'test_files' / name for name in
           ('CT_small.dcm', 'MR_small.dcm', 'MR_small_bigendian.dcm', 'MR_small_RLE.dcm', 'rtdose_1frame.dcm',
            'J2K_pixelrep_mismatch.dcm', 'JPGExtended.dcm', 'SC_rgb_jpeg_gdcm.dcm', 'liver_1frame.dcm')]
SOURCES += [SHARED / name for name in
            ('ct_lidc0314_liver_part/z-0600.8.dcm', 'ct_liver_contrast/z-0766.5.dcm', 'mr_brain/36747514.dcm',
             'pet_headneck/000015.dcm', 'misc/eCT_Supplemental.dcm', 'misc/emri_small_RLE.dcm', 'highdicom/dx_image.dcm',
             'highdicom/sm_image.dcm', 'seg/pet_tumor_seg.dcm', 'transfer_syntax/CTImage.dcm',
             'transfer_syntax/US-YBR_FULL_422-EVRLE.dcm', 'misc/color-px.dcm', 'misc/SC_rgb_rle_2frame.dcm')]

MOMENT = datetime.datetime(2025, 12, 31, 23, 59, 59, 123000, datetime.timezone.utc)  # what dicom-read gives

# What dciodvfy may complain about, and why.
ALLOWED_ERRORS = [
    # The source has these UIDs; the study cannot be given another one.
    r'Illegal root for UID - "999\.999\..*',
    # The source has two frames under a class for one, and which frame was taken has to be said.
    r'Shall not be present for Referenced SOP Class that is not multi-frame - attribute <ReferencedFrameNumber>',
]


@pytest.fixture(params=SOURCES, ids=[path.name for path in SOURCES])
def pair(request, tmp_path):
    """(source, derived, the derived file's path)"""
    if not request.param.exists():
        pytest.skip(f'{request.param.name} is in ../shared/data, which is not there')
    path = tmp_path / 'derived.dcm'
    assert reader.run('--capture', request.param, 0, path) == {}
    return pydicom.dcmread(request.param, force=True), pydicom.dcmread(path), path


@pytest.mark.skipif(not shutil.which('dciodvfy'), reason='dciodvfy (Debian package dicom3tools) is not installed')
def test_dciodvfy_finds_no_error(pair):
    told = subprocess.run(['dciodvfy', pair[2]], capture_output=True, text=True, errors='replace', check=False)
    lines = (told.stdout + told.stderr).splitlines()
    assert 'SCImage' in lines
    errors = [line[len('Error - '):] for line in lines if line.startswith('Error - ')]
    assert [error for error in errors if not any(re.fullmatch(allowed, error) for allowed in ALLOWED_ERRORS)] == []


def test_names_and_numbers_of_the_reference_are_kept(pair):
    source, derived, _ = pair
    assert derived.file_meta.TransferSyntaxUID == '1.2.840.10008.1.2.1'
    assert derived.SOPClassUID == derived.file_meta.MediaStorageSOPClassUID == '1.2.840.10008.5.1.4.1.1.7'
    assert derived.SOPInstanceUID == derived.file_meta.MediaStorageSOPInstanceUID == '2.25.1001'
    assert derived.SeriesInstanceUID == '2.25.1002'
    assert derived.SeriesNumber == 999 and derived.Modality == 'OT'
    assert derived.SeriesDescription == 'processing_1 Derived'
    assert derived.ProtocolName == 'Post-processed with processing_1'
    assert list(derived.ImageType) == ['DERIVED', 'SECONDARY'] and derived.ConversionType == 'WSD'
    zone = source.get('TimezoneOffsetFromUTC') or '+0000'
    moment = MOMENT.astimezone(datetime.datetime.strptime(zone, '%z').tzinfo)
    assert derived.ContentDate + derived.ContentTime == moment.strftime('%Y%m%d%H%M%S.%f')[:-3]
    for keyword in ('StudyInstanceUID', 'PatientID', 'PatientName', 'AccessionNumber', 'StudyID', 'PatientSex'):
        assert (derived[keyword].value or None) == (source.get(keyword) or None), keyword


def test_the_source_is_named(pair):
    source, derived, _ = pair
    named = derived.SourceImageSequence[0]
    assert named.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert named.ReferencedSOPClassUID == source.SOPClassUID
    assert named.get('ReferencedFrameNumber') == (1 if int(source.get('NumberOfFrames', 1) or 1) > 1 else None)
    assert 'processing_1 1.0.0' in derived.DerivationDescription and '"sigma":2.0' in derived.DerivationDescription


def first_frame(source, group, keyword):
    """An attribute of the first frame, from wherever it stands."""
    for groups in ('PerFrameFunctionalGroupsSequence', 'SharedFunctionalGroupsSequence'):
        if source.get(groups) and group in source[groups][0]:
            return source[groups][0][group][0].get(keyword)
    return source.get(keyword)


def test_the_picture_lies_where_its_source_lies(pair):
    source, derived, _ = pair
    for group, keyword in (('PlanePositionSequence', 'ImagePositionPatient'),
                           ('PlaneOrientationSequence', 'ImageOrientationPatient'),
                           ('PixelMeasuresSequence', 'PixelSpacing'), (None, 'FrameOfReferenceUID'),
                           ('PixelMeasuresSequence', 'SliceThickness')):
        expected = first_frame(source, group, keyword) if group else source.get(keyword)
        assert (derived.get(keyword) or None) == (expected or None), keyword
    assert (derived.Rows, derived.Columns) == (source.Rows, source.Columns)


def test_the_pixels_are_those_that_were_given(pair):
    derived = pair[1]
    count = derived.Rows * derived.Columns * 3
    assert numpy.array_equal(derived.pixel_array.reshape(-1), numpy.arange(count, dtype='u4') % 251)


def test_lossy_once_is_lossy_for_ever(pair):
    source, derived, _ = pair
    is_lossy = source.get('LossyImageCompression') == '01' or \
        source.file_meta.TransferSyntaxUID in ('1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51')
    assert derived.get('LossyImageCompression') == ('01' if is_lossy else None)


def test_a_retry_writes_the_same_bytes(pair, tmp_path):
    again = tmp_path / 'again.dcm'
    assert reader.run('--capture', pair[0].filename, 0, again) == {}
    assert again.read_bytes() == pair[2].read_bytes()
