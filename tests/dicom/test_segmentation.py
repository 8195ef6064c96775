# SPDX-License-Identifier: Apache-2.0
"""Segmentations of every geometry: dciodvfy and dcentvfy find nothing, pydicom reads the mask back."""
import io
import shutil
import subprocess

import numpy
import pydicom
import pytest

import phantom
import renditions
from test_read_everything import SHARED
from test_report import groups_of, numbers_of

NAMES = list(phantom.SERIES)

# What dcentvfy may complain about, and why: in its tables the Accession Number of a report, which has one for each
# request that it fulfils, belongs to the Series.  The value is the same everywhere.
ALLOWED = ['Different information entities for attribute - Element=<AccessionNumber> IE <Study> versus <Series>']


def complaints(program, *paths):
    told = subprocess.run([program, *map(str, paths)], capture_output=True, text=True, errors='replace', check=False)
    return [line for line in (told.stdout + told.stderr).splitlines()
            if line.startswith(('Error', 'Warning')) and not any(allowed in line for allowed in ALLOWED)]


def only(outputs, role):
    (made,) = renditions.with_role(outputs, role)
    return made


def read(data):
    return pydicom.dcmread(io.BytesIO(data))


def source_planes(files):
    """{(uid, frame from 1 or None): (pixels, position, orientation, spacing)}"""
    planes = {}
    for uid, _series, _data, pixels, data in files:
        if pixels.ndim == 2:
            planes[uid, None] = (pixels, data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing)
            continue
        shared = data.SharedFunctionalGroupsSequence[0]
        for index, frame in enumerate(data.PerFrameFunctionalGroupsSequence):
            planes[uid, index + 1] = (pixels[index], frame.PlanePositionSequence[0].ImagePositionPatient,
                                      shared.PlaneOrientationSequence[0].ImageOrientationPatient,
                                      shared.PixelMeasuresSequence[0].PixelSpacing)
    return planes


def frames_of(seg):
    """Each frame: (segment number, source key, position, orientation, spacing, mask)."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    masks = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for frame, mask in zip(seg.PerFrameFunctionalGroupsSequence, masks, strict=True):
        (derivation,) = frame.DerivationImageSequence
        (source,) = derivation.SourceImageSequence
        number = source.get('ReferencedFrameNumber')
        yield (frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber,
               (source.ReferencedSOPInstanceUID, None if number is None else int(number)),
               frame.PlanePositionSequence[0].ImagePositionPatient,
               shared.PlaneOrientationSequence[0].ImageOrientationPatient,
               shared.PixelMeasuresSequence[0].PixelSpacing, mask)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.skipif(not shutil.which('dciodvfy'), reason='dciodvfy (Debian package dicom3tools) is not installed')
def test_dciodvfy_and_dcentvfy_find_nothing(name, tmp_path):
    files, _result, outputs = renditions.of(name)
    paths = []
    for index, (_message, data) in enumerate(renditions.with_role(outputs, 'segmentation') +
                                             renditions.with_role(outputs, 'report') +
                                             renditions.with_role(outputs, 'overlay')):
        path = tmp_path / f'{index}.dcm'
        path.write_bytes(data)
        paths.append(path)
    assert complaints('dciodvfy', paths[0]) == []
    assert complaints('dciodvfy', paths[1]) == []
    for path in paths[2:]:
        assert [line for line in complaints('dciodvfy', path) if line.startswith('Error')] == []
    for index, file in enumerate(files):
        paths.append(tmp_path / f'source-{index}.dcm')
        paths[-1].write_bytes(file[2])
    assert complaints('dcentvfy', *paths) == []


@pytest.mark.parametrize('name', NAMES)
def test_pydicom_reads_back_the_mask_frame_by_frame(name):
    files, _result, outputs = renditions.of(name)
    planes = source_planes(files)
    seg = read(only(outputs, 'segmentation')[1])
    seen = set()
    for segment, key, position, orientation, spacing, mask in frames_of(seg):
        pixels, its_position, its_orientation, its_spacing = planes[key]
        assert segment == 1
        assert numpy.array_equal(mask.astype(bool), phantom.mask(pixels))
        assert list(position) == list(its_position) and list(orientation) == list(its_orientation)
        assert list(spacing) == list(its_spacing)
        seen.add(key)
    assert len(seen) == seg.NumberOfFrames
    assert seen == {key for key, plane in planes.items() if phantom.mask(plane[0]).any()}  # empty frames are left out


@pytest.mark.parametrize('name', NAMES)
def test_it_says_what_it_is(name):
    files, result, outputs = renditions.of(name)
    source = files[0][4]
    seg = read(only(outputs, 'segmentation')[1])
    assert result['found'] and seg.SOPClassUID == '1.2.840.10008.5.1.4.1.1.66.4' and seg.Modality == 'SEG'
    for keyword in ('StudyInstanceUID', 'PatientID', 'PatientName', 'FrameOfReferenceUID', 'AccessionNumber',
                    'SpecificCharacterSet'):
        assert seg[keyword].value == source[keyword].value, keyword
    assert seg.SeriesInstanceUID not in {file[1] for file in files} and seg.SOPInstanceUID.startswith('2.25.')
    assert (seg.SegmentationType, seg.BitsAllocated, seg.ContentDate) == ('BINARY', 1, '20260101')
    (segment,) = seg.SegmentSequence
    assert (segment.SegmentNumber, segment.SegmentLabel, segment.SegmentAlgorithmType) == (1, 'Liver', 'AUTOMATIC')
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == '10200004'
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == '123037004'
    assert segment.RecommendedDisplayCIELabValue == pytest.approx([39532, 58146, 17261], abs=20)  # magenta
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ('processing_1', '1.0.0')
    assert '"area_min_px":20' in algorithm.AlgorithmParameters
    (series,) = seg.ReferencedSeriesSequence
    assert {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence} == {file[0] for file in files}
    indices = [tuple(frame.FrameContentSequence[0].DimensionIndexValues)
               for frame in seg.PerFrameFunctionalGroupsSequence]
    assert len(set(indices)) == len(indices) and indices == sorted(indices)


@pytest.mark.parametrize('name', NAMES)
def test_frames_follow_the_normal(name):
    _files, _result, outputs = renditions.of(name)
    seg = read(only(outputs, 'segmentation')[1])
    places = [float(numpy.dot(numpy.cross(o[:3], o[3:]), numpy.array(position, float)))
              for _segment, _key, position, o, _spacing, _mask in frames_of(seg)
              for o in [numpy.array(o, float)]]
    assert places == sorted(places)


def test_a_retry_writes_the_same_bytes():
    files, _result, outputs = renditions.of('oblique')
    again = renditions.run(files[::-1])[1]  # in whatever order they are fetched
    assert [data for _message, data in again] == [data for _message, data in outputs]


def test_nothing_found_gives_no_segmentation_and_no_report():
    files = phantom.SERIES['regular']()
    result, outputs = renditions.run(files, params={**phantom.PARAMS, 'area_min_px': 100000})
    assert result['found'] is False and result['measurements']['labels'] == {}
    assert {message['role'] for message, _data in outputs} == {'overlay', 'preview', 'thumbnail', 'measurements'}


def test_a_segmentation_alone_can_be_asked_for():
    _result, outputs = renditions.run(phantom.SERIES['regular'](), outputs=['segmentation'])
    assert [message['role'] for message, _data in outputs] == ['segmentation']


def changed(files, index, **attributes):
    """The files with other attributes in one of them."""
    data = files[index][4]
    for keyword, value in attributes.items():
        setattr(data, keyword, value)
    data.PixelData = data.PixelData[:data.Rows * data.Columns * 2]
    return [*files[:index], (*files[index][:2], phantom.to_bytes(data), *files[index][3:]), *files[index + 1:]]


def test_slices_of_each_size_get_their_segmentation_and_report(tmp_path):
    """None of the masks is lost; every figure is that of the masks beside it."""
    files = phantom.SERIES['regular']()
    for index in (2, 3, 5):
        files = changed(files, index, Rows=40)
    result, outputs = renditions.run(files)
    planes = {file[0]: file[3][:file[4].Rows] for file in files}
    made = renditions.with_role(outputs, 'segmentation')
    reports = renditions.with_role(outputs, 'report')
    assert [message.get('number') for message, _data in made] == [None, 2] == [m.get('number') for m, _data in reports]
    seen, pixels = {}, 0
    for (message, data), (_message, report_data) in zip(made, reports):
        seg, report = read(data), read(report_data)
        for name, one in (('seg', data), ('report', report_data)):
            (tmp_path / f'{name}.dcm').write_bytes(one)
            assert [line for line in complaints('dciodvfy', tmp_path / f'{name}.dcm') if 'DICOMDIR' not in line] == []
        inside = {item.ReferencedSOPInstanceUID for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
        assert inside == {file[0] for file in files if file[4].Rows == seg.Rows}
        assert files[message['source']][0] in inside
        for _segment, (uid, _frame), _position, _orientation, _spacing, mask in frames_of(seg):
            assert numpy.array_equal(mask.astype(bool), phantom.mask(planes[uid])) and uid not in seen
            seen[uid] = mask
        volume = 5 * 0.64 / 1000 * sum(seen[uid].sum() for uid in inside & seen.keys())
        assert numbers_of(groups_of(report)[0])['118565006', None][0] == pytest.approx(volume, rel=1e-6)
        assert seg.SOPInstanceUID in str(report.CurrentRequestedProcedureEvidenceSequence)
        pixels += sum(seen[uid].sum() for uid in inside & seen.keys())
    assert seen.keys() == {uid for uid, plane in planes.items() if phantom.mask(plane).any()}
    assert result['measurements']['labels']['liver']['area_px'] == pixels
    assert len({read(data).SOPInstanceUID for _message, data in made + reports}) == 4


def test_slices_of_different_frames_of_reference_are_named_without_a_place(tmp_path):
    """As some anonymisers leave them."""
    files = changed(phantom.SERIES['regular'](), 3, FrameOfReferenceUID='1.2.3')
    made = only(renditions.run(files)[1], 'segmentation')[1]
    (tmp_path / 'seg.dcm').write_bytes(made)
    assert complaints('dciodvfy', tmp_path / 'seg.dcm') == []
    seg = read(made)
    assert 'FrameOfReferenceUID' not in seg and seg.NumberOfFrames == 7
    planes = source_planes(files)
    for frame, mask in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        assert 'PlanePositionSequence' not in frame
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert numpy.array_equal(mask.astype(bool), phantom.mask(planes[source, None][0]))


def test_two_labels_are_two_segments(tmp_path):
    """The lungs of a real series; what is coloured in the overlays is what the segments hold."""
    if not SHARED.exists():
        pytest.skip('../shared/data is not there')
    files = []
    for path in sorted((SHARED / 'ct_lidc0314_liver_part').glob('*.dcm'))[:30]:
        head = pydicom.dcmread(path, stop_before_pixels=True)
        files.append((head.SOPInstanceUID, head.SeriesInstanceUID, path.read_bytes()))
    result, outputs = renditions.run(files, algo_id='lungs', params={}, outputs=['overlay', 'segmentation', 'report'])
    seg = read(only(outputs, 'segmentation')[1])
    assert [(segment.SegmentNumber, segment.SegmentLabel) for segment in seg.SegmentSequence] == \
        [(1, 'Left lung'), (2, 'Right lung')]
    held = {}
    for frame, mask in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array.astype(int), strict=True):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        assert not (held.get(source, 0) * mask).any()  # no pixel is of both
        held[source] = held.get(source, 0) + number * mask
    figures = result['measurements']['labels']
    for number, label in ((1, 'lung_left'), (2, 'lung_right')):
        assert sum((mask == number).sum() for mask in held.values()) == figures[label]['area_px']
    for message, data in renditions.with_role(outputs, 'overlay'):
        picture = read(data).pixel_array
        coloured = (picture != picture[:, :, :1]).any(axis=2)
        mask = held.get(message['source_sop_instance_uid'], numpy.zeros_like(coloured))
        assert not (coloured & (mask == 0)).any() and (mask != 0).sum() - coloured.sum() <= 0.01 * coloured.size
    (tmp_path / 'report.dcm').write_bytes(only(outputs, 'report')[1])
    assert [line for line in complaints('dciodvfy', tmp_path / 'report.dcm') if 'DICOMDIR' not in line] == []
