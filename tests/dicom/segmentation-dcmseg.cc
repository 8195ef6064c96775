/* SPDX-License-Identifier: Apache-2.0 */
/* Read a Segmentation with DCMTK's dcmseg, check it, say what it holds, and write it again.
 *
 *     segmentation-dcmseg FILE OUTPUT
 *
 * JSON on stdout: {"rows", "columns", "segments": [{label, algorithm, category, type, lab}], and of
 * each frame "frames": [{segment, source, number, position, orientation, spacing, index, pixels}]},
 * pixels being how many are set.  OUTPUT is what dcmseg writes of it, with its checks of functional
 * groups and dimensions switched on.  Exit 1 with the reason on stderr when dcmseg refuses it.
 */
#include <cstdio>

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dctk.h"
#include "dcmtk/dcmfg/fgderimg.h"
#include "dcmtk/dcmfg/fgfracon.h"
#include "dcmtk/dcmfg/fgpixmsr.h"
#include "dcmtk/dcmfg/fgplanor.h"
#include "dcmtk/dcmfg/fgplanpo.h"
#include "dcmtk/dcmfg/fgseg.h"
#include "dcmtk/dcmseg/segdoc.h"
#include "dcmtk/dcmseg/segment.h"
#include "dcmtk/dcmseg/segutils.h"

#include <jansson.h>

static bool refuse(const char *what, const OFCondition &why)
{
    std::fprintf(stderr, "%s: %s\n", what, why.text());
    return false;
}

static json_t *code_json(CodeSequenceMacro &code)
{
    OFString value;
    OFString scheme;

    (void) code.getCodeValue(value);
    (void) code.getCodingSchemeDesignator(scheme);
    return json_pack("[s, s]", value.c_str(), scheme.c_str());
}

static json_t *segment_json(DcmSegment *segment)
{
    OFString label;
    OFString algorithm;
    Uint16 lab[3] = {0, 0, 0};

    (void) segment->getSegmentLabel(label);
    (void) segment->getSegmentAlgorithmName(algorithm);
    (void) segment->getRecommendedDisplayCIELabValue(lab[0], lab[1], lab[2]);
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:[i, i, i]}", "label", label.c_str(), "algorithm", algorithm.c_str(),
        "category", code_json(segment->getSegmentedPropertyCategoryCode()), "type",
        code_json(segment->getSegmentedPropertyTypeCode()), "lab", lab[0], lab[1], lab[2]);
}

/* The group of a kind, or NULL; what it is has been decided by its kind. */
template <class Group>
static Group *group_of(DcmSegmentation *segmentation, Uint32 frame, DcmFGTypes::E_FGType kind)
{
    return OFstatic_cast(Group *, segmentation->getFunctionalGroups().get(frame, kind));
}

/* The only image that a frame is derived from. */
static bool add_source(DcmSegmentation *segmentation, Uint32 frame, json_t *json)
{
    auto *derived =
        group_of<FGDerivationImage>(segmentation, frame, DcmFGTypes::EFG_DERIVATIONIMAGE);
    OFString uid;
    OFVector<Uint16> numbers;

    if (!derived || derived->getDerivationImageItems().size() != 1 ||
        derived->getDerivationImageItems()[0]->getSourceImageItems().size() != 1) {
        std::fprintf(stderr, "frame %u has no source, or several\n", frame + 1);
        return false;
    }
    ImageSOPInstanceReferenceMacro &source = derived->getDerivationImageItems()[0]
                                                 ->getSourceImageItems()[0]
                                                 ->getImageSOPInstanceReference();
    (void) source.getReferencedSOPInstanceUID(uid);
    (void) json_object_set_new(json, "source", json_string(uid.c_str()));
    if (source.getReferencedFrameNumber(numbers).good() && !numbers.empty()) {
        (void) json_object_set_new(json, "number", json_integer(numbers[0]));
    }
    return true;
}

static bool add_place(DcmSegmentation *segmentation, Uint32 frame, json_t *json)
{
    auto *place = group_of<FGPlanePosPatient>(segmentation, frame, DcmFGTypes::EFG_PLANEPOSPATIENT);
    auto *turn = group_of<FGPlaneOrientationPatient>(segmentation, frame,
                                                     DcmFGTypes::EFG_PLANEORIENTPATIENT);
    auto *measures = group_of<FGPixelMeasures>(segmentation, frame, DcmFGTypes::EFG_PIXELMEASURES);
    Float64 at[3];
    Float64 row[3];
    Float64 column[3];
    Float64 spacing[2];

    if (!place || !turn || !measures || place->getImagePositionPatient(at[0], at[1], at[2]).bad() ||
        turn->getImageOrientationPatient(row[0], row[1], row[2], column[0], column[1], column[2])
            .bad() ||
        measures->getPixelSpacing(spacing[0], 0).bad() ||
        measures->getPixelSpacing(spacing[1], 1).bad()) {
        std::fprintf(stderr, "frame %u has no place\n", frame + 1);
        return false;
    }
    (void) json_object_set_new(json, "position", json_pack("[f, f, f]", at[0], at[1], at[2]));
    (void) json_object_set_new(
        json, "orientation",
        json_pack("[f, f, f, f, f, f]", row[0], row[1], row[2], column[0], column[1], column[2]));
    (void) json_object_set_new(json, "spacing", json_pack("[f, f]", spacing[0], spacing[1]));
    return true;
}

static bool add_content(DcmSegmentation *segmentation, Uint32 frame, json_t *json)
{
    auto *named = group_of<FGSegmentation>(segmentation, frame, DcmFGTypes::EFG_SEGMENTATION);
    auto *content = group_of<FGFrameContent>(segmentation, frame, DcmFGTypes::EFG_FRAMECONTENT);
    Uint16 number = 0;
    json_t *index = json_array();

    if (!named || !content || named->getReferencedSegmentNumber(number).bad()) {
        std::fprintf(stderr, "frame %u has no segment, or no content\n", frame + 1);
        return false;
    }
    Uint32 value = 0;
    for (unsigned long i = 0; content->getDimensionIndexValues(value, i).good(); i++) {
        (void) json_array_append_new(index, json_integer(value));
    }
    (void) json_object_set_new(json, "segment", json_integer(number));
    (void) json_object_set_new(json, "index", index);
    return true;
}

/* How many pixels of a packed frame are set. */
static json_int_t count_pixels(const DcmIODTypes::Frame *frame, size_t pixels)
{
    json_int_t count = 0;

    for (size_t i = 0; i < pixels; i++) {
        count += frame->pixData[i / 8] >> i % 8 & 1;
    }
    return count;
}

static bool add_frame(DcmSegmentation *segmentation, Uint32 frame, size_t pixels, json_t *frames)
{
    json_t *json = json_object();
    const DcmIODTypes::Frame *bits = segmentation->getFrame(frame);

    (void) json_array_append_new(frames, json);
    if (!bits || bits->length < (pixels + 7) / 8) {
        std::fprintf(stderr, "frame %u has no pixels\n", frame + 1);
        return false;
    }
    (void) json_object_set_new(json, "pixels", json_integer(count_pixels(bits, pixels)));
    return add_content(segmentation, frame, json) && add_source(segmentation, frame, json) &&
           add_place(segmentation, frame, json);
}

static bool describe(DcmSegmentation *segmentation, size_t pixels, json_t *json)
{
    json_t *segments = json_array();
    json_t *frames = json_array();

    (void) json_object_set_new(json, "segments", segments);
    (void) json_object_set_new(json, "frames", frames);
    for (size_t i = 1; i <= segmentation->getNumberOfSegments(); i++) {
        (void) json_array_append_new(segments, segment_json(segmentation->getSegment(i)));
    }
    for (Uint32 i = 0; i < segmentation->getNumberOfFrames(); i++) {
        if (!add_frame(segmentation, i, pixels, frames)) {
            return false;
        }
    }
    return true;
}

static bool read_and_write(const char *from, const char *into, json_t *json)
{
    DcmFileFormat file;
    DcmSegmentation *loaded = NULL;
    Uint16 rows = 0;
    Uint16 columns = 0;

    OFCondition outcome = file.loadFile(from);
    if (outcome.good()) {
        outcome = DcmSegmentation::loadDataset(*file.getDataset(), loaded);
    }
    OFunique_ptr<DcmSegmentation> segmentation(loaded);
    if (outcome.bad()) {
        return refuse("load", outcome);
    }
    (void) file.getDataset()->findAndGetUint16(DCM_Rows, rows);
    (void) file.getDataset()->findAndGetUint16(DCM_Columns, columns);
    (void) json_object_set_new(json, "rows", json_integer(rows));
    (void) json_object_set_new(json, "columns", json_integer(columns));
    if (!segmentation->check()) {
        std::fprintf(stderr, "dcmseg's check fails\n");
        return false;
    }
    if (!describe(segmentation.get(), (size_t) rows * columns, json)) {
        return false;
    }
    segmentation->setCheckFGOnWrite(OFTrue);
    segmentation->setCheckDimensionsOnWrite(OFTrue);
    outcome = segmentation->saveFile(into);
    return outcome.good() || refuse("save", outcome);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::fprintf(stderr, "usage: segmentation-dcmseg FILE OUTPUT\n");
        return 2;
    }
    json_t *json = json_object();
    bool ok = read_and_write(argv[1], argv[2], json);
    if (ok) {
        (void) json_dumpf(json, stdout, JSON_COMPACT);
    }
    json_decref(json);
    return ok ? 0 : 1;
}
