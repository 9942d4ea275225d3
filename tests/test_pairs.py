"""Pairs: the row is the library's, and a baseline works on any data with two columns of texts and labels."""

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given, settings
from hypothesis import strategies as st
from near import small

from hfcourse.ground import paired
from hfcourse.ground.small import ARCHITECTURES, small_model
from hfcourse.pairs import GLUE, cosine_baseline, encode_pair, overlap_baseline

CUTS = ("longest_first", "only_first", "only_second")
PIECES = ["the", "cat", "sat", "on", "a", "mat", ",", "unhappily", "[SEP]", "</s>", "שלום", "🙂", "e\u0301", "a\0b"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join)
WORD = st.sampled_from(["cat", "dog", "sat", "mat", "The", "it's", "7"])
SENTENCE = st.lists(WORD, max_size=6).map(" ".join)
ROW = st.fixed_dictionaries({"text1": SENTENCE, "text2": SENTENCE, "label": st.sampled_from([0, 1, 2])})
ROWS = st.lists(ROW, min_size=1, max_size=12)
TRAIN = {"premise": ["the cat sat"] * 4, "hypothesis": ["the cat sat", "the cat sat down", "a dog slept", "we read the book"],
         "label": ["yes", "yes", "no", "no"]}


def as_columns(rows):
    "Rows as a dictionary of lists."
    return {name: [row[name] for row in rows] for name in rows[0]}


def library(tokenizer, first, second, cut, length):
    "The library's own row, or None where it refuses."
    try:
        rows = tokenizer([first], [second], truncation=cut, max_length=length)
    except Exception as error:  # of no kind of its own
        assert "too short" in str(error)
        return None
    return {name: values[0] for name, values in rows.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("side", ["right", "left"])
@settings(deadline=None, max_examples=40)
@given(first=TEXT, second=TEXT, cut=st.sampled_from(CUTS), room=st.integers(1, 20))
def test_the_row_is_the_librarys(architecture, side, first, second, cut, room):
    "Ids, segments and mask, whichever text is cut and wherever; what is lost adds up; where the library refuses, so do we."
    tokenizer = small(architecture)[1]
    tokenizer.truncation_side = side
    special, whole = tokenizer.num_special_tokens_to_add(pair=True), encode_pair(tokenizer, first, second)
    theirs = library(tokenizer, first, second, cut, special + room)
    if theirs is None:
        with pytest.raises(ValueError, match="give more, or cut another way"):
            encode_pair(tokenizer, first, second, max_length=special + room, truncation=cut)
        return
    ours = encode_pair(tokenizer, first, second, max_length=special + room, truncation=cut)
    assert {name: values[0].tolist() for name, values in ours.inputs().items()} == theirs
    assert (ours.token_type_ids is None) == ("token_type_ids" not in theirs)
    assert sum(ours.lost) == len(whole.input_ids) - len(ours.input_ids) and len(ours.texts) == len(ours.tokens) == len(ours.input_ids)
    assert [whole.texts.count(i) - ours.texts.count(i) for i in (0, 1)] == list(ours.lost)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_row_is_taken_by_its_model(architecture):
    "As a batch of one; a decoder needs a first id of its own."
    model, tokenizer = small(architecture)
    inputs = encode_pair(tokenizer, "The cat", "A dog").inputs()
    start = {"decoder_input_ids": inputs["input_ids"][:, :1]} if model.config.is_encoder_decoder else {}
    assert len(model(**inputs, **start)[0]) == 1 and set(inputs) == set(tokenizer("The cat", "A dog"))


@given(first=SENTENCE, second=SENTENCE)
def test_overlap_is_a_share(first, second):
    "From 0 to 1, the same both ways, 1 for the same words in any order and case."
    [score] = paired._overlap([first], [second])
    assert 0 <= score <= 1 and [score] == paired._overlap([second], [first])
    assert paired._overlap([first], [" ".join(reversed(first.upper().split()))]) == [1]


@given(rows=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), min_size=1, max_size=12))
def test_no_threshold_decides_more(rows):
    "The one that is learnt, against every other with every two labels."
    scores, labels = [float(score) for score, _ in rows], [label for _, label in rows]
    threshold, low, high = paired._learn(scores, labels)
    def rights(cut, below, above):
        return sum(label == (above if score > cut else below) for score, label in rows)
    best = max(rights(cut, below, above) for cut in np.arange(-1, 6, .5) for below in "abc" for above in "abc")
    assert rights(threshold, low, high) == best


@settings(deadline=None)
@given(rows=ROWS, asked=ROWS)
def test_any_form_of_data_gives_the_same(rows, asked):
    "A dictionary of lists, of tuples or of arrays, a dataset, a stream; columns found, or named; labels that are names."
    train, test = as_columns(rows), as_columns(asked)
    if not set(train["label"]) & set(test["label"]):
        with pytest.raises(ValueError, match="give both the same labels"):
            overlap_baseline(train, test)
        return
    found = overlap_baseline(train, test)
    assert overlap_baseline(Dataset.from_dict(train), Dataset.from_dict(test).to_iterable_dataset()) == found
    assert overlap_baseline({name: tuple(values) for name, values in train.items()},
                            {name: np.array(values) for name, values in test.items()}) == found
    renamed = [{"text a": some["text1"], "text b": some["text2"], "y": some["label"], "note": some["text1"]} for some in (train, test)]
    assert overlap_baseline(*renamed, columns=("text a", "text b"), label="y") == found
    named = [{**some, "label": [f"class {label}" for label in some["label"]]} for some in (train, test)]
    assert overlap_baseline(*named).answers == [f"class {answer}" for answer in found.answers]


@given(rows=ROWS)
def test_on_its_own_data_no_baseline_is_below_the_commonest_label(rows):
    "One threshold can always answer the same to all."
    data = as_columns(rows)
    assert overlap_baseline(data, data).accuracy >= max(map(data["label"].count, data["label"])) / len(rows)


@pytest.mark.parametrize("task", [name for name, task in GLUE.items() if task.pair])
def test_the_columns_of_each_task_are_found(task):
    "Beside others that hold texts too."
    first, second = GLUE[task].columns
    data = {"idx": [0], "note": ["x"], second: ["a dog"], first: ["a cat"], "label": [0], "kind": ["y"]}
    assert paired._pair_columns(Dataset.from_dict(data), None, "label") == (first, second)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_cosines_of_any_architecture(architecture):
    "Between -1 and 1; 1 for the same text; the same whichever text comes first, and for a text alone; on a head's body too."
    model, tokenizer = small(architecture)
    tokenizer.pad_token = tokenizer.pad_token or "!"
    found = cosine_baseline(TRAIN, TRAIN, source=(model, tokenizer))
    turned = cosine_baseline(TRAIN, TRAIN, source=(model, tokenizer), columns=("hypothesis", "premise"))
    second_row = {name: values[1:2] for name, values in TRAIN.items()}
    alone = cosine_baseline(TRAIN, second_row, source=(model, tokenizer))
    assert found.scores[0] == pytest.approx(1, abs=1e-5) and all(-1 - 1e-5 <= score <= 1 + 1e-5 for score in found.scores)
    assert turned.scores == pytest.approx(found.scores, abs=1e-5) and alone.scores == pytest.approx(found.scores[1:2], abs=1e-5)


def test_a_model_keeps_its_mode_and_a_head_is_left_out():
    "A model in training mode stays so, and its dropout does not reach the scores."
    model, tokenizer = small("bert", "text-classification")
    model.train()
    found = [cosine_baseline(TRAIN, TRAIN, source=(model, tokenizer)).scores for _ in range(2)]
    assert found[0] == found[1] and model.training
    model.eval()


@pytest.mark.parametrize(("architecture", "text", "says"), [
    ("gpt2", "a", "set tokenizer.pad_token"), ("t5", "cat " * 200, "shorten it"), ("bert", "cat " * 200, "shorten it")])
def test_a_text_that_no_vector_can_be_made_of(architecture, text, says):
    "No pad token, too many ids."
    model, tokenizer = small_model(architecture)
    data = {"text1": [text], "text2": ["b"], "label": [0]}
    with pytest.raises(ValueError, match=says):
        cosine_baseline(data, data, source=(model, tokenizer))
    if architecture == "gpt2":
        tokenizer.pad_token = "!"
        with pytest.raises(ValueError, match="leave it out"):  # no special tokens, so an empty text has no ids
            cosine_baseline({**data, "text1": [""]}, data, source=(model, tokenizer))


def test_values_give_their_tables():
    "As they show themselves; numpy's numbers are numbers."
    made = encode_pair(small("bert")[1], "The cat sat", "A dog", max_length=np.int64(7))
    assert made.table().rows == [["first", 2, made.lost[0]], ["second", 2, made.lost[1]]]
    assert made.table()._repr_html_() in made._repr_html_()
    found = overlap_baseline(TRAIN, TRAIN)
    assert found.table()._repr_html_() == found._repr_html_() and found.table().rows[0][-1] == found.accuracy


ONE = {"text1": ["a", "b"], "text2": ["c", "d"], "label": [0, 1]}
BAD = {
    "all splits": ({"train": Dataset.from_dict(TRAIN)}, {}), "a DatasetDict": (DatasetDict(train=Dataset.from_dict(TRAIN)), {}),
    "nothing": (None, {}), "an empty dictionary": ({}, {}), "empty columns": ({"text1": [], "text2": [], "label": []}, {}),
    "a file's name": ("pairs.jsonl", {}), "rows": ([{"text1": "a", "text2": "b", "label": 1}], {}),
    "one column of texts": ({"text1": ["a"], "label": [1]}, {}),
    "three columns of texts": ({"a": ["a"], "b": ["b"], "c": ["c"], "label": [1]}, {}),
    "two tasks at once": ({**TRAIN, "sentence1": ["a"] * 4, "sentence2": ["b"] * 4}, {}),
    "no labels": ({"text1": ["a"], "text2": ["b"]}, {}), "hidden labels": ({**ONE, "label": [-1, -1]}, {}),
    "scores": ({**ONE, "label": [4.5, 1.0]}, {}), "a label that lacks": ({**ONE, "label": [0, None]}, {}),
    "a label of another kind": (ONE, {"label": 3}), "labels that are bytes": ({**ONE, "label": [b"a", b"b"]}, {}),
    "labels that are lists": ({**ONE, "label": [[0], [1]]}, {}),
    "a text that lacks": ({**ONE, "text2": ["a", None]}, {"columns": ("text1", "text2")}),
    "half a character": ({**ONE, "text2": ["a", "\ud800"]}, {}), "uneven columns": ({**ONE, "text2": ["a"]}, {}),
    "columns that are texts": ({"text1": "ab", "text2": "cd", "label": [1, 1]}, {}), "one column named": (ONE, {"columns": ("text1",)}),
    "a text for columns": (ONE, {"columns": "ab"}), "columns that are not there": (ONE, {"columns": ("text1", "text")}),
    "a label that is not there": (ONE, {"label": "y"}), "lists for names": (ONE, {"columns": (["text1"], ["text2"])}),
    "other labels": ({**TRAIN, "label": [0, 1, 0, 1]}, {}),
}


@pytest.mark.parametrize(("data", "options"), BAD.values(), ids=BAD)
def test_what_is_no_data_says_what_to_give(data, options):
    "As training data and, unless it only was not plain which columns to take, as test data."
    good = TRAIN if "premise" in (data or {}) else ONE
    for baseline, more in ((overlap_baseline, options), (cosine_baseline, {**options, "source": small("bert")})):
        with pytest.raises((TypeError, ValueError), match=r"[Gg]ive|mend|use cast_column|check the filter|fill it"):
            baseline(data, good, **more)
        if data not in (BAD["two tasks at once"][0], BAD["three columns of texts"][0]):
            with pytest.raises((TypeError, ValueError), match=r"[Gg]ive|mend|use cast_column|check the filter|fill it"):
                baseline(good, data, **more)


@pytest.mark.parametrize("length", ["8", 8.0, [8], True, -1, 0, 2])
def test_a_length_that_is_none(length):
    "Of another type, or below the special tokens."
    with pytest.raises((TypeError, ValueError), match="give"):
        encode_pair(small("bert")[1], "a", "b", max_length=length)


def test_many_ids_and_odd_texts_make_a_row():
    "A long text, a nul byte, emoji, right to left: the library's row, and HTML without markup of theirs."
    for second in ("x" * 100_000, "word " * 3000, "a\0b", "👋🏽", "שלום", "<b>", ""):
        made = encode_pair(small("bert")[1], "The cat", second, max_length=100)
        assert len(made.input_ids) <= 100 and "<b>" not in made._repr_html_()
