"""What each lesson's notebook holds, as it stands: seconds, where the run of its cells takes minutes."""
import ast
import json
import re

import form
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


def cells_of(lesson):
    "A lesson's cells, as they stand in its file."
    return json.loads(lesson.path.read_text(encoding="utf-8"))["cells"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lessons_minutes_are_computed(lesson):
    "What the head states is what there is to read, to a fifth; and no lesson is too long for one sitting."
    computed = form.reading(cells_of(lesson)).minutes
    assert abs(lesson.minutes - computed) <= form.ALLOWED * computed, f"computed {computed:.0f}: run make export"
    assert computed <= 75


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_what_is_no_reading_is_folded(lesson):
    "Plumbing, proofs and drawings are folded in JupyterLab and Colab, and nothing else is."
    assert [cell["metadata"] for cell in cells_of(lesson)] == [form.FOLD if form.folded(cell) else {} for cell in cells_of(lesson)]


def test_folding_and_minutes_see_what_they_are_for():
    "The rules on cells made for them: a proof folds, a taught cell does not; words, lines and outputs count."
    cells = [{"cell_type": kind, "source": [text]} for kind, text in [
        ("markdown", "word " * 180), ("code", "x = 1\n" * 60), ("code", "# Proof\nassert x\n" * 9), ("code", "x"), ("code", "x;"),
        ("code", "#| export\nfrom a import b"), ("code", "#| gpu\nx")]]
    assert [form.folded(cell) for cell in cells] == [False, False, True, False, False, True, False]
    assert form.reading(cells) == form.Reading(180, 63, 2) and abs(form.reading(cells).minutes - (1 + 7.35 + 0.8)) < 1e-9


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_has_the_form_of_the_second_edition(lesson):
    "The map with this lesson's box lit, a drawing beside it, predictions, something to try, recall; few refusals, nothing private."
    code, prose = sources(lesson, "code"), "\n".join(sources(lesson, "markdown"))
    assert f"course_map({int(lesson.name[:2])})" in code[0] and code[0].startswith("# Drawing")
    assert sum(source.startswith("# Drawing") for source in code) >= 2
    assert prose.count("**Before you run it:**") >= 3 and "**Try it.**" in prose and "**Recall**" in prose and "You can now" in prose
    assert sum(source.count("pytest.raises") for source in code) <= 4 and len(cells_of(lesson)) <= 50
    defined = [node.name for source in code for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assert not [name for name in defined if name.startswith("_") and not name.endswith("__")]
    lines = [line for source in code for line in source.splitlines()]
    assert [line for line in lines if len(line) > 88] == []


def old_names(cell):
    "What the first column of a Then-and-now table names: words of code that a proof has to use."
    tree = ast.parse(cell)
    tables = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Table"
              and isinstance(node.args[0], ast.List) and getattr(node.args[0].elts[0], "value", "") == "older notes"]
    olds = [row.elts[0].value for table in tables for row in table.args[1].elts]
    return {old: set(re.findall(r"\.(\w+)(?=\(|$|,)|(\w+)=(?!=)", old)) for old in olds}, tables


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_each_old_form_is_tried_under_its_own_name(lesson):
    "The attribute or keyword in a row of Then and now is the one in a cell of the lesson: a slip in its spelling would prove nothing."
    code = sources(lesson, "code")
    table = next(source for source in code if "older notes" in source)
    named, [call] = old_names(table)
    beside = table.replace(ast.get_source_segment(table, call), "")  # what the cell does apart from the table
    tried = "\n".join([beside, *(source for source in code if source is not table)])
    words = set(re.findall(r"\w+", tried))
    missing = [(old, name) for old, found in named.items() for pair in found for name in pair if name and name not in words]
    assert len(named) >= 3 and missing == []


def test_a_slip_in_then_and_now_is_found():
    "The check sees the names of a row: attributes and keywords."
    named, _ = old_names('Table(["older notes", "now"], [["ds.rename_(a, b)", ""], ["Trainer(tokenizer=t)", ""], ["AdamW", ""]])')
    assert named == {"ds.rename_(a, b)": {("rename_", "")}, "Trainer(tokenizer=t)": {("", "tokenizer")}, "AdamW": set()}
