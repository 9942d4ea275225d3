"""The right value of an answer is the one that a text gets alone; a remedy that an error names leads to the end."""

import copy

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import transformers
from datasets import Dataset
from near import same, small

from hfcourse import assets, evaluation, padding, pipeline, training
from hfcourse.ground import paired
from hfcourse.ground.small import ARCHITECTURES, small_model

TEXTS = ["What a wonderful film!", "I hate this so much!", "", "so so", "It was long, and in the end nothing came of it, which is a pity.",
         "Not bad at all.", "👍", "The cat sat on the mat, and the dog looked at the cat for a very long time before it fell asleep."]


def predict(source, texts, **options):
    "All answers, every label with its score."
    return list(pipeline.predict(source, texts, progress=False, **options))


@pytest.fixture(scope="module")
def judge():
    "The course's own checkpoint."
    folder = assets.checkpoint("sentiment")
    return (transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval(),
            transformers.AutoTokenizer.from_pretrained(folder))


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_side_that_a_tokenizer_fills_changes_no_answer(judge, side):
    "Filled on the left, the library's own batch gives other scores, and other labels; `predict` gives those of the row alone."
    model, tokenizer = judge[0], copy.deepcopy(judge[1])
    tokenizer.padding_side = side
    alone = [predict((model, tokenizer), [text])[0] for text in TEXTS]
    assert same(predict((model, tokenizer), TEXTS), alone, within=1e-5)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        theirs = model(**batch).logits.softmax(-1).max(-1).values
    apart = max(abs(float(score) - answer["score"]) for score, answer in zip(theirs, alone, strict=True))
    assert (apart > 0.01) is (side == "left")
    ours = pipeline.decode(model, pipeline.forward(model, pipeline.encode(tokenizer, TEXTS)))
    assert same(ours, alone, within=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_vectors_of_texts_are_those_of_the_texts_alone(architecture, side):
    "The cosine baseline fills rows, too."
    model, tokenizer = small_model(architecture)
    tokenizer.padding_side = side
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    texts = [text for text in TEXTS if text and text != "👍"]
    together = paired._vectors(model, tokenizer, texts)
    alone = torch.cat([paired._vectors(model, tokenizer, [text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_the_pad_tokens_remedy_is_followed_to_the_end():
    "GPT-2 has none: what `encode`, `forward`, `mask_effect` and `train_loop` say to do is enough for all of them."
    model, tokenizer = small_model("gpt2", "text-classification")
    tokenizer.pad_token = model.config.pad_token_id = None
    both = ["a", "a longer text"]
    rows = {"input_ids": tokenizer(both)["input_ids"], "labels": [0, 1]}
    remedy = r"set tokenizer.pad_token = tokenizer.eos_token"
    for call in (lambda: pipeline.encode(tokenizer, both), lambda: padding.mask_effect(model, tokenizer, both)):
        with pytest.raises(ValueError, match=rf"{remedy}, and then model.config.pad_token_id = tokenizer.pad_token_id"):
            call()
    with pytest.raises(ValueError, match=remedy):
        training.train_loop(model, transformers.DataCollatorWithPadding(tokenizer), rows, epochs=1)
    tokenizer.pad_token = tokenizer.eos_token
    batch = pipeline.encode(tokenizer, both)
    with pytest.raises(ValueError, match=r"set model.config.pad_token_id = tokenizer.pad_token_id"):
        pipeline.forward(model, batch)
    model.config.pad_token_id = tokenizer.pad_token_id
    assert pipeline.forward(model, batch).shape == (2, 2) and padding.mask_effect(model, tokenizer, both).with_mask[0] < 1e-4
    assert training.train_loop(model, transformers.DataCollatorWithPadding(tokenizer), rows, epochs=1)


@pytest.mark.parametrize("make", [
    pd.Series, np.array, pa.array, lambda texts: Dataset.from_dict({"text": texts}), lambda texts: Dataset.from_dict({"review": texts}),
    lambda texts: Dataset.from_dict({"text": texts, "label": [0] * len(texts)})["text"], lambda texts: pd.DataFrame({"a": texts})["a"]])
def test_columns_of_every_kind_are_texts(make):
    "Their texts are answered, and not their names."
    source = small("bert", "text-classification")
    assert same(predict(source, make(TEXTS)), predict(source, TEXTS))


@pytest.mark.parametrize("make, says", [
    (lambda texts: pd.DataFrame({"text": texts}), r"texts is DataFrame, a table: give one column of it"),
    (lambda texts: pa.table({"text": texts}), "texts is Table, a table"), (set, "texts is set, which has no order: give a list"),
    (lambda texts: {"text": texts}, "texts is dict: give a list"), (lambda texts: np.array("a"), "texts is ndarray: give a list"),
    (lambda texts: pd.Series([*texts, None]), r"text 8 is (NoneType|float), not a string")])
def test_what_is_no_column_of_texts_is_refused(make, says):
    "With what to give."
    with pytest.raises(TypeError, match=says):
        predict(small("bert", "text-classification"), make(TEXTS))


def test_a_dataset_of_several_texts_is_asked_for_columns():
    "It answers none of them by a guess."
    rows = Dataset.from_dict({"title": TEXTS, "body": TEXTS})
    with pytest.raises(ValueError, match=r"which columns hold the texts is not plain: title \(string\), body \(string\)"):
        predict(small("bert", "text-classification"), rows)
    assert same(predict(small("bert", "text-classification"), rows["title"]), predict(small("bert", "text-classification"), TEXTS))


@pytest.mark.parametrize("limit", [10**30, 10_000])
@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_long_texts_are_cut_to_what_the_model_takes(architecture, limit):
    "Where the tokenizer knows no limit, or too large a one; the answer is that of the text cut by hand."
    model, tokenizer = small_model(architecture, "text-classification")
    takes = tokenizer.model_max_length
    tokenizer.model_max_length = limit
    long = "many different words " * 300
    with pytest.raises(ValueError, match=r"and the model takes \d+: give truncation=True"):
        predict((model, tokenizer), [long])
    tokenizer.model_max_length = takes
    by_hand = predict((model, tokenizer), [long], truncation=True)
    tokenizer.model_max_length = limit
    assert same(predict((model, tokenizer), [long, "short"], truncation=True)[:1], by_hand)


def test_scores_are_trained_and_judged():
    "A task on scores, as STS-B is: trained on its labels, with its own figures."
    model, tokenizer = small_model("bert", "text-classification", labels=1)
    texts = [f"a text of {i} words" for i in range(12)]
    rows = {**tokenizer(texts, [text.upper() for text in texts]), "label": [i / 3 for i in range(12)]}
    tuned = training.fine_tune(model, tokenizer, {"train": dict(rows), "validation": dict(rows)}, epochs=1, show=False,
                               compute_metrics=evaluation.metrics_for("stsb"), best="spearmanr")
    assert set(tuned.scores["validation"]) == {"loss", "pearson", "spearmanr"} and tuned.facts["problem_type"] == "regression"
    assert activation_of(tuned.model) == "none"


def activation_of(model):
    "What the pipeline does with the logits: nothing, for scores."
    return pipeline.activation(model.config)
