"""What is wrong in a lesson or a page stops the build, which says where."""
import lesson_pages
import nbformat
import outputs
import pytest
from built import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hfcourse.ground.running import Lesson

pytestmark = pytest.mark.site

HEAD = [new_markdown_cell("# A lesson\n\n> what it teaches"),
        new_markdown_cell("You need Python. Minutes: 5."), new_code_cell("#| default_exp padding")]


@pytest.fixture
def lesson(tmp_path):
    "A lesson with the cells that a test gives."
    def made(*cells):
        kernel = {"name": "python3", "display_name": "python3", "language": "python"}
        notebook = new_notebook(cells=[*HEAD, *cells], metadata={"kernelspec": kernel})
        nbformat.write(notebook, tmp_path / "00_wrong.ipynb")
        return Lesson("00_wrong", "A lesson", 5, tmp_path / "00_wrong.ipynb")
    return made


def test_a_failing_cell_is_named(lesson, tmp_path):
    "Lesson, cell and error; and nothing is kept as if it had run."
    with pytest.raises(outputs.PageError) as caught:
        outputs.executed(lesson(new_code_cell("1 + 1"), new_code_cell("[][3]")), folder=tmp_path / "kept")
    assert all(part in str(caught.value) for part in ("00_wrong, code cell 3", "[][3]", "IndexError"))
    with pytest.raises(outputs.PageError):
        outputs.executed(lesson(new_code_cell("1 + 1"), new_code_cell("[][3]")), folder=tmp_path / "kept")


def test_what_ran_is_not_run_again_until_it_changes(lesson, tmp_path):
    "The outputs are kept for the same cells; other text around them does not matter, another cell does."
    made, kept = lesson(new_code_cell("import time; time.time()")), tmp_path / "kept"
    times = [outputs.executed(made, folder=kept).cells[-1].outputs[0].data["text/plain"] for _ in range(2)]
    notebook = nbformat.read(made.path, as_version=4)
    notebook.cells[1].source = "Other words. Minutes: 6."
    notebook.cells.insert(2, new_markdown_cell("A paragraph more."))
    nbformat.write(notebook, made.path)
    again = outputs.executed(made, folder=kept)
    assert times[0] == times[1] == again.cells[-1].outputs[0].data["text/plain"] and again.cells[1].source.startswith("Other")
    assert [cell.source for cell in again.cells] == [cell.source for cell in notebook.cells]
    notebook.cells[-1].source += " + 0"
    nbformat.write(notebook, made.path)
    assert outputs.executed(made, folder=kept).cells[-1].outputs[0].data["text/plain"] != times[0]


PICTURES = [new_markdown_cell("![](a.png)"), new_markdown_cell('<img src="a.png">'),
            new_code_cell("1", outputs=[new_output("display_data", {"image/png": "iVBO"})]),
            new_code_cell("1", outputs=[new_output("display_data", {"text/html": "<figure><img src='a.png' alt=''></figure>"})])]


@pytest.mark.parametrize("cell", PICTURES)
def test_a_picture_without_words_is_named(cell, lesson):
    "A missing or empty alternative text stops the build, with lesson and cell."
    made = lesson(cell)
    with pytest.raises(outputs.PageError, match="00_wrong, cell 4: a picture has no alternative text"):
        lesson_pages.page(made, nbformat.read(made.path, as_version=4))


def test_a_lesson_without_then_and_now_is_named(lesson):
    "Each lesson has the table of old and present forms."
    made = lesson()
    with pytest.raises(outputs.PageError, match="00_wrong: no table whose first column is"):
        lesson_pages.then_and_now(made, nbformat.read(made.path, as_version=4))


@pytest.mark.parametrize(("text", "says"), [
    ("[there](nowhere.md)", "cross-reference target not found: 'nowhere.md'"),
    ("[there](#nowhere)", "nowhere"),
    ("`hfcourse.padding.no_such_name` fills.", "hfcourse.padding.no_such_name"),
])
def test_a_link_to_nothing_stops_the_build(text, says, call, site, tmp_path):
    "A page that links to nothing, or names what does not exist: Sphinx says page and line and fails."
    source = tmp_path / "source"
    (source / "reference").mkdir(parents=True)
    (source / "index.md").write_text(f"# Home\n\n{text}\n\n```{{toctree}}\nreference/padding\n```\n", encoding="utf-8")
    page = (ROOT / "_build" / "docs" / "reference" / "padding.md").read_text(encoding="utf-8").split("```{eval-rst}")[1]
    (source / "reference" / "padding.md").write_text("# hfcourse.padding\n\n```{eval-rst}" + page, encoding="utf-8")
    done = call("python", "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "-c", ROOT / "docs", source, tmp_path / "out")
    assert done.returncode != 0 and says in done.stderr and "index.md:3" in done.stderr


def test_a_sound_page_builds(call, site, tmp_path):
    "The same page without the fault: the fault is what stopped it."
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text("# Home\n\nNothing wrong, and `code` in it.\n", encoding="utf-8")
    done = call("python", "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "-c", ROOT / "docs", source, tmp_path / "out")
    assert done.returncode == 0, done.stderr
