"""What Sphinx does not do by itself: docments in the reference, the errors a function raises, links from names in backticks."""
import ast
import dataclasses
import importlib
import inspect
import json
import re
import textwrap
from pathlib import Path

from docutils import nodes
from fastcore.docments import docments
from lesson_pages import label
from reference import home_of
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docstrings import prepare_docstring

NAME = re.compile(r"^([A-Za-z_][\w.]*)(\(.*\))?$", re.S)


def described(value: object) -> dict[str, str]:
    "The docment of each parameter or field, and of the result under `return`."
    found = {name: " ".join(text.split()) for name, text in docments(value, returns=True).items() if isinstance(text, str)}
    return {name: text for name, text in found.items() if text and name != "self"}


def shown(template: ast.expr) -> str:
    "An error's message as it stands in the source; what is filled in at run time is three dots."
    if isinstance(template, ast.Constant):
        return str(template.value)
    if isinstance(template, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in template.values)
    return "…"


def errors(value: object, *, seen: set | None = None) -> list[tuple[str, str]]:
    "The errors that a function, or a private helper that it calls, raises on purpose: kind and message, read from the source."
    seen = set() if seen is None else seen
    value = inspect.unwrap(value) if callable(value) else value
    if value in seen or not (inspect.isfunction(value) or inspect.isclass(value)):
        return []
    seen.add(value)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, TypeError, SyntaxError):
        return []
    home, found = inspect.getmodule(value), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name) and node.exc.args:
            found += [(node.exc.func.id, message)] if len((message := shown(node.exc.args[0])).strip("… .:")) > 12 else []
        name = node.func if isinstance(node, ast.Call) else None
        called = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
        if called and not called.startswith("__"):
            owner = getattr(home, name.value.id, None) if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) else home
            helper = getattr(owner, called, None)
            checks = getattr(helper, "__module__", "") == "hfcourse.ground.checks"
            if checks or called.startswith(("_", "check_")):
                found += errors(helper, seen=seen)
    return list(dict.fromkeys(found))


def literal(text: str) -> str:
    "Markdown's backticks as reStructuredText's."
    return re.sub(r"(?<!`)`([^`\n]+)`(?!`)", r"``\1``", text)


def constant(value: object) -> list[str]:
    "A table of a dictionary of dataclasses: a row each, a column for each field."
    if not (isinstance(value, dict) and all(map(dataclasses.is_dataclass, value.values()))):
        return []
    fields = [one.name for one in dataclasses.fields(next(iter(value.values())))]
    rows = [["name", *fields], *([key, *(getattr(one, field) for field in fields)] for key, one in value.items())]
    said = [", ".join(map(str, cell)) if isinstance(cell, (tuple, list)) else str(cell) for row in rows for cell in row]
    return ["", ".. list-table::", "   :header-rows: 1", "",
            *(f"   {'  ' if i % len(rows[0]) else '* '}- {cell}" for i, cell in enumerate(said)), ""]


def complete(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    "Add to a docstring: parameters, result, errors, and the place in the lesson where the definition stands."
    if what == "data":
        if lines == prepare_docstring(type(value).__doc__ or ""):  # Sphinx's stopgap
            logging.getLogger(__name__).warning("%s says nothing of itself: give it a comment that begins with #: above it.", name)
        lines[:] = [literal(line) for line in [*lines, *constant(value)]]
    if what not in ("function", "class", "method"):
        return
    lines[:] = [literal(line) for line in lines]
    added = [f":{'returns' if one == 'return' else f'param {one}'}: {literal(text)}" for one, text in described(value).items()]
    added += [f":raises {kind}: {literal(text)}" for kind, text in (errors(value) if what != "method" else [])]
    place = label(*name.split(".")[1:3])
    if what != "method" and place in app.env.hfcourse_written:
        added += ["", f":ref:`Where the lesson writes it <{place}>`"]
    lines += ["", *added, ""]


def written(app: Sphinx, env: object, names: list[str]) -> None:
    "The definitions that lessons write in the open, before any page is read."
    texts = [path.read_text(encoding="utf-8") for path in Path(app.srcdir).glob("*.ipynb")]
    env.hfcourse_written = {label for text in texts for label in re.findall(r"\((written-[\w-]+)\)=", text)}


def known(app: Sphinx, page: str) -> dict[str, str]:
    "Short names that are links on a page, with their full names: a lesson's own and imported ones, a module's, or all that lessons teach."
    notebook = Path(app.srcdir) / f"{page}.ipynb"
    if notebook.exists():
        return json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["hfcourse"]
    own = page.removeprefix("reference/")
    modules = [own] if own not in (page, "index") else app.config.hfcourse_taught
    found = {}
    for module in modules:
        loaded = importlib.import_module(f"hfcourse.{module}")
        for name in loaded.__all__:
            home = home_of(loaded, name)
            found[name] = f"{home if home.startswith('hfcourse.') else loaded.__name__}.{name}"
    return found


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    "A name of the package in backticks leads to its reference; one that does not exist is a warning, which is an error."
    page = app.env.current_document.docname
    names = known(app, page)
    for node in list(doctree.findall(nodes.literal)):
        match = NAME.match(node.astext())
        if not match or any(isinstance(one, (nodes.reference, nodes.title, addnodes.pending_xref)) for one in ancestors(node)):
            continue
        first, _, rest = match[1].partition(".")
        full = match[1] if match[1].startswith("hfcourse.") else names[first] + (f".{rest}" if rest else "") if first in names else None
        if full:
            link = addnodes.pending_xref("", refdomain="py", reftype="obj", reftarget=full, refdoc=page, refexplicit=True, refwarn=True)
            node.replace_self(link)
            link += node


def ancestors(node: nodes.Node) -> list[nodes.Node]:
    "The nodes around a node."
    return [] if node.parent is None else [node.parent, *ancestors(node.parent)]


def setup(app: Sphinx) -> dict:
    "Called by Sphinx."
    app.setup_extension("sphinx.ext.autodoc")
    app.add_config_value("hfcourse_taught", [], "env")
    app.connect("env-before-read-docs", written)
    app.connect("autodoc-process-docstring", complete)
    app.connect("doctree-read", link_names)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
