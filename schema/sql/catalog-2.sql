-- SPDX-License-Identifier: Apache-2.0
-- What DICOMweb asks for: the state of a study or series, where frames lie, ready answers to
-- searches.  Never edited once released: add catalog-3.sql.

-- The latest change below; kept along, so that a validator (ETag) costs one seek.
ALTER TABLE study ADD COLUMN change_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE series ADD COLUMN change_seq INTEGER NOT NULL DEFAULT 0;
UPDATE study SET change_seq =
    coalesce((SELECT max(i.change_seq) FROM instance i WHERE i.study = study.id), 0);
UPDATE series SET change_seq =
    coalesce((SELECT max(i.change_seq) FROM instance i WHERE i.series = series.id), 0);

-- Instances in the order of arrival.
CREATE INDEX instance_study_order ON instance(study, id);
CREATE INDEX instance_series_order ON instance(series, id);

-- Frame n of plain pixels lies at pixel_offset + (n - 1) * frame_bytes; NULL where it is not as
-- simple or where nobody has looked.  data_set_offset is where the data set after group 2 begins.
ALTER TABLE instance ADD COLUMN pixel_offset INTEGER;
ALTER TABLE instance ADD COLUMN frame_bytes INTEGER;
ALTER TABLE instance ADD COLUMN data_set_offset INTEGER;

-- What is ready of the answers to searches: members of DICOM JSON, one in each line, of the instance
-- that came first.  NULL where it has still to be made (src/catalog/catalog-ready.c).
ALTER TABLE study ADD COLUMN ready TEXT;
ALTER TABLE series ADD COLUMN ready TEXT;
CREATE TABLE ready (
    instance INTEGER PRIMARY KEY,
    lines    TEXT
) STRICT;
CREATE INDEX ready_missing ON ready(instance) WHERE lines IS NULL;
INSERT INTO ready SELECT id, NULL FROM instance;

-- Names with more than one component group, which are not found by how they begin.
ALTER TABLE study ADD COLUMN has_name_groups INTEGER
    GENERATED ALWAYS AS (instr(patient_name_search, '=') > 0) VIRTUAL;
CREATE INDEX study_name_groups ON study(has_name_groups) WHERE has_name_groups = 1;

-- Where the fragments of compressed frames lie, a block of frames in a row.  body holds for each
-- frame of the block the count of its fragments and then of each its offset and size: numbers of 64
-- bits, little-endian.
CREATE TABLE fragments (
    instance INTEGER NOT NULL,
    block    INTEGER NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (instance, block)
) STRICT, WITHOUT ROWID;

-- Objects whose rows are gone and which have to follow.
CREATE TABLE removal (
    bucket TEXT NOT NULL,
    key    TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX change_removed ON change(bucket, key) WHERE kind = 3;
