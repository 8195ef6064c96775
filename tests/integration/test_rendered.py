# SPDX-License-Identifier: Apache-2.0
"""Rendered pictures (PS3.18 section 8.3.5) pixel by pixel, against pydicom's look-up tables and windows (PS3.3 section
C.11) and numpy's geometry.  Grey may differ by one where a half is rounded."""
import io
import pathlib

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixel_data_handlers import util
from pydicom.sequence import Sequence

import slices
from server import Server
from wado import get, parts_of, put

SIZE = 64
# Values from -1024 to 3071, so that every window cuts some off.
RAMP = (np.arange(SIZE * SIZE, dtype=np.int32).reshape(SIZE, SIZE) - 1024).astype(np.int16)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("rendered") / "data", job_hosts_max=1) as running:
        yield running


def read(raw):
    return pydicom.dcmread(io.BytesIO(raw), force=True)


def written(dataset):
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, write_like_original=False)
    return out.getvalue()


def ramp(name, without=(), pixels=RAMP, **attributes):
    """A slice that shows the ramp."""
    dataset = read(slices.ct(name, study="ramp", series="ramp", size=SIZE, **attributes))
    for keyword in without:
        del dataset[keyword]
    dataset.PixelData = pixels.tobytes()
    return dataset


def store(server, dataset, name):
    return put(server, f"ramp/{name}.dcm", written(dataset))


def shown(server, path, query="", accept="image/png"):
    answer = get(server, f"{path}/rendered{'?' if query else ''}{query}", accept)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)), int)


def full(values):
    """All values, from black to white."""
    values = np.asarray(values, float)
    return (values - values.min()) / (values.max() - values.min()) * 255


def windowed(dataset, values, center, width, function="LINEAR"):
    """Grey values by pydicom's reading of PS3.3 section C.11.2.1.2."""
    voi = Dataset()
    voi.WindowCenter, voi.WindowWidth, voi.VOILUTFunction = center, width, function
    voi.BitsStored, voi.PixelRepresentation, voi.PhotometricInterpretation = 8, 0, "MONOCHROME2"
    return util.apply_windowing(np.asarray(values, float), voi)


def assert_grey(picture, expected):
    assert picture.shape == expected.shape
    assert np.abs(picture - expected).max() <= 1, np.abs(picture - expected).max()


# --- windows ---

FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


@pytest.mark.parametrize("center, width", [(40, 400), (1000.5, 1), (0, 2), (1024, 4096), (-5000, 10), (300, 5.5)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_window_that_is_asked_for_is_that_of_the_standard(server, function, center, width):
    dataset = ramp("asked", RescaleSlope="0.5", RescaleIntercept="-100", RescaleType="US")
    path = store(server, dataset, "asked")
    expected = windowed(dataset, RAMP * 0.5 - 100, center, width, FUNCTIONS[function])
    assert_grey(shown(server, path, f"window={center},{width},{function}"), expected)


@pytest.mark.parametrize("function", FUNCTIONS.values())
@pytest.mark.parametrize("slope", ["1", "2.5"])
def test_the_window_of_the_file_is_the_first_one_with_its_function(server, function, slope):
    name = f"own-{function}-{slope}"
    dataset = ramp(name, WindowCenter=["300", "0"], WindowWidth=["700", "10"], VOILUTFunction=function, RescaleSlope=slope)
    path = store(server, dataset, name)
    assert_grey(shown(server, path), windowed(dataset, RAMP * float(slope), 300, 700, function))
    assert_grey(shown(server, path, "window=0,10"), windowed(dataset, RAMP * float(slope), 0, 10))


def test_without_a_window_all_values_are_shown(server):
    dataset = ramp("none", without=("WindowCenter", "WindowWidth"))
    assert_grey(shown(server, store(server, dataset, "none")), full(RAMP))


def lut(table, first, bits):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(table), first, bits], np.asarray(table, np.uint16).tobytes()
    item["LUTDescriptor"].VR, item["LUTData"].VR = "SS", "OW"
    return item


def test_a_voi_lut_is_used_where_there_is_no_window(server):
    table = (np.sqrt(np.arange(2048) / 2047) * 255).astype(np.uint16)
    dataset = ramp("voi", without=("WindowCenter", "WindowWidth"), VOILUTSequence=Sequence([lut(table, -512, 8)]))
    path = store(server, dataset, "voi")
    assert_grey(shown(server, path), table[np.clip(RAMP.astype(int) + 512, 0, 2047)])
    assert_grey(shown(server, path, "window=40,400"), windowed(dataset, RAMP, 40, 400))


def test_a_modality_lut_comes_before_the_window(server):
    table = 4000 - np.arange(1500) * 2
    item = lut(table, -300, 16)
    item.ModalityLUTType = "US"
    dataset = ramp("modality", without=("RescaleSlope", "RescaleIntercept", "RescaleType"), ModalityLUTSequence=Sequence([item]))
    values = table[np.clip(RAMP.astype(int) + 300, 0, 1499)]
    path = store(server, dataset, "modality")
    for function, name in FUNCTIONS.items():
        assert_grey(shown(server, path, f"window=2500,1200,{function}"), windowed(dataset, values, 2500, 1200, name))


@pytest.mark.parametrize("attributes", [{"PhotometricInterpretation": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}])
@pytest.mark.parametrize("query", ["", "window=300,700", "window=300,700,sigmoid"])
def test_what_is_presented_inversely_is_white_where_values_are_low(server, attributes, query):
    name = "inverse-" + next(iter(attributes))
    dataset = ramp(name, WindowCenter=300, WindowWidth=700, **attributes)
    expected = 255 - windowed(dataset, RAMP, 300, 700, "SIGMOID" if "sigmoid" in query else "LINEAR")
    assert_grey(shown(server, store(server, dataset, name), query), expected)


# --- parts, mirrors, sizes ---

@pytest.fixture(scope="module")
def path(server):
    return store(server, ramp("geometry", without=("WindowCenter", "WindowWidth")), "geometry")


@pytest.mark.parametrize("mirrored", [1, -1])
@pytest.mark.parametrize("upside_down", [1, -1])
@pytest.mark.parametrize("left, top, width, height", [(0, 0, 64, 64), (10, 20, 30, 7), (63, 63, 1, 1), (50, 0, 14, 64)])
def test_a_part_is_cut_out_and_mirrored(server, path, left, top, width, height, mirrored, upside_down):
    whole = shown(server, path)
    cut = whole[top:top + height, left:left + width][::upside_down, ::mirrored]
    query = f"viewport={width},{height},{left},{top},{mirrored * width},{upside_down * height}"
    assert np.array_equal(shown(server, path, query), cut)


@pytest.mark.parametrize("query, part", [
    ("64,64,,,32,", np.s_[:, :32]), ("64,64,,40", np.s_[40:, :]), ("64,64,40", np.s_[:, 40:]), ("20,64,44,,,-64", np.s_[::-1, 44:]),
    ("30,30,40,40,9999,9999", np.s_[40:, 40:])])
def test_what_is_left_out_of_a_region_is_the_rest_of_the_frame(server, path, query, part):
    whole, got = shown(server, path)[part], shown(server, path, f"viewport={query}")
    scale = min(int(query.split(",")[0]) / whole.shape[1], int(query.split(",")[1]) / whole.shape[0])
    assert got.shape == (round(whole.shape[0] * scale), round(whole.shape[1] * scale))
    if scale == 1:
        assert np.array_equal(got, whole)
    assert abs(got.mean() - whole.mean()) < 1.5


def test_a_region_beside_the_frame_is_refused(server, path):
    for query in ("30,30,64,0,5,5", "30,30,0,64,5,5", "30,30,1e9,0"):
        answer = get(server, f"{path}/rendered?viewport={query}")
        assert answer.status_code == 400 and "viewport" in answer.json()["detail"]


def test_smaller_is_the_average_of_what_each_pixel_covers(server, path):
    whole = shown(server, path)
    for factor in (2, 4, 8):
        blocks = whole.reshape(SIZE // factor, factor, SIZE // factor, factor).mean(axis=(1, 3))
        assert_grey(shown(server, path, f"viewport={SIZE // factor},{SIZE // factor}"), blocks)


def test_larger_is_interpolated_and_keeps_the_proportions(server, path):
    whole = shown(server, path)
    got = shown(server, path, "viewport=128,300")
    assert got.shape == (128, 128)
    assert abs(got.mean() - whole.mean()) < 1
    image = Image.fromarray(whole.astype(np.uint8)).resize((128, 128), Image.BILINEAR)
    assert np.abs(got - np.asarray(image, int)).max() <= 2
    assert shown(server, path, "viewport=6,64").shape == (6, 6)
    assert shown(server, path, "viewport=256,128,0,0,64,16").shape == (64, 256)


# --- formats ---

def test_a_jpeg_is_the_same_picture_and_better_with_quality(server, path):
    exact, sizes, errors = shown(server, path), [], []
    for quality in (5, 50, 90, 100):
        raw = get(server, f"{path}/rendered?quality={quality}", "image/jpeg").content
        image = Image.open(io.BytesIO(raw))
        assert (image.format, image.mode) == ("JPEG", "L")
        sizes.append(len(raw))
        errors.append(np.abs(np.asarray(image, int) - exact).mean())
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)
    assert errors[-1] < 1 and sizes[0] < sizes[-1] / 2
    assert get(server, f"{path}/rendered?quality=90").content == get(server, f"{path}/rendered").content


def test_annotation_and_colour_profile_are_said_not_to_be_done(server, path):
    for name in ("annotation", "iccprofile"):
        answer = get(server, f"{path}/rendered?{name}=patient", "image/png")
        assert answer.status_code == 200 and "Warning" in answer.headers
        assert answer.content == get(server, f"{path}/rendered", "image/png").content
    assert "Warning" not in get(server, f"{path}/rendered", "image/png").headers


# --- frames and colour ---

def multiframe(name, **attributes):
    frames = np.stack([np.roll(RAMP, 500 * number) for number in range(4)])
    return ramp(name, pixels=frames, NumberOfFrames=4, WindowCenter=300, WindowWidth=700, **attributes), frames


def test_each_frame_is_itself(server):
    dataset, frames = multiframe("frames")
    path = store(server, dataset, "frames")
    for number, frame in enumerate(frames, 1):
        assert_grey(shown(server, f"{path}/frames/{number}"), windowed(dataset, frame, 300, 700))
        assert_grey(shown(server, f"{path}/frames/{number}", "window=0,100&viewport=8,8,4,4,-8,8"),
                    windowed(dataset, frame, 0, 100)[4:12, 4:12][:, ::-1])
    parts = parts_of(get(server, f"{path}/frames/3,2/rendered?window=0,100", 'multipart/related; type="image/png"'))
    for part, frame in zip(parts, (frames[2], frames[1])):
        assert_grey(np.asarray(Image.open(io.BytesIO(part.body)), int), windowed(dataset, frame, 0, 100))
    assert get(server, f"{path}/frames/5/rendered").status_code == 404


def test_frames_have_windows_of_their_own_in_functional_groups(server):
    def groups(center):
        voi, item = Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 300
        item.FrameVOILUTSequence = Sequence([voi])
        return item
    dataset, frames = multiframe("groups", PerFrameFunctionalGroupsSequence=Sequence([groups(100 * n) for n in range(4)]))
    path = store(server, dataset, "groups")
    for number, frame in enumerate(frames):
        assert_grey(shown(server, f"{path}/frames/{number + 1}"), windowed(dataset, frame, 100 * number, 300))


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("query", ["", "viewport=20,10,5,6,-20,10", "window=10,10"])
def test_colour_is_as_it_is_and_knows_no_window(server, planar, query):
    colours = np.random.default_rng(5).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    pixels = colours if planar == 0 else colours.transpose(2, 0, 1)
    dataset = ramp(f"rgb{planar}", pixels=np.ascontiguousarray(pixels), without=("WindowCenter", "WindowWidth", "RescaleType",
                   "RescaleSlope", "RescaleIntercept"), SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=planar,
                   BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0)
    path = store(server, dataset, f"rgb{planar}")
    expected = colours[6:16, 5:25][:, ::-1] if "viewport" in query else colours
    assert np.array_equal(shown(server, path, query), expected)
    jpeg = Image.open(io.BytesIO(get(server, f"{path}/rendered?quality=100", "image/jpeg").content))
    assert jpeg.mode == "RGB" and jpeg.size == (SIZE, SIZE)


@pytest.mark.parametrize("name", ["SC_rgb_small_odd.dcm", "SC_rgb_rle_16bit.dcm", "SC_rgb_rle_32bit.dcm", "SC_ybr_full_422_uncompressed.dcm",
                                  "SC_rgb_dcmtk_+eb+cy+np.dcm"])
def test_colour_of_other_files_is_what_pydicom_reads(server, name):
    raw = pathlib.Path(get_testdata_file(name, download=False)).read_bytes()
    dataset = read(raw)
    expected = dataset.pixel_array.astype(float)
    if dataset.PhotometricInterpretation.startswith("YBR"):
        expected = util.convert_color_space(dataset.pixel_array, dataset.PhotometricInterpretation, "RGB").astype(float)
    expected = expected / (2 ** dataset.BitsStored - 1) * 255
    assert np.abs(shown(server, put(server, f"colour/{name}", under_own_uid(dataset, name))) - expected).max() <= 1.5


def under_own_uid(dataset, name):
    """Some of these files share their UIDs."""
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = slices.uid("own", name)
    return written(dataset)


def test_a_palette_is_looked_up(server, shared):
    raw = (shared / "data/misc/examples_palette.dcm").read_bytes()
    dataset = read(raw)
    expected = util.apply_color_lut(dataset.pixel_array, dataset) / 257.0
    assert np.abs(shown(server, put(server, "colour/palette.dcm", raw)) - expected).max() <= 1.5


def test_single_bits_are_black_and_white(server, shared):
    raw = (shared / "data/highdicom/seg_image_ct_binary.dcm").read_bytes()
    dataset = read(raw)
    path = put(server, "seg/1.dcm", raw)
    for number in (1, int(dataset.NumberOfFrames)):
        assert np.array_equal(shown(server, f"{path}/frames/{number}"), dataset.pixel_array[number - 1].astype(int) * 255)
