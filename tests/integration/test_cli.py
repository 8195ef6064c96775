# SPDX-License-Identifier: Apache-2.0
"""The operator verbs, run as an operator would, against a real server."""
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys

import pydicom
import pytest

import slices
from server import BINARY, ROOT, Server, free_port, until


def corsia(*arguments, server=None, status=0, env=None, cwd=None):
    """Run a verb; the exit status is part of the expectation."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(env or {})}
    if server:
        environment["CORSIA_SERVER"] = server.url
    done = subprocess.run([str(BINARY), *map(str, arguments)], env=environment, cwd=cwd, text=True,
                          capture_output=True, timeout=120, check=False)
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def as_json(*arguments, **more):
    return json.loads(corsia(*arguments, "--json", **more).stdout)


@pytest.fixture
def folder(tmp_path):
    """Two slices in sub-folders, and what lies about in such folders."""
    top = tmp_path / "disc"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "one.dcm").write_bytes(slices.ct("one", True))
    (top / "a" / "two").write_bytes(slices.ct("two", False))
    (top / "README.txt").write_text("This is no image.\n")
    (top / ".hidden").write_bytes(slices.ct("hidden", False))
    (top / "again").symlink_to(top / "a", target_is_directory=True)
    return top


# --- the door ---

def test_help_and_version_of_every_verb():
    assert "corsia 0." in corsia("--version").stdout
    verbs = re.findall(r"^  (\w+) ", corsia("--help").stdout, re.M)
    assert verbs == ["serve", "import", "submit", "watch", "jobs", "queues", "env", "demo", "check"]
    for verb in verbs:
        assert corsia(verb, "--help").stdout.startswith(f"Usage: corsia {verb}")


@pytest.mark.parametrize("arguments, sentence", [
    ([], "which verb?"),
    (["sing"], "no verb is called 'sing'"),
    (["jobs", "--stat", "x"], "unknown option '--stat'"),
    (["submit"], "ALGO is missing"),
    (["submit", "processing_1"], "--study is missing"),
    (["import"], "PATH... is missing"),
    (["import", "--jobs", "0", "."], "--jobs must be 1 to 64"),
    (["watch", "c", "--count", "0"], "--count must be"),
    (["queues", "--dead"], "--dead needs the NAME of a queue"),
    (["env", "--shell", "fish"], "'fish' is none of bash, powershell, dotenv, json"),
    (["serve", "--lsten", "x"], "unknown key 'lsten'; did you mean 'listen'?"),
])
def test_wrong_usage_is_one_line_and_status_2(arguments, sentence):
    done = corsia(*arguments, status=2)
    assert sentence in done.stderr and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["jobs"], ["queues"], ["env"], ["watch", "c"], ["demo"],
                                       ["submit", "processing_1", "--study", "s", "--series", "t"],
                                       ["import", "."]])
def test_a_server_that_is_not_there_is_told_in_one_sentence(arguments, folder):
    url = f"http://127.0.0.1:{free_port()}"
    done = corsia(*arguments, "--server", url, status=1, cwd=folder)
    assert f"no Corsia server answers at {url}: connection refused; start one with 'corsia serve'" in done.stderr


def test_the_sample_configuration_is_the_committed_one():
    assert corsia("serve", "--sample-config").stdout == (ROOT / "corsia.conf.sample").read_text()


def test_help_sample_and_manual_name_the_same_keys():
    keys = re.findall(r"^#(\w+) =", corsia("serve", "--sample-config").stdout, re.M)
    manual = re.findall(r"^\.BR (\w+) ", corsia("serve", "--man-config").stdout, re.M)
    flags = re.findall(r"^  --([\w-]+) \S", corsia("serve", "--help").stdout, re.M)
    assert len(keys) > 30 and manual == keys
    assert [flag.replace("-", "_") for flag in flags if flag not in ("sample-config", "man-config", "config")] == keys


# --- import ---

def test_import_keeps_relative_paths_and_lists_what_is_no_dicom(server, folder):
    summary = as_json("import", folder, server=server)

    assert (summary["stored"], summary["duplicates"], summary["refused"], summary["failed"]) == (2, 0, 1, 0)
    assert [pathlib.Path(one["path"]).name for one in summary["files"]] == ["README.txt"]
    keys = [image["key"] for image in server.get("/pacs/studies/a/images").json()]
    assert keys == ["a/b/one.dcm", "a/two"]


def test_import_can_be_repeated(server, folder):
    corsia("import", folder, server=server)
    done = corsia("import", folder, server=server)

    assert done.stdout.startswith("0 stored, 2 duplicates, 1 refused, 0 failed")
    assert "README.txt: " in done.stderr
    assert "\r" not in done.stderr  # no progress bar in a pipe


def test_import_of_one_file_under_a_prefix(server, folder):
    as_json("import", folder / "a" / "two", "--prefix", "x/y", server=server)
    assert [image["key"] for image in server.get("/pacs/studies/x/images").json()] == ["x/y/two"]


def test_import_of_other_bytes_under_a_stored_key_fails(server, folder):
    corsia("import", folder, server=server)
    (folder / "a" / "two").write_bytes(slices.ct("another", False))
    summary = as_json("import", folder, server=server, status=1)

    assert (summary["stored"], summary["duplicates"], summary["failed"]) == (0, 1, 1)
    assert [one["outcome"] for one in summary["files"]] == ["refused", "failed"]


def test_import_of_nothing_is_an_error(server, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "there is no file to import" in corsia("import", tmp_path / "empty", server=server, status=1).stderr
    assert "no such file" in corsia("import", tmp_path / "x", server=server, status=1).stderr.lower()


def test_an_interrupted_import_says_how_far_it_came_and_goes_on(server, tmp_path):
    top = tmp_path / "many"
    top.mkdir()
    for i in range(60):
        (top / f"{i:03}.dcm").write_bytes(slices.ct(f"many{i}", False))
    process = subprocess.Popen([str(BINARY), "import", str(top), "--prefix", "m/s", "--jobs", "1", "--json"],
                               env={"PATH": os.environ["PATH"], "CORSIA_SERVER": server.url},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: server.get("/pacs/studies/m/images").json(), what="a first image")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    first = json.loads(out)
    if first["not_tried"] > 0:  # else it was done before the signal came
        assert process.returncode == 1
        assert "the same command goes on from here" in errors

    second = as_json("import", top, "--prefix", "m/s", server=server)
    assert second["stored"] + second["duplicates"] == 60
    assert second["duplicates"] >= first["stored"] > 0


def test_a_file_name_that_cannot_be_a_key_is_named(server, tmp_path):
    top = tmp_path / "odd"
    top.mkdir()
    (top / "good.dcm").write_bytes(slices.ct("good", False))
    (top / "back\\slash.dcm").write_bytes(slices.ct("bad", False))
    (top / os.fsdecode(b"latin-\xe9.dcm")).write_bytes(slices.ct("latin", False))
    summary = as_json("import", top, "--prefix", "p/q", server=server, status=1)

    assert (summary["stored"], summary["failed"]) == (1, 2)
    assert all("cannot be a key" in one["reason"] for one in summary["files"])


# --- jobs ---

def test_submit_waits_and_prints_the_result(stocked):
    frame = as_json("submit", "processing_1", "--study", "st", "--series", "se", "--image", "ct.dcm", "--wait",
                    "--client", "op", server=stocked)

    assert (frame["status"], frame["found"], frame["client_id"], frame["seq"]) == ("succeeded", True, "op", 1)
    again = corsia("submit", "processing_1", "--study", "st", "--series", "se", "--image", "none.dcm", "--wait",
                   "--client", "op", server=stocked)
    assert again.stdout.startswith("#2  succeeded  processing_1") and "nothing found" in again.stdout
    assert "accepted for client op" in again.stderr


def test_submit_without_waiting_answers_with_the_job(stocked):
    accepted = as_json("submit", "processing_6", "--study", "st", "--series", "se", "--job-id", "j-1",
                       "--client", "c", server=stocked)
    assert (accepted["job_id"], accepted["client_id"]) == ("j-1", "c")
    assert stocked.wait_job("j-1")["scope"] == "series"
    assert as_json("jobs", "j-1", server=stocked)["state"] == "succeeded"
    listed = as_json("jobs", "--client", "c", "--algo", "processing_6", "--state", "succeeded", server=stocked)
    assert [job["job_id"] for job in listed["jobs"]] == ["j-1"]
    assert "j-1" in corsia("jobs", server=stocked).stdout


def test_parameters_are_json_or_text_and_checked(stocked):
    base = ["submit", "processing_1", "--study", "st", "--series", "se", "--image", "ct.dcm"]
    frame = as_json(*base, "--param", "sigma=1", "--param", "side=left", "--wait", server=stocked)
    assert stocked.job(frame["job_id"])["params"]["sigma"] == 1.0
    done = corsia(*base, "--param", "sigma=wide", server=stocked, status=1)
    assert "params/sigma: must be a number (400)" in done.stderr
    assert "is not NAME=VALUE" in corsia(*base, "--param", "sigma", server=stocked, status=1).stderr


def test_submit_of_an_unknown_image_or_algorithm_fails(stocked):
    assert "(404)" in corsia("submit", "processing_1", "--study", "st", "--series", "se", "--image", "no.dcm",
                             server=stocked, status=1).stderr
    assert "(404)" in corsia("submit", "nothing", "--study", "st", "--series", "se", server=stocked, status=1).stderr


def test_watch_follows_from_any_number(stocked):
    for image in ("ct.dcm", "none.dcm"):
        as_json("submit", "processing_1", "--study", "st", "--series", "se", "--image", image, "--wait",
                "--client", "w", server=stocked)
    lines = corsia("watch", "w", "--since", "0", "--count", "2", "--json", server=stocked).stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2]
    one = corsia("watch", "w", "--since", "1", "--count", "1", server=stocked).stdout
    assert one.startswith("#2  succeeded")


def test_watch_goes_on_when_the_server_comes_back(stocked):
    watch = subprocess.Popen([str(BINARY), "watch", "w", "--since", "0", "--count", "2", "--json"],
                             env={"PATH": os.environ["PATH"], "CORSIA_SERVER": stocked.url},
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stocked.submit("processing_1", "w", "st", "se", "ct.dcm", job_id="w-1")
    first = watch.stdout.readline()  # progress of w-1, or its result
    stocked.wait_job("w-1")
    stocked.kill()
    stocked.start()
    stocked.submit("processing_1", "w", "st", "se", "none.dcm", job_id="w-2")
    out, errors = watch.communicate(timeout=60)
    assert watch.returncode == 0, errors
    frames = map(json.loads, [first, *out.splitlines()])
    assert [(frame["seq"], frame["job_id"]) for frame in frames if frame["type"] == "result"] == [(1, "w-1"), (2, "w-2")]


def test_cancel_of_a_final_job_is_a_conflict(stocked):
    as_json("submit", "processing_1", "--study", "st", "--series", "se", "--image", "ct.dcm", "--wait",
            "--job-id", "done", server=stocked)
    assert "(409)" in corsia("jobs", "--cancel", "done", server=stocked, status=1).stderr
    assert "(404)" in corsia("jobs", "--cancel", "nobody", server=stocked, status=1).stderr


def test_queues_are_shown_with_their_dead_letters(stocked):
    queues = as_json("queues", server=stocked)["queues"]
    assert {"Requests-processing_1.fifo", "Results.fifo"} <= {queue["name"] for queue in queues}
    assert "Requests-processing_1.fifo" in corsia("queues", server=stocked).stdout
    one = as_json("queues", "Results.fifo", server=stocked)
    assert one["dead"] == 0
    assert as_json("queues", "Requests-processing_1.fifo", "--dead", server=stocked)["dead"] == []
    assert as_json("queues", "Requests-processing_1.fifo", "--redrive", "all", server=stocked)["jobs"] == []
    assert "(404)" in corsia("queues", "Nothing.fifo", server=stocked, status=1).stderr


# --- env ---

NAMES = ["API_BASE", "PACS_API_BASE", "WS_ENDPOINT", "WS_LIVE_ENDPOINT", "RESULTS_QUEUE_URL", "DICOMWEB_ROOT"]


def test_env_in_four_dialects(server):
    values = as_json("env", server=server)
    assert list(values) == NAMES
    assert values["API_BASE"] == server.url and values["WS_ENDPOINT"] == server.ws + "/prod"
    assert json.loads(corsia("env", "--shell", "json", server=server).stdout) == values

    script = corsia("env", server=server).stdout + "\nenv"
    shown = subprocess.run(["sh", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
                           check=True).stdout
    assert {line.split("=", 1)[0]: line.split("=", 1)[1] for line in shown.splitlines()
            if line.split("=", 1)[0] in NAMES} == values

    dotenv = corsia("env", "--shell", "dotenv", server=server).stdout
    assert {line.split("=", 1)[0]: shlex.split(line.split("=", 1)[1])[0] for line in dotenv.splitlines()} == values

    powershell = corsia("env", "--shell", "powershell", server=server).stdout
    assert re.findall(r"^\$env:(\w+) = '([^']*)'$", powershell, re.M) == list(values.items())


# --- demo ---

def test_demo_finds_one_liver_and_tells_of_the_other(server):
    done = corsia("demo", server=server)
    assert "2 jobs: found on 1, nothing found on 1, 0 failed" in done.stdout
    frames = [json.loads(line) for line in corsia("demo", "--json", server=server).stdout.splitlines()]
    assert [frame["found"] for frame in frames] == [True, False]
    assert [frame["found"] for frame in map(json.loads, corsia(
        "demo", "--algo", "processing_6", "--json", server=server).stdout.splitlines())] == [True, False]


def test_the_phantom_is_a_ct_image_that_others_read(server, tmp_path):
    corsia("demo", server=server)
    for image in server.get("/pacs/studies/demo/images").json():
        path = tmp_path / pathlib.Path(image["key"]).name
        path.write_bytes(server.get(image["url"][len(server.url):]).content)
        data = pydicom.dcmread(path)
        assert data.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2" and data.pixel_array.shape == (512, 512)
        judged = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in judged.stderr, judged.stderr


def test_demo_on_a_folder(server, folder):
    done = corsia("demo", folder, server=server)
    assert "left out" in done.stderr and "README.txt" in done.stderr
    assert "2 jobs: found on 1, nothing found on 1, 0 failed" in done.stdout


# --- check ---

def checks(*arguments, status=0):
    return {one["check"]: one for one in as_json("check", *arguments, status=status)["checks"]}


def test_check_of_a_directory_that_is_not_there_makes_none(tmp_path):
    found = checks("--data", tmp_path / "data")
    assert found["data"]["ok"] and not (tmp_path / "data").exists()
    assert found["host"]["ok"] and "no_new_privs" in found["host"]["detail"]


def test_check_leaves_a_running_server_alone(stocked):
    assert "a server runs on it" in checks("--data", stocked.data)["data"]["detail"]
    assert "in use by another server" in checks("--data", stocked.data, "--rebuild", status=1)["data"]["detail"]


def test_check_finds_a_damaged_database_and_rebuilds_the_catalogue(stocked):
    before = stocked.get("/pacs/studies/st/images").json()
    stocked.stop()
    catalog = stocked.data / "catalog.db"
    catalog.write_bytes(b"no database" * 1000)

    assert not checks("--data", stocked.data, status=1)["catalog.db"]["ok"]
    found = checks("--data", stocked.data, "--rebuild")
    assert found["rebuild"]["ok"] and "2 objects catalogued, 0 left out" in found["rebuild"]["detail"]
    assert checks("--data", stocked.data)["catalog.db"]["ok"]
    stocked.start()
    assert [one["key"] for one in stocked.get("/pacs/studies/st/images").json()] == [one["key"] for one in before]


def test_check_of_a_wrong_configuration_names_file_and_line(tmp_path):
    path = tmp_path / "corsia.conf"
    path.write_text("[x]\nlisten = 127.0.0.1:1\nlease = never\n")
    found = checks("--config", path, status=2)
    assert found["config"]["detail"].startswith(f"{path}:3: lease: 'never' is no duration")


# --- tokens ---

def test_verbs_carry_the_token(tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123\n")
    token.chmod(0o600)
    with Server(tmp_path / "data", token_file=token) as server:
        assert "(401)" in corsia("jobs", server=server, status=1).stderr
        assert as_json("jobs", "--token-file", token, server=server)["jobs"] == []
        assert as_json("jobs", server=server, env={"CORSIA_TOKEN_FILE": str(token)})["jobs"] == []
        done = corsia("demo", "--token-file", token, server=server)
        assert "found on 1" in done.stdout


# --- tools ---

def test_check_rooms_names_the_wrong_include(tmp_path):
    for name in ("base", "blob", "queue"):
        (tmp_path / "src" / name).mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "rooms.txt").write_text("base:\nqueue: base\nblob: base\n<sqlite3.h>: queue\n")
    (tmp_path / "src" / "blob" / "blob-backend.h").write_text("#pragma once\n")
    (tmp_path / "src" / "queue" / "queue.h").write_text('#include "blob/blob-backend.h"\n')
    (tmp_path / "src" / "blob" / "blob.c").write_text('#include <sqlite3.h>\n#include "blob-backend.h"\n')
    done = subprocess.run([sys.executable, ROOT / "tools" / "check-rooms", tmp_path], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1
    assert "src/queue/queue.h:1: queue/ may not include blob/blob-backend.h" in done.stdout
    assert "src/blob/blob.c:1: <sqlite3.h> belongs to queue/" in done.stdout
    assert 'src/blob/blob.c:2: write "blob/blob-backend.h"' in done.stdout
