# SPDX-License-Identifier: Apache-2.0
"""DCMTK's dcmseg loads every Segmentation that we write, reads the same of it as was meant, and writes the same again."""
import io
import json
import subprocess

import numpy
import pydicom
import pytest

import phantom
import reader
import renditions
from test_read_everything import SHARED
from test_segmentation import frames_of, source_planes

DRIVER = reader.BUILD / 'tests' / 'dicom' / 'segmentation-dcmseg'


def by_dcmseg(segmentation, folder):
    """(what dcmseg reads, what it writes of it)"""
    (folder / 'ours.dcm').write_bytes(segmentation)
    told = subprocess.run([DRIVER, folder / 'ours.dcm', folder / 'theirs.dcm'], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout), pydicom.dcmread(folder / 'theirs.dcm')


def segmentation_of(outputs):
    ((_message, data),) = renditions.with_role(outputs, 'segmentation')
    return data


def without_what_dcmseg_does_not_know(data):
    """3.6.7 drops Spatial Locations Preserved, which says that a mask has the pixels of its source."""
    for frame in data.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.SpatialLocationsPreserved == 'YES'
        del source.SpatialLocationsPreserved
    return data


def compare(segmentation, folder):
    """dcmseg's view against pydicom's; what dcmseg reads."""
    read, written = by_dcmseg(segmentation, folder)
    ours = pydicom.dcmread(io.BytesIO(segmentation))
    assert (read['rows'], read['columns']) == (ours.Rows, ours.Columns)
    assert len(read['segments']) == len(ours.SegmentSequence)
    for found, meant in zip(read['segments'], ours.SegmentSequence):
        code, category = meant.SegmentedPropertyTypeCodeSequence[0], meant.SegmentedPropertyCategoryCodeSequence[0]
        assert found == {'label': meant.SegmentLabel, 'algorithm': meant.SegmentAlgorithmName,
                         'category': [category.CodeValue, category.CodingSchemeDesignator],
                         'type': [code.CodeValue, code.CodingSchemeDesignator],
                         'lab': list(meant.RecommendedDisplayCIELabValue)}
    assert len(read['frames']) == ours.NumberOfFrames
    for found, group, meant in zip(read['frames'], ours.PerFrameFunctionalGroupsSequence, frames_of(ours)):
        segment, (uid, number), position, orientation, spacing, mask = meant
        assert (found['segment'], found['source'], found.get('number')) == (segment, uid, number)
        assert found['position'] == [float(value) for value in position]
        assert found['orientation'] == [float(value) for value in orientation]
        assert found['spacing'] == [float(value) for value in spacing]
        assert found['index'] == list(group.FrameContentSequence[0].DimensionIndexValues)
        assert found['pixels'] == int(mask.sum())
    assert numpy.array_equal(written.pixel_array, ours.pixel_array)
    assert without_what_dcmseg_does_not_know(ours) == written  # element for element
    return read


@pytest.mark.parametrize('name', phantom.SERIES)
def test_dcmseg_reads_and_writes_the_same(name, tmp_path):
    files, _result, outputs = renditions.of(name)
    read = compare(segmentation_of(outputs), tmp_path)
    planes = source_planes(files)
    for frame in read['frames']:
        assert frame['pixels'] == phantom.mask(planes[frame['source'], frame.get('number')][0]).sum()


def test_dcmseg_reads_several_segments(tmp_path):
    """The lungs of a real series, with one Frame of Reference, as it had before each slice was given its own."""
    if not SHARED.exists():
        pytest.skip('../shared/data is not there')
    files = []
    for path in sorted((SHARED / 'ct_lidc0314_liver_part').glob('*.dcm'))[:30]:
        data = pydicom.dcmread(path)
        data.FrameOfReferenceUID = f'{phantom.ROOT}.3.11'
        files.append((data.SOPInstanceUID, data.SeriesInstanceUID, phantom.to_bytes(data)))
    _result, outputs = renditions.run(files, algo_id='lungs', params={}, outputs=['segmentation'])
    read = compare(segmentation_of(outputs), tmp_path)
    assert [segment['label'] for segment in read['segments']] == ['Left lung', 'Right lung']
    assert {frame['segment'] for frame in read['frames']} == {1, 2}


def test_dcmseg_refuses_what_lacks_its_segments(tmp_path):
    """So that its word is worth something."""
    segmentation = pydicom.dcmread(io.BytesIO(segmentation_of(renditions.of('regular')[2])))
    del segmentation.SegmentSequence
    with pytest.raises(AssertionError, match='No segments defined'):
        by_dcmseg(phantom.to_bytes(segmentation), tmp_path)
