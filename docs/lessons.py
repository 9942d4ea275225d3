"""Notebooks to pages: run each in a real kernel, once for each state of code and package, and write it as MyST-NB reads it.

    python docs/lessons.py NOTEBOOK    run one, whatever is kept; the last line is a JSON object that counts its cells
"""
import ast
import hashlib
import json
import os
import re
import sys
from configparser import ConfigParser
from html.parser import HTMLParser
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hfcourse import course

ROOT = Path(__file__).parents[1]
NOTEBOOKS, PACKAGE, CACHE = ROOT / "nbs", ROOT / "hfcourse", ROOT / "_build" / "executed"
config = ConfigParser(delimiters=["="])
config.read(ROOT / "settings.ini", encoding="utf-8")
META = config["DEFAULT"]
REPOSITORY = f"{META['git_url']}/blob/{META['branch']}"
INDEX = course.Lesson("index", "hfcourse", 0, NOTEBOOKS / "index.ipynb")
FLAG = re.compile(r"^#\|\s*(\w+):?[ \t]*(.*)\n?", re.M)


class PageError(Exception):
    "A lesson that cannot become a page: says which lesson, which cell, and why."


def state(notebook: nbformat.NotebookNode) -> str:
    "What the outputs depend on, as a hash: the cells, the package with what it ships, the pinned packages, Python."
    sources = [cell.source.encode() for cell in notebook.cells if cell.cell_type == "code"]
    files = [*sorted(path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"), ROOT / "constraints.txt"]
    parts = [sys.version.encode(), *sources, *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def cores() -> int:
    "The CPU cores that a lesson may use."
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kept_run(kept: Path, now: str) -> nbformat.NotebookNode | None:
    "The notebook of an earlier run in the same state; None where there is none that can be read."
    try:
        old = nbformat.read(kept, as_version=4)
    except (OSError, ValueError):
        return None
    return old if old.metadata.get("run", {}).get("state") == now else None


def executed(
    lesson: course.Lesson, *, cache: Path = CACHE, afresh: bool = False,
) -> nbformat.NotebookNode:
    "The notebook with its outputs, from the cache if nothing changed; `PageError` when a cell fails."
    kept = cache / f"{lesson.name}.ipynb"
    try:
        notebook = nbformat.read(lesson.path, as_version=4)
    except (OSError, ValueError) as error:
        raise PageError(f"{lesson.name} is no notebook: {error}") from error
    now = state(notebook)
    old = None if afresh else kept_run(kept, now)
    if old is not None:
        for place, cell in enumerate(old.cells):
            if cell.cell_type == "code":  # text may have changed since
                notebook.cells[place] = cell
        notebook.metadata.run = old.metadata.run
        return notebook
    os.environ |= {"TQDM_DISABLE": "1", "HFCOURSE_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}
    outcome = course.run(lesson)
    if outcome.failed:
        number, source, error = outcome.failed
        raise PageError(f"{lesson.name}, code cell {number}:\n\n{source}\n\n{error}")
    outcome.notebook.metadata.run = {
        "state": now, "seconds": round(outcome.seconds, 1), "cores": cores(),
        "ran": outcome.ran, "skipped": outcome.skipped}
    cache.mkdir(parents=True, exist_ok=True)
    course.write_whole(kept, nbformat.writes(outcome.notebook) + "\n")
    return outcome.notebook


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
                found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        if (module and "exports" in flags(cell.source)) or "export" in flags(cell.source):
            found |= {name: f"hfcourse.{module}.{name}" for name in definitions(cell.source)}
    return found


class Pictures(HTMLParser):
    "Counts pictures without alternative text."

    def __init__(self, html: str):
        super().__init__()
        self.bare = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.bare += tag == "img" and not dict(attributes).get("alt")


def check_pictures(name: str, number: int, cell: nbformat.NotebookNode) -> None:
    "`PageError` for a picture that says nothing to those who do not see it."
    html = [cell.source] if cell.cell_type == "markdown" else [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    bare = sum(Pictures(text).bare for text in html) + len(re.findall(r"!\[\s*\]\(", cell.source if cell.cell_type == "markdown" else ""))
    if cell.cell_type == "code" and "alt" not in flags(cell.source):
        bare += sum(any(kind.startswith("image/") for kind in output.get("data", {})) for output in cell.outputs)
    if bare:
        raise PageError(f"{name}, cell {number}: a picture has no alternative text. Draw with hfcourse.display.Chart, or give `alt`.")


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


class Rows(HTMLParser):
    "The texts of a table, row by row."

    def __init__(self, html: str):
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("td", "th")
        if self.inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def then_and_now(lesson: course.Lesson, notebook: nbformat.NotebookNode) -> list[list[str]]:
    "The rows of the lesson's table of old and present forms: old, what it gives today, what to write now."
    rows = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            if ">older notes<" in html:
                rows += [[row[0], row[1] if len(row) == 3 else "", row[-1]] for row in Rows(html).rows[1:]]
    if not rows:
        raise PageError(f"{lesson.name}: no table whose first column is \"older notes\": every lesson has one.")
    return rows


def main(path: str) -> int:
    "Run one notebook afresh, keep its outputs for the site, and count its cells."
    found = [lesson for lesson in [INDEX, *course.lessons()] if lesson.name == Path(path).stem]
    if not found:
        print(f"{path} is no lesson: give one of {', '.join(lesson.name for lesson in course.lessons())}.", file=sys.stderr)
        return 2
    try:
        run = executed(found[0], afresh=True).metadata.run
    except (PageError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"notebook": Path(path).name, "ran": run["ran"], "skipped": run["skipped"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
