# SPDX-License-Identifier: Apache-2.0
"""Synthetic CT slices, made with pydicom: independent of our own writer."""
import io

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"


def uid(*names):
    return generate_uid(prefix="1.2.826.0.1.3680043.8.498.", entropy_srcs=["corsia test", *map(str, names)])


def pixels(is_found, size=512, seed=0):
    """HU: air, a body, and in it a bright organ large enough for processing_1 (or none)."""
    y, x = np.mgrid[0:size, 0:size] / size
    hu = np.full((size, size), -1000, dtype=np.int16)
    hu[((x - 0.5) / 0.42) ** 2 + ((y - 0.5) / 0.34) ** 2 < 1] = 10
    if is_found:
        hu[((x - 0.34) / 0.2) ** 2 + ((y - 0.45) / 0.2) ** 2 < 1] = 130
    rng = np.random.default_rng(seed)
    return hu + rng.integers(-3, 4, hu.shape, dtype=np.int16)


def ct(name, is_found=True, study="study", series="series", number=1, size=512, patient="Test^Patient", missing=0,
       **attributes):
    """One CT slice as bytes; equal arguments give equal bytes.  missing: bytes that its pixel data lack."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CT
    meta.MediaStorageSOPInstanceUID = uid(study, series, name)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = CT, meta.MediaStorageSOPInstanceUID
    ds.StudyDate, ds.StudyTime, ds.ContentDate, ds.ContentTime = "20260102", "101112", "20260102", "101213"
    ds.AccessionNumber, ds.Modality, ds.Manufacturer, ds.ReferringPhysicianName = "A1", "CT", "Phantom", ""
    ds.StudyDescription, ds.SeriesDescription, ds.ProtocolName = "Abdomen", "Test slices", "P"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = patient, "P1", "19700101", "O"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(study), uid(study, series)
    ds.FrameOfReferenceUID, ds.StudyID = uid(study, "frame of reference"), "S1"
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = 1, 1, number
    ds.PatientPosition, ds.PositionReferenceIndicator = "HFS", ""
    ds.ImagePositionPatient = [-200.0, -200.0, 5.0 * number]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness, ds.KVP = [400 / size, 400 / size], 5, 120
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = size
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 40, 400
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    pixel_data = pixels(is_found, size, seed=number).tobytes()
    ds.PixelData = pixel_data[:len(pixel_data) - missing]
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, write_like_original=False)
    return out.getvalue()
