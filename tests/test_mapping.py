"""Mapping: `tokenize` gives what the tokenizer gives text by text, keeps what it says, and finds its cache again in another process."""

import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, disable_caching, enable_caching, load_from_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

from hfcourse.ground.small import ARCHITECTURES, small_model, small_tokenizer
from hfcourse.mapping import choose, text_columns, time_map, tokenize
from hfcourse.pairs import GLUE

PIECES = ["the", "cat", "sat", "on", "a", "mat", ",", "unhappily", "[SEP]", "</s>", "שלום", "🙂", "e\u0301", "a\0b", "", " \n"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(st.tuples(TEXT, TEXT, st.integers(-1, 5)), min_size=1, max_size=7)
TOKENIZERS = {name: small_tokenizer(name) for name in ARCHITECTURES}
TOKENIZER = TOKENIZERS["bert"]


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, architecture=st.sampled_from(ARCHITECTURES), pair=st.booleans(), most=st.none() | st.integers(5, 128))
def test_the_ids_are_those_of_each_text_alone(rows, architecture, pair, most):
    "Batched, cut or not, one text or two: row for row and key for key what the tokenizer gives for the one row."
    first, second, labels = (list(column) for column in zip(*rows, strict=True))
    tokenizer, columns = TOKENIZERS[architecture], {"text": first, **({"text_pair": second} if pair else {})}
    done = tokenize({**columns, "label": labels}, tokenizer, max_length=most)
    assert done["label"][:] == labels and not {"text", "text_pair"} & set(done.column_names)
    for i, row in enumerate(done):
        alone = tokenizer(*([texts[i]] for texts in columns.values()), truncation=True, max_length=most or 128)
        assert {**row, "label": 0} == {"label": 0, **{key: ids for key, (ids,) in alone.items()}}


VARIABLE = "TOKENIZERS_PARALLELISM"


def many(count):
    "Short texts with labels."
    return {"text": [f"The cat sat on mat {i}." for i in range(count)], "label": list(range(count))}


def test_two_processes_give_the_same():
    "All splits, in order; what was given stays."
    data = DatasetDict({name: Dataset.from_dict(many(count)) for name, count in (("train", 31), ("test", 1))})
    one, two = (tokenize(data, TOKENIZER, num_proc=count) for count in (1, np.int64(2)))
    assert list(two) == ["train", "test"] and all(one[name][:] == two[name][:] for name in data)
    assert data["train"].column_names == ["text", "label"]


def watched(calls):
    "Run calls in a thread each; whether `os.environ` and its variable were at any moment others than before, and the errors."
    environ, before, changed, errors = os.environ, os.environ.get(VARIABLE), [], []

    def run(call):
        try:
            call()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        changed.append(os.environ is not environ or environ.get(VARIABLE) != before)
        time.sleep(0.002)
    show = f"import os; print(os.environ.get({VARIABLE!r}))"
    child = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout.strip()
    return any(changed) or os.environ is not environ or child != str(before), errors


@pytest.mark.parametrize("before", [None, "true"])
def test_the_environment_is_left_alone(before, monkeypatch):
    "By two threads at once, at every moment, for this process and for the programs that it starts."
    monkeypatch.delenv(VARIABLE, raising=False)
    if before is not None:
        monkeypatch.setenv(VARIABLE, before)
    calls = [partial(tokenize, many(count), TOKENIZER, num_proc=2) for count in (40, 50)]
    calls.append(partial(time_map, many(9), TOKENIZER, sizes=(4,)))
    assert watched(calls) == (False, [])


class Broken:
    "A tokenizer that ends in an error."

    def __call__(self, *texts, **options):
        raise ZeroDivisionError("a fault in the tokenizer")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(TOKENIZER, name)


def test_the_environment_is_left_alone_by_an_error():
    "The error is the tokenizer's own."
    changed, [error] = watched([partial(tokenize, many(40), Broken(), num_proc=2)])
    assert not changed and type(error) is ZeroDivisionError and "a fault in the tokenizer" in str(error)


def test_several_processes_and_no_cache(tmp_path):
    "Where caching is switched off, the rows are in a file that lives as long as this process, and not beside the data."
    Dataset.from_dict(many(9)).save_to_disk(tmp_path)
    before = set(tmp_path.iterdir())
    disable_caching()
    try:
        done = tokenize(load_from_disk(tmp_path), TOKENIZER, num_proc=2)
        assert done["input_ids"][:] == tokenize(many(9), TOKENIZER)["input_ids"][:]
        assert all(Path(file["filename"]).exists() for file in done.cache_files) and set(tmp_path.iterdir()) == before
    finally:
        enable_caching()


def test_choices_and_times_give_their_tables():
    "As they show themselves."
    chosen = choose(many(3), TOKENIZER, num_proc=3)
    times = time_map(many(3), TOKENIZER, num_proc=1, rows=np.int32(2), sizes=[np.int64(1)], rounds=1)
    assert ["processes", 3] in chosen.table().rows and repr(chosen.table()) == repr(chosen)
    assert repr(times.table()) == repr(times) and times.rows == 2 and times.sizes == (1,)


@pytest.mark.parametrize("option", ["num_proc", "rows", "rounds", "max_length"])
@pytest.mark.parametrize(("wrong", "kind"), [(True, TypeError), ("2", TypeError), (2.0, TypeError), (0, ValueError), (-1, ValueError)])
def test_what_is_no_whole_number(option, wrong, kind):
    "One rule for every option that counts."
    with pytest.raises(kind, match=rf"{option} is .*give a whole number"):
        time_map(many(2), TOKENIZER, **{option: wrong})
    for sizes in ([wrong], (1, wrong)):
        with pytest.raises(kind, match=r"a size is .*give a whole number"):
            time_map(many(2), TOKENIZER, sizes=sizes)
    if option in ("num_proc", "max_length"):
        with pytest.raises(kind, match=rf"{option} is .*give a whole number"):
            tokenize(many(2), TOKENIZER, **{option: wrong})


@pytest.mark.parametrize("sizes", [(), [], 5, None, "12", {1: 2}])
def test_sizes_are_a_list(sizes):
    "Not one number, not nothing."
    with pytest.raises(TypeError, match=r"sizes is .*give a list"):
        time_map(many(2), TOKENIZER, sizes=sizes)


@pytest.mark.parametrize("task", GLUE)
def test_every_task_of_glue_is_known(task):
    "Columns as the Hub has them, and in another order: the texts in GLUE's order."
    kinds = {"idx": Value("int32"), "label": ClassLabel(names=GLUE[task].labels) if GLUE[task].labels else Value("float32")}
    kinds |= dict.fromkeys(reversed(GLUE[task].columns), Value("string"))
    for names in (list(kinds), list(reversed(kinds))):
        rows = Dataset.from_dict({name: ["A text."] if kinds[name] == Value("string") else [0] for name in names},
                                 features=Features({name: kinds[name] for name in names}))
        assert text_columns(rows) == text_columns(DatasetDict(train=rows)) == GLUE[task].columns
        done = tokenize(rows, TOKENIZER)
        assert done.features["label"] == kinds["label"] and done.features["idx"] == kinds["idx"]


PROGRAM = """
import sys
from datasets import load_from_disk
from hfcourse.mapping import tokenize
from hfcourse.ground.small import small_tokenizer
tokenizer = small_tokenizer("bert")
if len(sys.argv) > 2:
    tokenizer(["a", "the cat"], padding=True, truncation=True, max_length=3)
done = tokenize(load_from_disk(sys.argv[1]), tokenizer)
print(done.cache_files[0]["filename"], done["input_ids"][:])
"""


def test_another_process_reads_the_cache(call, tmp_path):
    "Even after the tokenizer was used in other ways; the file is not written again."
    Dataset.from_dict({"text": ["The cat.", "A dog."], "label": [0, 1]}).save_to_disk(tmp_path / "data")
    first = call("python", "-c", PROGRAM, tmp_path / "data")
    assert first.returncode == 0, first.stderr
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()}
    assert len([path for path in files if path.name.startswith("cache-")]) == 1
    again = call("python", "-c", PROGRAM, tmp_path / "data", "used")
    assert again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()} == files


def test_another_limit_column_or_tokenizer_is_not_read_from_the_cache(tmp_path):
    "Each choice that changes the ids changes the fingerprint."
    Dataset.from_dict({"text": ["The cat sat."], "title": ["A dog slept."]}).save_to_disk(tmp_path)
    rows = load_from_disk(tmp_path)
    both = ("text", "title")
    choices = [{"columns": both}, {"columns": both, "max_length": 5}, {"columns": "text"}, {"columns": ("title", "text")}]
    done = [tokenize(rows, TOKENIZER, **options) for options in choices] + [tokenize(rows, TOKENIZERS["distilbert"], columns=both)]
    assert len({one.cache_files[0]["filename"] for one in done}) == len(done)
    for options, one in zip(choices, done, strict=False):
        fresh = tokenize({name: rows[name][:] for name in rows.column_names}, TOKENIZER, **options)
        assert one[:] == fresh[:]


def test_a_format_and_a_selection_of_rows_change_nothing():
    "Rows that were selected, shuffled or shown as tensors are the same texts."
    rows = Dataset.from_dict({"text": ["The cat.", "A dog.", None, "We read."], "label": [0, 1, 1, 0]})
    chosen = rows.select([3, 0])
    want = tokenize({"text": ["We read.", "The cat."], "label": [0, 0]}, TOKENIZER)[:]
    assert tokenize(chosen, TOKENIZER)[:] == want
    assert tokenize(chosen.with_format("torch", columns=["label"]), TOKENIZER)[:] == want
    with pytest.raises(ValueError, match=r"text is missing in row 1 of split 'test': .*ds\.filter"):
        tokenize({"train": chosen, "test": rows.select([1, 2])}, TOKENIZER)
    filtered = rows.filter(lambda row: row["text"] is not None)  # what the error advises
    assert tokenize(filtered, TOKENIZER).num_rows == 3


@pytest.mark.parametrize(("labels", "kept"), [([0.5, 4.0], True), ([1, 1], True), ([[1.0, 0.0], [0.0, 1.0]], True), (["no", "yes"], True)],
                         ids=["floats", "one class", "several at once", "words"])
@pytest.mark.parametrize("name", ["label", "labels"])
@pytest.mark.filterwarnings("ignore:label:UserWarning")
def test_labels_stay_as_they_are(labels, kept, name):
    "Scores, one class only, lists, words: kept under their name."
    data = {"text": ["", "The cat."], name: labels, "author": ["Anna", "Ben"], "words": [["a"], ["b"]], "year": [1, 2]}
    done = tokenize(data, TOKENIZER, columns="text")
    assert done[name][:] == labels and done["year"][:] == [1, 2]
    assert not {"text", "author", "words"} & set(done.column_names)
    assert tokenize(data, TOKENIZER, columns="text", keep=["author"])["author"][:] == ["Anna", "Ben"]
    said = choose(data, TOKENIZER, columns="text").advice
    assert bool(said) == (labels == ["no", "yes"]) and all(f"{name} holds words" in text for text in said)


def test_what_is_advised_for_labels_that_are_words_works():
    "`class_encode_column` makes numbers, in the order of the names."
    rows = Dataset.from_dict({"text": ["Bad.", "Fine."], "label": ["no", "yes"]})
    with pytest.warns(UserWarning, match="label holds words"):
        tokenize(rows, TOKENIZER)
    assert tokenize(rows.class_encode_column("label"), TOKENIZER)["label"][:] == [0, 1]


def test_a_trainer_takes_the_result(tmp_path):
    "One step on what `tokenize` gives, and the choices stay with the data when they are saved."
    model, tokenizer = small_model("bert", "text-classification")  # its own: a training changes it
    done = tokenize({"text": ["The cat sat.", "A dog."], "label": [0, 1]}, tokenizer)
    arguments = TrainingArguments(str(tmp_path / "run"), max_steps=1, use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no")
    trainer = Trainer(model, arguments, train_dataset=done, data_collator=DataCollatorWithPadding(tokenizer))
    assert trainer.train().global_step == 1
    done.save_to_disk(tmp_path / "data")
    assert "text" in load_from_disk(tmp_path / "data").info.description.splitlines()[1]


class Counted:
    "A tokenizer that counts its calls and the rows of each."

    def __init__(self):
        self.rows = []

    def __call__(self, texts, *others, **options):
        self.rows.append(1 if isinstance(texts, str) else len(texts))
        return TOKENIZER(texts, *others, **options)

    def __getattr__(self, name):
        return getattr(TOKENIZER, name)


def test_time_map_computes_every_row_each_time(tmp_path):
    "One by one, in batches, and again: no run is read from a cache, and nothing is left on the disk."
    Dataset.from_dict({"text": ["The cat sat."] * 9, "label": [0] * 9}).save_to_disk(tmp_path)
    rows, counted = load_from_disk(tmp_path), Counted()
    before = set(tmp_path.iterdir())
    for _ in range(2):
        counted.rows.clear()
        times = time_map(rows, counted, num_proc=1, rows=7, sizes=(1, 3), rounds=2)
        assert counted.rows == [*[1] * 7, 3, 3, 1] * 2
    assert times.rows == 7 and list(times.rates) == ["one process"] and len(times.rates["one process"]) == 2
    assert set(tmp_path.iterdir()) == before
    assert "rows a call" in times._repr_html_() or "a call" in times._repr_html_()


def test_time_map_with_processes():
    "Two processes are a way of their own."
    times = time_map({"text": ["The cat sat.", "A dog."]}, TOKENIZER, sizes=(1, 2))
    assert list(times.rates) == ["one process", "2 processes"]
    assert all(rate > 0 for rates in times.rates.values() for rate in rates)
