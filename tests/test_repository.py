"""The three equalities, style, types, and the workflow files."""
import filecmp
import json
import re
import shutil

import form
import pytest
from faults import FAULTS, planted


@pytest.fixture
def copy(root, tmp_path):
    "The notebooks and the configuration in a folder of their own, to be changed freely."
    shutil.copytree(root / "nbs", tmp_path / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    shutil.copy(root / "settings.ini", tmp_path)
    (tmp_path / "hfcourse").mkdir()
    for name in ("__init__.py", "_moved.py"):
        shutil.copy(root / "hfcourse" / name, tmp_path / "hfcourse")
    return tmp_path


def test_package_equals_notebooks(root, copy, call):
    "Exporting the notebooks gives the very package."
    done = call("python", "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()", cwd=copy)
    assert done.returncode == 0, done.stderr
    names = sorted(path.relative_to(copy / "hfcourse").as_posix() for path in (copy / "hfcourse").rglob("*.py"))
    assert names == sorted(path.relative_to(root / "hfcourse").as_posix() for path in (root / "hfcourse").rglob("*.py"))
    assert len(names) > 30  # the folders below are compared too
    assert filecmp.cmpfiles(root / "hfcourse", copy / "hfcourse", names, shallow=False)[1:] == ([], []), "run make export"


def test_notebooks_are_clean(root, copy, call):
    "Cleaning the notebooks changes nothing, and none holds an output."
    done = call("python", "-c", "from nbdev.clean import nbdev_clean; nbdev_clean()", cwd=copy)
    assert done.returncode == 0, done.stderr
    for path in (copy / "nbs").glob("[0-9][0-9]_*.ipynb"):  # nbdev takes all metadata off; the lessons' folds are put back
        folded = form.in_form(json.loads(path.read_text(encoding="utf-8")), minutes=False)
        path.write_text(form.written(folded), encoding="utf-8")
    for path in sorted((copy / "nbs").rglob("*.ipynb")):
        assert path.read_bytes() == (root / path.relative_to(copy)).read_bytes(), f"{path.name}: run make export"
        assert not any(cell.get("outputs") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])


def test_readme_equals_index(root, call):
    "README.md is what the index notebook gives when it is run."
    done = call("python", "docs/readme.py", "--check", cwd=root)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [("ruff", "check", "."), ("mypy",)], ids=["ruff", "mypy"])
def test_style_and_types(command, root, call):
    "Notebooks, package and scripts pass the linter; the package passes the type checker."
    done = call("python", "-m", *command, cwd=root)
    assert done.returncode == 0, done.stdout


def test_workflows_fit_the_schema(root, call):
    "The workflow files are valid for GitHub."
    files = sorted((root / ".github" / "workflows").glob("*.yml"))
    done = call("python", "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    assert files and done.returncode == 0, done.stdout


def test_workflows_run_make_targets_only(root):
    "Each step of a workflow is a target of the Makefile."
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.M))
    for path in sorted((root / ".github" / "workflows").glob("*.yml")):
        steps = re.findall(r"^\s*- run: (.+)$", path.read_text(encoding="utf-8"), re.M)
        assert steps and all(re.fullmatch(r"make ([a-z-]+)( PYTHON=python)?", step) and step.split()[1] in targets for step in steps), path


def test_constraints_pin_every_requirement(root):
    "Whatever settings.ini names, constraints.txt pins inside the range that it gives."
    from configparser import ConfigParser

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    config = ConfigParser(delimiters=["="])
    config.read(root / "settings.ini", encoding="utf-8")
    wanted = " ".join(value for key, value in config["DEFAULT"].items() if key.endswith("requirements")).split()
    lines = [line for line in (root / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    pins = [Requirement(line) for line in lines]
    for requirement in map(Requirement, wanted):
        same = [pin for pin in pins if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
        versions = [next(iter(pin.specifier)).version for pin in same]
        assert versions and all(requirement.specifier.contains(version) for version in versions), requirement


def test_no_large_or_binary_surprises(root, call):
    "Nothing over 2 MB is under version control, and no pickle."
    names = call("git", "ls-files", "-z", cwd=root).stdout.split("\0")
    files = [root / name for name in names if name and (root / name).is_file()]
    assert all(path.stat().st_size < 2_000_000 for path in files)
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pkl", ".pickle", ".ckpt")]


def test_each_planted_fault_has_its_place(root):
    "Code moves; a fault of `tests/faults.py` that no longer finds its line would prove nothing in the weekly run."
    gone = [fault.name for fault in FAULTS if planted((root / fault.path).read_text(encoding="utf-8"), fault)
            == (root / fault.path).read_text(encoding="utf-8")]
    assert not gone and len(FAULTS) == 30
