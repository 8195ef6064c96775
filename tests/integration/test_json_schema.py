# SPDX-License-Identifier: Apache-2.0
"""Our JSON Schema interpreter and python3-jsonschema come to the same verdicts.

The cases are checked for ours by tests/unit/test-json-schema.c; here the same files are put to a
judge that is not ours.
"""
import json
import pathlib

import jsonschema
import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "cases" / "json-schema"
CASES = [case for path in sorted(FOLDER.glob("*.json")) for case in json.loads(path.read_text())]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["what"])
def test_the_other_judge_agrees(case):
    jsonschema.Draft202012Validator.check_schema(case["schema"])
    judge = jsonschema.Draft202012Validator(case["schema"])
    for value in case["valid"]:
        assert judge.is_valid(value), value
    for value, _pointer, _sentence in case["invalid"]:
        assert not judge.is_valid(value), value
