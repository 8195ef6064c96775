/* SPDX-License-Identifier: Apache-2.0 */
/* A host that misbehaves when asked to. */
#pragma once

/** Serve on descriptor 3; returns the exit status. */
int host_child_main(void);
