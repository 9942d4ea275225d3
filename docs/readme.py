"""Make README.md by running nbs/index.ipynb; with `--check`, fail where the two differ.

    python docs/readme.py [--check]
"""
import difflib
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat

from hfcourse.ground.running import client

ROOT = Path(__file__).parents[1]
INDEX, README = ROOT / "nbs" / "index.ipynb", ROOT / "README.md"
HEAD = "<!-- Made from nbs/index.ipynb by `make readme`: edit that. -->\n\n"


def executed() -> nbformat.NotebookNode:
    "The index notebook with its outputs, run on the CPU."
    os.environ |= {"TQDM_DISABLE": "1", "HFCOURSE_DEVICE": "cpu"}
    notebook = nbformat.read(INDEX, as_version=4)
    with tempfile.TemporaryDirectory() as home:
        client(notebook, home).execute()
    return notebook


def linked(text: str) -> str:
    "Links to lessons lead to the notebooks."
    return re.sub(r"\]\((?!https?:|#)([\w./-]+\.ipynb)\)", r"](nbs/\1)", text)


def shown(output: nbformat.NotebookNode) -> str:
    "An output as Markdown: tables as they are, text in a block."
    if output.output_type == "stream":
        return f"```\n{output.text.rstrip()}\n```" if output.name == "stdout" else ""
    data = output.get("data", {})
    return linked(data["text/markdown"]) if "text/markdown" in data else f"```\n{data.get('text/plain', '')}\n```"


def markdown(cell: nbformat.NotebookNode) -> str:
    "A cell as it stands in the README: `hide` leaves it out, `echo: false` leaves its source out."
    if cell.cell_type == "markdown":
        return linked(cell.source)
    flags = dict(re.findall(r"^#\|\s*(\w+):?\s*(.*)$", cell.source, re.M))
    if {"hide", "default_exp"} & flags.keys():
        return ""
    source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M).strip()
    parts = [] if flags.get("echo") == "false" else [f"```python\n{source}\n```"]
    return "\n\n".join(parts + [text for output in cell.outputs if (text := shown(output))])


def main() -> None:
    "Write the README, or compare it."
    made = HEAD + "\n\n".join(text for cell in executed().cells if (text := markdown(cell))) + "\n"
    if "--check" not in sys.argv:
        README.write_text(made, encoding="utf-8")
    elif (old := README.read_text(encoding="utf-8")) != made:
        differences = difflib.unified_diff(old.splitlines(), made.splitlines(), lineterm="", n=1)
        sys.exit("README.md differs from nbs/index.ipynb: run make readme.\n" + "\n".join(differences))


if __name__ == "__main__":
    main()
