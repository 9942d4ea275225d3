"""What a lesson's form asks: which cells are folded, and how many minutes a reader needs.

    python docs/form.py            # print each lesson's minutes and what they are made of
    python docs/form.py --write    # fold the cells that are no reading, and write the minutes into the lessons' heads
    python docs/form.py --check    # exit code 1 where a lesson is folded otherwise, or states other minutes

Prose is read at 180 words a minute, shown code at 7 seconds a line; an output takes 0.4 minutes.
"""
import ast
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "nbs"
WORDS_A_MINUTE, SECONDS_A_LINE, MINUTES_AN_OUTPUT = 180, 7, 0.4
ALLOWED = 0.2  # how far the stated minutes may be from the computed ones, as a share
#: What JupyterLab and Colab read: the code of such a cell is folded, its output is not.
FOLD = {"cellView": "form", "jupyter": {"source_hidden": True}}


def lessons() -> list[Path]:
    "The notebooks of the lessons, in teaching order."
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def source(cell: dict) -> str:
    "A cell's text."
    return "".join(cell["source"])


def folded(cell: dict) -> bool:
    "Whether a cell is no reading: plumbing, a proof that shows nothing new, or a drawing whose picture says it all."
    if cell["cell_type"] != "code":
        return False
    text = source(cell)
    flagged = re.search(r"^#\|\s*(default_exp|export|hide|echo: false)\b", text, re.M)
    return bool(flagged) or text.startswith(("# Proof", "# Drawing"))


def shows(text: str) -> bool:
    "Whether whoever runs a cell sees something: it ends in a value, or prints one."
    plain = "\n".join("pass" if line.startswith(("%", "!")) else line for line in text.splitlines())
    body = ast.parse(plain).body
    calls = {getattr(node.func, "id", getattr(node.func, "attr", "")) for line in body
             for node in ast.walk(line) if isinstance(node, ast.Call)}
    return bool(calls & {"print", "display"}) or bool(body and isinstance(body[-1], ast.Expr))


@dataclass(frozen=True)
class Reading:
    "What there is to read in a lesson."
    words: int    # of prose
    lines: int    # of code that is shown
    outputs: int  # values, tables and pictures

    @property
    def minutes(self) -> float:
        "How long a reader needs."
        return self.words / WORDS_A_MINUTE + self.lines * SECONDS_A_LINE / 60 + self.outputs * MINUTES_AN_OUTPUT


def reading(cells: list[dict]) -> Reading:
    "Count what there is to read in a notebook's cells."
    words = lines = outputs = 0
    for cell in cells:
        text = source(cell)
        if cell["cell_type"] == "markdown":
            words += len(re.findall(r"\w[\w'’-]*", text))
            continue
        if not folded(cell):
            lines += sum(bool(line.strip()) and not line.startswith("#|") for line in text.splitlines())
        gpu = re.search(r"^#\|\s*gpu", text, re.M)
        outputs += shows(text) and not gpu
    return Reading(words, lines, outputs)


def stated(cells: list[dict]) -> int:
    "The minutes that a lesson's head states; 0 where it states none."
    found = re.search(r"Minutes: (\d+)", "\n".join(map(source, cells[:3])))
    return int(found[1]) if found else 0


def rounded(minutes: float) -> int:
    "Minutes as a head states them: to five."
    return max(5, 5 * round(minutes / 5))


def in_form(notebook: dict, *, minutes: bool = True) -> dict:
    "The notebook with its cells folded as the rule says, and where asked with its minutes in its head."
    cells = []
    for place, cell in enumerate(notebook["cells"]):
        made = {**cell, "metadata": FOLD if folded(cell) else {}}
        if minutes and place < 3 and cell["cell_type"] == "markdown":
            now = rounded(reading(notebook["cells"]).minutes)
            made["source"] = re.sub(r"Minutes: \d+", f"Minutes: {now}", source(cell)).splitlines(keepends=True)
        cells.append(made)
    return {**notebook, "cells": cells}


def written(notebook: dict) -> str:
    "A notebook as it stands in its file."
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(words: list[str]) -> int:
    "Print, write or check."
    wrong = 0
    for path in lessons():
        text = path.read_text(encoding="utf-8")
        notebook = json.loads(text)
        there, says = reading(notebook["cells"]), stated(notebook["cells"])
        if "--write" in words:
            path.write_text(written(in_form(notebook)), encoding="utf-8")
        elif "--check" in words:
            far = abs(says - there.minutes) > ALLOWED * there.minutes
            if far or written(in_form(notebook, minutes=False)) != text:
                print(f"{path.name}: states {says} minutes, computed {there.minutes:.0f}; run make export")
                wrong += 1
        else:
            print(f"{path.stem:15} {there.minutes:3.0f} minutes (states {says}): {there.words:5} words, "
                  f"{there.lines:4} lines, {there.outputs:3} outputs, {len(notebook['cells'])} cells")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
