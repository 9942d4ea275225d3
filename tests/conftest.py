"""What the tests share: the project's root, commands, and the closing report of cells."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import REPORT, ROOT


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
        return subprocess.run(words, capture_output=True, text=True, encoding="utf-8", timeout=900, env=env, **options)
    return run


def pytest_collection_modifyitems(items):
    "The site comes last: it shows what the lessons' cells gave."
    items.sort(key=lambda item: "site" in item.path.parts)


def pytest_sessionstart(session):
    "Forget the report of an earlier run."
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
