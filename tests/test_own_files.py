"""A reader's own files: what comes out is what went in, or what pandas reads with the right options; or a word that helps."""

import csv
import gzip
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfcourse.assets import AssetError, dataset
from hfcourse.ground.small import small_tokenizer
from hfcourse.mapping import tokenize

TOKENIZER = small_tokenizer("bert")


def written(path, text, encoding="utf-8"):
    "A file with a text in it; packed, if its name says so."
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def train(path, **options):
    "The columns of the only split."
    return dataset(str(path), **options)["train"][:]


GLUE_LIKE = 'text\tother\tlabel\n"Hello\tfoo\t0\nbar\tbaz\t1\nqux" said\tfoo\t1\nlast\trow\t0\n'


@pytest.mark.parametrize("name", ["it.tsv", "it.csv", "it.TSV", "it.tsv.gz"])
def test_quotation_marks_that_belong_to_the_texts(name, tmp_path):
    "Four rows, as there are four lines; a parser that takes marks off makes two of them."
    found = train(written(tmp_path / name, GLUE_LIKE))
    assert found == {"text": ['"Hello', "bar", 'qux" said', "last"], "other": ["foo", "baz", "foo", "row"], "label": [0, 1, 1, 0]}
    assert len(pd.read_csv(io.StringIO(GLUE_LIKE), sep="\t")) == 2
    right = pd.read_csv(io.StringIO(GLUE_LIKE), sep="\t", quoting=csv.QUOTE_NONE)
    assert found == {column: right[column].tolist() for column in right}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_another_separator_is_found(separator, tmp_path):
    "Also where the texts hold the usual one."
    path = written(tmp_path / "it.csv", f"text{separator}label\nso so{separator}1\nhm{separator}0\n")
    assert train(path) == {"text": ["so so", "hm"], "label": [1, 0]}
    assert "between columns" in dataset(str(path))["train"].info.description
    if separator != ",":
        texts = written(tmp_path / "more.csv", f"text{separator}label\nyes, well{separator}1\nno{separator}0\n")
        assert train(texts) == {"text": ["yes, well", "no"], "label": [1, 0]}


def test_a_separator_of_two_characters_is_asked_for(tmp_path):
    "And what is then given for it is refused with what to do."
    path = written(tmp_path / "it.csv", "text::label\na::1\n")
    with pytest.raises(AssetError, match=r"no separator is found in the first line of it.csv, 'text::label'"):
        dataset(str(path))
    with pytest.raises(ValueError, match=r"separator is '::': give one character"):
        dataset(str(path), separator="::")
    with pytest.raises(AssetError, match=r"the lines of no.csv have not all as many columns.*row 2 has 3 columns and the first line 2"):
        dataset(str(written(tmp_path / "no.csv", "a,b\n1,2,3\n")))


def test_what_looks_like_nothing_is_text(tmp_path):
    "NA, null and None are words; with `missing` they stand for nothing, and the column of numbers is one of numbers."
    path = written(tmp_path / "it.csv", "text,label\nNA,1\nnull,NA\nNone,0\n,\n")
    assert train(path) == {"text": ["NA", "null", "None", ""], "label": ["1", "NA", "0", ""]}
    assert train(path, missing="NA") == {"text": [None, "null", "None", ""], "label": [1, None, 0, None]}
    assert train(path, missing=["NA", "null", ""])["text"] == [None, None, "None", None]
    lines = "\n".join(json.dumps({"text": text, "label": 1}) for text in ("NA", "so"))
    assert train(written(tmp_path / "it.jsonl", lines))["text"] == ["NA", "so"]
    assert train(tmp_path / "it.jsonl", missing="NA")["text"] == [None, "so"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "utf-16-le"])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_encodings(encoding, ending, tmp_path):
    "Found out where the file says it, asked for where it does not; what the error names is then right."
    rows = {"text": ["café crème", "naïve"], "label": [1, 0]}
    text = "text,label\ncafé crème,1\nnaïve,0\n"
    if ending == "jsonl":
        text = '{"text": "café crème", "label": 1}\n{"text": "naïve", "label": 0}\n'
    path = written(tmp_path / f"it.{ending}", text, encoding)
    if encoding in ("utf-16", "utf-8-sig"):
        assert train(path) == rows
    else:
        with pytest.raises(AssetError, match=r"is no utf-8. Give its encoding, encoding=|no separator|could not be read"):
            dataset(str(path))
        assert train(path, encoding=encoding) == rows


@pytest.mark.parametrize("names, splits", [
    (["train-00000-of-00002.csv", "train-00001-of-00002.csv", "test-00000-of-00001.csv"], {"train": 4, "test": 2}),
    (["my train data.csv"], {"train": 2}), (["train.csv", "._train.csv", ".DS_Store"], {"train": 2}), (["train.CSV"], {"train": 2}),
    (["train.csv.gz", "dev.csv"], {"train": 2, "validation": 2}), (["data/train.csv", "README.md"], {"train": 2}),
    (["train.csv", "test.jsonl"], {"train": 2, "test": 2}), (["train.jsonl.gz", "test.tsv"], {"train": 2, "test": 2})])
def test_files_as_they_are_called(names, splits, tmp_path):
    "The Hub's own names, spaces, what other programs leave, capital letters, packed files, a folder within, two kinds of files."
    for name in names:
        text = "text,label\na b,1\nc,0\n"
        if "jsonl" in name:
            text = '{"text": "a b", "label": 1}\n{"text": "c", "label": 0}\n'
        text = text.replace(",", "\t") if ".tsv" in name else text
        written(tmp_path / name, "\0" if Path(name).name.startswith(".") else text)
    found = dataset(str(tmp_path))
    assert {split: rows.num_rows for split, rows in found.items()} == splits
    for rows in found.values():
        assert rows[:2] == {"text": ["a b", "c"], "label": [1, 0]}
    assert tokenize(found, TOKENIZER)["train"].column_names[0] == "label"


def test_parquet_of_the_hub(tmp_path):
    "Its parts make one split, in order."
    for i in (0, 1):
        Dataset.from_dict({"text": [f"row {i}"], "label": [i]}).to_parquet(tmp_path / f"train-0000{i}-of-00002.parquet")
    assert dataset(str(tmp_path))["train"][:] == {"text": ["row 0", "row 1"], "label": [0, 1]}


def test_labels_are_numbered_alike_in_all_splits(tmp_path):
    "By the names of all of them; numbers stay what they are."
    written(tmp_path / "train.csv", "text,label\na,neg\nb,pos\n")
    written(tmp_path / "test.csv", "text,label\nc,pos\nd,pos\n")
    found = dataset(str(tmp_path), labels="label")
    assert found["test"]["label"][:] == [1, 1] and found["train"].features["label"].names == ["neg", "pos"]
    numbers = written(tmp_path / "other" / "train.csv", "text,label\na,3\nb,5\n")
    assert train(numbers, labels="label")["label"] == [3, 5]
    scores = written(tmp_path / "scores" / "train.csv", "text,stars,good\na,0.5,True\nb,2,False\n")
    assert train(scores, labels="stars")["label"] == [0.5, 2.0] and train(scores, labels="good")["label"] == [1, 0]
    both = written(tmp_path / "both" / "train.csv", "text,label,other\na,x,y\n")
    with pytest.raises(AssetError, match=r"'other' is to be the label, and there is a column 'label' already. Give labels='label'"):
        dataset(str(both), labels="other")
    with pytest.raises(AssetError, match=r"has no column 'verdict' among text, label. Give labels by names that are there"):
        dataset(str(tmp_path), labels="verdict")


def test_texts_that_look_like_numbers(tmp_path):
    "A column of years is one of numbers, unless it is said to hold texts; one split's words make texts of another's numbers."
    path = written(tmp_path / "train.csv", "title,label\n1984,1\n2001,0\n")
    assert train(path)["title"] == [1984, 2001] and train(path, columns="title")["title"] == ["1984", "2001"]
    written(tmp_path / "test.csv", "title,label\nUlysses,1\n")
    found = dataset(str(tmp_path))
    assert found["train"]["title"][:] == ["1984", "2001"] and found["test"]["title"][:] == ["Ulysses"]
    assert train(written(tmp_path / "codes" / "it.csv", "code,id\n007,12345678901234567890\n"))["code"] == ["007"]


def test_a_changed_file_is_read_anew(tmp_path):
    "The library keeps what it read; by name alone it would give the old rows."
    path = written(tmp_path / "it.csv", "text,label\na,1\n")
    assert train(path)["text"] == ["a"]
    written(path, "text,label\nb,1\n")
    assert train(path)["text"] == ["b"]


@pytest.mark.parametrize("options", [{"separator": ";"}, {"labels": "label"}, {"missing": "NA"}])
def test_options_are_for_files(options):
    "And are refused where they would change nothing."
    with pytest.raises(ValueError, match=f"{next(iter(options))} is for files of yours, and 'pairs' is none: leave it out"):
        dataset("pairs", **options)


def test_options_that_would_change_nothing_of_a_saved_dataset(tmp_path):
    "What `save_to_disk` wrote is no text; labels are numbered all the same."
    Dataset.from_dict({"text": ["NA", "so"], "label": ["b", "a"]}).save_to_disk(tmp_path)
    for options in ({"missing": "NA"}, {"separator": ";"}, {"encoding": "latin-1"}, {"quoting": False}):
        with pytest.raises(AssetError, match=r"written by save_to_disk, and is no file of text. Leave out separator"):
            dataset(str(tmp_path), **options)
    assert train(tmp_path, labels="label")["label"] == [1, 0]


NAMES = st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=1, max_size=4, unique=True)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('",;|\n'), max_size=12)
CELLS = {"texts": TEXT, "numbers": st.integers(-10**6, 10**6),
         "shares": st.floats(-1e6, 1e6, allow_nan=False).map(lambda n: round(n, 3) + 0.0),
         "words": st.sampled_from(["NA", "null", "None", "nan", "yes", "True"]), "letters": st.text("xyz ", min_size=1, max_size=8)}


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_table_is_read_as_it_was_written_or_refused_with_what_to_give(data, tmp_path):
    """Written by the csv module, which puts marks where they are needed, around all texts or nowhere: names, kinds, separators, marks
    and encodings of every sort. It comes back, or the error's own remedy reads it."""
    names = data.draw(NAMES)
    kinds = [data.draw(st.sampled_from(sorted(CELLS))) for _ in names]
    rows = data.draw(st.lists(st.tuples(*[CELLS[kind] for kind in kinds]), min_size=1, max_size=8))
    separator = data.draw(st.sampled_from([",", ";", "\t", "|"]))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    if quoting == csv.QUOTE_NONE:  # then a text cannot hold what ends it, and a first mark would be one around it
        rows = [tuple(cell.replace(separator, " ").replace("\n", " ") if isinstance(cell, str) else cell for cell in row)
                for row in rows]
        rows = [row if len(row) > 1 or str(row[0]) else ("x",) for row in rows]
    out = io.StringIO()
    marks = {} if quoting != csv.QUOTE_NONE else {"quotechar": None}
    csv.writer(out, delimiter=separator, quoting=quoting, lineterminator="\n", **marks).writerows([names, *rows])
    path = written(tmp_path / f"it.{data.draw(st.sampled_from(['csv', 'tsv']))}", out.getvalue(), encoding)
    said = {"separator": separator, "quoting": quoting != csv.QUOTE_NONE, "encoding": encoding, "columns": [
        name for name, kind in zip(names, kinds, strict=True) if kind in ("texts", "words", "letters")]}
    right = train(path, **said)
    assert list(right) == names
    for name, kind, wanted in zip(names, kinds, zip(*rows, strict=True), strict=True):
        assert right[name] == pytest.approx(list(wanted)) if kind == "shares" else right[name] == list(wanted)
    try:
        found = train(path, columns=said["columns"])
    except AssetError as error:
        assert "separator=" in str(error) or "quoting=" in str(error)
    else:
        plain = all('"' not in str(cell) for row in rows for cell in row)
        assert found == right or not plain or len(names) == 1


def test_large_tables_are_not_held_in_memory(tmp_path):
    "They are read into Arrow's files, and the second call finds these."
    path = written(tmp_path / "it.csv", "text,label\n" + "some words,1\n" * 20_000)
    first, second = dataset(str(path))["train"], dataset(str(path))["train"]
    assert first.num_rows == 20_000 and first.cache_files and first.cache_files == second.cache_files
