/* SPDX-License-Identifier: Apache-2.0 */
/* Named points at which a test may kill this process, to prove that nothing is lost there.
 *
 *     COR_FAILPOINT(AFTER_ACCEPT);
 *
 * Only a build made with -Dfailpoints=true has them; in every other build the line is nothing.
 * There, CORSIA_FAILPOINT=after-accept:3 lets the third pass through that point end the process
 * with SIGKILL; without a number, the first.  A name that is not in the list below does not
 * compile.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "base/error.h"

/* One line per point: C name, the name that a test gives, where it is. */
#define COR_FAILPOINT_LIST(X)                                                                     \
    X(AFTER_ACCEPT, "after-accept", "the job is committed, 202 is not yet answered")              \
    X(AFTER_RELAY, "after-relay", "the request is in its queue, the outbox does not know yet")    \
    X(AFTER_CLAIM, "after-claim", "the worker holds a request, nothing is done yet")              \
    X(WHILE_COMPUTING, "while-computing", "a host has started to compute")                        \
    X(AFTER_OBJECT, "after-object", "derived objects are stored, no result is sent")              \
    X(AFTER_RESULT, "after-result", "the result is sent, the request is not acknowledged")        \
    X(BEFORE_EVENT, "before-event", "a result is taken, its event is not written")                \
    X(AFTER_EVENT, "after-event", "the event is committed, the result is not acknowledged")       \
    X(WHILE_PUSHING, "while-pushing", "a frame is being sent to a client")                        \
    X(AFTER_STORE, "after-store", "an imported object is stored, the catalogue does not know it") \
    X(AFTER_CATALOG, "after-catalog", "an imported object is catalogued, nobody was answered")    \
    X(AFTER_REMOVAL, "after-removal", "rows are deleted, their objects are not")

typedef enum CorFailpoint {
#define COR_FAILPOINT_ENUM_(name, text, where) COR_FAILPOINT_##name,
    COR_FAILPOINT_LIST(COR_FAILPOINT_ENUM_)
#undef COR_FAILPOINT_ENUM_
        COR_FAILPOINT_COUNT_
} CorFailpoint;

#ifdef COR_FAILPOINTS
#define COR_FAILPOINT(name) cor_failpoint_hit(COR_FAILPOINT_##name)
#else
#define COR_FAILPOINT(name) ((void) COR_FAILPOINT_##name)
#endif

/** True if this build has failpoints. */
bool cor_failpoint_is_built_in(void);

/** The name of a point as CORSIA_FAILPOINT wants it. */
const char *cor_failpoint_name(CorFailpoint point);

/**
 * Arm the point that text names ("name" or "name:n"); NULL or "" disarms.
 *
 * INVALID for an unknown name or a bad number; UNSUPPORTED if this build has no failpoints and text
 * names one, so that a test never passes because nothing was ever killed.
 */
COR_MUSTCHECK bool cor_failpoint_arm(const char *text, CorError *err);

/** Count a pass through a point; kills the process with SIGKILL when it is the armed one's turn. */
void cor_failpoint_hit(CorFailpoint point);
