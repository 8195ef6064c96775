# SPDX-License-Identifier: Apache-2.0
"""What ought to become of every sample file when it is stored in an empty server, as pydicom sees it."""
import dataclasses
import hashlib
import re
import warnings

import pydicom

import corpus
import dicomweb
import judge

warnings.simplefilter("ignore")

UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Damaged in a way that pydicom does not mind, and that loses everything behind the damage.
DAMAGED = {
    "malformed/fodicom_GH179B.dcm": "damaged: a VR of two spaces in the middle of nowhere",
}


@dataclasses.dataclass
class Sample:
    name: str
    path: object
    digest: str  # of the data set after group 2: what the meta header says makes no other instance
    dataset: object = dataclasses.field(repr=False)
    uids: dict
    refusal: str  # why it is to be refused; "" if it is to be stored
    round: int = 0  # so many others with its UIDs and other bytes come before it: each needs an empty server


def _dataset(path):
    try:
        return pydicom.dcmread(path, force=True)
    except Exception:  # whatever it raises means that it cannot read the file
        return None


def _is_uid(text):
    return bool(re.fullmatch(r"[0-9]+(\.[0-9]+)*", text)) and len(text) <= 64


def _is_cut_off(path, dataset):
    """An element goes on behind the end of the file, or uncompressed pixels are too few."""
    size = path.stat().st_size
    deflated = dataset.file_meta.get("TransferSyntaxUID") == pydicom.uid.DeflatedExplicitVRLittleEndian
    for tag in dataset.keys():
        raw = dataset.get_item(tag)
        length = getattr(raw, "length", 0)
        if not deflated and isinstance(raw, pydicom.dataelem.RawDataElement) and length not in (0, 0xFFFFFFFF) \
                and raw.value_tell + length > size:
            return True
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in dataset or "Rows" not in dataset or (syntax and syntax not in judge.NATIVE):
        return False
    try:
        return len(dataset.PixelData) < pydicom.pixel_data_handlers.util.get_expected_length(dataset)
    except (AttributeError, KeyError, TypeError):
        return False


def _uids(dataset):
    found = {}
    for keyword in UIDS:
        try:
            found[keyword] = str(dataset.get(keyword) or "").strip(" \0")
        except Exception:  # an element that cannot be converted
            found[keyword] = ""
    return found


def _refusal(name, path, dataset, uids):
    missing = [keyword for keyword, uid in uids.items() if not _is_uid(uid)]
    if missing:
        return f"without {missing[0]}"
    if name in DAMAGED:
        return DAMAGED[name]
    return "cut off" if _is_cut_off(path, dataset) else ""


def samples():
    """All of them, each with the round in which nothing stored before collides with it."""
    found, rounds = [], []
    for name, path in corpus.files():
        dataset = _dataset(path)
        uids = _uids(dataset) if dataset is not None else dict.fromkeys(UIDS, "")
        sample = Sample(name, path, hashlib.sha256(dicomweb.after_group_2(path.read_bytes())).hexdigest(), dataset, uids,
                        _refusal(name, path, dataset, uids))
        if not sample.refusal:
            while not _fits(sample, rounds):
                sample.round += 1
        found.append(sample)
    return found


def _fits(sample, rounds):
    """True if it is the only one of its UIDs in its round, and its series belongs to one study there."""
    if sample.round == len(rounds):
        rounds.append(({}, {}))
    digest_of, study_of = rounds[sample.round]
    sop, series, study = (sample.uids[keyword] for keyword in UIDS[1:2] + UIDS[3:] + UIDS[2:3])
    if digest_of.get(sop, sample.digest) != sample.digest or study_of.get(series, study) != study:
        return False
    digest_of[sop], study_of[series] = sample.digest, study
    return True
