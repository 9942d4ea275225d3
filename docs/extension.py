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
from reference import described_in, home_of
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docstrings import prepare_docstring

NAME = re.compile(r"^([A-Za-z_][\w.]*)(\(.*\))?$", re.S)


def described(value: object) -> dict[str, str]:
    "The docment of each parameter or field, and of the result under `return`."
    found = {name: " ".join(text.split()) for name, text in docments(value, returns=True).items() if isinstance(text, str)}
    return {name: text for name, text in found.items() if text and name != "self"}


#: What a message fills in under a name that says little by itself.
WORDS = {"shown": "what was given", "value": "what was given", "given": "what was given", "kind": "its type",
         "limits": "within its limits", "what": "it", "error": "what Python says"}


def spoken(value: ast.expr, bound: dict[str, str]) -> str:
    "In words what is filled into a message when the error comes: the caller's argument where it is known, else what it holds."
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.Name):
        word = WORDS.get(value.id, value.id.replace("_", " ").strip())
        return bound.get(value.id, f"‹{word}›")
    if isinstance(value, ast.Attribute):
        of_type = value.attr == "__name__"
        return "‹its type›" if of_type else f"‹{value.attr.replace('_', ' ')}›"
    if isinstance(value, ast.Subscript):
        return spoken(value.value, bound)
    if isinstance(value, ast.Call) and len(value.args) == 1:
        name = value.func.id if isinstance(value.func, ast.Name) else getattr(value.func, "attr", "")
        inside = spoken(value.args[0], bound)
        if name == "len":
            return f"‹how many {inside.strip('‹›')}›"
        if name in ("repr", "str", "brief", "show_value", "shown", "tuple", "sorted"):
            return inside
        if name == "join":
            return "‹a list of those there are›"
    return "‹…›"


def shown(template: ast.expr, bound: dict[str, str]) -> str:
    "An error's message as it stands in the source, with words for what is filled in at run time."
    if isinstance(template, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else spoken(part.value, bound) for part in template.values]
        return "".join(map(str, parts))
    return spoken(template, bound) if isinstance(template, ast.Constant) else ""


def arguments(call: ast.Call, helper: object, bound: dict[str, str]) -> dict[str, str]:
    "What a helper's parameters stand for, as far as the call says it: a word that is written there, or the caller's own name."
    given = dict(zip(inspect.signature(helper).parameters, call.args, strict=False))
    given |= {word.arg: word.value for word in call.keywords if word.arg}
    known = {name: value.default for name, value in inspect.signature(helper).parameters.items()
             if isinstance(value.default, (str, int)) and not isinstance(value.default, bool)}
    said = {name: str(value) for name, value in known.items()}
    for name, value in given.items():
        if isinstance(value, (ast.Constant, ast.Name)):
            said[name] = spoken(value, bound)
    return said


def errors(value: object, *, seen: set | None = None, bound: dict[str, str] | None = None) -> list[tuple[str, str]]:
    "The errors that a function, or a private helper that it calls, raises on purpose: kind and message, read from the source."
    seen, bound = set() if seen is None else seen, bound or {}
    value = inspect.unwrap(value) if callable(value) else value
    if not (inspect.isfunction(value) or inspect.isclass(value)) or (value, str(bound)) in seen:
        return []
    seen.add((value, str(bound)))
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, TypeError, SyntaxError):
        return []
    home, found = inspect.getmodule(value), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name) and node.exc.args:
            message = shown(node.exc.args[0], bound)
            said = re.sub(r"‹[^›]*›", "", message)  # what is left must say something by itself
            found += [(node.exc.func.id, message)] if len(re.findall(r"\w+", said)) > 4 else []
        name = node.func if isinstance(node, ast.Call) else None
        called = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
        if called and not called.startswith("__"):
            owner = getattr(home, name.value.id, None) if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) else home
            helper = getattr(owner, called, None)
            checks = getattr(helper, "__module__", "") == "hfcourse.ground.checks"
            if inspect.isfunction(helper) and (checks or called.startswith(("_", "check_"))):
                found += errors(helper, seen=seen, bound=arguments(node, helper, bound))
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
    "Add to a docstring: parameters, result, and errors."
    if what == "data":
        if lines == prepare_docstring(type(value).__doc__ or ""):  # Sphinx's stopgap, where the name is handed on
            module, _, own = name.rpartition(".")
            home = home_of(importlib.import_module(module), own)
            found = ModuleAnalyzer.for_module(home).find_attr_docs().get(("", own))
            lines[:] = found or lines
        if lines == prepare_docstring(type(value).__doc__ or ""):
            logging.getLogger(__name__).warning("%s says nothing of itself: give it a comment that begins with #: above it.", name)
        lines[:] = [literal(line) for line in [*lines, *constant(value)]]
    if what not in ("function", "class", "method"):
        return
    lines[:] = [literal(line) for line in lines]
    added = [f":{'returns' if one == 'return' else f'param {one}'}: {literal(text)}" for one, text in described(value).items()]
    added += [f":raises {kind}: {literal(text)}" for kind, text in (errors(value) if what != "method" else [])]
    lines += ["", *added, ""]


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
            found[name] = f"{described_in(loaded, name)}.{name}"
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
    app.connect("autodoc-process-docstring", complete)
    app.connect("doctree-read", link_names)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
