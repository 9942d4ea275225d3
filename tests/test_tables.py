"""Which columns of a reader's table hold the texts: the right ones, or a question; and a table with any format is the same table."""

import warnings

import pytest
from datasets import ClassLabel, Dataset, DatasetDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfcourse.ground.small import small_tokenizer
from hfcourse.ground.tables import text_columns
from hfcourse.mapping import tokenize
from hfcourse.pairs import overlap_baseline

TOKENIZER = small_tokenizer("bert")
FILMS = ["a great film", "a bad film", "so so, but long", "never again"]
OTHERS = {  # columns beside a text that are none, as readers have them
    "sentiment": ["positive", "negative"] * 2, "category": ["film"] * 4, "author": ["Ada", "Bob", "Cy", "Di"],
    "lang": ["en", "fr", "de", "it"], "url": [f"https://example.org/{i}" for i in range(4)], "date": ["2020-01-01"] * 4,
    "__index_level_0__": ["a1", "b2", "c3", "d4"], "source": ["x"] * 4, "user_id": list("abcd"), "target": ["0", "1"] * 2}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("label", [{}, {"label": [0, 1, 0, 1]}], ids=["alone", "with numbers"])
@pytest.mark.parametrize("name", ["review", "text", "headline"])
def test_a_column_beside_the_texts_is_no_second_text(other, label, name):
    "The row holds one text, and ends after it."
    rows = {name: FILMS, other: OTHERS[other], **label}
    assert text_columns(rows) == (name,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that are words
        [first, *_] = tokenize(rows, TOKENIZER)["input_ids"]
    assert first == TOKENIZER("a great film")["input_ids"]


@pytest.mark.parametrize("rows", [
    {"v1": ["ham", "spam"], "v2": FILMS[:2]}, {"title": FILMS, "abstract": FILMS}, {"one": FILMS, "two": FILMS[::-1]},
    {"text": FILMS, "summary": FILMS}, {"colour": ["red", "blue"] * 9}])
def test_what_is_not_plain_is_asked(rows):
    "With what each column looks like, and the answer is then taken."
    with pytest.raises(ValueError, match=r"different in \d+ rows, \d+ characters on average\).*Give columns=\('name',\)") as error:
        tokenize(rows, TOKENIZER)
    name = next(iter(rows))
    assert all(repr(name) in str(error.value) for name in rows)
    assert tokenize(rows, TOKENIZER, columns=(name,)).num_rows == len(rows[name])
    if len(rows) == 2:
        pair = tokenize(rows, TOKENIZER, columns=tuple(rows))["input_ids"][0]
        assert pair == TOKENIZER(*[values[0] for values in rows.values()])["input_ids"]


def test_many_rows_tell_what_two_do_not():
    "A column of two words that come again and again is none of texts."
    rows = {"v1": ["ham", "spam"] * 50, "v2": [f"a message about {i}" for i in range(100)]}
    assert text_columns(rows) == ("v2",)


VALUES = {"string": st.text(st.characters(exclude_categories=["Cs"]), max_size=9), "category": st.sampled_from(["a", "b"]),
          "int64": st.integers(-9, 9), "float64": st.floats(-9, 9)}


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_table_gives_its_texts_or_a_question(data):
    "Names, kinds, missing values, formats and splits of every sort: ids of texts that are there, or an error whose remedy works."
    names = data.draw(st.lists(st.sampled_from(["text", "review", "label", "a", "id", "sentence1", "sentence2", "lang"]),
                               min_size=1, max_size=4, unique=True))
    kinds = {name: data.draw(st.sampled_from(sorted(VALUES))) for name in names}
    count = data.draw(st.integers(1, 9))
    rows = {name: data.draw(st.lists(VALUES[kind] | st.none(), min_size=count, max_size=count)) for name, kind in kinds.items()}
    table = Dataset.from_dict(rows)
    given_as = data.draw(st.sampled_from([None, "numpy", "torch", "pandas", "arrow"]))
    splits = DatasetDict({"train": table, "test": table}) if data.draw(st.booleans()) else table
    formatted = splits if given_as is None else splits.with_format(given_as)
    texts = [name for name in names if str(table.features[name].dtype) == "string"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = tokenize(formatted, TOKENIZER)
    except ValueError as error:
        says = str(error)
        if "is missing in row" in says:  # the remedy: leave such rows out
            column = says.split(" is missing")[0].rpartition(" ")[2]
            assert table.filter(lambda row: row[column] is not None).num_rows < count
        else:
            assert "Give columns=" in says and all(name in says for name in names)
            if texts and None not in rows[texts[0]]:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    one = table.remove_columns([name for name in names if name in ("label",) and name != texts[0]])
                    done = tokenize(one, TOKENIZER, columns=texts[0])
                assert done["input_ids"][:] == TOKENIZER(rows[texts[0]])["input_ids"]
        return
    done = done["test"] if isinstance(done, DatasetDict) else done
    chosen = text_columns(table)
    assert set(chosen) <= set(texts)
    assert done["input_ids"][:] == TOKENIZER(*[rows[name] for name in chosen])["input_ids"]
    if len(chosen) == 2:
        assert chosen == ("sentence1", "sentence2")


def test_labels_of_splits_are_compared_and_the_advice_is_right():
    "Words are numbered by the names of all splits; splits that were numbered apart are refused."
    words = DatasetDict({"train": Dataset.from_dict({"text": FILMS, "label": ["pos", "neg"] * 2}),
                         "test": Dataset.from_dict({"text": FILMS[:2], "label": ["pos", "pos"]})})
    with pytest.warns(UserWarning, match=r"use data.cast_column\('label', ClassLabel\(names=\['neg', 'pos'\]\)\)"):
        tokenize(words, TOKENIZER)
    right = tokenize(words.cast_column("label", ClassLabel(names=["neg", "pos"])), TOKENIZER)
    assert right["test"]["label"][:] == [1, 1] and right["train"]["label"][:] == [1, 0, 1, 0]
    apart = words.class_encode_column("label")
    with pytest.raises(ValueError, match=r"of the test split are \['pos'\] and those of the train split \['neg', 'pos'\].*align_labels"):
        tokenize(apart, TOKENIZER)
    mended = DatasetDict({**apart, "test": apart["test"].align_labels_with_mapping({"neg": 0, "pos": 1}, "label")})
    assert tokenize(mended, TOKENIZER)["test"]["label"][:] == [1, 1]


@pytest.mark.parametrize("near, far", [
    (("我喜欢这部电影", "我很喜欢这部电影"), ("我喜欢这部电影", "今天天气不好")),
    (("この映画が好きです", "この映画は好きです"), ("この映画が好きです", "雨が降った")),
    (("ฉันชอบหนังเรื่องนี้", "ฉันชอบหนังเรื่องนั้น"), ("ฉันชอบหนังเรื่องนี้", "ฝนตก")),
    (("👍 👍", "👍"), ("👍", "👎")), (("the film", "a film"), ("the film", "rain"))])
def test_near_equal_texts_overlap_in_any_script(near, far):
    "Where nothing stands between words, letters are compared; signs that mean something count."
    rows = {"text1": [near[0], far[0]], "text2": [near[1], far[1]], "label": [1, 0]}
    found = overlap_baseline(rows, rows)
    assert found.scores[0] > 0.3 > found.scores[1] and found.accuracy == 1.0
