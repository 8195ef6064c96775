# SPDX-License-Identifier: Apache-2.0
"""WADO-RS and WADO-URI (PS3.18 sections 9 and 10.4): every resource, as viewers ask for it."""
import http.client
import io
import os
import pathlib

import numpy as np
import pydicom
import pytest
import slices
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.pixel_data_handlers.rle_handler import rle_encode_frame
from server import SANITIZERS, Server
from wado import AS_STORED, EXPLICIT, VIEWER_FRAMES, get, parts_of, path_of, put


def sample(name):
    """A file of python3-pydicom, as bytes."""
    return pathlib.Path(get_testdata_file(name, download=False)).read_bytes()


def read(raw):
    return pydicom.dcmread(io.BytesIO(raw), force=True)


def picture(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


@pytest.fixture
def ct(server):
    """A series of three slices; the paths of the instances and their bytes."""
    raws = [slices.ct(f"w{i}", study="wado", series="wado", number=i) for i in (1, 2, 3)]
    return [(put(server, f"w/{i}.dcm", raw), raw) for i, raw in enumerate(raws)]


# --- whole objects ---

@pytest.mark.parametrize("accept", [AS_STORED, "*/*", None, 'multipart/related; type=application/dicom;transfer-syntax=*',
                                    'multipart/related; type="application/dicom"'])
def test_an_instance_comes_as_it_is_stored(server, ct, accept):
    path, raw = ct[0]
    answer = get(server, path, accept)
    parts = parts_of(answer)
    assert [part.body for part in parts] == [raw]
    assert parts[0].syntax == EXPLICIT
    assert parts[0].headers["content-location"] == server.url + path
    assert server_head(server, path, accept).headers["Content-Length"] == str(len(answer.content))
    assert {"Accept", "Origin"} <= set(answer.headers["Vary"].replace(" ", "").split(","))


def test_an_instance_comes_alone_with_range_and_etag(server, ct):
    path, raw = ct[0]
    accept = "application/dicom; transfer-syntax=*"
    whole = get(server, path, accept)
    assert whole.status_code == 200 and whole.content == raw and whole.headers["Content-Type"].startswith("application/dicom")
    part = get(server, path, accept, Range="bytes=100-199")
    assert part.status_code == 206 and part.content == raw[100:200]
    assert get(server, path, accept, Range=f"bytes={len(raw)}-").status_code == 416
    assert get(server, path, accept, **{"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert get(server, path, accept, **{"If-None-Match": '"other"'}).status_code == 200
    head = server_head(server, path, accept)
    assert head.status_code == 200 and int(head.headers["Content-Length"]) == len(raw) and head.content == b""


def server_head(server, path, accept=None):
    import requests
    return requests.head(server.url + path, headers={"Accept": accept}, timeout=30)


@pytest.mark.parametrize("cut", ["meta", "preamble"])
def test_a_file_that_is_stored_without_meta_header_comes_with_one(server, cut):
    """application/dicom is a file of PS3.10; the object stays as it is, and so do its digest and the data set."""
    whole = slices.ct("bare", study="bare", series="bare", size=16)
    start = 144 + int.from_bytes(whole[140:144], "little")  # (0002,0000) says where group 2 ends
    raw = whole[start:] if cut == "meta" else whole[128:]
    path = path_of(read(whole))
    assert [server.put_file(key, raw).status_code for key in ("bare/1.dcm", "elsewhere/1.dcm")] == [201, 200]
    made, = parts_of(get(server, path, AS_STORED))
    single = get(server, path, "application/dicom; transfer-syntax=*")
    wado = server.get("/wado", params={"requestType": "WADO", "studyUID": slices.uid("bare"), "contentType": "application/dicom",
                                       "seriesUID": slices.uid("bare", "bare"), "objectUID": slices.uid("bare", "bare", "bare")})
    for body in (made.body, single.content, wado.content):
        assert body[128:132] == b"DICM" and body.endswith(whole[start:]) and read(body).file_meta.TransferSyntaxUID == EXPLICIT
        assert len(body) == 144 + int.from_bytes(body[140:144], "little") + len(whole) - start
    assert made.syntax == EXPLICIT
    assert get(server, path, "application/dicom", Range="bytes=128-131").content == b"DICM"
    assert get(server, path, "application/dicom", **{"If-None-Match": get(server, path, "application/dicom").headers["ETag"]}).status_code == 304
    entry, = server.get("/pacs/studies/bare/images").json()
    assert server.get(entry["url"].removeprefix(server.url)).content == raw


def test_a_series_and_a_study_come_whole(server, ct):
    study = ct[0][0].split("/series/")[0]
    series = ct[0][0].split("/instances/")[0]
    for path in (study, series):
        answer = get(server, path, AS_STORED)
        assert sorted(part.body for part in parts_of(answer)) == sorted(raw for _, raw in ct)
        assert get(server, path, AS_STORED, **{"If-None-Match": answer.headers["ETag"]}).status_code == 304
        head = server_head(server, path, AS_STORED)
        assert int(head.headers["Content-Length"]) == len(answer.content) and head.content == b""
        assert get(server, path, "application/dicom").status_code == 406
    put(server, "w/4.dcm", slices.ct("w4", study="wado", series="wado", number=4))
    later = get(server, study, AS_STORED, **{"If-None-Match": answer.headers["ETag"]})
    assert len(parts_of(later)) == 4


def test_a_study_comes_in_chunks_and_to_a_client_without_them_with_its_length(server):
    raws = [slices.ct(f"big{i}", study="big", series="big", number=i) for i in range(12)]  # 6 MB
    paths = [put(server, f"big/{i}.dcm", raw) for i, raw in enumerate(raws)]
    answer = get(server, paths[0].split("/series/")[0], AS_STORED)
    assert [part.body for part in parts_of(answer)] == raws
    assert answer.headers["Transfer-Encoding"] == "chunked" and "Content-Length" not in answer.headers
    old = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    old._http_vsn, old._http_vsn_str = 10, "HTTP/1.0"
    old.request("GET", paths[0].split("/series/")[0], headers={"Accept": AS_STORED})
    same = old.getresponse()
    assert same.getheader("Transfer-Encoding") is None and int(same.getheader("Content-Length")) == len(answer.content)
    assert same.read() == answer.content
    old.close()


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "MR_small_RLE.dcm",
                                  "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"])
def test_without_a_syntax_an_instance_is_made_explicit_little_endian(server, name):
    raw = sample(name)
    path = put(server, f"n/{name}", raw)
    part, = parts_of(get(server, path, 'multipart/related; type="application/dicom"'))
    assert part.syntax == EXPLICIT and part.dataset().file_meta.TransferSyntaxUID == EXPLICIT
    assert part.dataset().SOPInstanceUID == read(raw).SOPInstanceUID
    stored, = parts_of(get(server, path, AS_STORED))
    assert stored.body == raw and stored.syntax == read(raw).file_meta.TransferSyntaxUID
    if not name.startswith("MR_small_j"):  # what pydicom decodes by itself
        assert np.array_equal(part.dataset().pixel_array, read(raw).pixel_array)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
                                    "1.2.840.10008.1.2.5"])
def test_an_instance_is_transcoded_and_back(server, ct, syntax):
    path, raw = ct[0]
    part, = parts_of(get(server, path, f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'))
    there = part.dataset()
    assert part.syntax == syntax == there.file_meta.TransferSyntaxUID
    there.SOPInstanceUID = there.file_meta.MediaStorageSOPInstanceUID = slices.uid("there", syntax)
    out = io.BytesIO()
    there.save_as(out, write_like_original=False)
    back_path = put(server, f"w/{syntax}.dcm", out.getvalue())
    back, = parts_of(get(server, back_path, 'multipart/related; type="application/dicom"'))
    assert np.array_equal(back.dataset().pixel_array, read(raw).pixel_array)


@pytest.mark.parametrize("accept", ["application/dicom+json", "text/html", "image/jpeg",
                                    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50',
                                    'multipart/related; type="application/dicom"; q=0'])
def test_what_cannot_be_had_is_not_acceptable(server, ct, accept):
    answer = get(server, ct[0][0], accept)
    assert answer.status_code == 406 and "transfer-syntax=*" in answer.json()["detail"]


def test_accept_may_stand_in_the_query(server, ct):
    path, raw = ct[0]
    answer = server.get(path, params={"accept": "application/dicom; transfer-syntax=*"}, headers={"Accept": "text/html"})
    assert answer.status_code == 200 and answer.content == raw


def test_what_is_not_there_is_not_found(server, ct):
    path, other = ct[0][0], slices.uid("nothing")
    study, rest = path.split("/series/")
    for absent in (f"/dicom-web/studies/{other}", f"{study}/series/{other}", f"{study}/series/{rest.split('/')[0]}/instances/{other}",
                   f"/dicom-web/studies/{other}/series/{rest}"):
        for tail in ("", "/rendered", "/thumbnail"):
            assert get(server, absent + tail).status_code == 404, absent + tail
    for tail in ("/frames/2", "/frames/1,2", "/frames/2/rendered", "/frames/4294967295", "/bulkdata/00420011"):
        assert get(server, path + tail).status_code == 404, tail


# --- frames ---

def test_frames_of_a_native_image(server, ct):
    path, raw = ct[0]
    pixels = read(raw).PixelData
    for accept in (VIEWER_FRAMES, 'multipart/related; type="application/octet-stream"', "*/*", None):
        part, = parts_of(get(server, path + "/frames/1", accept))
        assert part.body == pixels and part.type == f"application/octet-stream; transfer-syntax={EXPLICIT}"
        assert part.headers["content-location"] == server.url + path + "/frames/1"
    alone = get(server, path + "/frames/1", "application/octet-stream")
    assert alone.content == pixels
    assert get(server, path + "/frames/1", "application/octet-stream", Range="bytes=10-19").content == pixels[10:20]
    for accept in (VIEWER_FRAMES, "application/octet-stream"):
        first = get(server, path + "/frames/1", accept)
        assert get(server, path + "/frames/1", accept, **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert [part.body for part in parts_of(get(server, path + "/frames", VIEWER_FRAMES))] == [pixels]


def test_frames_come_in_the_order_of_the_list(server):
    raw = sample("rtdose.dcm")
    dataset = read(raw)
    path = put(server, "r/dose.dcm", raw)
    size = len(dataset.PixelData) // int(dataset.NumberOfFrames)
    frames = [dataset.PixelData[i * size:(i + 1) * size] for i in range(int(dataset.NumberOfFrames))]
    answer = get(server, path + "/frames/3,1,1,15", VIEWER_FRAMES)
    assert [part.body for part in parts_of(answer)] == [frames[2], frames[0], frames[0], frames[14]]
    assert [part.body for part in parts_of(get(server, path + "/frames", VIEWER_FRAMES))] == frames
    assert get(server, path + "/frames/1,2", "application/octet-stream").status_code == 406
    assert get(server, path + f"/frames/{len(frames) + 1}", VIEWER_FRAMES).status_code == 404
    long = ",".join(["2"] * 2000)
    assert [part.body for part in parts_of(get(server, f"{path}/frames/{long}", VIEWER_FRAMES))] == [frames[1]] * 2000


@pytest.mark.parametrize("frames", ["0", "-1", "1,", ",1", "1,,1", "x", "1-2", "1.0", "+1", " 1", "99999999999999999999", "4294967296"])
def test_a_list_that_is_none_is_refused(server, ct, frames):
    answer = get(server, f"{ct[0][0]}/frames/{frames}")
    assert answer.status_code == 400 and "frames" in answer.json()["detail"]


@pytest.mark.parametrize("name, media_type", [("SC_rgb_rle_2frame.dcm", "image/dicom-rle"), ("MR_small_jp2klossless.dcm", "image/jp2"),
                                              ("MR_small_jpeg_ls_lossless.dcm", "image/jls"), ("JPGExtended.dcm", "image/jpeg")])
def test_compressed_frames_come_as_they_are_or_decoded(server, name, media_type):
    raw = sample(name)
    dataset = read(raw)
    path = put(server, f"c/{name}", raw)
    count = int(dataset.get("NumberOfFrames", 1))
    fragments = list(pydicom.encaps.generate_pixel_data_frame(dataset.PixelData, count))
    for number, fragment in enumerate(fragments, 1):
        for accept, inner in ((VIEWER_FRAMES, "application/octet-stream"), (f"multipart/related; type={media_type}", media_type),
                              (None, media_type)):
            part, = parts_of(get(server, f"{path}/frames/{number}", accept))
            assert part.type == f"{inner}; transfer-syntax={dataset.file_meta.TransferSyntaxUID}"
            assert part.body.rstrip(b"\0") == fragment.rstrip(b"\0")
        assert get(server, f"{path}/frames/{number}", media_type).content.rstrip(b"\0") == fragment.rstrip(b"\0")
    plain, = parts_of(get(server, f"{path}/frames/1", 'multipart/related; type="application/octet-stream"'))
    assert plain.syntax == EXPLICIT
    assert len(plain.body) == dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    if media_type == "image/dicom-rle":
        expected = dataset.pixel_array[0]
        assert np.array_equal(np.frombuffer(plain.body, np.uint8).reshape(expected.shape), expected)


def test_frames_are_encoded_on_request(server, ct):
    path, raw = ct[0]
    part, = parts_of(get(server, path + "/frames/1", 'multipart/related; type="image/jls"'))
    assert part.type == "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80" and part.body[:3] == b"\xff\xd8\xff"
    part, = parts_of(get(server, path + "/frames/1", 'multipart/related; type="image/jp2"'))
    assert part.body[:4] == b"\xff\x4f\xff\x51"
    assert get(server, path + "/frames/1", 'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50').status_code == 406


def test_frames_of_one_bit(server, shared):
    raw = (shared / "data/seg/dcmqi_partial_overlaps.dcm").read_bytes()
    dataset = read(raw)
    path = put(server, "s/seg.dcm", raw)
    count, bits = int(dataset.NumberOfFrames), dataset.Rows * dataset.Columns
    packed = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    parts = parts_of(get(server, path + "/frames", VIEWER_FRAMES))
    assert len(parts) == count
    for i, part in enumerate(parts):
        got = np.unpackbits(np.frombuffer(part.body, np.uint8), bitorder="little")[:bits]
        assert np.array_equal(got, packed[i * bits:(i + 1) * bits])


def test_what_would_be_larger_than_a_host_may_make_is_refused_or_comes_as_it_is(tmp_path):
    """60 empty frames of 2 MiB in run lengths; a host may write 64 MiB."""
    if any(name in os.environ for name in SANITIZERS):
        pytest.skip("under a sanitizer hosts have no limits")
    dataset = read(slices.ct("large", study="large", series="large", size=16))
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 1024, 1024, 60
    frame = rle_encode_frame(np.zeros((1024, 1024), np.int16))
    dataset.PixelData = pydicom.encaps.encapsulate([frame] * 60)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, write_like_original=False)
    with Server(tmp_path / "data", host_memory="64 MiB", job_hosts_max=1) as server:
        path = put(server, "l/1.dcm", out.getvalue())
        for accept in (f"application/dicom; transfer-syntax={EXPLICIT}", f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'):
            answer = get(server, path, accept)
            assert answer.status_code == 406 and "host_memory" in answer.json()["detail"]
        as_it_is, = parts_of(get(server, path, 'multipart/related; type="application/dicom"'))
        assert as_it_is.body == out.getvalue() and as_it_is.syntax == pydicom.uid.RLELossless
        frames = parts_of(get(server, path + "/frames", 'multipart/related; type="application/octet-stream"'))
        assert len(frames) == 60 and all(part.body == bytes(2 << 20) for part in frames)
        assert len(parts_of(get(server, path, 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80'))) == 1


# --- bulk data ---

def test_pixel_data_is_bulk_data(server, ct):
    path, raw = ct[0]
    pixels = read(raw).PixelData
    for accept in (None, "*/*", "application/octet-stream", "application/octet-stream; transfer-syntax=*"):
        answer = get(server, path + "/bulkdata/7FE00010", accept)
        assert answer.content == pixels and answer.headers["Content-Type"].startswith("application/octet-stream")
    assert get(server, path + "/bulkdata/7fe00010", None, Range="bytes=0-1").content == pixels[:2]
    assert [part.body for part in parts_of(get(server, path + "/bulkdata/7FE00010", VIEWER_FRAMES))] == [pixels]
    dose = sample("rtdose.dcm")
    assert get(server, put(server, "r/dose.dcm", dose) + "/bulkdata/7FE00010").content == read(dose).PixelData
    rle = sample("SC_rgb_rle_2frame.dcm")
    parts = parts_of(get(server, put(server, "c/rle.dcm", rle) + "/bulkdata/7FE00010", VIEWER_FRAMES))
    assert [part.body.rstrip(b"\0") for part in parts] == \
        [fragment.rstrip(b"\0") for fragment in pydicom.encaps.generate_pixel_data_frame(read(rle).PixelData, 2)]


def test_bytes_in_big_endian_words_change_places(server):
    """OW is swapped in words of 16 bits, whatever Bits Allocated (PS3.5 section 7.3); pydicom 2 leaves bytes where they are."""
    dataset = read(sample("SC_rgb_small_odd.dcm"))
    little = dataset.PixelData
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = slices.uid("big endian")
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    dataset.is_little_endian, dataset.is_implicit_VR = False, False
    dataset.PixelData = np.frombuffer(little, ">u2").astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    out = io.BytesIO()
    dataset.save_as(out)
    path = put(server, "big/1.dcm", out.getvalue())
    assert get(server, path + "/bulkdata/7FE00010").content == little
    frame, = parts_of(get(server, path + "/frames/1"))
    assert frame.body[:27] == little[:27]
    explicit, = parts_of(get(server, path, f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'))
    assert explicit.dataset().PixelData == little
    assert np.asarray(picture(get(server, path + "/rendered", "image/png"))).tobytes() == little[:27]


def test_pixel_data_that_are_more_than_the_frames_come_whole(server):
    raw = slices.ct("more", study="more", series="more", size=16)
    dataset = read(raw)
    dataset.PixelData += b"behind the last frame."
    out = io.BytesIO()
    dataset.save_as(out)
    path = put(server, "more/1.dcm", out.getvalue())
    assert get(server, path + "/bulkdata/7FE00010").content == dataset.PixelData
    assert [part.body for part in parts_of(get(server, path + "/bulkdata/7FE00010", VIEWER_FRAMES))] == [dataset.PixelData]
    assert [part.body for part in parts_of(get(server, path + "/frames/1"))] == [dataset.PixelData[:512]]


def test_every_bulk_data_uri_of_metadata_leads_somewhere(server, shared):
    found = 0
    for file in ("waveform_ecg.dcm", "mlut_18.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm", "examples_palette.dcm"):
        raw = (shared / "data/misc" / file).read_bytes()
        path = put(server, f"b/{file}", raw)
        metadata, = server.get(path + "/metadata", headers={"Accept": "application/dicom+json"}).json()
        for keys, element in walk(metadata):
            if "BulkDataURI" not in element or keys == ["7FE00010"]:
                continue
            found += 1
            uri = element["BulkDataURI"]
            uri = uri[len(server.url):] if uri.startswith("http") else uri
            value = read(raw)
            for key in keys:
                value = value[key] if isinstance(key, int) else value[int(key, 16)].value
            if isinstance(value, bytes):
                assert get(server, uri).content.rstrip(b"\0") == value.rstrip(b"\0"), uri
            else:
                assert get(server, uri).status_code == 200, uri
    assert found >= 2


def walk(dataset, above=()):
    for tag, element in dataset.items():
        keys = [*above, tag]
        yield keys, element
        if element.get("vr") == "SQ":
            for i, item in enumerate(element.get("Value", [])):
                yield from walk(item, [*keys, i])


@pytest.mark.parametrize("path", ["x", "7FE0001", "7FE000100", "7FE00010/1", "7FE00010/x/7FE00010", "..%2F..", "7FE00010/", "7FE00010//7FE00010",
                                  "/".join(["00400275/1"] * 100) + "/00400007"])
def test_a_path_of_bulk_data_that_is_none_is_refused(server, ct, path):
    assert get(server, f"{ct[0][0]}/bulkdata/{path}").status_code in (400, 404)


# --- pictures ---

def test_a_picture_is_jpeg_or_png(server, ct):
    path, raw = ct[0]
    for accept in (None, "*/*", "image/jpeg", "image/*", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"):
        shown = picture(get(server, path + "/rendered", accept))
        assert (shown.format, shown.size) == ("JPEG", (512, 512))
    shown = picture(get(server, path + "/rendered", "image/png"))
    low, high = 40 - 200, 40 + 200  # the window of the file
    expected = np.clip((read(raw).pixel_array.astype(float) - low) / (high - low) * 255, 0, 255)
    assert shown.format == "PNG" and np.abs(np.asarray(shown, float) - expected).max() <= 1.5
    wide = np.asarray(picture(get(server, path + "/rendered?window=0,4000,linear", "image/png")), float)
    assert 100 < wide[256, 256] < 150 and wide[0, 0] < 100
    assert picture(server.get(path + "/rendered", params={"accept": "image/png"})).format == "PNG"
    small, large = (len(get(server, f"{path}/rendered?quality={q}").content) for q in (10, 100))
    assert small < large / 2
    part, = parts_of(get(server, path + "/rendered", 'multipart/related; type="image/png"'))
    assert Image.open(io.BytesIO(part.body)).size == (512, 512)
    assert get(server, path + "/rendered", "text/html").status_code == 406
    warned = get(server, path + "/rendered?annotation=patient&iccprofile=yes")
    assert warned.status_code == 200 and warned.headers["Warning"].startswith("299 ")


def test_viewports_fit_cut_and_mirror(server, ct):
    path = ct[0][0]
    whole = np.asarray(picture(get(server, path + "/rendered", "image/png")), int)
    assert picture(get(server, path + "/rendered?viewport=100,200")).size == (100, 100)
    assert picture(get(server, path + "/rendered?viewport=1024,1024")).size == (1024, 1024)
    cut = np.asarray(picture(get(server, path + "/rendered?viewport=64,32,100,200,64,32", "image/png")), int)
    assert np.array_equal(cut, whole[200:232, 100:164])
    turned = np.asarray(picture(get(server, path + "/rendered?viewport=64,32,100,200,-64,-32", "image/png")), int)
    assert np.array_equal(turned, whole[200:232, 100:164][::-1, ::-1])


@pytest.mark.parametrize("query, name", [("window=1", "window"), ("window=1,0,linear", "window"), ("window=1,2,cubic", "window"),
                                         ("window=nan,2,linear", "window"), ("window=1,2,linear,3", "window"), ("window=1e999,2", "window"),
                                         ("viewport=1", "viewport"), ("viewport=0,5", "viewport"), ("viewport=9000,5", "viewport"),
                                         ("viewport=5,5,-1,0,2,2", "viewport"), ("viewport=5,5,0,0,0,2", "viewport"),
                                         ("viewport=1,2,3,4,5,6,7", "viewport"), ("quality=0", "quality"), ("quality=101", "quality"),
                                         ("quality=x", "quality")])
def test_a_bad_parameter_is_named(server, ct, query, name):
    answer = get(server, f"{ct[0][0]}/rendered?{query}")
    assert answer.status_code == 400 and name in answer.json()["detail"]


def test_pictures_have_etags_and_are_kept(server, ct):
    path = ct[0][0] + "/rendered?viewport=77,77"
    first = get(server, path)
    assert get(server, path).content == first.content
    assert get(server, path, None, **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert get(server, ct[0][0] + "/rendered?viewport=78,77").headers["ETag"] != first.headers["ETag"]
    head = server_head(server, path)
    assert head.status_code == 200 and head.headers["ETag"] == first.headers["ETag"] and head.content == b""


def test_series_and_studies_are_shown_part_by_part(server, ct):
    study = ct[0][0].split("/series/")[0]
    parts = parts_of(get(server, study + "/rendered?viewport=32,32"))
    assert [Image.open(io.BytesIO(part.body)).size for part in parts] == [(32, 32)] * 3
    assert {part.headers["content-location"] for part in parts} == \
        {server.url + path + "/frames/1/rendered" for path, _ in ct}
    assert get(server, study + "/rendered", "image/jpeg").status_code == 406


def test_frames_are_shown_one_by_one(server):
    path = put(server, "r/dose.dcm", sample("rtdose.dcm"))
    shown = {get(server, f"{path}/frames/{i}/rendered", "image/png").content for i in (1, 8, 15)}
    assert len(shown) == 3
    parts = parts_of(get(server, f"{path}/frames/8,1/rendered", 'multipart/related; type="image/png"'))
    assert [part.body in shown for part in parts] == [True, True]
    assert len(parts_of(get(server, f"{path}/rendered", 'multipart/related; type="image/jpeg"'))) == 15
    assert picture(get(server, f"{path}/rendered", "image/png")).size == (10, 10)
    assert picture(get(server, f"{path}/thumbnail")).size == (10, 10)  # never enlarged


@pytest.mark.parametrize("name", ["SC_rgb_rle.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm"])
def test_colour_is_shown_in_colour(server, name):
    raw = sample(name)
    shown = np.asarray(picture(get(server, put(server, f"c/{name}", raw) + "/rendered", "image/png")).convert("RGB"), int)
    assert np.abs(shown[5, 50] - (255, 0, 0)).max() < 20  # the first bar of the test image is red
    assert shown.shape == (100, 100, 3)


def test_palettes_are_shown_in_colour(server, shared):
    raw = (shared / "data/misc/examples_palette.dcm").read_bytes()
    shown = picture(get(server, put(server, "c/palette.dcm", raw) + "/rendered"))
    assert shown.mode == "RGB" and shown.size == (read(raw).Columns, read(raw).Rows)


def test_thumbnails_are_of_the_middle(server, ct):
    study = ct[0][0].split("/series/")[0]
    middle = get(server, ct[1][0] + "/thumbnail").content
    for path in (study, ct[0][0].split("/instances/")[0]):
        answer = get(server, path + "/thumbnail")
        assert answer.content == middle and picture(answer).size == (128, 128)
        assert get(server, path + "/thumbnail", None, **{"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert picture(get(server, study + "/thumbnail?viewport=50,20")).size == (20, 20)
    assert picture(get(server, ct[0][0] + "/thumbnail?viewport=2000,2000")).size == (512, 512)
    assert picture(get(server, ct[0][0] + "/frames/1/thumbnail")).size == (128, 128)


def test_what_has_no_pixels_is_not_shown(server):
    path = put(server, "t/plan.dcm", sample("rtplan.dcm"))
    for tail in ("/rendered", "/thumbnail", "/frames/1", "/frames", "/frames/1/rendered"):
        assert get(server, path + tail).status_code == 404, tail
    part, = parts_of(get(server, path, AS_STORED))
    assert part.body == sample("rtplan.dcm")


def test_every_syntax_is_decoded(server, shared):
    """All forms of one image, with frames decoded: equal to the first one where nothing was lost, else close to it."""
    folder = shared / "data/transfer_syntax"
    original = read((folder / "CTImage.dcm").read_bytes())
    values = original.pixel_array * float(original.RescaleSlope) + float(original.RescaleIntercept)
    seen = 0
    for file in sorted(folder.glob("CTImage.dcm_*")):
        dataset = read(file.read_bytes())
        lossy = dataset.SOPInstanceUID != original.SOPInstanceUID
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = slices.uid("syntax", file.name)
        out = io.BytesIO()
        dataset.save_as(out, write_like_original=False)
        path = put(server, f"ts/{file.name}", out.getvalue())
        part, = parts_of(get(server, path + "/frames/1", 'multipart/related; type="application/octet-stream"'))
        kind = np.int16 if dataset.PixelRepresentation else np.uint16
        got = np.frombuffer(part.body, kind if dataset.BitsAllocated == 16 else np.uint8).reshape(values.shape)
        got = got * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        if not lossy:
            assert np.array_equal(got, values), file.name
        elif dataset.BitsStored == 16:
            assert np.abs(got - values)[values > -1000].mean() < 30, file.name
        seen += 1
    assert seen >= 12


# --- derived objects ---

def test_a_derived_object_is_retrieved_in_the_study_of_its_source(server, ct):
    path, raw = ct[0]
    dataset = read(raw)
    accepted = server.submit("processing_1", "c", dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    assert accepted.status_code == 202, accepted.text
    assert server.wait_job(accepted.json()["job_id"])["state"] == "succeeded"
    derived = [part for part in parts_of(get(server, path.split("/series/")[0], AS_STORED))
               if part.body not in [raw for _, raw in ct]]
    assert derived
    for part in derived:
        there = path_of(part.dataset())
        assert part.headers["content-location"] == server.url + there
        assert there.startswith(path.split("/series/")[0])
        assert parts_of(get(server, there, AS_STORED))[0].body == part.body
        if "PixelData" in part.dataset():
            assert picture(get(server, there + "/rendered")).size == (512, 512)


# --- WADO-URI ---

def uri(path, **params):
    _, _, _, study, _, series, _, instance = path.split("/")
    pairs = {"requestType": "WADO", "studyUID": study, "seriesUID": series, "objectUID": instance, **params}
    return "&".join(f"{name}={value}" for name, value in pairs.items() if value is not None)


@pytest.mark.parametrize("door", ["/wado", "/dicom-web/wado", "/dicom-web", "/dicom-web/"])
def test_wado_uri_gives_objects_and_pictures(server, ct, door):
    path, raw = ct[0]
    assert picture(server.get(f"{door}?{uri(path)}")).format == "JPEG"
    assert server.get(f"{door}?{uri(path, contentType='application/dicom')}").content == raw
    shown = picture(server.get(f"{door}?{uri(path, contentType='image/png', rows=64, columns=64, windowCenter=40, windowWidth=400)}"))
    assert (shown.format, shown.size) == ("PNG", (64, 64))


def test_wado_uri_parameters(server, ct):
    path, raw = ct[0]
    whole = np.asarray(picture(server.get(f"/wado?{uri(path, contentType='image/png')}")))
    part = np.asarray(picture(server.get(f"/wado?{uri(path, contentType='image/png', region='0.5,0.25,0.75,0.5')}")))
    assert np.array_equal(part, whole[128:256, 256:384])
    jp2 = server.get(f"/wado?{uri(path, contentType='application/dicom', transferSyntax='1.2.840.10008.1.2.4.90')}")
    assert read(jp2.content).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.90"
    assert server.get(f"/wado?{uri(path, contentType='application/dicom', transferSyntax='*')}").content == raw
    dose = put(server, "r/dose.dcm", sample("rtdose.dcm"))
    assert server.get(f"/wado?{uri(dose)}").headers["Content-Type"].startswith("application/dicom")
    assert picture(server.get(f"/wado?{uri(dose, frameNumber=3)}")).size == (10, 10)
    assert server.get(f"/wado?{uri(dose, frameNumber=16)}").status_code == 404
    assert server.get(f"/wado?{uri(path, contentType='text/html')}").status_code == 406
    assert server.get(f"/wado?{uri(path, contentType='text/html,image/png;q=0.5,image/jpeg;q=0.2')}").headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("params, name", [({"requestType": None}, "requestType"), ({"requestType": "FOO"}, "requestType"),
                                          ({"studyUID": None}, "studyUID"), ({"seriesUID": None}, "seriesUID"),
                                          ({"objectUID": None}, "objectUID"), ({"objectUID": "../x"}, "UID"),
                                          ({"rows": "0"}, "rows"), ({"columns": "x"}, "columns"), ({"imageQuality": "101"}, "imageQuality"),
                                          ({"windowCenter": "1"}, "windowWidth"), ({"region": "0,0,1"}, "region"),
                                          ({"region": "0.5,0,0.5,1"}, "region"), ({"frameNumber": "0"}, "frameNumber"),
                                          ({"anonymize": "yes"}, "anonymize"), ({"presentationUID": "1.2"}, "presentationUID"),
                                          ({"contentType": "application/dicom", "frameNumber": "1"}, "frameNumber"),
                                          ({"contentType": "application/dicom", "transferSyntax": "x"}, "transferSyntax")])
def test_wado_uri_names_what_is_wrong(server, ct, params, name):
    answer = server.get(f"/wado?{uri(ct[0][0], **params)}")
    assert answer.status_code == 400 and name in answer.json()["detail"]


def test_the_root_shows_the_way(server):
    assert server.get("/dicom-web").json()["studies"] == server.url + "/dicom-web/studies"
