# SPDX-License-Identifier: Apache-2.0
"""Searches that nobody thought of: random keys at every resource, against a slow reading of PS3.4 section C.2.2.2 in Python."""
import io
import itertools
import random
import re

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import slices
import stow
from server import Server

NAMES = ["Doe^Jane", "DOE^JANE^^Dr.", "Müller^Jürgen=山田^太郎=やまだ^たろう", "Smith", "Иванов^Иван", "O'Neil^[x%_]", "=金^희중", ""]
DATES, TIMES = ["20200229", "20191231", "20260102", ""], ["101112", "235959.999999", "00", "1015", ""]
DESCRIPTIONS = ["Abdomen [1%_]*", "abdomen", "Head?", "a\tb", "", None]
PATIENT = {"PatientID": ["P1", "p1", "P 2", "P*", ""], "PatientName": NAMES, "PatientBirthDate": DATES, "PatientAge": ["042Y", None]}
STUDY = {"StudyDate": DATES, "StudyTime": TIMES, "AccessionNumber": ["A1", "A,2", ""], "StudyDescription": DESCRIPTIONS,
         "ReferringPhysicianName": NAMES, "StudyID": ["7", "007", ""], "PhysiciansOfRecord": [["Doe^A", "Roe^B"], None]}
SERIES = {"Modality": ["CT", "MR", "SR"], "SeriesNumber": ["1", "007", "-3"], "SeriesDescription": DESCRIPTIONS,
          "BodyPartExamined": ["HEAD", "CHEST", None], "OperatorsName": [["One^Op", "Two^Op"], "Doe^Jane", None]}
INSTANCE = {"InstanceNumber": ["1", "2", "03"], "KVP": ["80", "80.0", "120.5", None], "ContentDate": DATES, "ContentTime": TIMES,
            "ImageType": [["ORIGINAL", "PRIMARY"], ["DERIVED", "SECONDARY", "MPR"]], "AcquisitionDateTime": ["20200229101112.5+0100", "2026", None],
            "ImageComments": ["two\r\nlines", "x" * 200, None]}
LEVELS = [{**PATIENT, **STUDY}, SERIES, INSTANCE]
UIDS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
RESOURCES = [("/studies", 0), ("/series", 1), ("/instances", 2), ("/studies/{0}/series", 1), ("/studies/{0}/instances", 2),
             ("/studies/{0}/series/{1}/instances", 2)]


def pick(rng, values, dataset):
    for keyword, choices in values.items():
        chosen = rng.choice(choices)
        if chosen is not None:
            setattr(dataset, keyword, chosen)


def archive(rng):
    """Data sets in the order of their arrival."""
    found = []
    for study, series, number in itertools.product(range(7), range(3), range(3)):
        if rng.random() < 0.3:
            continue
        dataset = pydicom.dcmread(io.BytesIO(slices.ct(number, study=f"m{study}", series=f"s{series}", size=8)))
        for values, seed in ((LEVELS[0], f"{study}"), (SERIES, f"{study}.{series}"), (INSTANCE, f"{study}.{series}.{number}")):
            for keyword in values:
                if keyword in dataset:
                    del dataset[keyword]
            pick(random.Random(seed), values, dataset)
        step = Dataset()
        step.ScheduledProcedureStepID = f"STEP{series}"
        dataset.RequestAttributesSequence = Sequence([step, Dataset()])
        found.append(dataset)
    return found


def encoded(dataset):
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, write_like_original=False)
    return out.getvalue()


@pytest.fixture(scope="module")
def stored():
    return archive(random.Random(1))


@pytest.fixture(scope="module")
def server(tmp_path_factory, stored):
    with Server(tmp_path_factory.mktemp("model") / "data", job_hosts_max=1) as running:
        for dataset in stored:  # one by one: the order of arrival is that of the list
            assert stow.store(running, encoded(dataset)).status_code == 200
        yield running


# --- the model ---

def texts(dataset, keyword):
    element = dataset.get_item(keyword) and dataset[keyword]
    if element is None or element.value is None:
        return []
    return [str(one) for one in (element.value if element.VM > 1 else [element.value])]


def wild(pattern, text):
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(one, re.escape(one)) for one in pattern), text, re.DOTALL) is not None


def folded(name):
    return " ".join(re.split(r"[\^ ]+", name.strip("^ ").casefold())).strip()


def name_matches(wanted, name):
    groups = [folded(group) for group in name.split("=")]
    if "=" in wanted:
        return all(not one or wild(folded(one), groups[i] if i < len(groups) else "") for i, one in enumerate(wanted.split("=")))
    return any(group and wild(folded(wanted), group) for group in groups)


def span(text, kind):
    """First and last moment of a value, with six digits behind the point."""
    text = text.split("+")[0]
    day, time = {"DA": (text, ""), "TM": ("", text), "DT": (text[:8], text[8:])}[kind]
    digits, _, fraction = time.partition(".")
    low_day, high_day = (day + "00000000"[len(day):], day + "99999999"[len(day):]) if kind != "TM" else ("", "")
    low = digits + "000000"[len(digits):] + (fraction + "000000")[:6]
    high = digits + "235959"[len(digits):] if len(digits) < 6 and not digits else digits + "5959"[len(digits) - 2:] if len(digits) < 6 else digits
    return low_day + low, high_day + high + (fraction + "999999")[:6]


def moment_matches(wanted, text, kind):
    first, dash, last = wanted.partition("-")
    if not text:
        return False
    low, high = span(text, kind)
    begin = span(first, kind)[0] if first else ""
    end = span(last or first, kind)[1] if last or not dash else "9" * 30
    return low <= end and high >= begin


def attribute_matches(dataset, keyword, wanted):
    if not wanted.strip("*"):  # universal
        return True
    kind = pydicom.datadict.dictionary_VR(keyword)
    values = [text.strip() for text in texts(dataset, keyword)]
    if kind == "UI":
        return bool(set(re.split(r"[,\\]", wanted)) & set(values))
    if kind in ("IS", "DS"):
        return any(float(value) == float(wanted) for value in values if value)
    if kind in ("DA", "TM", "DT"):
        return any(moment_matches(wanted, value, kind) for value in values)
    if kind == "PN":
        return any(name_matches(wanted, value) for value in values)
    return any(wild(wanted.strip(), value) for value in values if value)


def level_of(keyword):
    return UIDS.index(keyword) if keyword in UIDS else next(i for i, values in enumerate(LEVELS) if keyword in values)


def expected(stored, level, within, keys):
    """UIDs of the answers, in the order of their arrival."""
    inside = [one for one in stored if all(one.get(UIDS[i]) == uid for i, uid in enumerate(within))]
    found = {}
    for dataset in inside:
        found.setdefault(dataset.get(UIDS[level]), []).append(dataset)
    def fits(members):
        for at in range(3):
            mine = [(keyword, text) for keyword, text in keys if level_of(keyword) == at]
            among = members[:1] if at <= level else members
            if mine and not any(all(attribute_matches(one, *key) for key in mine) for one in among):
                return False
        return True
    return [uid for uid, members in found.items() if fits(members)]


# --- asking ---

def some_value(rng, stored, keyword):
    """What somebody may type: a value that is there, a part of it with wildcards, a range, another case."""
    kind = pydicom.datadict.dictionary_VR(keyword)
    there = [text for one in stored for text in texts(one, keyword) if text] or ["1"]
    text = rng.choice(there)
    if kind in ("DA", "TM"):
        short = text[:rng.choice([2, 4, 6, 99])] if kind == "TM" else text
        return rng.choice([text, short, f"{short}-", f"-{short}", "-".join(sorted([short, rng.choice(there)]))])
    if kind == "DT":
        return rng.choice([text[:4], text[:8], f"{text[:8]}-", f"-{text[:6]}"])
    if kind == "UI":
        return rng.choice([text, f"{text},{rng.choice(there)}", f"1.2.3\\{text}"])
    if kind in ("IS", "DS"):
        return rng.choice([text.strip(), str(float(text)), "9"]) if kind == "DS" else rng.choice([str(int(text)), f"0{abs(int(text))}", "9"])
    if kind == "PN":
        text = rng.choice([text, text.split("=")[-1], text.upper(), text.replace("^", " "), text.split("=")[0].lower()]) or "x"
    if "\r" in text or "\t" in text:
        text = text[:1] + "*"
    cut = rng.randrange(len(text) + 1)
    return rng.choice([text, text, "*" + text[cut:], text[:cut] + "*", text[:cut] + "?" + text[cut + 1:], f"*{text[cut:cut + 2]}*", "", "*"])


def ask(server, path, query):
    answer = server.get("/dicom-web" + path, params=query)
    assert answer.status_code == 200, (path, query, answer.text)
    return answer


@pytest.mark.parametrize("seed", range(12))
def test_what_is_found_is_what_the_standard_says(server, stored, seed):
    rng = random.Random(seed)
    keywords = [*UIDS, *(keyword for values in LEVELS for keyword in values)]
    hits = 0
    for _ in range(40):
        template, level = rng.choice(RESOURCES)
        one = rng.choice(stored)
        within = [one.StudyInstanceUID, one.SeriesInstanceUID][:template.count("{")]
        keys = [(keyword, some_value(rng, stored, keyword)) for keyword in rng.sample(keywords, rng.choice([1, 1, 1, 2, 2, 3]))]
        wanted = expected(stored, level, within, keys)
        path = template.format(*within)
        tag = ("0020000D", "0020000E", "00080018")[level]
        found = [answer[tag]["Value"][0] for answer in ask(server, path, dict(keys)).json()]
        assert found == wanted, (path, keys)
        hits += 0 < len(found) < len(expected(stored, level, within, []))
        limit, offset = rng.randrange(1, 6), rng.randrange(8)
        page = ask(server, path, {**dict(keys), "limit": limit, "offset": offset})
        assert [answer[tag]["Value"][0] for answer in page.json()] == wanted[offset:offset + limit], (path, keys)
        rest = max(0, len(wanted) - offset - limit)
        assert (f"There are {rest} additional results" in page.headers.get("Warning", "")) == (rest > 0), (path, keys, rest)
    assert hits > 5, "the keys tell something apart"
