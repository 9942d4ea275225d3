"""What each lesson's notebook holds, as it stands: seconds, where the run of its cells takes minutes."""
import json
import re

import nbformat
import pytest
from paths import ROOT

from hfcourse.ground import running

LESSONS = running.lessons()


def sources(lesson, kind):
    "The cells of one kind."
    cells = nbformat.read(lesson.path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == kind]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_says_its_minutes(lesson):
    "Title, what it is about, what is needed, and how long it takes, in the first three cells."
    title, needs = sources(lesson, "markdown")[:2]
    assert lesson.minutes > 0 and re.match(r"# .+\n\n> .+", title) and "Minutes: " in needs


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_has_its_then_and_now(lesson):
    "A table of old and present forms, whose first column is *older notes*."
    assert any("older notes" in source for source in sources(lesson, "code"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_parses_and_skips_nothing_without_a_reason(lesson):
    "Each cell is Python, and a cell that does not run says why."
    for source in sources(lesson, "code"):
        compile(re.sub(r"^\s*[%!].*$", "pass", source, flags=re.M), lesson.name, "exec")
        running.why_skipped(source)


def test_cell_ids_are_unique():
    "No notebook has two cells of one id, as its format asks."
    for path in (ROOT / "nbs").rglob("*.ipynb"):
        ids = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        assert len(set(ids)) == len(ids), path.name
