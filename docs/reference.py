"""The reference's pages: what readers import is described where they import it from, the rest where it is defined."""
import importlib
import re
from functools import cache
from pathlib import Path
from types import ModuleType

from outputs import PACKAGE

from hfcourse.ground import running as course


def modules() -> list[str]:
    "Every public module of the package by its dotted name below `hfcourse`."
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py") if not path.stem.startswith("_")]
    return sorted(".".join(path.parts) for path in paths)


def home_of(loaded: ModuleType, name: str) -> str:
    "The module that defines a public name: the one that is given, or the one that it was handed on from."
    value = getattr(loaded, name)
    if callable(value):
        return getattr(value, "__module__", loaded.__name__)
    places = [loaded.__name__, *(f"hfcourse.{module}" for module in modules())]
    for place in places:  # a constant does not know its module: the source tells
        source = Path(importlib.import_module(place).__file__ or "").read_text(encoding="utf-8")
        if re.search(rf"^{name}(:[^=]+)? = ", source, flags=re.M):
            return place
    return loaded.__name__


@cache
def doors() -> dict[tuple[str, str], str]:
    "For each name that a module at the top hands on, by where it is defined, the module that readers import it from."
    found: dict[tuple[str, str], str] = {}
    for module in modules():
        if not module.startswith("ground."):
            loaded = importlib.import_module(f"hfcourse.{module}")
            for name in loaded.__all__:
                found.setdefault((home_of(loaded, name), name), loaded.__name__)
    return found


def described_in(loaded: ModuleType, name: str) -> str:
    "The module whose page describes a public name: the one that readers import it from, or where it is defined."
    home = home_of(loaded, name)
    home = home if home.startswith("hfcourse.") else loaded.__name__
    return doors().get((home, name), home)


def summary(module: str) -> str:
    "The first line of a module's docstring."
    return (importlib.import_module(f"hfcourse.{module}").__doc__ or "").strip().partition("\n")[0]


def table(columns: list[str], rows: list[list]) -> str:
    "A table in Markdown; a bar inside a cell stays a bar."
    lines = [columns, ["---"] * len(columns), *([str(value).replace("|", "\\|") for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n"


def reference(module: str, lesson: course.Lesson | None) -> str:
    "The source of a module's reference page: each public name where it is defined, in the order of the source."
    loaded = importlib.import_module(f"hfcourse.{module}")
    where = f"Taught in lesson [{lesson.name[:2]}, {lesson.title}](../{lesson.name}.ipynb)." if lesson else \
        "Part of the ground that the lessons stand on." if module.startswith("ground.") else "For every lesson, and for your own code."
    lines = [f"# hfcourse.{module}", f":::{{container}} lead\n{summary(module)}\n:::", where,
             "```{eval-rst}", f".. py:module:: hfcourse.{module}", ""]
    for name in loaded.__all__:
        value = getattr(loaded, name)
        home = home_of(loaded, name)
        home = described_in(loaded, name) if home.startswith("hfcourse.") else home  # an object of another project stays there
        if home != loaded.__name__:
            lines.append(f":py:obj:`{name} <{home}.{name}>` is described in :py:mod:`{home}`.\n")
            continue
        kind = "class" if isinstance(value, type) else "function" if callable(value) else "data"
        lines += [f".. auto{kind}:: hfcourse.{module}.{name}", *(["   :members:"] if kind == "class" else []),
                  *(["   :no-value:"] if len(repr(value)) > 300 else []), ""]  # a long constant shows its table
    return "\n".join([*lines, "```", ""])
