"""Notebooks to pages: each, with its outputs, as MyST-NB reads it."""
import ast
import importlib
import re
from configparser import ConfigParser

import form
import nbformat
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from outputs import ROOT, PageError
from reference import described_in

from hfcourse import _HOMES as MOST_USED
from hfcourse.ground import running as course

config = ConfigParser(delimiters=["="])
config.read(ROOT / "settings.ini", encoding="utf-8")
META = config["DEFAULT"]
REPOSITORY = f"{META['git_url']}/blob/{META['branch']}"
FLAG = re.compile(r"^#\|\s*(\w+):?[ \t]*(.*)\n?", re.M)


def flags(source: str) -> dict[str, str]:
    "nbdev's flags of a cell: `#| echo: false` gives `{'echo': 'false'}`."
    return dict(FLAG.findall(source))


def linked(text: str) -> str:
    "Links to files of the project that are no pages lead to the repository."
    return re.sub(r"\]\((?!https?:|#)([\w./-]+)(?<!\.ipynb)\)", rf"]({REPOSITORY}/\1)", text)


def names_in(notebook: nbformat.NotebookNode) -> dict[str, str]:
    "For each name of the package that the notebook imports, where its reference is."
    found = {}
    for cell in notebook.cells:
        tree = ast.parse(cell.source) if cell.cell_type == "code" else ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "hfcourse":
                found |= {alias.asname or alias.name: f"hfcourse.{MOST_USED[alias.name]}.{alias.name}"
                          for alias in node.names if alias.name in MOST_USED}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hfcourse."):
                loaded = importlib.import_module(node.module)
                for alias in node.names:
                    if alias.name in getattr(loaded, "__all__", ()):
                        found[alias.asname or alias.name] = f"{described_in(loaded, alias.name)}.{alias.name}"
    return found


def bare_pictures(html: str) -> int:
    "How many pictures have no alternative text."
    return sum(not picture.get("alt") for picture in BeautifulSoup(html, "html.parser").find_all("img"))


def check_pictures(name: str, number: int, cell: nbformat.NotebookNode) -> None:
    "`PageError` for a picture that says nothing to those who do not see it."
    if cell.cell_type == "markdown":
        bare = bare_pictures(cell.source) + len(re.findall(r"!\[\s*\]\(", cell.source))
    else:
        shown = [output.get("data", {}) for output in cell.outputs]
        bare = sum(bare_pictures(data.get("text/html", "")) for data in shown)
        if "alt" not in flags(cell.source):
            bare += sum(any(kind.startswith("image/") for kind in data) for data in shown)
    if bare:
        raise PageError(f"{name}, cell {number}: a picture has no alternative text. "
                        "Draw with hfcourse.display.Chart, or give `alt`.")


def head(lesson: course.Lesson, module: str | None, needs: str, run: nbformat.NotebookNode) -> str:
    "What a reader wants to know first: minutes, needs, module, and the notebook to take along."
    needs = re.sub(r"\s*Minutes: \d+\.?", "", needs).strip()
    gives = f"- gives [`hfcourse.{module}`](reference/{module}.md)\n" if module else ""
    return (f":::{{container}} lesson-head\n- **{lesson.minutes} minutes** to read\n"
            f"- runs in **{run.seconds:.0f} seconds** on {run.cores} CPU cores\n{gives}"
            f"- <a href=\"notebooks/{lesson.name}.ipynb\" download>the notebook</a>\n:::\n\n{needs}")


def unread(cell: nbformat.NotebookNode, number: int, source: str) -> str | None:
    "What a cell is that is folded, in words; None for one that is read."
    kinds = {type(node) for node in ast.parse(source).body} - {ast.Import, ast.ImportFrom}
    if source.startswith("# Drawing"):
        return "how this is drawn"
    if source.startswith("# Proof"):
        return "the proof" + source.splitlines()[0].removeprefix("# Proof")
    if "export" in flags(cell.source):
        defines = bool({ast.FunctionDef, ast.ClassDef} & kinds)
        return "the helpers" if defines else "the module's imports"
    at_the_head = number <= 7 and kinds <= {ast.Assign, ast.Expr} and not cell.outputs
    if source.startswith(("import ", "from ", "# this project's own")) and (at_the_head or not kinds):
        return "the lesson's imports"
    return "this cell" if form.folded(cell) else None


def code(cell: nbformat.NotebookNode, number: int) -> list[nbformat.NotebookNode]:
    "A code cell as the page shows it, with a place to link to where it defines something."
    given = flags(cell.source)
    source = FLAG.sub("", cell.source).strip("\n")
    if {"hide", "default_exp"} & given.keys() or not source:
        return []
    made = new_code_cell(source, outputs=cell.outputs, execution_count=cell.execution_count)
    after = []
    if what := unread(cell, number, source):
        made.metadata.tags = ["hide-input"]  # there for whoever wants it
        made.metadata.mystnb = {"code_prompt_show": f"Show {what}", "code_prompt_hide": f"Hide {what}"}
    if given.get("echo") == "false":
        made.metadata.tags = ["remove-input"]
    if reason := course.why_skipped(cell.source):
        after = [new_markdown_cell(f"*Not run for this page: {reason}.*")]
    return [made, *after]


def page(lesson: course.Lesson, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    "The notebook that MyST-NB turns into a page."
    found = (flags(cell.source).get("default_exp") for cell in notebook.cells if cell.cell_type == "code")
    module = next(filter(None, found), None)
    known = names_in(notebook)
    for number, cell in enumerate(notebook.cells, 1):
        check_pictures(lesson.name, number, cell)
    cells = []
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            cells += code(cell, number)
        elif number == 1:
            title, said = cell.source.split("\n", 1)
            cells.append(new_markdown_cell(f"{title}\n\n:::{{container}} lead\n{said.strip().lstrip('> ')}\n:::"))
        elif number == 2 and lesson.minutes:
            cells.append(new_markdown_cell(head(lesson, module, cell.source, notebook.metadata.run)))
        else:
            cells.append(new_markdown_cell(linked(cell.source)))
    for place, cell in enumerate(cells):
        cell.id = f"cell-{place}"  # the same each time
    said = notebook.cells[0].source.split("\n", 1)[1].strip().lstrip("> ")
    made = new_notebook(cells=cells, metadata={
        "kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"},
        "myst": {"html_meta": {"description": said}}, "hfcourse": known})
    nbformat.validate(made)
    return made


def rows_of(table: BeautifulSoup) -> list[list[str]]:
    "The texts of a table, row by row, its head first."
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]


def then_and_now(lesson: course.Lesson, notebook: nbformat.NotebookNode) -> list[list[str]]:
    "The rows of the lesson's table of old and present forms: old, what it gives today, what to write now."
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            for table in BeautifulSoup(html, "html.parser").find_all("table"):
                head, *rows = rows_of(table)
                if head[0] == "older notes":
                    found += [[row[0], row[1] if len(row) == 3 else "", row[-1]] for row in rows]
    if not found:
        raise PageError(f"{lesson.name}: no table whose first column is \"older notes\": every lesson has one.")
    return found
