"""What the site consists of, the browser that looks at it, and which of its pages are looked at each time."""
import ast
import os
import shutil

import pytest
from paths import ROOT

SITE = ROOT / "_build" / "site"
CHROMIUM = os.environ.get("HFCOURSE_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
PACKAGE = ROOT / "hfcourse"
LESSONS = sorted(path.stem for path in (ROOT / "nbs").glob("[0-9]*.ipynb"))
FILES = sorted(path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py") if path.stem[0] != "_")
REFERENCE = [f"reference/{'.'.join(path.parts)}" for path in FILES]
OTHERS = ["index", "reference/index", "then-and-now", "glossary", "teachers", "releases", "search", "genindex"]
PAGES = [*OTHERS, *LESSONS, *REFERENCE]


def defines(path) -> bool:
    "Whether a module defines something public: what only hands names on, or holds constants, has no listing of its own."
    tree = ast.parse((PACKAGE / path).with_suffix(".py").read_text(encoding="utf-8"))
    return any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_" for node in tree.body)


SOURCES = ["_modules/index", *(f"_modules/hfcourse/{path.as_posix()}" for path in FILES if defines(path))]


def sampled(names: list[str], count: int) -> list:
    "All names as parameters of a test, of which `count`, spread evenly, are looked at each time and the others in `make test-all`."
    chosen = {names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)}
    return [name if name in chosen else pytest.param(name, marks=pytest.mark.slow) for name in names]


#: Pages of one kind are made by one template: the lessons and the pages that are the only ones of their kind are all looked at.
LOOKED_AT = [*OTHERS, *LESSONS, *sampled(REFERENCE, 6)]
