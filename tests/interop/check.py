# SPDX-License-Identifier: Apache-2.0
"""The checks of one stored file, for a pool of processes: each gives a sentence for what is wrong, or nothing."""
import hashlib
import pathlib
import tempfile
import traceback

import numpy
import pydicom

import bits
import dicomweb
import judge
import model
from dicomweb import DICOM, JSON, OCTETS, after_group_2

IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
EXPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
# What we write, by a short name each.
SYNTAXES = {"explicit": EXPLICIT, "deflated": DEFLATED, "rle": "1.2.840.10008.1.2.5", "jpeg": "1.2.840.10008.1.2.4.70",
            "jpeg-any": "1.2.840.10008.1.2.4.57", "jpeg-ls": "1.2.840.10008.1.2.4.80", "jpeg-2000": "1.2.840.10008.1.2.4.90"}
# Of a file that states none: by implicit VR and little endian.
GUESSED = {(True, True): IMPLICIT, (False, True): EXPLICIT, (False, False): BIG_ENDIAN}
CHECKS = ("identical", "model", "search", "frames", "rendered", *SYNTAXES)
# Attributes that say how the pixels are encoded: they may change with the transfer syntax.
OF_ENCODING = {"00280002", "00280004", "00280006", "00280100", "00280101", "00280102", "00280103", "00080005", "7FE00010",
               "7FE00008", "7FE00009", "7FE00001", "7FE00002"}
# Four bytes of its codestream were overwritten on purpose; GDCM gives something of it all the same.
DAMAGED_PIXELS = "JPEG2000-embedded-sequence-delimiter.dcm"
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


# Attributes that a server makes: availability, URL, counts and lists of what is below (PS3.18 tables 10.6.3-3 to -5).
COMPUTED = {"00080056", "00081190", "00201200", "00201202", "00201204", "00201206", "00201208", "00201209", "00080061", "00080062"}

# 11. What an answer may have from the first file of its series or study: character set, time zone, modality.
OF_THE_FIRST = {"00080005", "00080201", "00080060"}


def differences(dataset, attributes, more_computed=()):
    """What a search said of an object against its file; attributes that it did not give do not count."""
    comparison = model.Comparison(dataset.is_little_endian)
    given = set(attributes) - COMPUTED - set(more_computed)
    # An attribute that a search always gives is there without a value if the file has none.
    ours = {name: attributes[name] for name in given if len(attributes[name]) > 1 or pydicom.tag.Tag(name) in dataset}
    comparison.datasets(dataset, ours, only=given)
    return "; ".join(comparison.wrong) or None


def frames_of(dataset):
    try:
        return int(dataset.get("NumberOfFrames", 1) or 1)
    except (TypeError, ValueError):
        return 1


class Check:
    """One stored file: what the server gives of it against what is in it."""

    def __init__(self, base, path, name):
        self.archive = dicomweb.Archive(base)
        self.data = pathlib.Path(path).read_bytes()
        self.file, self.name = path, name
        self.dataset = judge.dataset(path)
        self.path = dicomweb.path_of(self.dataset)
        self.syntax = str(self.dataset.file_meta.get("TransferSyntaxUID", ""))

    def run(self, name):
        try:
            return getattr(self, name.replace("-", "_"))() if hasattr(self, name) else self.transcoded(SYNTAXES[name])
        except AssertionError as error:
            if str(error).startswith("406 ") and self.is_undecodable:
                return None
            return str(error) or traceback.format_exc()[-1500:]
        except Exception:  # pydicom may raise anything
            return traceback.format_exc()[-1500:]

    @property
    def has_pixels(self):
        return any(len(self.dataset[name].value or b"") for name in PIXELS if name in self.dataset) and "Rows" in self.dataset

    @property
    def is_undecodable(self):
        """Neither pydicom nor GDCM can: then a server may say so too (406), but not fail."""
        return self.name.endswith(DAMAGED_PIXELS) or self.judged(self.file, judge.dataset(self.file), self.syntax) is None

    def identical(self):
        """SHA-256 of the data set after group 2, as one part and as the only part."""
        expected = hashlib.sha256(after_group_2(self.data)).hexdigest()
        (part,) = self.archive.parts(self.path)
        single = self.archive.get(self.path, f"{DICOM}; transfer-syntax=*")
        for came in (part.data, single.content):
            if came[128:132] != b"DICM":
                return "it is no file of PS3.10"
            if hashlib.sha256(after_group_2(came)).hexdigest() != expected:
                return "the data set is another one"
        syntax = self.syntax or GUESSED[self.dataset.is_implicit_VR, self.dataset.is_little_endian]
        if str(part.dataset().file_meta.TransferSyntaxUID) != syntax:
            return "the transfer syntax is another one"
        return None

    def model(self):
        """Metadata, and the bytes behind every BulkDataURI."""
        (metadata,) = self.archive.get(self.path + "/metadata", JSON).json()
        comparison = model.Comparison(self.dataset.is_little_endian, self.bulk, self.dataset.get("BitsAllocated"))
        comparison.datasets(self.dataset, metadata)
        return "; ".join(comparison.wrong) or None

    def bulk(self, uri):
        is_compressed = self.syntax not in ("", *judge.NATIVE)
        if uri.endswith("7FE00010") and (is_compressed or self.syntax == DEFLATED):
            return None  # frames are compared by frames() and transcoded()
        parts = [part.data for part in dicomweb.parts(self.archive.get(uri, dicomweb.related(OCTETS)))]
        whole = self.archive.get(uri, OCTETS).content
        assert b"".join(parts) == whole[:sum(map(len, parts))], "the frames are not the value"
        return whole

    def search(self):
        """Each level finds it; what is found is in the file, as the model has it."""
        study, series, instance = (str(self.dataset.get(keyword)) for keyword in
                                   ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"))
        asked = [(f"/studies/{study}/series/{series}/instances", {"SOPInstanceUID": instance}),
                 ("/instances", {"00080018": instance, "includefield": "all"})]
        for path, query in asked:
            (found,) = self.archive.search(path, **query)
            wrong = differences(self.dataset, found, OF_THE_FIRST)
            if wrong:
                return wrong
        for path, query in (("/studies", {"StudyInstanceUID": study}), ("/series", {"SeriesInstanceUID": series}),
                            (f"/studies/{study}/series", {"SeriesInstanceUID": series})):
            if len(self.archive.search(path, **query)) != 1:
                return f"{path} does not find it"
        return None

    def frames(self):
        """Every frame by itself and all at once are what the uncompressed file has."""
        if not self.has_pixels:
            return None
        (whole,) = self.archive.parts(self.path, DICOM, EXPLICIT)
        came = whole.dataset()
        name = next(one for one in PIXELS if one in came)
        pixels, count = came[name].value, frames_of(came)
        frame_bits = came.Rows * came.Columns * came.get("SamplesPerPixel", 1) * int(came.get("BitsAllocated", 0))
        if frame_bits % 8 or name != "PixelData":
            return None  # frames that begin inside a byte: see bulk()
        numbers = ",".join(str(number) for number in range(1, min(count, 20) + 1))
        parts = self.archive.parts(f"{self.path}/frames/{numbers}", OCTETS, EXPLICIT)
        if len(parts) != min(count, 20):
            return f"{len(parts)} parts for frames {numbers}"
        size = frame_bits // 8
        if came.PhotometricInterpretation == "YBR_FULL_422":
            size = size * 2 // 3
        for number, part in enumerate(parts):
            if part.data[:size] != pixels[number * size:(number + 1) * size] or len(part.data) > size + 1:
                return f"frame {number + 1} is not that of the uncompressed file"
        return None

    def rendered(self):
        if not self.has_pixels:
            return None
        url = self.path + ("/frames/1" if frames_of(self.dataset) > 1 else "") + "/rendered"
        jpeg, png = self.archive.get(url, "image/jpeg").content, self.archive.get(url, "image/png").content
        assert jpeg.startswith(b"\xff\xd8\xff") and jpeg.endswith(b"\xff\xd9")
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (self.dataset.Columns, self.dataset.Rows)
        return None

    def transcoded(self, syntax):
        """Equal pixels, decoded by pydicom or GDCM; nothing but the encoding has changed."""
        if not self.has_pixels and syntax not in (EXPLICIT, DEFLATED):
            return None
        answer = self.archive.session.get(self.archive.base + self.path, timeout=120,
                                          headers={"Accept": dicomweb.related(DICOM, syntax)})
        if answer.status_code == 406:
            return self.may_refuse(syntax)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}"
        (part,) = dicomweb.parts(answer)
        came = part.dataset()
        if str(came.file_meta.TransferSyntaxUID) != syntax:
            return f"came as {came.file_meta.TransferSyntaxUID}"
        return self.same_attributes(came) or (self.same_pixels(part.data, syntax) if self.has_pixels else None)

    def may_refuse(self, syntax):
        """Codecs have bounds: bits, floats."""
        allocated = int(self.dataset.get("BitsAllocated", 0))
        may = syntax not in (EXPLICIT, DEFLATED) and ("PixelData" not in self.dataset or allocated not in (8, 16))
        if may or self.is_undecodable:
            return None
        return f"refused: {allocated} bits, {self.dataset.get('PhotometricInterpretation')}"

    def same_attributes(self, came):
        (metadata,) = self.archive.get(self.path + "/metadata", JSON).json()
        comparison = model.Comparison(came.is_little_endian)
        for tag in list(came.keys()):
            if model.name_of(tag) in OF_ENCODING:
                del came[tag]
        comparison.datasets(came, {name: value for name, value in metadata.items() if name not in OF_ENCODING})
        return "; ".join(comparison.wrong) or None

    @staticmethod
    def judged(path, dataset, syntax):
        if dataset.get("BitsAllocated") == 1:
            return bits.array(dataset, syntax)
        return judge.pixels(path, dataset, syntax)[1]

    def same_pixels(self, data, syntax):
        expected = self.judged(self.file, judge.dataset(self.file), self.syntax)
        if expected is None:
            return None  # nobody else can decode the original
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "came.dcm"
            path.write_bytes(data)
            ours = self.judged(path, judge.dataset(path), syntax)
        if ours is None:
            return "neither pydicom nor GDCM decodes it"
        if ours.shape != expected.shape:
            return f"the pixels are {ours.shape}, not {expected.shape}"
        difference = numpy.abs(ours.astype("f8") - expected.astype("f8")).max()
        tolerance = 1 if self.syntax in judge.LOSSY else 0
        return f"pixels differ by up to {difference}" if difference > tolerance else None


def check(job):
    """(name, {check: what is wrong}) of one file."""
    base, path, name = job
    one = Check(base, path, name)
    return name, {what: one.run(what) for what in CHECKS}
