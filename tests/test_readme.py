"""The README's script and lessons 10 and 11: one model, made of the very same; what was trained once serves all three."""
import json
import re

import outputs
import pytest
from paths import ROOT

from hfcourse import training
from hfcourse.ground import running
from hfcourse.ground.saving import read_note
from hfcourse.ground.tuning import kept, runs, tune

LESSON_10, LESSON_11 = "10_training", "11_evaluation"


@pytest.fixture(scope="module")
def stated(root):
    "The figures that the README shows."
    return json.loads((root / "hfcourse" / "shipped" / "measured" / "training_pairs.json").read_text(encoding="utf-8"))["test"]


def script():
    "The README's program, as it stands there."
    found, = re.findall(r"```python\n(import os\n.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    return found


def lesson(name):
    "A lesson by its name."
    return next(one for one in running.lessons() if one.name == name)


def cells(name, *marks):
    "The code cells of a lesson that hold one of the marks; each mark is in one cell."
    notebook = json.loads(lesson(name).path.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(sum(mark in source for source in sources) == 1 for mark in marks), marks
    return [source for source in sources if any(mark in source for mark in marks)]


class Asked(Exception):
    "What would have been trained: its facts, and the name that it is kept by."


def ask(*words, **settings):
    "In the place of `fine_tune`, and of `kept_model`, whose first word is the name."
    name = words[0] if isinstance(words[0], str) else None
    raise Asked(name, tune.prepared(*(words[1:] if name else words), **settings).facts)


def facts_of(sources, **instead):
    "The name and the facts of the training that some source asks for."
    space = {}
    with pytest.raises(Asked) as asked:
        for source in sources:
            exec(source, space)  # noqa: S102 - the project's own cells
            space.update({word: value for word, value in instead.items() if word in space})
    return asked.value.args


@pytest.fixture
def on_the_pairs(monkeypatch):
    "As the lessons are run: on the CPU, on the pairs that ship."
    monkeypatch.delenv("HFCOURSE_DATA_MRPC", raising=False)
    monkeypatch.setenv("HFCOURSE_DEVICE", "cpu")


@pytest.fixture
def of_lesson_10(on_the_pairs):
    "What lesson 10 makes its model of."
    marks = ("_all_ = ", "import copy", "this project's own", "encoded = data.map", "tuned = fine_tune(")
    return facts_of(cells(LESSON_10, *marks), fine_tune=ask)[1]


def test_script_and_lessons_make_the_same_model(of_lesson_10, monkeypatch):
    "The same data in the same order, starting weights, settings, precision; and lesson 11 asks for it by the name of lesson 10."
    marks = ("_all_ = ", "import tempfile", "this project's own", "data = dataset(TASK)", "def fresh_model", "tuned = kept_model(")
    name, of_lesson_11 = facts_of(cells(LESSON_11, *marks), kept_model=ask)
    assert of_lesson_11 == of_lesson_10
    keeping, = cells(LESSON_10, "keep_model(f")
    assert keeping.startswith('place = keep_model(f"{task}-judge", tuned)') and name == "pairs-judge"
    monkeypatch.setattr(training, "fine_tune", ask)
    assert facts_of([script()])[1] == of_lesson_10


@pytest.mark.lessons
@pytest.mark.parametrize("name", [LESSON_10])
def test_the_kept_model_gives_what_the_readme_states(name, of_lesson_10, stated, monkeypatch):
    "Whole, in the cache of the lessons' run; to three hundredths, as another processor rounds otherwise; above the cosine."
    outputs.executed(lesson(name))
    monkeypatch.setenv("HFCOURSE_CACHE", str(outputs.KEPT / "cache"))
    folder = kept.folder_of("pairs-judge", of_lesson_10)
    assert runs.is_whole(folder), f"lesson 10 ran and kept nothing in {folder}: remove _build/executed, and run again"
    accuracy = read_note(folder / "made.json")["scores"]["test"]["accuracy"]
    assert accuracy == pytest.approx(stated["accuracy"], abs=0.03) and accuracy > stated["cosine"]


@pytest.mark.slow
def test_the_script_gives_what_the_readme_states(call, tmp_path, stated):
    "Trained from nothing."
    (tmp_path / "script.py").write_text(script(), encoding="utf-8")
    done = call("python", "script.py", cwd=tmp_path, env={"HFCOURSE_DATA_MRPC": ""})
    assert done.returncode == 0, done.stderr[-3000:]
    accuracy, = re.findall(r"test\s+accuracy\s+(0\.\d+)", done.stdout)
    assert float(accuracy) == pytest.approx(stated["accuracy"], abs=0.03) and float(accuracy) > stated["cosine"]


@pytest.mark.slow
def test_the_librarys_program_runs_as_the_readme_shows_it(call, tmp_path):
    "Trained from nothing, evaluated, saved: the folder holds what `from_pretrained` takes."
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    program, = re.findall(r"```python\n(from transformers import \(AutoModel.*?)```", text, flags=re.DOTALL)
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    done = call("python", "program.py", cwd=tmp_path, env={"HFCOURSE_DATA_PAIRS": ""})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "test_accuracy" in done.stdout
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in (tmp_path / "judge").iterdir()}


@pytest.mark.slow
def test_lesson_11_trains_where_nothing_is_kept(tmp_path):
    "In an empty cache: every cell runs, the model is trained there, and is kept then."
    found = outputs.executed(lesson(LESSON_11), folder=tmp_path, afresh=True)
    assert "it was read from the cache" not in json.dumps(found)
    folder, = (tmp_path / "cache").glob("pairs-judge-" + "[0-9a-f]" * 12)
    assert runs.is_whole(folder)


def test_the_readme_shows_what_was_measured(root, stated):
    "The interval above the cosine, and the MRPC figures of the script, met what was asked of them."
    readme = (root / "README.md").read_text(encoding="utf-8")
    mrpc = json.loads((root / "hfcourse" / "shipped" / "measured" / "training_mrpc.json").read_text(encoding="utf-8"))["quality"]
    assert stated["low"] > 0 and f"+{stated['low']:.3f} to +{stated['high']:.3f}" in readme
    for run in mrpc.values():
        assert f"{run['accuracy']:.3f}" in readme and f"{run['f1']:.3f}" in readme
    assert mrpc["recipe"]["accuracy"] >= 0.81 and mrpc["recipe"]["f1"] >= 0.86 and mrpc["recipe"]["ratio"] >= 2.5
    assert len(mrpc["recipe"]["runs"]) == len(mrpc["plain"]["runs"]) == 3 and mrpc["recipe"]["gain"][1] > 0  # not worse than plain
