/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `serve`.
 *
 * Threads   One thread at a time: main.
 * Blocking  Until the process is asked to end.
 */
#pragma once

/**
 * Run the server until SIGTERM or SIGINT.
 *
 * @param argc, argv  the flags after the verb
 * @return exit status: 0 after a drain, 1 if it could not start, 2 for wrong configuration
 */
int cor_cli_serve(int argc, char *const *argv);
