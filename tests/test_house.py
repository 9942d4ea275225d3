"""The rules of the house: who may import whom, no circle, one thing bears one name, what is private stays so, old names still import.

Each rule is a function from the sources of the package to what breaks it. It is asked of the package as it is, and of the package
with one fault planted, which it has to find.
"""
import ast
import json
import subprocess
import sys
import warnings
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module

import pytest
from paths import ROOT

from hfcourse.ground.store.tasks import TASKS

PACKAGE = ROOT / "hfcourse"
FIRST = json.loads((ROOT / "tests" / "support" / "first_edition.json").read_text(encoding="utf-8"))
DOORS = {"assets", "display"}  # what every module may import, beside the ground
#: The rooms of the ground from the floor up: a module imports from rooms before its own only.
ROOMS = ["checks", "drawing", "mail", "problems", "lengths", "small", "saving", "store.errors", "guard", "running",
         "machine", "store.tasks", "store.files", "store.checkpoints", "store.reading",
         "store.data", "store.glue",
         "tables", "tokenised", "forward", "trace", "report", "loading", "answering",
         "tuning.batches", "tuning.runs", "tuning.words", "tuning.figures", "tuning.inputs",
         "tuning.trainer", "tuning.curves", "tuning.tune", "tuning.kept", "mapped",
         "aligned",
         "stages", "vocabularies", "filling", "paired", "described", "attending", "attaching",
         "choosing", "batching", "tuning.loop", "judging"]


def name_of(path):
    "A module's name below `hfcourse`, with dots."
    return path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")


SOURCES = {name_of(path): path.read_text(encoding="utf-8")
           for path in sorted(PACKAGE.rglob("*.py")) if not path.stem.startswith("_")}
MOST_USED = import_module("hfcourse")._HOMES  # names that the package itself hands on, with their modules
#: Words that stand in GLUE's table and nowhere else: names of columns and of labels that no other data have.
ITS_WORDS = {word for task in TASKS.values() for word in (*task.columns, *task.labels)} - {
    "sentence", "question", "positive", "negative", "neutral"}


parse = cache(ast.parse)


def trees(sources):
    "Each module's name with its syntax tree."
    return {name: parse(text) for name, text in sources.items()}


def base_of(node, name):
    "The module that a `from ... import` names, with dots, from the top."
    if not node.level:
        return node.module or ""
    above = ["hfcourse", *name.split(".")[:-node.level]]
    return ".".join([*above, node.module] if node.module else above)


@cache
def imported(text, name):
    "Whatever a module imports anywhere in its source, from the top, with dots."
    whole = []
    for node in ast.walk(parse(text)):
        if isinstance(node, ast.Import):
            whole += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = base_of(node, name)
            below = [f"{base}.{alias.name}" for alias in node.names]
            if base == "hfcourse":  # a name that the package hands on comes from the module where it lives
                below = [f"hfcourse.{MOST_USED.get(alias.name, alias.name)}" for alias in node.names]
            whole += [base, *below]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            whole += [word.value for word in node.args if isinstance(word, ast.Constant)]
    return whole


def imports_of(text, name, known):
    "The modules of the package that a module imports, by their names below `hfcourse`."
    return {found.removeprefix("hfcourse.") for found in imported(text, name) if found.startswith("hfcourse.")} & known - {name}


def may_import(name, known):
    "The modules that a module may import."
    ground = {room for room in known if room.startswith("ground.")}
    if name.startswith("ground."):
        own = ROOMS.index(name.removeprefix("ground."))
        return {f"ground.{room}" for room in ROOMS[:own]} | {"display"}
    if name in ("cli", "entry"):
        return known
    if name == "display":  # the ground imports it
        return set()
    return ground | DOORS


def strangers(sources):
    "Imports that the house forbids."
    known = set(sources)
    found = []
    for name, text in sources.items():
        found += [f"{name} imports {one}" for one in imports_of(text, name, known) - may_import(name, known)]
    return found


def circles(sources):
    "A circle of imports, if there is one."
    graph = {name: imports_of(text, name, set(sources)) for name, text in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def defined(node):
    "The public names that a statement at the top of a module defines."
    names = []
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        names = [node.name]
    elif isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        names = [node.target.id]
    return [name for name in names if not name.startswith("_")]


def doubles(sources):
    "A public name that two modules define; a thing that gets a second name."
    homes, found = {}, []
    for name, tree in trees(sources).items():
        for node in tree.body:
            for public in defined(node):
                homes.setdefault(public, set()).add(name)  # once, however many overloads
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and defined(node):
                found.append(f"{name}: {ast.unparse(node)}")
    return found + [f"{public} in {sorted(places)}" for public, places in homes.items() if len(places) > 1]


def is_private(name):
    "Whether a name is private: one line before it, and none of Python's own."
    return name.startswith("_") and not name.startswith("__")


def trespasses(sources):
    "Private names of one module that another one uses."
    known, found = set(sources), []
    for name, tree in trees(sources).items():
        modules = {}  # what a name in this file stands for, if it is a module of the package
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and base_of(node, name).split(".")[0] == "hfcourse":
                base = base_of(node, name)
                found += [f"{name} imports {base}.{alias.name}" for alias in node.names if is_private(alias.name)]
                modules |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names
                            if f"{base}.{alias.name}".removeprefix("hfcourse.") in known}
            elif isinstance(node, ast.Import):
                modules |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name.startswith("hfcourse")}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) in modules:
                found.append(f"{name} uses {ast.unparse(node)}")
    return found


def facts(sources):
    "GLUE's facts outside their table: a word that is its own, or a list of its tasks."
    found = []
    for name, tree in trees(sources).items():
        if name == "ground.store.tasks":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in ITS_WORDS:
                found.append(f"{name}: {node.value!r} in line {node.lineno}")
            entries = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
            named = [entry.value for entry in entries if isinstance(entry, ast.Constant) and entry.value in TASKS]
            if len(named) > 2:  # two may be an example
                found.append(f"{name}: a list of {', '.join(named)} in line {node.lineno}")
    return found


RULES = {rule.__name__: rule for rule in (strangers, circles, doubles, trespasses, facts)}
PLANTED = [  # the rule that finds it, the module, what is added to its source
    ("strangers", "padding", "from .collation import padding_cost"),
    ("strangers", "padding", "def late():\n    from hfcourse.collation import padding_cost"),
    ("strangers", "padding", "from . import collation"),
    ("strangers", "padding", "import hfcourse.collation as other"),
    ("strangers", "padding", "from hfcourse import predict"),
    ("strangers", "padding", "from . import predict"),
    ("strangers", "padding", "from .cli import app"),
    ("strangers", "assets", "from .models import blueprint"),
    ("strangers", "display", "from .ground.checks import whole"),
    ("strangers", "ground.checks", "from .forward import capture"),
    ("strangers", "ground.checks", "from .store import files"),
    ("strangers", "ground.checks", "import_module('hfcourse.ground.forward')"),
    ("strangers", "ground.store.errors", "from ...models import blueprint"),
    ("strangers", "ground.store.errors", "from ...assets import quiet"),
    ("strangers", "ground.store.errors", "from ..loading import load"),
    ("circles", "ground.checks", "from .loading import load"),
    ("circles", "display", "from .ground import checks"),
    ("circles", "assets", "from .cli import app"),
    ("doubles", "padding", "def attach():\n    pass"),
    ("doubles", "padding", "class Table:\n    pass"),
    ("doubles", "padding", "GLUE = {}"),
    ("doubles", "padding", "HEADS: dict = {}"),
    ("doubles", "padding", "fill = pad_batch"),
    ("trespasses", "padding", "from .ground.store.files import _read_json"),
    ("trespasses", "padding", "from hfcourse.ground.checks import _usable"),
    ("trespasses", "padding", "from .ground import loading as other\nother._made_up"),
    ("trespasses", "padding", "from hfcourse.ground.store import files\nfiles._PATIENCE"),
    ("trespasses", "padding", "import hfcourse.ground.checks as other\nother._MOST"),
    ("trespasses", "padding", "import hfcourse.ground.checks\nhfcourse.ground.checks._MOST"),
    ("facts", "padding", "_COLUMNS = {'one': ('premise', 'other')}"),
    ("facts", "ground.store.glue", "_LABELS = ['not_equivalent']"),
    ("facts", "padding", "_PAIRED = ('rte', 'mrpc', 'wnli')"),
    ("facts", "padding", "_LABELS = {'rte': 2, 'mrpc': 2, 'mnli': 3}"),
]
FINE = [  # what looks like a fault and is none
    ("padding", "from .ground.store.files import has_hash"), ("padding", "from . import assets, display"),
    ("padding", "import transformers.collation"), ("padding", "from .display import Table as Shown"),
    ("padding", "class _Table:\n    pass"), ("padding", "_fill = pad_batch"), ("padding", "tokenizer._pad_token_type_id"),
    ("ground.trace", "from ..display import Table"), ("padding", "shown = ('mrpc', 'rte')"),
]


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_its_rules(rule):
    "Nothing breaks it."
    assert RULES[rule](SOURCES) == []


@pytest.mark.parametrize(("rule", "name", "fault"), PLANTED)
def test_a_rule_finds_what_breaks_it(rule, name, fault):
    "The fault is named, and nothing else is."
    found = RULES[rule]({**SOURCES, name: f"{SOURCES[name]}\n\n{fault}\n"})
    assert found and name in str(found)


@pytest.mark.parametrize(("name", "line"), FINE)
def test_a_rule_lets_pass_what_is_allowed(name, line):
    "A rule that forbids everything would find each fault, too."
    changed = {**SOURCES, name: f"{SOURCES[name]}\n\n{line}\n"}
    assert [found for rule in RULES.values() for found in rule(changed)] == []


def test_the_rooms_are_named():
    "A new module of the ground is given its room here."
    assert sorted(name.removeprefix("ground.") for name in SOURCES if name.startswith("ground.")) == sorted(ROOMS)


def test_no_folder_bears_a_modules_name():
    "Python would take the folder."
    assert not [path for path in PACKAGE.rglob("*") if path.is_dir() and path.with_suffix(".py").exists()]


LESSONS = sorted((ROOT / "nbs").glob("[0-9][0-9]_*.ipynb"))


def cells_of(path):
    "The sources of a notebook's code cells."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_stands_on_its_own(path):
    "No cell imports the module of another lesson: what two lessons need lies in the ground."
    modules = {f"hfcourse.{other.stem.partition('_')[2]}" for other in LESSONS if other != path}
    found = set()
    for source in cells_of(path):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
    assert found & modules == set()


@pytest.mark.parametrize("module", FIRST)
def test_every_name_of_the_first_edition_imports_from_where_it_was(module):
    "The names were written down before the modules moved."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded = import_module(f"hfcourse.{module}")
    assert [name for name in FIRST[module] if not hasattr(loaded, name)] == []


def test_the_most_used_names_come_from_the_package():
    "They are the very objects of their modules; what does not exist is said to be missing."
    import hfcourse
    assert hfcourse.trace is import_module("hfcourse.pipeline").trace and hfcourse.report is import_module("hfcourse.evaluation").report
    for name in hfcourse.__all__:
        assert getattr(hfcourse, name) is not None and name in dir(hfcourse)
    with pytest.raises(AttributeError, match="no attribute 'tarce'"):
        _ = hfcourse.tarce


@pytest.mark.parametrize("module", ["hfcourse", "hfcourse.display", "hfcourse.tokenization", "hfcourse.ground.checks",
                                    "hfcourse.ground.lengths", "hfcourse.ground.saving", "hfcourse.ground.trace"])
def test_what_needs_no_model_imports_no_torch(module):
    "Importing torch and transformers takes seconds: a module that can do without them does."
    script = f"import sys, {module}; print(sorted({{'torch', 'transformers', 'datasets', 'matplotlib', 'scipy'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_itself_imports_next_to_nothing():
    "`import hfcourse` loads no library and no module of its own but the finder of old names."
    code = ("import sys; before = set(sys.modules); import hfcourse; "
            "print(*sorted(set(sys.modules) - before))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    own = {name for name in loaded if name.startswith("hfcourse")}
    assert own == {"hfcourse", "hfcourse._moved"}
    assert {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names == {"hfcourse"}
