"""Make README.md by running nbs/index.ipynb, and the pictures that it shows; with `--check`, fail where they differ.

    python docs/readme.py [--check]
"""
import difflib
import re
import sys
from base64 import b64decode
from html import unescape
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from outputs import INDEX, ROOT, executed
from traitlets.config import Config

from hfcourse.ground.running import write_whole

README = ROOT / "README.md"
HEAD = "<!-- Made from nbs/index.ipynb by `make readme`: edit that. -->\n\n"
TEMPLATE = """
{%- extends 'base/display_priority.j2' -%}
{%- block markdowncell -%}{{ cell.source }}{{ "\n\n" }}{%- endblock -%}
{%- block input -%}{{ "```python\n" }}{{ cell.source }}{{ "\n```\n\n" }}{%- endblock -%}
{%- block stream_stdout -%}{{ "```\n" }}{{ output.text.rstrip() }}{{ "\n```\n\n" }}{%- endblock -%}
{%- block execute_result -%}{%- block data_priority scoped -%}{{ super() }}{%- endblock -%}
{%- endblock -%}
{%- block data_markdown -%}{{ output.data['text/markdown'] }}{{ "\n\n" }}{%- endblock -%}
{%- block data_text -%}{{ "```\n" }}{{ output.data['text/plain'] }}{{ "\n```\n\n" }}{%- endblock -%}
"""  # as nbconvert's own, but output stands between fences, which GitHub shows as a block


def shown(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    "What of it the README shows: `hide` leaves a cell out, `echo: false` its source."
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        flags = dict(re.findall(r"^#\|\s*(\w+):?\s*(.*)$", cell.source, re.M))
        cell.source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M).strip()
        cell.metadata.transient = {"remove_source": flags.get("echo") == "false"}
        if {"hide", "default_exp"} & flags.keys():
            cell.cell_type = "raw"
            cell.source = ""
    return notebook


def picture(cell: nbformat.NotebookNode, name: str) -> tuple[Path, str]:
    "The file of a cell's picture, and the drawing; the cell then shows the file, because GitHub shows no picture inside a page."
    output = next(one for one in cell.outputs if "text/html" in one.get("data", {}))
    html = output.data["text/html"]
    source, says = re.search(r'base64,([^"]+)" alt="([^"]*)"', html).groups()
    path = ROOT / "docs" / "static" / f"{name}.svg"
    alt = unescape(says).replace("[", "(").replace("]", ")")
    output.data = {"text/markdown": f"![{alt}]({path.relative_to(ROOT).as_posix()})"}
    return path, b64decode(source).decode()


def linked(text: str) -> str:
    "Links to lessons lead to the notebooks."
    return re.sub(r"\]\((?!https?:|#)([\w./-]+\.ipynb)\)", r"](nbs/\1)", text)


def main() -> None:
    "Write the README, or compare it."
    config = Config(NbConvertBase={"display_data_priority": ["text/markdown", "text/plain"]})
    exporter = MarkdownExporter(raw_template=TEMPLATE, config=config)
    notebook = executed(INDEX)
    named = [(cell, re.search(r"^#\| picture: (\w+)", cell.source, re.M)) for cell in notebook.cells]
    files = dict(picture(cell, found[1]) for cell, found in named if found)
    text, _ = exporter.from_notebook_node(shown(notebook))
    files[README] = HEAD + linked(text).strip() + "\n"
    for path, made in files.items():
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if "--check" not in sys.argv:
            write_whole(path, made)
        elif old != made:
            lines = difflib.unified_diff(old.splitlines(), made.splitlines(), lineterm="", n=1)
            sys.exit(f"{path.name} differs from nbs/index.ipynb: run make readme.\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
