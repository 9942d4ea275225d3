"""The wheel, installed with its dependencies in an empty environment, away from the checkout."""
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    "The wheel, built from a copy of the checkout."
    import shutil
    home = tmp_path_factory.mktemp("wheel")
    skip = shutil.ignore_patterns(".git", ".venv", "_build", "build", "*.egg-info", "__pycache__", ".carry*", ".*_cache")
    source = shutil.copytree(root, home / "source", ignore=skip)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", home, source]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return next(home.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, root) -> Path:
    "The folder of commands of an empty environment in which only the wheel was installed."
    home = wheel.parent / "env"
    venv.create(home, with_pip=True)
    bin_ = home / ("Scripts" if os.name == "nt" else "bin")
    pip = [bin_ / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command = [*pip, "-c", root / "constraints.txt", f"{wheel}[offline]"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return bin_


def outside(installed, tmp_path, *words):
    "Run a command of that environment in an empty folder, without the checkout on any path."
    env = {**os.environ, "HFCOURSE_CACHE": str(tmp_path / "cache"), "PYTHONPATH": ""}
    return subprocess.run([installed / words[0], *words[1:]], cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", timeout=600)


def test_wheel_holds_lessons_and_assets(wheel, root):
    "The notebooks, the adapter, the data and the type marker travel in the wheel; no test and no script does."
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"hfcourse/notebooks/{path.name}" for path in (root / "nbs").glob("*.ipynb")} <= names
    shipped = [p for p in (root / "hfcourse" / "shipped").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert {p.relative_to(root).as_posix() for p in shipped} <= names and "hfcourse/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "recipes/", "bench/", "docs/"))]


def test_installed_helpers_answer(installed, tmp_path):
    "A program of a user's own gets an answer from the installed package, which lies in that environment."
    program = ("import hfcourse; from hfcourse.pipeline import predict, trace\n"
               "answer = predict('sentiment', ['I hate this so much!'], progress=False)[0]\n"
               "print(answer['label'], trace('sentiment', 'What a fine day.').label, hfcourse.__file__)")
    done = outside(installed, tmp_path, "python", "-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["NEGATIVE", "POSITIVE"] and str(installed.parent) in done.stdout


def test_installed_command_runs_a_lesson(installed, tmp_path):
    "`hfcourse run`, `doctor` and `lab` work from the wheel alone."
    done = outside(installed, tmp_path, "hfcourse", "run", "--only", "02")
    assert done.returncode == 0 and "02_tokenization" in done.stdout, done.stdout + done.stderr
    assert outside(installed, tmp_path, "hfcourse", "doctor").returncode == 0
    assert outside(installed, tmp_path, "hfcourse", "lab", "mine", "--no-start").returncode == 0
    assert (tmp_path / "mine" / "01_pipeline.ipynb").exists()
