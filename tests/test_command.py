"""The command line, as a user meets it."""
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest
from typer.testing import CliRunner

from hfcourse import cli
from hfcourse.ground import running as course

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("HFCOURSE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
ROOT_ONLY = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="asks only root")


@pytest.fixture
def hfcourse(call):
    "Run `hfcourse` with some words."
    return lambda *words: call("python", "-c", "from hfcourse.cli import main; main()", *words)


@pytest.mark.parametrize("command", ["run", "doctor", "lab", "download"])
def test_help_shows_an_example(command, hfcourse):
    "Each command explains itself by an example."
    done = hfcourse(command, "--help")
    assert done.returncode == 0
    assert f"hfcourse {command}" in done.stdout and "Example" in done.stdout


@pytest.mark.parametrize("words", [
    ("run", "--only", "no-such"), ("run", "--only", ","), ("run", "--only", ""),
    ("run", "--only", "\udcff"), ("run", "--nonsense"), ("run", "--timeout", "0"),
    ("run", "--timeout", "soon"), ("fly",), ("download", "x" * 1000), ("doctor", "extra"),
    ("lab", "settings.ini/inside", "--no-start"), ("lab", "/proc/lessons", "--no-start"),
    ("lab", "one", "two"), ("lab", "one", "--port", "8890"),
])
def test_wrong_words_get_a_sentence(words, hfcourse):
    "Whatever is wrong is said in a sentence, with exit code 2 and no traceback."
    done = hfcourse(*words)
    assert done.returncode == 2 and done.stderr.strip()
    assert "Traceback" not in done.stderr + done.stdout


def test_importing_the_package_loads_nothing_heavy(call):
    "`import hfcourse` is immediate because it loads no library."
    heavy = "{'torch', 'transformers', 'datasets', 'numpy', 'evaluate'}"
    code = f"import sys, hfcourse; print(sorted({heavy} & set(sys.modules)))"
    assert call("python", "-c", code).stdout.strip() == "[]"


@pytest.mark.parametrize(("words", "target", "passed"), [
    (["mine", "--", "--port", "8890", "--no-browser"], "mine", ["--port", "8890", "--no-browser"]),
    (["--", "--port", "8890"], "hfcourse-lessons", ["--port", "8890"]),
    (["mine", "--"], "mine", []),
    (["mine"], "mine", []),
    (["--", "other", "--", "x"], "hfcourse-lessons", ["other", "--", "x"]),
])
def test_what_follows_two_dashes_is_for_jupyter(words, target, passed, tmp_path, monkeypatch):
    "It is no option and no folder of ours."
    monkeypatch.chdir(tmp_path)
    opened = []
    with patch.object(cli, "_root_may", return_value=True), \
            patch.object(cli, "_open_lab", side_effect=lambda *given: opened.append(given) or 0):
        result = CliRunner().invoke(cli.app, ["lab", *words])
    assert result.exit_code == 0, result.output
    assert opened == [(Path(target), passed)]


def test_a_copied_lesson_differs_in_metadata_only(tmp_path):
    "Every cell is the lesson's; the metadata is what JupyterLab would write into it."
    cli.copy_lessons(tmp_path)
    for lesson in course.lessons():
        ours = json.loads(lesson.path.read_text(encoding="utf-8"))
        theirs = json.loads((tmp_path / lesson.path.name).read_text(encoding="utf-8"))
        metadata = theirs.pop("metadata")
        assert ours.pop("metadata").keys() <= metadata.keys() and theirs == ours
        assert metadata["language_info"]["version"] == sys.version.split()[0]
        assert metadata["kernelspec"]["name"] == "python3"


def test_a_lesson_that_is_no_notebook_is_copied_as_it_is(tmp_path):
    "It is the reader's to look at; `run` says what is amiss."
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "01_a.ipynb").write_text("{")
    with patch.object(course, "folder", return_value=tmp_path / "lessons"):
        assert cli.copy_lessons(tmp_path / "mine") == ["01_a"]
    assert (tmp_path / "mine" / "01_a.ipynb").read_text() == "{"


def test_a_full_disk_leaves_no_half_lesson(tmp_path):
    "A sentence, and an empty folder."
    full = patch.object(Path, "replace", side_effect=OSError(28, "No space left on device"))
    with full, pytest.raises(ValueError, match=r"cannot be copied to .* No space .* room"):
        cli.copy_lessons(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_log_without_unicode_is_no_obstacle(call):
    "What a lesson prints and the log cannot show is written as an escape."
    code = "from hfcourse import cli; from unittest.mock import patch\n" \
        "with patch.object(cli, 'app', lambda: cli._say('caf\\u00e9 :smile: [b]')): cli.main()"
    done = call("python", "-X", "utf8=0", "-c", code, env={"PYTHONIOENCODING": "ascii"})
    assert done.stdout == "caf\\xe9 :smile: [b]\n"


def test_the_command_that_tries_again_is_one_that_is_found(tmp_path, monkeypatch):
    "The name where the shell finds it, else the path that was called."
    own = tmp_path / "bin" / "hfcourse"
    own.parent.mkdir()
    own.write_text("#!/bin/sh")
    own.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(own), "run"])
    monkeypatch.setenv("PATH", str(own.parent))
    assert cli._called() == "hfcourse"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli._called() == str(own)
    monkeypatch.setattr(sys, "argv", ["-c", "run"])
    assert cli._called() == "hfcourse"


@pytest.fixture
def reader(tmp_path):
    "The environment of somebody who never used Jupyter here."
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    return {**os.environ, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"),
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
            "JUPYTER_DATA_DIR": str(tmp_path / "data")}


LAB = [sys.executable, "-c", "from hfcourse.cli import main; main()", "lab"]


@ROOT_ONLY
@pytest.mark.slow
def test_root_may_if_jupyters_settings_say_so(reader, tmp_path):
    "Who allowed it in a file is not asked again; who did not, is."
    with patch.dict(os.environ, reader):
        assert not cli._root_may([]) and cli._root_may(["--allow-root"])
        settings = tmp_path / "config" / "jupyter_server_config.py"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text("c.ServerApp.allow_root = True")
        assert cli._root_may([])


@ROOT_ONLY
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: name one in HFCOURSE_CHROMIUM")
def test_lab_opens_without_a_question_and_changes_nothing(reader, tmp_path):
    "Root is told what to type; that opens every lesson with no dialog, no news, no change."
    from playwright.sync_api import sync_playwright
    words = [*LAB, tmp_path / "mine"]
    refused = subprocess.run(words, env=reader, capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stderr.startswith("hfcourse: you are root, so")
    command = shlex.split(re.search(r"run hfcourse lab (.*)$", refused.stderr, re.M)[1])
    assert command == [str(tmp_path / "mine"), "--", "--allow-root"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    more = ["--no-browser", "--port", port, "--IdentityProvider.token="]
    with (tmp_path / "log").open("w") as log:
        lab = subprocess.Popen([*LAB, *command, *more], env=reader, stdout=log, stderr=log)
    address = f"http://localhost:{port}"
    try:
        wait_for(address)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.set_default_timeout(180_000)
            for lesson in course.lessons():
                page.goto(f"{address}/lab/tree/{lesson.path.name}")
                page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
                page.wait_for_timeout(3000)  # news come two seconds after the page
                assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0, lesson.name
                assert page.locator(".jp-mod-dirty").count() == 0, lesson.name
                assert page.locator(".lm-TabBar-tab.jp-mod-current", has_text=lesson.name).count()
            browser.close()
        children = psutil.Process(lab.pid).children(recursive=True)
        lab.send_signal(signal.SIGTERM)
        lab.wait(120)
        psutil.wait_procs(children, 60)
        assert not any(child.is_running() for child in children)
        assert not list((tmp_path / "tmp").glob("hfcourse-*"))
    finally:
        lab.kill()


def wait_for(address):
    "Wait until a server answers."
    until = time.monotonic() + 120
    while True:
        try:
            return urllib.request.urlopen(f"{address}/api").close()
        except OSError:
            assert time.monotonic() < until, f"{address} does not answer"
            time.sleep(0.2)
