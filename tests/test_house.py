"""The rules of the house: who may import whom, no circle, one thing bears one name, and every old name still imports."""
import ast
import json
import warnings
from importlib import import_module

import pytest
from paths import ROOT

PACKAGE = ROOT / "hfcourse"
FIRST = json.loads((ROOT / "tests" / "support" / "first_edition.json").read_text(encoding="utf-8"))
DOORS = {"assets", "display"}  # what every module may import, beside the ground
#: The rooms of the ground from the floor up: a module imports from rooms before its own only.
ROOMS = ["checks", "lengths", "small", "saving", "store.errors", "guard", "running", "machine", "store.tasks", "store.files",
         "store.checkpoints",
         "store.data", "store.glue", "tables", "tokenised", "forward", "trace", "report", "loading", "answering",
         "tuning.batches", "tuning.runs", "tuning.words", "tuning.inputs", "tuning.trainer", "tuning.curves", "tuning.tune",
         "tuning.kept", "mapped"]


def name_of(path):
    "A module's name below `hfcourse`, with dots."
    return path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if not path.stem.startswith("_")}


def imports_of(name):
    "The modules of the package that a module imports anywhere in its source, by their names below `hfcourse`."
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("hfcourse.") for alias in node.names if alias.name.startswith("hfcourse.")}
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.level == 0 else [
                "hfcourse", *name.split(".")[:-node.level], *(node.module.split(".") if node.module else [])]
            if base[:1] == ["hfcourse"]:
                inside = ".".join(base[1:])
                below = {".".join([*base[1:], alias.name]) for alias in node.names}
                found |= below & FILES.keys() or ({inside} if inside in FILES else set())
    return found


def test_the_rooms_are_named():
    "A new module of the ground is given its room here."
    assert sorted(name.removeprefix("ground.") for name in FILES if name.startswith("ground.")) == sorted(ROOMS)


@pytest.mark.parametrize("name", FILES)
def test_who_may_import_whom(name):
    "A lesson's module imports the ground and the two doors, never another lesson's; the ground imports downward."
    found = imports_of(name)
    if name.startswith("ground."):
        own = ROOMS.index(name.removeprefix("ground."))
        allowed = {f"ground.{room}" for room in ROOMS[:own]} | {"display"}
    elif name in ("cli", "entry"):
        allowed = set(FILES)
    else:
        allowed = {room for room in FILES if room.startswith("ground.")} | (DOORS - {name})
    assert found <= allowed, f"{name} imports {sorted(found - allowed)}"


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


def test_one_thing_bears_one_name():
    "No two modules define the same public name, and no folder bears a module's name."
    homes = {}
    for name, path in FILES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(name)  # once, however many overloads
    assert {one: places for one, places in homes.items() if len(places) > 1} == {}
    assert not [path for path in PACKAGE.iterdir() if path.is_dir() and path.with_suffix(".py").exists()]


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
