"""What the tests share: the project's root, commands, and the closing report of cells."""
import json
import os
import subprocess
import sys
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers are as many as the cores: one thread each, before torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from paths import REPORT, ROOT


def pytest_addoption(parser):
    "What `make check` asks for, and what a maintainer may."
    parser.addoption("--changed", action="store_true", help="of the lessons only those that differ from the last commit")
    parser.addoption("--write-accepted", action="store_true", help="write down what each parameter takes and refuses")


@pytest.fixture(scope="session")
def root() -> Path:
    "The checkout."
    return ROOT


@pytest.fixture(scope="session")
def call():
    "Run a command and give exit code, output and errors together; the test's own Python stands for `python`."
    def run(*words, **options):
        words = [sys.executable if word == "python" else os.fspath(word) for word in words]
        env = {**os.environ, **options.pop("env", {}), "PYTHONUTF8": "1"}
        return subprocess.run(words, capture_output=True, text=True, encoding="utf-8", timeout=3000, env=env, **options)
    return run


def scope_of(nodeid: str) -> str:
    """What one worker does in one go: a file; the lessons' run and the README, which stands on it; or the site, which comes last. Whoever
    takes the site waits for the lock of the lessons' run, and finds what it gave."""
    if nodeid.startswith("tests/site/"):
        return "the site"
    on_the_run = ("tests/test_readme.py", "tests/test_cells.py::test_a_lesson_runs", "tests/test_repository.py::test_readme")
    return "the run" if nodeid.startswith(on_the_run) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    "Workers take whole scopes, in order: the one that takes longest comes first."
    from xdist.scheduler import LoadScopeScheduling

    class ByScope(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return scope_of(nodeid)

    config.option.loadscopereorder = False
    return ByScope(config, log)


def changed_lessons() -> set[str]:
    "The lessons that differ from the last commit, by name."
    words = ["git", "status", "--porcelain", "--", "nbs/*.ipynb"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return {Path(line[3:].split(" -> ")[-1].strip('"')).stem for line in done.stdout.splitlines()}


def pytest_collection_modifyitems(config, items):
    "The lessons run first; the site, which shows what their cells gave, comes last."
    items.sort(key=lambda item: ("site" in item.path.parts, item.get_closest_marker("lessons") is None))
    if not config.getoption("changed"):
        return
    changed = changed_lessons()
    left = [item for item in items if item.get_closest_marker("lessons") and item.callspec.id not in changed]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def pytest_sessionstart(session):
    "Forget the report of an earlier run."
    if "PYTEST_XDIST_WORKER" not in os.environ:
        REPORT.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter):
    "Say how many cells ran in each notebook, and which did not and why."
    if REPORT.exists():
        terminalreporter.section("cells")
        for line in REPORT.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            reasons = "; ".join(sorted({reason for _, reason in row["skipped"]}))
            skipped = f"{len(row['skipped'])} skipped" + (f" ({reasons})" if reasons else "")
            terminalreporter.line(f"{row['notebook']:32} {row['ran']:3} run, {skipped}")
