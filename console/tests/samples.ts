// SPDX-License-Identifier: Apache-2.0
// Images for the tests: real ones of the shared folder where it is, else made with Debian's python3-pydicom.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const shared = resolve(process.env.COR_SHARED_DIR ?? '../../shared');

/** Slices as bytes, made by the builders of the integration tests. */
function made(count: number, study: string, isFound = 'True'): Buffer[] {
  const script = `
import base64, sys
sys.path.insert(0, ${JSON.stringify(resolve('../tests/integration'))})
import slices
for number in range(${count}):
    print(base64.b64encode(slices.ct(f"i{number}", study=${JSON.stringify(study)}, number=number + 1, is_found=${isFound})).decode())
`;
  const lines = execFileSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8', maxBuffer: 1 << 30 });
  return lines
    .trim()
    .split('\n')
    .map((line) => Buffer.from(line, 'base64'));
}

/** A CT series in which an algorithm finds something in every slice. */
export const phantom = (count = 3, study = 'phantom'): Buffer[] => made(count, study);

/** A CT series in which every other slice shows something, the first one first. */
export const alternating = (count: number): Buffer[] => made(count, 'alternating', 'number % 2 == 0');

/** A real CT: the contrast-enhanced liver of the shared folder, else the phantom. */
export function realCt(count = 3): Buffer[] {
  const folder = join(shared, 'data', 'ct_liver_contrast');
  if (!existsSync(folder)) return phantom(count, 'stand-in');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.dcm'))
    .sort()
    .slice(0, count)
    .map((name) => readFileSync(join(folder, name)));
}

const pydicomFiles = '/usr/lib/python3/dist-packages/pydicom/data/test_files';

/** A file that python3-pydicom brings along. */
export const sample = (name: string): Buffer => readFileSync(join(pydicomFiles, name));

/** A file of the shared folder; undefined where there is none. */
export function sharedFile(path: string): Buffer | undefined {
  const file = join(shared, 'data', path);
  return existsSync(file) ? readFileSync(file) : undefined;
}

/** Run a program in Python, with the slices of the integration tests at hand; what it prints is JSON. */
export function python<Result>(program: string, input: Buffer = Buffer.alloc(0)): Result {
  const script = `
import base64, io, json, sys, warnings
warnings.simplefilter('ignore')
sys.path.insert(0, ${JSON.stringify(resolve('../tests/integration'))})
import numpy as np, pydicom, slices
${program}`;
  return JSON.parse(
    execFileSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8', maxBuffer: 1 << 30, input }),
  ) as Result;
}

export interface MadeSegment {
  label: string;
  /** sRGB, 0 to 255. */
  color: [number, number, number];
  /** [left, top, right, bottom] in pixels, the last two not included. */
  box: [number, number, number, number];
  /** Numbers of the phantom's slices on which it has pixels, from 0. */
  slices: number[];
}

/** A Segmentation of boxes on the slices of a phantom: made with pydicom, by nothing of ours. */
export function segmentationOf(images: Buffer[], segments: MadeSegment[], size = 512, name = 'seg'): Buffer {
  const input = { images: images.map((image) => image.toString('base64')), segments, size, name };
  const made = python<string>(
    `
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
task = json.load(sys.stdin)
size = task['size']
sources = [pydicom.dcmread(io.BytesIO(base64.b64decode(text)), stop_before_pixels=True) for text in task['images']]
SEG = '1.2.840.10008.5.1.4.1.1.66.4'
def with_(**values):
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds
def lab(rgb):
    c = [v / 255 for v in rgb]
    c = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in c]
    xyz = np.array([[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]) @ c
    f = [v ** (1 / 3) if v > (6 / 29) ** 3 else v / (3 * (6 / 29) ** 2) + 4 / 29 for v in xyz / [0.9642, 1, 0.8251]]
    l, a, b = 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])
    return [round(l * 655.35), round((a + 128) * 257), round((b + 128) * 257)]
meta = FileMetaDataset()
meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SEG, slices.uid(task['name'], 'instance')
meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, slices.uid('implementation')
ds = FileDataset(None, {}, file_meta=meta, preamble=b'\\0' * 128)
ds.is_little_endian, ds.is_implicit_VR = True, False
first = sources[0]
for keyword in ('StudyDate', 'StudyTime', 'AccessionNumber', 'PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex', 'StudyInstanceUID', 'StudyID', 'FrameOfReferenceUID'):
    setattr(ds, keyword, getattr(first, keyword))
ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = SEG, meta.MediaStorageSOPInstanceUID, slices.uid(task['name'], 'series')
ds.Modality, ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = 'SEG', 50, 1, task['name']
ds.SegmentationType, ds.ContentLabel = 'BINARY', 'BOXES'
ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, 'MONOCHROME2'
ds.Rows = ds.Columns = size
ds.BitsAllocated = ds.BitsStored = 1
ds.HighBit = ds.PixelRepresentation = 0
ds.ReferencedSeriesSequence = [with_(SeriesInstanceUID=first.SeriesInstanceUID, ReferencedInstanceSequence=[
    with_(ReferencedSOPClassUID=slices.CT, ReferencedSOPInstanceUID=source.SOPInstanceUID) for source in sources])]
ds.SegmentSequence = [with_(SegmentNumber=n, SegmentLabel=s['label'], RecommendedDisplayCIELabValue=lab(s['color']))
    for n, s in enumerate(task['segments'], 1)]
frames, bits = [], []
for n, segment in enumerate(task['segments'], 1):
    for index in segment['slices']:
        source = sources[index]
        reference = with_(ReferencedSOPClassUID=slices.CT, ReferencedSOPInstanceUID=source.SOPInstanceUID)
        frames.append(with_(DerivationImageSequence=[with_(SourceImageSequence=[reference])],
            PlanePositionSequence=[with_(ImagePositionPatient=source.ImagePositionPatient)],
            SegmentIdentificationSequence=[with_(ReferencedSegmentNumber=n)]))
        left, top, right, bottom = segment['box']
        mask = np.zeros((size, size), np.uint8)
        mask[top:bottom, left:right] = 1
        bits.append(mask.ravel())
ds.PerFrameFunctionalGroupsSequence, ds.NumberOfFrames = frames, len(frames)
ds.PixelData = np.packbits(np.concatenate(bits), bitorder='little').tobytes()
out = io.BytesIO()
pydicom.dcmwrite(out, ds, write_like_original=False)
print(json.dumps(base64.b64encode(out.getvalue()).decode()))`,
    Buffer.from(JSON.stringify(input)),
  );
  return Buffer.from(made, 'base64');
}
