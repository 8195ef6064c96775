-- SPDX-License-Identifier: Apache-2.0
-- What comes without a meta header.  Never edited once released: add catalog-5.sql.

-- 1 of an object that is no file of PS3.10: whoever retrieves it as one is given a meta header
-- before it.  Of what is there already only a missing header as a whole is known.
ALTER TABLE instance ADD COLUMN lacks_meta INTEGER NOT NULL DEFAULT 0;
UPDATE instance SET lacks_meta = 1 WHERE data_set_offset = 0;
