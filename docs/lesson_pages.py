"""Notebooks to pages: each, with its outputs, as MyST-NB reads it."""
import ast
import importlib
import re
from configparser import ConfigParser

import nbformat
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from outputs import ROOT, PageError
from reference import home_of

from hfcourse.ground import running as course

config = ConfigParser(delimiters=["="])
config.read(ROOT / "settings.ini", encoding="utf-8")
META = config["DEFAULT"]
REPOSITORY = f"{META['git_url']}/blob/{META['branch']}"
FLAG = re.compile(r"^#\|\s*(\w+):?[ \t]*(.*)\n?", re.M)


def flags(source: str) -> dict[str, str]:
    "nbdev's flags of a cell: `#| echo: false` gives `{'echo': 'false'}`."
    return dict(FLAG.findall(source))


def definitions(source: str) -> list[str]:
    "The public names that a cell defines."
    found = [node.name for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return [name for name in found if not name.startswith("_")]


def label(module: str | None, name: str) -> str:
    "The place in a lesson where a name is defined; labels know no capitals, names do."
    return f"written-{module}-{'class' if name[0].isupper() else 'name'}-{name.lower()}"


def linked(text: str) -> str:
    "Links to files of the project that are no pages lead to the repository."
    return re.sub(r"\]\((?!https?:|#)([\w./-]+)(?<!\.ipynb)\)", rf"]({REPOSITORY}/\1)", text)


def names_in(notebook: nbformat.NotebookNode, module: str | None) -> dict[str, str]:
    "For each name of the package that the notebook imports or defines, where its reference is."
    found = {}
    for cell in notebook.cells:
        tree = ast.parse(cell.source) if cell.cell_type == "code" else ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hfcourse."):
                loaded = importlib.import_module(node.module)
                for alias in node.names:  # a door hands names on: their reference is where they are defined
                    home = home_of(loaded, alias.name)
                    found[alias.asname or alias.name] = f"{home}.{alias.name}"
        if (module and "exports" in flags(cell.source)) or "export" in flags(cell.source):
            found |= {name: f"hfcourse.{module}.{name}" for name in definitions(cell.source)}
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


def head(lesson: course.Lesson, module: str, needs: str, run: nbformat.NotebookNode) -> str:
    "What a reader wants to know first: minutes, needs, module, and the notebook to take along."
    needs = re.sub(r"\s*Minutes: \d+\.?", "", needs).strip()
    return (f":::{{container}} lesson-head\n- **{lesson.minutes} minutes** to read\n"
            f"- runs in **{run.seconds:.0f} seconds** on {run.cores} CPU cores\n"
            f"- exports [`hfcourse.{module}`](reference/{module}.md)\n"
            f"- <a href=\"notebooks/{lesson.name}.ipynb\" download>the notebook</a>\n:::\n\n{needs}")


def code(cell: nbformat.NotebookNode, number: int, module: str | None) -> list[nbformat.NotebookNode]:
    "A code cell as the page shows it, with a place to link to where it defines something."
    given = flags(cell.source)
    source = FLAG.sub("", cell.source).strip("\n")
    if {"hide", "default_exp"} & given.keys() or not source:
        return []
    made = new_code_cell(source, outputs=cell.outputs, execution_count=cell.execution_count)
    before, after = [], []
    kinds = {type(node) for node in ast.parse(source).body} - {ast.Import, ast.ImportFrom}
    helps = "export" in given and bool({ast.FunctionDef, ast.ClassDef} & kinds)
    at_the_head = number <= 6 and kinds <= {ast.Assign, ast.Expr} and not cell.outputs
    imports = source.startswith(("import ", "from ")) and (at_the_head or not kinds)
    if helps or imports:
        made.metadata.tags = ["hide-input"]  # there for whoever wants them
        what = "the helpers" if helps else "the module's imports" if "export" in given else "the lesson's imports"
        made.metadata.mystnb = {"code_prompt_show": f"Show {what}", "code_prompt_hide": f"Hide {what}"}
    if given.get("echo") == "false":
        made.metadata.tags = ["remove-input"]
    if "exports" in given:
        before = [new_markdown_cell("\n".join(f"({label(module, name)})=" for name in definitions(source)))]
        names = ", ".join(f"`{name}`" for name in definitions(source))
        after = [new_markdown_cell(f":::{{container}} to-reference\nIn the reference: {names}\n:::")] if names else []
    if reason := course.why_skipped(cell.source):
        after = [new_markdown_cell(f"*Not run for this page: {reason}.*")]
    return [*before, made, *after]


def page(lesson: course.Lesson, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    "The notebook that MyST-NB turns into a page."
    found = (flags(cell.source).get("default_exp") for cell in notebook.cells if cell.cell_type == "code")
    module = next(filter(None, found), None)
    known = names_in(notebook, module)
    for number, cell in enumerate(notebook.cells, 1):
        check_pictures(lesson.name, number, cell)
    cells = []
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            cells += code(cell, number, module)
        elif number == 1:
            title, said = cell.source.split("\n", 1)
            cells.append(new_markdown_cell(f"{title}\n\n:::{{container}} lead\n{said.strip().lstrip('> ')}\n:::"))
        elif number == 2 and module:
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
