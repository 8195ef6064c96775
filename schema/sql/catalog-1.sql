-- SPDX-License-Identifier: Apache-2.0
-- The catalogue: what is stored, by Study, Series and SOP Instance.  Rebuildable from the objects.
-- Never edited: add catalog-2.sql.  Texts compare by bytes (BINARY), so a range of keys is a folder.

-- folder is the longest common folder of the study's keys in bucket "pacs", NULL if it has none there;
-- list_id is what lists of studies show: the folder if it is not empty, else the UID.  The attributes
-- are those of the instance that came first.
CREATE TABLE study (
    id                    INTEGER PRIMARY KEY,
    study_uid             TEXT NOT NULL UNIQUE,
    folder                TEXT,
    list_id               TEXT NOT NULL,
    series_count          INTEGER NOT NULL DEFAULT 0,
    instance_count        INTEGER NOT NULL DEFAULT 0,
    modalities            TEXT,
    patient_name          TEXT,
    patient_name_search   TEXT,
    patient_id            TEXT,
    issuer_of_patient_id  TEXT,
    patient_birth_date    TEXT,
    patient_sex           TEXT,
    study_date            TEXT,
    study_time            TEXT,
    accession_number      TEXT,
    study_id              TEXT,
    study_description     TEXT,
    referring_name        TEXT,
    referring_name_search TEXT
) STRICT;
CREATE INDEX study_list_id ON study(list_id);
CREATE INDEX study_patient_id ON study(patient_id);
CREATE INDEX study_patient_name ON study(patient_name_search);
CREATE INDEX study_date ON study(study_date);
CREATE INDEX study_accession ON study(accession_number);

CREATE TABLE series (
    id                     INTEGER PRIMARY KEY,
    study                  INTEGER NOT NULL,
    series_uid             TEXT NOT NULL UNIQUE,
    instance_count         INTEGER NOT NULL DEFAULT 0,
    modality               TEXT,
    series_number          INTEGER,
    series_description     TEXT,
    series_date            TEXT,
    series_time            TEXT,
    body_part_examined     TEXT,
    laterality             TEXT,
    protocol_name          TEXT,
    performed_start_date   TEXT,
    performed_start_time   TEXT,
    frame_of_reference_uid TEXT
) STRICT;
CREATE INDEX series_study ON series(study);

-- file_name is the last part of the key.
CREATE TABLE instance (
    id                     INTEGER PRIMARY KEY,
    series                 INTEGER NOT NULL,
    study                  INTEGER NOT NULL,
    sop_uid                TEXT NOT NULL UNIQUE,
    sop_class_uid          TEXT NOT NULL,
    transfer_syntax_uid    TEXT NOT NULL,
    bucket                 TEXT NOT NULL,
    key                    TEXT NOT NULL,
    file_name              TEXT NOT NULL,
    size                   INTEGER NOT NULL,
    sha256                 TEXT NOT NULL,
    created                INTEGER NOT NULL,
    change_seq             INTEGER NOT NULL,
    is_derived             INTEGER NOT NULL,
    algo_id                TEXT,
    job_id                 TEXT,
    modality               TEXT,
    instance_number        INTEGER,
    image_rows             INTEGER NOT NULL DEFAULT 0,
    image_columns          INTEGER NOT NULL DEFAULT 0,
    frames                 INTEGER NOT NULL DEFAULT 0,
    bits_allocated         INTEGER,
    has_pixels             INTEGER NOT NULL DEFAULT 0,
    frame_of_reference_uid TEXT,
    slice_position         REAL,
    UNIQUE (bucket, key)
) STRICT;
CREATE INDEX instance_study ON instance(study, bucket, key);
CREATE INDEX instance_series ON instance(series, bucket, key);
CREATE INDEX instance_file_name ON instance(series, file_name);

-- The header as DICOM JSON: beside the instance, so that lists do not read it.
CREATE TABLE attributes (
    instance INTEGER PRIMARY KEY,
    body     TEXT NOT NULL
) STRICT;

-- Every arrival and removal, numbered without gaps.  kind: 1 added, 2 replaced, 3 removed, 4 cleared.
CREATE TABLE change (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    study_uid  TEXT,
    series_uid TEXT,
    sop_uid    TEXT,
    bucket     TEXT,
    key        TEXT
) STRICT;

-- One row: counted along, so that nobody has to count.
CREATE TABLE total (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    studies   INTEGER NOT NULL,
    series    INTEGER NOT NULL,
    instances INTEGER NOT NULL,
    bytes     INTEGER NOT NULL
) STRICT;
INSERT INTO total VALUES (1, 0, 0, 0, 0);
