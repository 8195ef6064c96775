/* SPDX-License-Identifier: Apache-2.0 */
/* matches(?n, text): a test in C that a statement makes of each row, so that what SQL cannot say is
 * still counted, limited and looked for in sub-selects by SQL. */
#include "driver/sql-priv.h"

#include <stdlib.h>

#include "base/array.h"

#define POINTER_TYPE "CorSqlMatch"

typedef struct Bound {
    CorSqlMatch *match;
    const void *context;
} Bound;

static void run_match(sqlite3_context *sql_context, int len, sqlite3_value **values)
{
    const Bound *bound = sqlite3_value_pointer(values[0], POINTER_TYPE);
    const char *text = (const char *) sqlite3_value_text(values[1]);

    (void) len;
    if (!bound) {
        sqlite3_result_error(sql_context, "matches() needs a bound test", -1);
        return;
    }
    sqlite3_result_int(sql_context,
                       bound->match(bound->context, text, (size_t) sqlite3_value_bytes(values[1])));
}

bool cor_sql_priv_add_match(CorSqlTxn *txn, CorError *err)
{
    int rc = sqlite3_create_function_v2(txn->conn, "matches", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                        NULL, run_match, NULL, NULL, NULL);

    return rc == SQLITE_OK || cor_sql_priv_fail(err, txn->conn, rc, "add a function");
}

void cor_sql_bind_match(CorSqlStmt *stmt, int index, CorSqlMatch *match, const void *context)
{
    Bound *bound = NULL;

    if (stmt->rc != SQLITE_OK) {
        return;
    }
    bound = cor_new(Bound);
    if (!bound) {
        stmt->rc = SQLITE_NOMEM;
        return;
    }
    *bound = (Bound){.match = match, .context = context};
    int rc = sqlite3_bind_pointer(stmt->handle, index, bound, POINTER_TYPE, free);
    if (rc != SQLITE_OK) {
        stmt->rc = rc; /* it has been freed */
    }
}
