"""A release's two files, as the release workflow builds them; the wheel in an empty environment."""
import email
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from paths import ROOT


@pytest.fixture(scope="module")
def dist():
    "The script that builds a release, as a module."
    spec = importlib.util.spec_from_file_location("dist", ROOT / ".ci" / "dist.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def release(home: Path, out: Path, **env: str) -> subprocess.CompletedProcess:
    "Run the script of a checkout."
    command = [sys.executable, home / ".ci" / "dist.py", "--out", out]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env={**os.environ, **env})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    "The folder of the two files."
    out = tmp_path_factory.mktemp("dist")
    done = release(ROOT, out, TZ="UTC")
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(made) -> Path:
    "The wheel."
    return next(made.glob("*.whl"))


@pytest.fixture(scope="module")
def sdist(made) -> Path:
    "The sdist."
    return next(made.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def card(wheel):
    "The wheel's metadata."
    with zipfile.ZipFile(wheel) as held:
        name, = [name for name in held.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_string(held.read(name).decode())


def test_wheel_holds_lessons_and_data(wheel, dist):
    "Notebooks, adapter, data and type marker travel in the wheel; no test and no script does."
    names = set(zipfile.ZipFile(wheel).namelist())
    lessons = {f"hfcourse/notebooks/{path.name}" for path in (ROOT / "nbs").glob("[0-9]*.ipynb")}
    assert len(lessons) > 10
    assert {name for name in names if name.startswith("hfcourse/notebooks/")} == {*lessons, "hfcourse/notebooks/index.ipynb"}
    package = [name for name in dist.tracked() if name.startswith("hfcourse/")]
    data = {name for name in package if not name.endswith(".py")}
    assert "hfcourse/py.typed" in data and [name for name in data if name.endswith(".safetensors")]
    assert data <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"hfcourse"}


def test_sdist_holds_what_it_can_build_and_no_tests(sdist):
    "An sdist gives the wheel; the tests need a checkout, and stay there."
    with tarfile.open(sdist) as packed:
        names = {name.split("/", 1)[-1] for name in packed.getnames()}
    assert {"setup.py", "settings.ini", "nbs/01_pipeline.ipynb", "LICENSE", "CHANGELOG.md"} <= names
    assert not [name for name in names if re.match(r"(tests|docs|bench|\.)", name)]


def test_a_second_build_is_the_same(made, tmp_path):
    "In another time zone and with other rights on new files, byte for byte."
    old = os.umask(0o077)
    try:
        done = release(ROOT, tmp_path / "again", TZ="Asia/Tokyo")
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stderr
    for path in made.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_an_sdist_that_gives_another_wheel_is_refused(dist, tmp_path):
    "A checkout whose sdist would leave the lessons out."
    home = dist.copy(dist.tracked(), tmp_path / "checkout")
    manifest = home / "MANIFEST.in"
    text = manifest.read_text(encoding="utf-8")
    text = text.replace("recursive-include nbs *.ipynb", "recursive-include nbs index.ipynb")
    manifest.write_text(text, encoding="utf-8")
    for words in (["init", "-q"], ["add", "--all"]):
        subprocess.run(["git", *words], cwd=home, check=True)
    done = release(home, tmp_path / "out", SOURCE_DATE_EPOCH="1700000000")
    assert done.returncode == 1 and "another wheel" in done.stderr
    assert not (tmp_path / "out").exists()


def test_files_too_many_and_too_few_are_refused(dist, wheel, sdist):
    "Wheel and sdist are compared with what is under version control, name by name."
    names = dist.tracked()
    dist.check_contents(wheel, sdist, names)
    with pytest.raises(ValueError, match=r"the wheel lacks hfcourse/new\.json"):
        dist.check_contents(wheel, sdist, [*names, "hfcourse/new.json"])
    with pytest.raises(ValueError, match=r"the sdist holds hfcourse/py\.typed"):
        dist.check_contents(wheel, sdist, [name for name in names if name != "hfcourse/py.typed"])


def test_a_description_that_an_index_refuses_is_refused(dist, wheel, tmp_path):
    "A wheel that does not say how its description is written."
    bad = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            if name.endswith("METADATA"):
                body = body.replace(b"text/markdown", b"text/x-rst")
            new.writestr(name, body)
    dist.check_description([wheel])
    with pytest.raises(ValueError, match="twine is not content"):
        dist.check_description([bad])


@pytest.mark.parametrize(("tag", "notes", "citation", "says"), [
    ("v0.2", "## 0.1.0, 2030-01-31", "version: 0.1.0", "the tag is v0.2 and the version is 0.1.0"),
    ("0.1.0", "## 0.1.0, 2030-01-31", "version: 0.1.0", "tag v0.1.0"),
    ("v0.1.0", "## 0.1.0, unreleased", "version: 0.1.0", "CHANGELOG.md has no date"),
    ("v0.1.0", "## 0.0.9, 2030-01-31", "version: 0.1.0", "CHANGELOG.md has no date"),
    ("v0.1.0", "## 0.1.0, 2030-01-31", "version: 0.1.1", "CITATION.cff names another"),
])
def test_a_tag_that_does_not_fit_is_refused(tag, notes, citation, says, dist):
    "Tag, version, release notes and citation name one release."
    dist.check_tag("v0.1.0", "0.1.0", "## 0.1.0, 2030-01-31\n", "version: 0.1.0\n")
    with pytest.raises(ValueError, match=re.escape(says)):
        dist.check_tag(tag, "0.1.0", notes, citation)


def test_the_tag_of_a_release_is_checked(tmp_path):
    "The script reads the tag that CI names, and builds nothing for a wrong one."
    done = release(ROOT, tmp_path / "out", GITHUB_REF_TYPE="tag", GITHUB_REF_NAME="v99.0")
    assert done.returncode == 1 and "the tag is v99.0" in done.stderr
    assert not (tmp_path / "out").exists()


def test_links_of_the_description_lead_somewhere_from_anywhere(card):
    "On an index's page a link to a file of the repository is absolute, and the file is there."
    targets = re.findall(r"\]\(([^)\s]+)\)", card.get_payload())
    assert targets and all(re.match(r"https?://|#", target) for target in targets), targets
    home = f"{card['Home-page']}/blob/main/"
    files = {target.removeprefix(home) for target in targets if target.startswith(home)}
    assert "nbs/01_pipeline.ipynb" in files and all((ROOT / name).exists() for name in files)


def test_the_card_says_what_an_index_shows(card):
    "Licence by its expression, the Python versions, and where to go."
    assert card["License-Expression"] == "Apache-2.0" and card["Requires-Python"] == ">=3.10"
    kinds = card.get_all("Classifier")
    assert not [kind for kind in kinds if kind.startswith("License ::")]  # the expression is enough
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    tried = re.search(r"python: \[(.+)\]", workflow)[1].replace('"', "").split(", ")
    stated = [kind.split(" :: ")[-1] for kind in kinds if re.search(r"Python :: 3\.\d+$", kind)]
    assert stated == tried and "Framework :: Jupyter" in kinds
    places = dict(line.split(", ", 1) for line in card.get_all("Project-URL"))
    assert {"Documentation", "Source", "Issues", "Changelog"} <= set(places)


def test_lab_holds_course_and_offline(card):
    "Whoever takes the extra `lab` can run every lesson without a network."
    lines = card.get_all("Requires-Dist")
    extras = {}
    for name in card.get_all("Provides-Extra"):
        mark = f'extra == "{name}"'
        extras[name] = {line.split(";")[0] for line in lines if mark in line}
    assert set(extras) == {"course", "offline", "lab", "dev", "docs"} and all(extras.values())
    assert extras["course"] | extras["offline"] < extras["lab"]


@pytest.fixture(scope="module")
def borrowing(wheel, tmp_path_factory) -> Path:
    "The commands of an environment that has the wheel, and everything else from the environment of the tests."
    home = tmp_path_factory.mktemp("borrowing")
    venv.create(home)
    bin_ = home / ("Scripts" if os.name == "nt" else "bin")
    inside = sysconfig.get_path("purelib", "venv", vars={"base": str(home), "platbase": str(home)})
    Path(inside, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", bin_ / "python", "install", "-q", "--no-deps", "--ignore-installed", wheel]
    done = subprocess.run(pip, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return bin_


def install(bin_: Path, what: str) -> None:
    "Install something into an environment, as pinned."
    pip = [bin_ / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command = [*pip, "-c", ROOT / "constraints.txt", what]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def small(wheel, tmp_path_factory) -> Path:
    "The commands of an environment that got the wheel and the checkpoint, not yet the course."
    home = tmp_path_factory.mktemp("env")
    venv.create(home, with_pip=True)
    bin_ = home / ("Scripts" if os.name == "nt" else "bin")
    install(bin_, f"{wheel}[offline]")
    return bin_


@pytest.fixture(scope="module")
def whole(small, wheel) -> Path:
    "The same environment, once the course is there too."
    install(small, f"{wheel}[course,offline]")
    return small


def outside(bin_, tmp_path, *words):
    "Run a command of that environment in an empty folder, without the checkout on any path."
    env = {**os.environ, "HFCOURSE_CACHE": str(tmp_path / "cache"), "PYTHONPATH": ""}
    command = [bin_ / words[0], *words[1:]]
    options = {"capture_output": True, "encoding": "utf-8", "timeout": 600}
    return subprocess.run(command, cwd=tmp_path, env=env, **options)


PROGRAM = """
import hfcourse
from hfcourse.pipeline import predict, trace
answer = predict('sentiment', ['I hate this so much!'], progress=False)[0]
print(answer['label'], trace('sentiment', 'What a fine day.').label, hfcourse.__file__)
"""


def answers(bin_: Path, tmp_path: Path) -> None:
    "A program of a user's own gets an answer from the package in that environment."
    done = outside(bin_, tmp_path, "python", "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["NEGATIVE", "POSITIVE"] and str(bin_.parent) in done.stdout


def commands_work(bin_: Path, tmp_path: Path) -> None:
    "`hfcourse run`, `doctor` and `lab` work from the wheel alone."
    done = outside(bin_, tmp_path, "hfcourse", "run", "--only", "02")
    assert done.returncode == 0 and "02_tokenization" in done.stdout, done.stdout + done.stderr
    assert outside(bin_, tmp_path, "hfcourse", "doctor").returncode == 0
    assert outside(bin_, tmp_path, "hfcourse", "lab", "mine", "--no-start").returncode == 0
    assert (tmp_path / "mine" / "01_pipeline.ipynb").exists()


def test_the_wheel_works_away_from_the_checkout(borrowing, tmp_path):
    "Helpers and commands, with the packages of the tests' own environment."
    answers(borrowing, tmp_path)
    commands_work(borrowing, tmp_path)


@pytest.mark.slow
def test_installed_helpers_answer(small, tmp_path):
    "With nothing but what the wheel asks for."
    answers(small, tmp_path)


@pytest.mark.slow
def test_without_the_course_the_command_says_how_to_get_it(small, tmp_path):
    "One sentence and exit code 2; the test after this one follows the remedy."
    done = outside(small, tmp_path, "hfcourse", "run")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert "pytest" in done.stderr
    assert done.stderr.endswith(": run pip install 'hfcourse[course]'.\n")


@pytest.mark.slow
def test_installed_command_runs_a_lesson(whole, tmp_path):
    "Once the remedy was followed, the commands work from the wheel and its extras."
    commands_work(whole, tmp_path)
