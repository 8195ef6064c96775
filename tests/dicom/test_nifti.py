# SPDX-License-Identifier: Apache-2.0
"""dcm2niix puts what we write where it puts its source: frame by frame in every geometry, and as a whole volume
wherever dcm2niix makes one volume of the source."""
import io
import shutil
import struct
import subprocess

import numpy
import pydicom
import pytest

import phantom
import renditions

pytestmark = pytest.mark.skipif(not shutil.which('dcm2niix'), reason='dcm2niix is not installed')

# dcm2niix takes slices as they are when they are parallel, above each other, evenly apart and at places of their own.
EVEN = ['regular', 'oblique', 'non-square', 'mr', 'reversed', 'multi-frame', 'single-slice']


class Nifti:
    """A NIfTI-1 file: its sform, its size and its values."""

    def __init__(self, path):
        data = path.read_bytes()
        kind, offset = struct.unpack_from('<h', data, 70)[0], int(struct.unpack_from('<f', data, 108)[0])
        slope, intercept = struct.unpack_from('<2f', data, 112)
        self.affine = numpy.array(struct.unpack_from('<12f', data, 280)).reshape(3, 4)
        self.size = struct.unpack_from('<3h', data, 42)
        stored = numpy.frombuffer(data, {2: 'u1', 4: '<i2', 128: 'V3', 512: '<u2'}[kind], offset=offset,
                                  count=int(numpy.prod(self.size)))
        self.values = stored.reshape(self.size[::-1])
        if kind != 128:
            self.values = self.values * (slope or 1.0) + intercept

    def place(self, index):
        """Of the first pixel of a slice."""
        return self.affine @ [0, 0, index, 1]


def convert(folder, name, made):
    """(what dcm2niix says, {suffix: Nifti}) of some objects."""
    source = folder / name
    source.mkdir()
    for index, data in enumerate(made):
        (source / f'{index}.dcm').write_bytes(data)
    told = subprocess.run(['dcm2niix', '-b', 'n', '-f', name, '-o', folder, source], capture_output=True, text=True,
                          check=False)
    return told, {path.stem[len(name):]: Nifti(path) for path in folder.glob(f'{name}*.nii')}


def frame_alone(made, index):
    """An object with one frame of another, told apart by its UID."""
    data = pydicom.dcmread(io.BytesIO(made))
    plane = data.pixel_array.reshape(-1, data.Rows, data.Columns)[index]
    data.PerFrameFunctionalGroupsSequence = [data.PerFrameFunctionalGroupsSequence[index]]
    data.NumberOfFrames = 1
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f'{data.SOPInstanceUID[:50]}.{index + 1}'
    is_mask = data.BitsAllocated == 1
    data.PixelData = numpy.packbits(plane.ravel(), bitorder='little').tobytes() if is_mask else plane.tobytes()
    data.PixelData += bytes(len(data.PixelData) % 2)
    return phantom.to_bytes(data)


def source_alone(files, uid, frame):
    """The slice of a source as an object of its own."""
    (data,) = [file[2] for file in files if file[0] == uid]
    return data if frame is None else frame_alone(data, frame - 1)


def sources_of(segmentation):
    """(UID, frame or None) of the source of each frame."""
    for frame in pydicom.dcmread(io.BytesIO(segmentation)).PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        yield source.ReferencedSOPInstanceUID, source.get('ReferencedFrameNumber')


def made_of(files):
    """(segmentation, overlays in the order of the source files)."""
    outputs = renditions.run(files)[1]
    ((_message, segmentation),) = renditions.with_role(outputs, 'segmentation')
    overlays = renditions.with_role(outputs, 'overlay')
    order = [file[0] for file in files]
    return segmentation, [data for _message, data in sorted(
        overlays, key=lambda overlay: order.index(overlay[0]['source_sop_instance_uid']))]


def start(name):
    """The first slices of a phantom, on each of which something is found, so that there is a frame for each."""
    return phantom.multi_frame(6, 4, phantom.OBLIQUE, (0.9, 0.7), (37, 51)) if name == 'multi-frame' \
        else phantom.SERIES[name]()[:4]


@pytest.mark.parametrize('name', phantom.SERIES)
def test_every_frame_is_where_its_source_is(name, tmp_path):
    """Slices taken singly, so that nothing is left to how dcm2niix stacks them."""
    files = phantom.SERIES[name]()
    segmentation, _overlays = made_of(files)
    for index, (uid, frame) in enumerate(sources_of(segmentation)):
        (source,) = convert(tmp_path, f'source-{index}-', [source_alone(files, uid, frame)])[1].values()
        (found,) = convert(tmp_path, f'frame-{index}-', [frame_alone(segmentation, index)])[1].values()
        assert found.size == source.size and found.size[2] == 1
        assert numpy.allclose(found.affine[:, [0, 1, 3]], source.affine[:, [0, 1, 3]], atol=1e-3), index
        # A slice alone is as thick as it says, a frame as far from the next as its Segmentation says.
        normals = [side.affine[:, 2] / numpy.linalg.norm(side.affine[:, 2]) for side in (source, found)]
        assert numpy.allclose(*normals, atol=1e-3), index
        assert numpy.array_equal(found.values > 0, phantom.mask(source.values)) and found.values.any()


@pytest.mark.parametrize('name', EVEN)
def test_a_volume_is_where_its_source_is(name, tmp_path):
    files = start(name)
    segmentation, overlays = made_of(files)
    (source,) = convert(tmp_path, 'source', [file[2] for file in files])[1].values()
    (overlay,) = convert(tmp_path, 'overlay', overlays)[1].values()
    (found,) = convert(tmp_path, 'segmentation', [segmentation])[1].values()
    for volume in (overlay, found):
        assert volume.size == source.size and numpy.allclose(volume.affine, source.affine, atol=1e-3)
    assert numpy.array_equal(found.values > 0, phantom.mask(source.values))


@pytest.mark.parametrize('name', ['gaps', 'duplicated'])
def test_slices_at_uneven_places_are_where_their_source_is(name, tmp_path):
    """NIfTI has one interval: dcm2niix warns of source and overlays alike, and spreads the frames of a Segmentation
    evenly between the first and the last."""
    files = start(name)
    segmentation, overlays = made_of(files)
    told, sources = convert(tmp_path, 'source', [file[2] for file in files])
    told_overlay, of_overlay = convert(tmp_path, 'overlay', overlays)
    ((_suffix, found),) = convert(tmp_path, 'segmentation', [segmentation])[1].items()
    for said in (told, told_overlay):
        assert 'Interslice distance varies in this volume' in said.stdout
    assert told_overlay.returncode == told.returncode  # it gives up on two slices at one place
    assert of_overlay.keys() == sources.keys() == ({'', '_Eq_1'} if name == 'gaps' else {''})
    for suffix, source in sources.items():
        assert of_overlay[suffix].size == source.size
        assert numpy.allclose(of_overlay[suffix].affine, source.affine, atol=1e-3)
    source = sources['']
    assert found.size == source.size and numpy.array_equal(found.values > 0, phantom.mask(source.values))
    assert numpy.allclose(found.affine[:, [0, 1, 3]], source.affine[:, [0, 1, 3]], atol=1e-3)
    # The end of the stack as the last slice has it.
    (last,) = convert(tmp_path, 'last', [files[-1][2]])[1].values()
    assert numpy.allclose(found.place(len(files) - 1), last.place(0), atol=1e-3)


def test_a_tilted_gantry_is_where_its_source_is(tmp_path):
    """dcm2niix shears a tilted source into another grid and gives its own file a matrix without the tilt, but does so
    for images of a scanner only.  What it says of the first slice alone is the place that all have to agree on."""
    files = start('gantry-tilted')
    segmentation, overlays = made_of(files)
    told, sources = convert(tmp_path, 'source', [file[2] for file in files])
    assert 'gantry tilt of 25 degrees' in told.stdout and any('_Tilt' in suffix for suffix in sources)
    (overlay,) = convert(tmp_path, 'overlay', overlays)[1].values()
    (found,) = convert(tmp_path, 'segmentation', [segmentation])[1].values()
    (first,) = convert(tmp_path, 'first', [files[0][2]])[1].values()
    for volume in (overlay, found):
        assert volume.size == sources[''].size
        assert numpy.allclose(volume.affine[:, [0, 1, 3]], first.affine[:, [0, 1, 3]], atol=1e-3)
    assert numpy.array_equal(found.values > 0, phantom.mask(sources[''].values))
    # The sheared file is a resampled one; its directions are those of the Segmentation.
    (sheared,) = [source for suffix, source in sources.items() if '_Tilt' in suffix]
    assert numpy.allclose(sheared.affine, found.affine, atol=1e-3)
