# SPDX-License-Identifier: Apache-2.0
"""A data set as pydicom reads it against the DICOM JSON Model (PS3.18 annex F) that a server gave of it.

What may differ is written in docs/dicomweb.md, "Normalisations", by the same numbers as here.
"""
import base64
import collections
import struct

import pydicom

# Numbers whose bytes pydicom keeps in the file's order.
WORDS = {"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"}
TEXTS = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
NUMBERS = {"DS", "IS", "SV", "UV", "SL", "SS", "UL", "US", "FL", "FD"}
Element = collections.namedtuple("Element", "tag VR value")
NOT_IN_JSON = {0x00080001, 0xFFFCFFFC}  # Length to End (retired), Data Set Trailing Padding


def is_left_out(tag):
    """5. Group lengths, group 2 and padding are of the file, not of the data set."""
    return tag.group <= 2 or tag.element == 0 or int(tag) in NOT_IN_JSON or tag.group == 0xFFFE


def name_of(tag):
    return f"{tag.group:04X}{tag.element:04X}"


def element_of(dataset, tag):
    """10. A private element whose VR the file does not state is UN: pydicom's private dictionary is not asked."""
    raw = dataset.get_item(tag)
    is_unstated = isinstance(raw, pydicom.dataelem.RawDataElement) and raw.VR in (None, "UN")
    if is_unstated and tag.is_private and not tag.is_private_creator:
        return Element(tag, "UN", raw.value or b"")
    return dataset[tag]


def _listed(value):
    if value is None or value == "" or value == b"":
        return []
    return list(value) if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]


def _text(value):
    """1. Padding is no part of a value; 2. an empty value is null or nothing."""
    return None if value is None else str(value).strip(" \0") or None


def _number(value):
    """3. Numbers are equal as numbers; what is none is compared as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return _text(value)


def _single(value):
    """4. FL has the precision of its four bytes."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except (TypeError, OverflowError, struct.error):
        return _text(value)


def _name(value):
    """6. Of a person's name empty groups, and empty components at a group's end, do not count."""
    if value is None:
        return None
    if isinstance(value, dict):
        value = "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(group.strip(" \0").rstrip("^") for group in str(value).split("=")).rstrip("=") or None


def _trimmed(values):
    """2. Empty values at the end are none."""
    while values and values[-1] in (None, ""):
        values = values[:-1]
    return values


def _comparable(vr, values):
    if vr == "PN":
        return _trimmed([_name(one) for one in values])
    if vr == "FL":
        return _trimmed([_single(one) for one in values])
    if vr in NUMBERS:
        return _trimmed([_number(one) for one in values])
    if vr == "AT":
        return _trimmed([one.upper() if isinstance(one, str) else name_of(pydicom.tag.Tag(one)) for one in values])
    return _trimmed([_text(one) for one in values])


def _is_utf_8(name, attributes):
    """7. The text is UTF-8, and says so, whatever the file has."""
    return name == "00080005" and attributes[name].get("Value") == ["ISO_IR 192"]


class Comparison:
    """fetch(uri) gives the bytes behind a BulkDataURI, or None for those that cannot be had so."""

    def __init__(self, is_little_endian=True, fetch=None, pixel_bits=16):
        self.is_little_endian, self.fetch = is_little_endian, fetch
        self.pixel_word = {32: "I", 64: "Q"}.get(pixel_bits, "H")
        self.wrong = []
        self.attributes = self.bulks = 0

    def datasets(self, theirs, ours, where="", only=None):
        for tag in sorted(theirs.keys()):
            if not is_left_out(tag) and (only is None or name_of(tag) in only):
                self._element(element_of(theirs, tag), ours.get(name_of(tag)), where + name_of(tag))
        known = {name_of(tag) for tag in theirs.keys()}
        self.wrong += [f"{where}{name} is not in the file" for name in sorted(set(ours) - known) if not _is_utf_8(name, ours)]

    def _element(self, element, ours, where):
        self.attributes += 1
        if ours is None:
            self.wrong.append(f"{where} is missing")
            return
        vr = ours["vr"]
        if "BulkDataURI" in ours:
            self._bulk(element, ours, where)
        elif element.VR == "SQ" and vr == "SQ":
            items = ours.get("Value", [])
            if len(items) != len(element.value):
                self.wrong.append(f"{where} has {len(items)} items, not {len(element.value)}")
                return
            for number, (their_item, our_item) in enumerate(zip(element.value, items)):
                self.datasets(their_item, our_item, f"{where}/{number + 1}/")
        elif isinstance(element.value, bytes) or "InlineBinary" in ours:
            self._bytes(element, base64.b64decode(ours.get("InlineBinary", "")), where)
        elif vr == "UN" and element.tag.is_private and not _listed(element.value) and len(ours) == 1:
            pass  # 10. of an empty one pydicom does not tell what the file states
        elif element.VR != vr:
            self.wrong.append(f"{where} is {vr}, not {element.VR}")
        else:
            self._values(element, ours.get("Value", []), where)

    def _values(self, element, ours, where):
        theirs = _listed(element.value)
        if element.tag == 0x00080005 and ours == ["ISO_IR 192"]:
            theirs = ours
        ours, theirs = _comparable(element.VR, ours), _comparable(element.VR, theirs)
        if ours != theirs and not (ours != ours or str(ours) == str(theirs)):
            self.wrong.append(f"{where} {element.VR}: {ours!r}, not {theirs!r}")

    def _bytes(self, element, ours, where):
        """8. Bytes are little-endian; a byte of padding does not count."""
        theirs = element.value if isinstance(element.value, bytes) else None
        if theirs is None:
            self.wrong.append(f"{where} is bytes, not {element.VR}")
            return
        if not self.is_little_endian and element.VR in WORDS:
            kind = self.pixel_word if element.tag == 0x7FE00010 else WORDS[element.VR]
            count = len(theirs) // struct.calcsize(kind)
            theirs = struct.pack(f"<{count}{kind}", *struct.unpack(f">{count}{kind}", theirs[:count * struct.calcsize(kind)]))
        if ours.rstrip(b"\0") != theirs.rstrip(b"\0") and ours != theirs[:-1] and ours.rstrip(b" ") != theirs.rstrip(b" "):
            self.wrong.append(f"{where} {element.VR}: {len(ours)} bytes {ours[:12]!r}, not {len(theirs)} {theirs[:12]!r}")

    def _bulk(self, element, ours, where):
        """9. Pixel data and large values are a BulkDataURI: the bytes behind it are compared."""
        data = self.fetch(ours["BulkDataURI"]) if self.fetch else None
        if data is not None and element.VR != "SQ" and isinstance(element.value, bytes):
            self.bulks += 1
            self._bytes(element, data, where)
