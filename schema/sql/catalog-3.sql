-- SPDX-License-Identifier: Apache-2.0
-- Which catalogue this is.  Never edited once released: add catalog-4.sql.

-- Numbers of changes begin anew in a new catalogue, so a number alone says nothing of another one.
CREATE TABLE identity (
    id TEXT NOT NULL
) STRICT;
INSERT INTO identity VALUES (lower(hex(randomblob(8))));
