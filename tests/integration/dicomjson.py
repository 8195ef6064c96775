# SPDX-License-Identifier: Apache-2.0
"""DICOM JSON as pydicom makes it, and the normalisations of docs/dicomweb.md that make ours comparable."""
import io
import struct

import pydicom
import slices
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def with_uids(path):
    """The file, and if it lacks UIDs a copy that has some, everything else as it was."""
    dataset = pydicom.dcmread(str(path), force=True)
    missing = [keyword for keyword in REQUIRED if not dataset.get(keyword)]
    if not missing:
        return path.read_bytes()
    for keyword in missing:
        setattr(dataset, keyword, "1.2.840.10008.5.1.4.1.1.7" if keyword == "SOPClassUID" else
                slices.uid(path.name, keyword))
    out = io.BytesIO()
    if not hasattr(dataset, "file_meta") or not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = (ImplicitVRLittleEndian if dataset.is_implicit_VR else
                                               ExplicitVRLittleEndian)
    try:
        dataset.save_as(out)
    except ValueError:  # a transfer syntax that pydicom does not know
        return path.read_bytes()
    return out.getvalue()


def model(dataset):
    """pydicom's JSON model of a data set, values normalised."""
    plain = dataset.to_json_dict(bulk_data_threshold=1 << 30, bulk_data_element_handler=lambda _: None)
    return normal(plain)


def normal(attributes):
    """One form for what may be written in several; without group lengths, and of private attributes the tag only
    (pydicom has a dictionary of their VRs, we say UN unless the file says more)."""
    return {tag: {} if int(tag[3], 16) & 1 else normal_member(member) for tag, member in attributes.items()
            if not tag.endswith("0000")}


def normal_member(member):
    values = [normal_value(member["vr"], value) for value in member.get("Value", [])]
    while values and values[-1] in (None, {}):
        values.pop()
    out = {"vr": member["vr"]}
    if values:
        out["Value"] = values
    if "InlineBinary" in member and member["InlineBinary"]:
        out["InlineBinary"] = member["InlineBinary"]
    return out


def normal_value(vr, value):
    if vr == "SQ":
        return normal(value or {})
    if vr == "PN":
        groups = value if isinstance(value, dict) else {"Alphabetic": value}
        return {name: text.rstrip("^ ") for name, text in (groups or {}).items() if text and text.rstrip("^ ")}
    if vr in ("FL", "OF") and value is not None:  # the shortest decimals of a single, or those of a double
        return struct.unpack("<f", struct.pack("<f", value))[0]
    if vr in ("DS", "FD", "IS", "US", "SS", "UL", "SL", "SV", "UV") and value is not None:
        return round(float(value), 6)
    if isinstance(value, str):
        return value.strip(" \0") or None
    return value


def vr_of(tag):
    return dictionary_VR(int(tag, 16))
