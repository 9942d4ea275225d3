"""Every notebook's cells, with an account of what ran: lessons in a real kernel, the ground by nbdev's own test runner."""
import json

import pytest
from paths import REPORT, ROOT

NOTEBOOKS = sorted(path.relative_to(ROOT) for path in (ROOT / "nbs").rglob("*.ipynb") if "checkpoint" not in str(path))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=str)
def test_cells_run(notebook, call, root):
    "Each cell runs, or says why it does not."
    lesson = notebook.name[:2].isdigit() or notebook.name == "index.ipynb"
    runner = "docs/lesson_pages.py" if lesson else "tests/support/cells.py"  # the site shows the outputs of the first
    done = call("python", runner, notebook, cwd=root)
    assert done.returncode == 0, done.stderr[-6000:]
    row = done.stdout.splitlines()[-1]
    assert json.loads(row)["ran"] > 0 or notebook.name == "index.ipynb"
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a", encoding="utf-8") as report:
        report.write(row + "\n")


@pytest.mark.parametrize(("source", "says"), [("assert False, 'planted'", "planted"), ("#| eval: false\n1", "does not say why")])
def test_a_bad_cell_is_noticed(source, says, call, root, tmp_path):
    "A failing cell, and a skip without a reason, fail the run."
    import nbformat
    path = tmp_path / "bad.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1"), nbformat.v4.new_code_cell(source)]), path)
    done = call("python", "tests/support/cells.py", path, cwd=root)
    assert done.returncode != 0 and says in done.stderr
