# SPDX-License-Identifier: Apache-2.0
"""Bad input, for every algorithm through a real server: a clear result or a clear error, never anything else."""
import io

import numpy
import pydicom
import pytest
from server import ALGORITHMS, Server

import slices

SLICEWISE = ["processing_1", "processing_6", "denoise"]
VOLUMES = ["liver", "lungs", "body", "bone", "projection"]
TURNED = [0.8, 0.6, 0, -0.6, 0.8, 0]


def changed(body, pixels=None, **attributes):
    """An instance with other pixels and attributes."""
    dataset, out = pydicom.dcmread(io.BytesIO(body)), io.BytesIO()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    if pixels is not None:
        dataset.Rows, dataset.Columns = pixels.shape[:2]
        dataset.PixelData = pixels.tobytes()
    dataset.save_as(out)
    return out.getvalue()


def one(study, number, size=64, **attributes):
    return slices.ct(f"{number}", study=study, number=number, size=size, **attributes)


def colour(body):
    return changed(body, numpy.zeros((64, 64, 3), numpy.uint8), SamplesPerPixel=3, PhotometricInterpretation="RGB",
                   PlanarConfiguration=0, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0)


def floats(body, bad):
    """A float image (Parametric Map elements in a CT slice) of which one value may be bad."""
    dataset, out = pydicom.dcmread(io.BytesIO(body)), io.BytesIO()
    values = numpy.full((64, 64), 50, numpy.float32)
    values[20, 30] = bad
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, keyword)
    dataset.BitsAllocated, dataset.FloatPixelData = 32, values.tobytes()
    dataset.save_as(out)
    return out.getvalue()


def series(study, count=5, odd=None, **everywhere):
    """Slices of which the third may be an odd one."""
    return [one(study, number, **(odd if odd and number == 3 else {}), **everywhere) for number in range(1, count + 1)]


def mixed(study, change):
    """Slices of which the third was changed."""
    bodies = series(study)
    bodies[2] = change(bodies[2])
    return bodies


def padded(body):
    """Nothing but padding."""
    dataset = pydicom.dcmread(io.BytesIO(body))
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    out = io.BytesIO()
    dataset.save_as(out)
    return changed(out.getvalue(), numpy.full((64, 64), -2000, numpy.int16))


def sized(study, *shape):
    return [changed(body, numpy.full(shape, 40, numpy.int16)) for body in series(study, 3)]


INPUTS = {
    "alone": lambda study: series(study, 1),
    "spacing": lambda study: series(study, odd={"PixelSpacing": [2, 2]}),
    "turned": lambda study: series(study, odd={"ImageOrientationPatient": TURNED}),
    "tilted": lambda study: series(study, odd={"ImageOrientationPatient": [1, 0, 0, 0, 0.8, 0.6]}),
    "gap": lambda study: series(study, odd={"ImagePositionPatient": [-200, -200, 11]}),
    "twins": lambda study: series(study, odd={"ImagePositionPatient": [-200, -200, 10]}),
    "sizes": lambda study: series(study, odd={"size": 32, "PixelSpacing": [6.25, 6.25]}),
    "colour": lambda study: mixed(study, colour),
    "nan": lambda study: mixed(study, lambda body: floats(body, numpy.nan)),
    "infinite": lambda study: mixed(study, lambda body: floats(body, numpy.inf)),
    "padding": lambda study: [padded(body) for body in series(study)],
    "point": lambda study: sized(study, 1, 1),
    "wide": lambda study: sized(study, 2, 8192),
    "too wide": lambda study: sized(study, 2, 8193),
}
REFUSED = {  # what the failure says, by input and algorithm; anything else succeeds
    "alone": dict.fromkeys(VOLUMES, "slices are needed, there are 1"),
    "spacing": dict.fromkeys(VOLUMES, "pixel spacing"),
    "turned": dict.fromkeys(VOLUMES, "not parallel"),
    "tilted": dict.fromkeys(VOLUMES, "not parallel"),
    "gap": dict.fromkeys(VOLUMES, "evenly"),
    "twins": dict.fromkeys(VOLUMES, "same place"),
    "sizes": dict.fromkeys(VOLUMES, "size"),
    "colour": dict.fromkeys(ALGORITHMS, "a grey image is needed, this one is RGB"),
    "nan": dict.fromkeys(ALGORITHMS, "slice 3 of 5: the image has values that are not finite"),
    "infinite": dict.fromkeys(ALGORITHMS, "slice 3 of 5: the image has values that are not finite"),
    "too wide": dict.fromkeys(ALGORITHMS, "8192"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("bad-input") / "data", job_hosts_max=2) as running:
        for name, make in INPUTS.items():
            for number, body in enumerate(make(name), 1):
                assert running.put_file(f"{name}/se/{number}.dcm", body).status_code == 201, name
        yield running


def run(server, algo, study, timeout=60, **more):
    accepted = server.submit(algo, "c", study, "se", scope="series", **more)
    assert accepted.status_code == 202, accepted.text
    return server.wait_job(accepted.json()["job_id"], timeout)


@pytest.mark.parametrize("algo", ALGORITHMS)
@pytest.mark.parametrize("name", INPUTS)
def test_a_clear_result_or_a_clear_error(server, name, algo):
    job, says = run(server, algo, name), REFUSED.get(name, {}).get(algo)
    if says is None:
        assert job["state"] == "succeeded" and "error" not in job and job["outputs"]
        if name == "padding":  # there is nothing to be found, but always an image to be made
            assert job["found"] is (algo in ("denoise", "projection"))
    else:
        assert job["state"] == "failed" and says in job["error"]["message"] and job["outputs"] == []
        assert job["error"]["code"] in ("bad_input", "unsupported") and job["error"]["attempts"] == 1


@pytest.mark.parametrize("algo", SLICEWISE)
def test_the_largest_image_has_a_result(server, algo):
    study = "large"
    if algo == SLICEWISE[0]:
        pixels = numpy.tile(slices.pixels(True), (16, 16))
        assert server.put_file(f"{study}/se/1.dcm", changed(one(study, 1), pixels)).status_code == 201
    job = run(server, algo, study)
    assert job["state"] == "succeeded" and job["outputs"]


@pytest.fixture(scope="module")
def largest(server):
    """Three slices of 128 MiB each."""
    pixels = numpy.tile(slices.pixels(True), (16, 16))
    for number in range(1, 4):
        body = changed(one("largest", number), pixels, PixelSpacing=[0.05, 0.05])
        assert server.put_file(f"largest/se/{number}.dcm", body).status_code == 201
    return "largest"


@pytest.mark.parametrize("algo", VOLUMES)
def test_the_largest_slices_are_a_volume(server, largest, algo):
    job = run(server, algo, largest, timeout=240, outputs=["image" if algo == "projection" else "measurements"])
    assert job["state"] == "succeeded" and job["outputs"] and job["attempts"] == 1


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_parameters_at_their_limits_and_beyond(server, algo):
    properties = server.get(f"/algorithms/{algo}").json()["params_schema"]["properties"]
    for name, limits in properties.items():
        for limit, step in (("minimum", -1), ("maximum", 1)):
            if limit in limits:
                beyond = server.submit(algo, "c", "point", "se", scope="series", params={name: limits[limit] + step})
                assert beyond.status_code == 400 and name in beyond.text
                at = server.submit(algo, "c", "point", "se", scope="series", params={name: limits[limit]})
                if at.status_code == 202:
                    job = server.wait_job(at.json()["job_id"])
                    assert job["state"] == "succeeded" or name in job["error"]["message"]
                else:  # it does not go together with another one
                    assert at.status_code == 400 and name in at.text
