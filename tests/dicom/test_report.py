# SPDX-License-Identifier: Apache-2.0
"""Reports: the template, the numbers, and what they refer to."""
import io
import json
import shutil
import subprocess

import numpy
import pydicom
import pytest

import phantom
import renditions

NAMES = list(phantom.SERIES)


def read(outputs, role):
    ((_message, data),) = renditions.with_role(outputs, role)
    return pydicom.dcmread(io.BytesIO(data))


def children(item, name):
    """Content items below with this concept's value."""
    return [child for child in item.get('ContentSequence', [])
            if child.get('ConceptNameCodeSequence') and child.ConceptNameCodeSequence[0].CodeValue == name]


def groups_of(report):
    (measurements,) = children(report, '126010')
    return children(measurements, '125007')


def numbers_of(group):
    """{(concept, derivation or None): (value, unit)}"""
    numbers = {}
    for item in group.ContentSequence:
        if item.ValueType == 'NUM':
            derivation = children(item, '121401')
            (value,) = item.MeasuredValueSequence
            key = (item.ConceptNameCodeSequence[0].CodeValue,
                   derivation[0].ConceptCodeSequence[0].CodeValue if derivation else None)
            numbers[key] = (float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue)
    return numbers


def found_values(files):
    pixels = numpy.concatenate([file[3].reshape(-1, *file[3].shape[-2:]) for file in files])
    return pixels[phantom.mask(pixels)]


@pytest.mark.parametrize('name', NAMES)
def test_the_numbers_are_those_of_the_mask(name):
    files, _result, outputs = renditions.of(name)
    report = read(outputs, 'report')
    (group,) = groups_of(report)
    numbers = numbers_of(group)
    values = found_values(files)
    concept, unit = ('110852', '1') if name == 'mr' else ('112031', "[hnsf'U]")
    for derivation, expected in (('373098007', values.mean()), ('386136009', values.std()),
                                 ('255605001', values.min()), ('56851009', values.max())):
        value, its_unit = numbers.pop((concept, derivation))
        assert value == pytest.approx(expected, rel=1e-7) and its_unit == unit
    if name == 'single-slice':
        assert numbers == {('42798000', None): (pytest.approx(len(values) * 0.64), 'mm2')}
    else:
        ((key, (volume, its_unit)),) = numbers.items()
        assert key == ('118565006', None) and its_unit == 'ml' and volume > 0


@pytest.mark.parametrize('name, interval, area', [('regular', 5, 0.64), ('non-square', 5, 1.05), ('gaps', 5, 0.64),
                                                  ('gantry-tilted', 5 * numpy.cos(phantom.ANGLE), 0.64)])
def test_the_volume_is_that_of_the_slices(name, interval, area):
    files, _result, outputs = renditions.of(name)
    (group,) = groups_of(read(outputs, 'report'))
    expected = len(found_values(files)) * interval * area / 1000
    assert numbers_of(group)['118565006', None][0] == pytest.approx(expected, rel=1e-6)


def test_two_slices_at_one_place_count_once():
    files, _result, outputs = renditions.of('duplicated')
    weights = [1, 0.5, 0.5, 0.5, 0.5, 1]
    expected = sum(weight * phantom.mask(file[3]).sum() for weight, file in zip(weights, files, strict=True)) * 5 * 0.64
    (group,) = groups_of(read(outputs, 'report'))
    assert numbers_of(group)['118565006', None][0] == pytest.approx(expected / 1000, rel=1e-6)


@pytest.mark.parametrize('name', NAMES)
def test_it_refers_to_the_segmentation_and_its_sources(name):
    files, _result, outputs = renditions.of(name)
    report, seg = read(outputs, 'report'), read(outputs, 'segmentation')
    assert report.SOPClassUID == '1.2.840.10008.5.1.4.1.1.88.34' and report.Modality == 'SR'
    assert report.ContentTemplateSequence[0].TemplateIdentifier == '1500'
    assert report.StudyInstanceUID == files[0][4].StudyInstanceUID and report.PatientName == files[0][4].PatientName
    (group,) = groups_of(report)
    planar = name == 'single-slice'
    (segment,) = children(group, '121214' if planar else '121191')
    (reference,) = segment.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
    assert reference.get('ReferencedFrameNumber' if planar else 'ReferencedSegmentNumber') == 1
    if planar:
        (image,) = children(group, '121233')
        assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == files[0][0]
    else:
        (series,) = children(group, '121232')
        assert series.UID == files[0][1]
    (tracking,) = children(group, '112040')
    assert tracking.UID == seg.SegmentSequence[0].TrackingUID
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    named = {item.ReferencedSOPInstanceUID for series in evidence.ReferencedSeriesSequence
             for item in series.ReferencedSOPSequence}
    assert named == {file[0] for file in files} | {seg.SOPInstanceUID}


def test_it_names_the_algorithm():
    _files, _result, outputs = renditions.of('regular')
    (group,) = groups_of(read(outputs, 'report'))
    assert [children(group, code)[0].TextValue for code in ('111001', '111003')] == ['processing_1', '1.0.0']
    assert json.loads(children(group, '111002')[0].TextValue) == phantom.PARAMS
    (finding,) = children(group, '121071')
    assert finding.ConceptCodeSequence[0].CodeMeaning == 'Liver'


@pytest.mark.skipif(not shutil.which('dsrdump'), reason='dsrdump (Debian package dcmtk) is not installed')
@pytest.mark.parametrize('name', NAMES)
def test_dcmtk_reads_it(name, tmp_path):
    _files, _result, outputs = renditions.of(name)
    ((_message, data),) = renditions.with_role(outputs, 'report')
    (tmp_path / 'report.dcm').write_bytes(data)
    told = subprocess.run(['dsrdump', tmp_path / 'report.dcm'], capture_output=True, text=True, check=False)
    words = [line for line in told.stderr.splitlines() if 'VR checker does not support' not in line]  # UTF-8
    assert told.returncode == 0 and 'Measurement Group' in told.stdout and words == []


def test_the_figures_as_json():
    files, result, outputs = renditions.of('regular')
    ((message, data),) = renditions.with_role(outputs, 'measurements')
    figures = json.loads(data)
    assert message['media_type'] == 'application/json' and figures['measurements'] == result['measurements']
    assert figures['measurements']['labels']['liver']['area_px'] == len(found_values(files))
    assert [item['sop_instance_uid'] for item in figures['slices']] == [file[0] for file in files]
    assert figures['labels'][0]['type'] == {'value': '10200004', 'scheme': 'SCT', 'meaning': 'Liver'}
    assert figures['algo_id'] == 'processing_1' and figures['params'] == phantom.PARAMS


def test_the_pictures():
    _files, _result, outputs = renditions.of('non-square')
    ((preview, data),) = renditions.with_role(outputs, 'preview')
    ((thumbnail, small),) = renditions.with_role(outputs, 'thumbnail')
    assert (preview['width'], preview['height']) == (51, 37) and data.startswith(b'\x89PNG')
    assert max(thumbnail['width'], thumbnail['height']) <= 128 and small.startswith(b'\x89PNG')
