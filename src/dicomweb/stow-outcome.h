/* SPDX-License-Identifier: Apache-2.0 */
/* What became of each part of an upload, and the answer that says so (PS3.18 section 10.5.3).
 *
 * Ownership  An outcome owns its texts: cor_dicomweb_priv_stow_outcome_done() frees them.
 * Threads    One thread at a time.
 * Blocking   cor_dicomweb_priv_stow_store() waits for hosts, disk and commit.
 */
#pragma once

#include "dicomweb/dicomweb-priv.h"

/* Failure Reason (0008,1197), PS3.18 table 10.5.3-2 and PS3.7 annex C; see docs/dicomweb.md. */
#define COR_STOW_PROCESSING_FAILURE ((uint16_t) 0x0110)
#define COR_STOW_DUPLICATE_INSTANCE ((uint16_t) 0x0111)
#define COR_STOW_OUT_OF_RESOURCES ((uint16_t) 0xA700)
#define COR_STOW_DOES_NOT_MATCH ((uint16_t) 0xA900)
#define COR_STOW_OTHER_STUDY ((uint16_t) 0xA901)
#define COR_STOW_CANNOT_UNDERSTAND ((uint16_t) 0xC000)
#define COR_STOW_TRANSFER_SYNTAX ((uint16_t) 0xC122)

typedef struct CorStowUids {
    char study[COR_UID_SIZE];
    char series[COR_UID_SIZE];
    char sop_class[COR_UID_SIZE];
    char sop_instance[COR_UID_SIZE];
} CorStowUids;

/* {0} is a part that nobody has dealt with. */
typedef struct CorStowOutcome {
    bool is_stored; /* or was there already */
    bool is_duplicate;
    bool is_transient; /* a failure that trying again can mend */
    uint16_t failure;  /* COR_STOW_*; 0 if it is stored */
    CorStowUids *uids; /* NULL: they could not be read */
    char *why;         /* of a failure; NULL if there was no memory */
} CorStowOutcome;

/** Read and store one complete part. */
void cor_dicomweb_priv_stow_store(CorDicomweb *dicomweb, CorBlobTemp *temp, const char *study,
                                  CorStowOutcome *outcome);

/** Make it a failure. */
void cor_dicomweb_priv_stow_fail(CorStowOutcome *outcome, uint16_t failure, const CorError *err);

void cor_dicomweb_priv_stow_outcome_done(CorStowOutcome *outcome);

typedef struct CorStowAnswer {
    const CorStowOutcome *outcomes;
    size_t len;
    const char *study;      /* of the path; "" for none */
    const char *media_type; /* application/dicom+json or application/json */
    const char *public_url;
    /* Why the body as a whole was refused; 0 if it was not. */
    int status;
    const CorError *fault;
    bool is_lenient; /* the client prefers an answer to an error (RFC 7240 section 4.4) */
    bool is_brief;   /* it goes out while the body still comes in, so it must be short */
} CorStowAnswer;

typedef struct CorStowCounts {
    size_t stored;
    size_t duplicates; /* among those stored */
    size_t failed;
    size_t transient;          /* among those failed */
    const char *first_failure; /* why; NULL if none */
} CorStowCounts;

CorStowCounts cor_dicomweb_priv_stow_count(const CorStowOutcome *outcomes, size_t len);

/** Fill res with status, data set and Warning. */
void cor_dicomweb_priv_stow_answer(const CorStowAnswer *answer, CorHttpResponse *res);
