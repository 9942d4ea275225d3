"""Every notebook's cells, with an account of what ran: lessons in the one run that the site shows, the ground by nbdev's runner."""
import json

import nbformat
import outputs
import pytest
from paths import REPORT, ROOT

LESSONS = outputs.every()
GROUND = sorted(path.relative_to(ROOT) for path in (ROOT / "nbs").rglob("*.ipynb")
                if "checkpoints" not in path.parent.name and path.stem not in {lesson.name for lesson in LESSONS})


def reported(row):
    "Keep a row for the report at the end."
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a", encoding="utf-8") as report:
        report.write(json.dumps(row) + "\n")


@pytest.mark.lessons
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_runs_without_a_network(lesson, request):
    "Each cell ran, or says why it did not, with the network cut off, no cache and no account."
    outputs.run([lesson] if request.config.getoption("changed") else LESSONS)
    run = outputs.executed(lesson).metadata.run
    assert run["ran"] > 0
    reported({"notebook": f"{lesson.name}.ipynb", "ran": run["ran"], "skipped": run["skipped"]})


@pytest.fixture(scope="module")
def ground(call, root):
    "What became of each notebook of the ground, and what was printed of those that failed."
    done = call("python", "tests/support/cells.py", *GROUND, cwd=root)
    return dict(zip(GROUND, map(json.loads, done.stdout.splitlines()), strict=True)), done.stderr


@pytest.mark.parametrize("notebook", GROUND, ids=str)
def test_the_ground_runs(notebook, ground):
    "Each cell runs, or says why it does not."
    rows, told = ground
    row = rows[notebook]
    assert row["error"] is None, told[-6000:]
    assert row["ran"] > 0
    reported(row)


BAD = {"assert False, 'planted'": "planted", "#| eval: false\n1": "does not say why", "import os; os._exit(3)": "ended with 3"}


def test_a_bad_cell_is_noticed(call, root, tmp_path):
    "A failing cell, a skip without a reason and a process that dies fail the run; what stands beside them runs all the same."
    paths = []
    for number, last in enumerate([*BAD, "2 + 2"]):
        cells = [nbformat.v4.new_code_cell("1 + 1"), nbformat.v4.new_code_cell(last)]
        paths.append(tmp_path / f"{number}.ipynb")
        nbformat.write(nbformat.v4.new_notebook(cells=cells), paths[-1])
    done = call("python", "tests/support/cells.py", *paths, cwd=root)
    *bad, good = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1 and all(row["error"] for row in bad)
    assert all(says in done.stderr for says in BAD.values())
    assert good == {"notebook": "3.ipynb", "ran": 2, "skipped": [], "error": None}


def test_a_failing_lesson_is_noticed(tmp_path):
    "The run goes on to the next notebook, and the error names lesson, cell and cause."
    lessons = []
    for name, source in (("one", "1 / 0"), ("two", "1 + 1")):
        path = tmp_path / f"{name}.ipynb"
        kernel = {"name": "python3", "display_name": "python3", "language": "python"}
        cells = [nbformat.v4.new_code_cell(source)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
        lessons.append(outputs.running.Lesson(name, name, 1, path))
    outputs.run(lessons, tmp_path / "kept")
    with pytest.raises(outputs.PageError, match="ZeroDivisionError") as caught:
        outputs.executed(lessons[0], folder=tmp_path / "kept")
    assert str(caught.value).startswith("one, code cell 1:\n\n1 / 0\n\n")
    assert outputs.executed(lessons[1], folder=tmp_path / "kept").metadata.run.ran == 1
