# SPDX-License-Identifier: Apache-2.0
"""npm's dicomweb-client, the library under many viewers, against our server."""
import base64
import io
import json
import pathlib
import subprocess

import numpy
import pydicom
import pytest
from pydicom.pixel_data_handlers.util import convert_color_space

import dicomweb
import slices
from dicomweb import value

HERE = pathlib.Path(__file__).resolve().parent
PYDICOM = pathlib.Path(pydicom.__file__).parent / "data" / "test_files"
EXPLICIT, JPEG_2000 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"
STUDY, SERIES = slices.uid("ct"), slices.uid("ct", "ct")


class WebClient:
    """The library in a process of its own."""

    def __init__(self, base):
        assert (HERE / "node_modules/dicomweb-client").is_dir(), "run `npm ci` in tests/interop (tools/run-tests interop does)"
        self.process = subprocess.Popen(["node", str(HERE / "web-client.mjs"), base], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, call, datasets=None, **options):
        self.process.stdin.write(json.dumps({"call": call, "options": options, "datasets": datasets}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __call__(self, call, datasets=None, **options):
        answer = self.ask(call, datasets, **options)
        assert "error" not in answer, answer
        return _bytes(answer.get("result"))

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def _bytes(result):
    if isinstance(result, list):
        return [_bytes(one) for one in result]
    if isinstance(result, dict) and set(result) == {"base64"}:
        return base64.b64decode(result["base64"])
    return result


@pytest.fixture(scope="module")
def client(corsia):
    running = WebClient(corsia.base)
    yield running
    running.close()


@pytest.fixture(scope="module")
def files(ct_series):
    """{name: bytes} of what the client stores."""
    found = {f"slice {number}": data for number, data in enumerate(ct_series, 1)}
    for name in ("emri_small.dcm", "SC_rgb_rle_2frame.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_small_odd.dcm"):
        path = PYDICOM / name
        if path.exists():
            found[name] = path.read_bytes()
    return found


@pytest.fixture(scope="module", autouse=True)
def stored(client, files, tmp_path_factory):
    """The client has stored them, all in one upload; the answer."""
    folder = tmp_path_factory.mktemp("to-store")
    paths = []
    for number, data in enumerate(files.values()):
        paths.append(str(folder / f"{number}.dcm"))
        pathlib.Path(paths[-1]).write_bytes(data)
    return client("storeInstances", datasets=paths)


def uids(dataset):
    return {"studyInstanceUID": dataset.StudyInstanceUID, "seriesInstanceUID": dataset.SeriesInstanceUID,
            "sopInstanceUID": dataset.SOPInstanceUID}


def read(data):
    return pydicom.dcmread(io.BytesIO(data))


def test_storing_is_answered_with_every_instance(stored, files):
    response = json.loads(stored) if isinstance(stored, str) else stored
    names = {value(item, dicomweb.SOP_INSTANCE) for item in response[dicomweb.REFERENCED]["Value"]}

    assert names == {read(data).SOPInstanceUID for data in files.values()}
    assert not response.get(dicomweb.FAILED, {}).get("Value")
    for item in response[dicomweb.REFERENCED]["Value"]:
        assert value(item, dicomweb.SOP_INSTANCE) in value(item, dicomweb.RETRIEVE_URL)


def test_storing_once_more_changes_nothing(client, files, tmp_path):
    (tmp_path / "again.dcm").write_bytes(files["slice 1"])
    client("storeInstances", datasets=[str(tmp_path / "again.dcm")], studyInstanceUID=STUDY)

    assert len(client("searchForInstances", studyInstanceUID=STUDY)) == 5


@pytest.mark.parametrize("query, matches", [
    ({"PatientID": "P1"}, 1), ({"PatientID": "P"}, 0), ({"PatientName": "bianchi*"}, 1), ({"PatientName": "*NNA"}, 1),
    ({"00100010": "BIANCHI^ANNA"}, 1), ({"StudyDate": "20260101-20260103"}, 1), ({"StudyDate": "20260103-"}, 0),
    ({"StudyInstanceUID": STUDY}, 1), ({"ModalitiesInStudy": "CT", "AccessionNumber": "A1"}, 1),
    ({"StudyInstanceUID": STUDY, "limit": 1, "offset": 1}, 0), ({"StudyInstanceUID": STUDY, "fuzzymatching": "true"}, 1),
    ({"StudyInstanceUID": STUDY, "includefield": "all"}, 1),
])
def test_studies_are_found(client, query, matches):
    found = client("searchForStudies", queryParams=query)

    assert len(found) == matches
    for study in found:
        assert value(study, "0020000D") == STUDY and value(study, "00100020") == "P1"
        assert value(study, "00100010")["Alphabetic"] == "Bianchi^Anna"
        assert value(study, "00201208") == 5 and value(study, "00201206") == 1 and study["00080061"]["Value"] == ["CT"]


def test_every_study_is_found_without_a_filter(client, files):
    found = {value(study, "0020000D") for study in client("searchForStudies")}

    assert found == {read(data).StudyInstanceUID for data in files.values()}


def test_series_are_found(client, files):
    of_study = client("searchForSeries", studyInstanceUID=STUDY, queryParams={"Modality": "CT"})
    everywhere = client("searchForSeries")

    assert [value(series, "0020000E") for series in of_study] == [SERIES]
    assert value(of_study[0], "00201209") == 5 and value(of_study[0], "0008103E") == "Test slices"
    assert client("searchForSeries", studyInstanceUID=STUDY, queryParams={"Modality": "MR"}) == []
    assert {value(series, "0020000E") for series in everywhere} == {read(data).SeriesInstanceUID for data in files.values()}


def test_instances_are_found(client, files):
    of_series = client("searchForInstances", studyInstanceUID=STUDY, seriesInstanceUID=SERIES)
    third = client("searchForInstances", studyInstanceUID=STUDY, seriesInstanceUID=SERIES, queryParams={"InstanceNumber": 3})
    pages = [client("searchForInstances", studyInstanceUID=STUDY, queryParams={"limit": 2, "offset": offset})
             for offset in (0, 2, 4, 6)]

    assert {value(one, "00080018") for one in of_series} == {slices.uid("ct", "ct", f"slice {n}") for n in range(1, 6)}
    assert [value(one, "00080018") for one in third] == [slices.uid("ct", "ct", "slice 3")]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert len({value(one, "00080018") for page in pages for one in page}) == 5
    assert len(client("searchForInstances")) == len(files)


def test_metadata_are_those_of_the_files(client, ct_series):
    study = client("retrieveStudyMetadata", studyInstanceUID=STUDY)
    series = client("retrieveSeriesMetadata", studyInstanceUID=STUDY, seriesInstanceUID=SERIES)
    one = client("retrieveInstanceMetadata", **uids(read(ct_series[0])))
    by_uid = {value(item, "00080018"): item for item in series}

    assert len(study) == len(series) == 5
    for data in ct_series:
        dataset = read(data)
        item = by_uid[dataset.SOPInstanceUID]
        assert item["00200032"]["Value"] == list(dataset.ImagePositionPatient)
        assert value(item, "00280010") == 128 and "InlineBinary" not in item.get("7FE00010", {})
    # retrieveInstanceMetadata() may give the list or its only member.
    assert value(one[0] if isinstance(one, list) else one, "00080018") == read(ct_series[0]).SOPInstanceUID


def test_instances_come_back_byte_for_byte(client, files):
    for name in ("slice 1", "slice 5"):
        data = client("retrieveInstance", **uids(read(files[name])))
        assert dicomweb.after_group_2(data) == dicomweb.after_group_2(files[name])


@pytest.mark.parametrize("call, more", [("retrieveSeries", {"seriesInstanceUID": SERIES}), ("retrieveStudy", {})])
def test_a_series_and_a_study_come_back(client, ct_series, call, more):
    came = client(call, studyInstanceUID=STUDY, **more)

    assert {dicomweb.after_group_2(data) for data in came} == {dicomweb.after_group_2(data) for data in ct_series}
    assert len(came) == 5


def test_compressed_instances_come_back_uncompressed_unless_asked_for(client, files):
    """It asks for no transfer syntax, which means explicit VR little endian (PS3.18 section 8.7.3.5.2)."""
    plain = read(client("retrieveInstance", **uids(read(files["MR_small_jp2klossless.dcm"]))))

    assert plain.file_meta.TransferSyntaxUID == EXPLICIT
    assert numpy.array_equal(plain.pixel_array, read((PYDICOM / "MR_small.dcm").read_bytes()).pixel_array)


def test_frames_are_the_pixels(client, files):
    frames = client("retrieveInstanceFrames", **uids(read(files["slice 2"])), frameNumbers=[1])

    assert len(frames) == 1 and frames[0] == read(files["slice 2"]).PixelData


def test_several_frames_of_a_compressed_instance_are_decoded(client, files):
    dataset = read(files["SC_rgb_rle_2frame.dcm"])
    frames = client("retrieveInstanceFrames", **uids(dataset), frameNumbers=[1, 2])
    colours = dataset.pixel_array

    assert len(frames) == 2
    for frame, expected in zip(frames, colours):
        assert numpy.array_equal(numpy.frombuffer(frame, "u1").reshape(expected.shape), expected)


def test_a_frame_comes_as_it_is_stored_when_the_client_takes_it_so(client, files):
    dataset = read(files["MR_small_jp2klossless.dcm"])
    stored_so = pydicom.encaps.generate_pixel_data_frame(dataset.PixelData, 1)
    frames = client("retrieveInstanceFrames", **uids(dataset), frameNumbers=[1],
                    mediaTypes=[{"mediaType": "image/jp2", "transferSyntaxUID": JPEG_2000}])

    assert frames[0].rstrip(b"\0") == next(stored_so).rstrip(b"\0")


def test_a_frame_that_is_not_there_is_refused(client, files):
    answer = client.ask("retrieveInstanceFrames", **uids(read(files["slice 1"])), frameNumbers=[2])

    assert answer["status"] in (400, 404)


def image(data):
    """Kind, columns and rows of a PNG or JPEG, from its header."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png", int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert data.startswith(b"\xff\xd8\xff"), data[:16]
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(data[at + 2:at + 4], "big")
    return "jpeg", int.from_bytes(data[at + 7:at + 9], "big"), int.from_bytes(data[at + 5:at + 7], "big")


@pytest.mark.parametrize("media_type, kind", [("image/jpeg", "jpeg"), ("image/png", "png")])
def test_rendered_images_are_made(client, files, media_type, kind):
    media = [{"mediaType": media_type}]
    whole = client("retrieveInstanceRendered", **uids(read(files["slice 1"])), mediaTypes=media)
    windowed = client("retrieveInstanceRendered", **uids(read(files["slice 1"])), mediaTypes=media,
                      queryParams={"window": "40,80,linear"})
    small = client("retrieveInstanceRendered", **uids(read(files["slice 1"])), mediaTypes=media,
                   queryParams={"viewport": "64,64"})
    colour = client("retrieveInstanceFramesRendered", **uids(read(files["SC_rgb_rle_2frame.dcm"])), frameNumbers=[2],
                    mediaTypes=media)

    assert image(_one(whole)) == (kind, 128, 128) and image(_one(small)) == (kind, 64, 64)
    assert image(_one(colour))[0] == kind
    assert _one(windowed) != _one(whole)


def _one(result):
    return result[0] if isinstance(result, list) else result


def test_thumbnails_are_made(client, files):
    one = _one(client("retrieveInstanceThumbnail", **uids(read(files["slice 1"])), mediaTypes=[{"mediaType": "image/jpeg"}]))
    frame = _one(client("retrieveInstanceFramesThumbnail", **uids(read(files["SC_rgb_rle_2frame.dcm"])), frameNumbers=[1],
                        mediaTypes=[{"mediaType": "image/png"}]))

    assert image(one)[0] == "jpeg" and max(image(one)[1:]) <= 256
    assert image(frame)[0] == "png"


def test_bulk_data_are_what_their_uri_names(client, files):
    metadata = client("retrieveInstanceMetadata", **uids(read(files["slice 4"])))
    item = metadata[0] if isinstance(metadata, list) else metadata
    pixels = client("retrieveBulkData", BulkDataURI=item["7FE00010"]["BulkDataURI"])

    assert _one(pixels) == read(files["slice 4"]).PixelData


def test_colours_survive(client, files):
    dataset = read(files["SC_rgb_small_odd.dcm"])
    frame = client("retrieveInstanceFrames", **uids(dataset), frameNumbers=[1])[0]
    array = numpy.frombuffer(frame[:dataset.Rows * dataset.Columns * 3], "u1").reshape(dataset.Rows, dataset.Columns, 3)
    expected = dataset.pixel_array
    if dataset.PhotometricInterpretation == "YBR_FULL":
        array, expected = (convert_color_space(one, "YBR_FULL", "RGB") for one in (array, expected))

    assert numpy.array_equal(array, expected)
