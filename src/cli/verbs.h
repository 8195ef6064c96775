/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the executable: each reads its arguments (those after the verb), does its work and
 * returns the exit status: 0 done, 1 failed, 2 wrong usage.
 *
 * Results go to standard output, words to standard error.
 *
 * Threads   One thread at a time: main.
 * Blocking  Until the work is done.
 */
#pragma once

/** Be `corsia`: find the verb and do it. */
int cor_cli_main(int argc, char **argv);

/** import: put the DICOM files of folders into the server's store. */
int cor_cli_import(int argc, char **argv);

/** submit: post one job, and wait for its result if asked to. */
int cor_cli_submit(int argc, char **argv);

/** watch: print a client's results as they come. */
int cor_cli_watch(int argc, char **argv);

/** jobs: list jobs, show one, cancel one. */
int cor_cli_jobs(int argc, char **argv);

/** queues: depth and dead letters of queues, and redrive. */
int cor_cli_queues(int argc, char **argv);

/** env: the server's base URLs, for a shell. */
int cor_cli_env(int argc, char **argv);

/** demo: the whole way of a job, on made or given images. */
int cor_cli_demo(int argc, char **argv);

/** check: configuration and data directory, without a server. */
int cor_cli_check(int argc, char **argv);
