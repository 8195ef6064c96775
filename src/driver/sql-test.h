/* SPDX-License-Identifier: Apache-2.0 */
/* What tests may do to a database.  Nobody else includes this.
 *
 * Ownership  Nothing is handed over.
 * Threads    Thread-safe.
 * Errors     None of these fails.
 */
#pragma once

#include "driver/sql.h"

/* Where the failure is made. */
typedef enum CorSqlFailure {
    COR_SQL_FAIL_RUN,    /* the n-th write alone, after its function has run */
    COR_SQL_FAIL_COMMIT, /* the n-th COMMIT, and with it the whole group */
} CorSqlFailure;

/**
 * Let the n-th (from 1) write or commit from now on fail with UNAVAILABLE; 0 takes it back.
 * Everything before and after it works.
 */
void cor_sql_test_fail(CorSql *db, CorSqlFailure where, int n);

/** Steps of the virtual machine that the writer's cached statements have used so far: a measure of
 * work that does not depend on the machine.  Ask when no write is running. */
int64_t cor_sql_test_vm_steps(CorSql *db);

/** Commits so far, and those of them that were synced. */
void cor_sql_test_commits(CorSql *db, int64_t *ret_commits, int64_t *ret_synced);
