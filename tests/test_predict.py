"""`predict` gives what the pipeline gives, for every kind of input, in the order given, and holds only a window of it."""

import inspect
import json
import subprocess
import sys
from itertools import islice
from unittest.mock import patch

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from near import pipe, same, small

from hfcourse import pipeline
from hfcourse.ground import stages
from hfcourse.ground.answering import Options
from hfcourse.pipeline import predict

TEXTS = ["The cat sat.", "", "Prices rose by three percent in the first half of the year, and nobody minded very much.", "ה 👋 é",
         "I hate this so much!", "The cat sat.", "Who told you that?", "a b c d e f g h i j k"]
SECONDS = TEXTS[::-1]
NO_EMPTY = [text for text in TEXTS if text]  # a tokenizer without special tokens makes no token of an empty text


def judge(architecture="bert", **options):
    "The library's pipeline on a small classifier."
    return pipe("text-classification", *small(architecture, "text-classification", **options))


def ours(source, texts, **options):
    "What `predict` gives, without a bar."
    return predict(source, texts, progress=False, **options)


@pytest.mark.parametrize("labels", [1, 2, 5])
@pytest.mark.parametrize("kind", [None, "regression", "multi_label_classification"])
@pytest.mark.parametrize("options", [{}, {"top_k": 1}, {"top_k": 2}, {"top_k": None}], ids=str)
def test_labels_scores_and_order_are_the_pipelines(labels, kind, options):
    "One, two and many labels, each kind of problem, and the best, the best two or all of the labels."
    classify = judge(labels=labels, problem_type=kind)
    assert same(ours(classify, TEXTS, **options), classify(TEXTS, **options))


@pytest.mark.parametrize("architecture", ["distilbert", "roberta", "albert", "electra", "deberta-v2", "gpt2", "t5", "bart"])
@pytest.mark.parametrize("paired", [False, True])
def test_every_architecture_answers_as_its_pipeline_does(architecture, paired):
    "Encoders, decoders without a pad token, and both; single texts and pairs."
    classify, options = judge(architecture, labels=3), {"text_pairs": NO_EMPTY[::-1]} if paired else {}
    given = [{"text": text, "text_pair": pair} for text, pair in zip(NO_EMPTY, NO_EMPTY[::-1], strict=True)] if paired else NO_EMPTY
    assert same(ours(classify, NO_EMPTY, **options), classify(given))


@pytest.mark.parametrize("make", [list, tuple, lambda texts: Dataset.from_dict({"text": texts})["text"],
                                  lambda texts: dict.fromkeys(texts).keys()], ids=["list", "tuple", "Column", "keys"])
def test_what_has_a_length_gives_a_list(make):
    "A list, a tuple, a column of a dataset, and a view."
    classify, given = judge(), make(NO_EMPTY[:4])
    assert same(ours(classify, given), classify(list(given)))


@pytest.mark.parametrize("make", [iter, lambda texts: (text for text in texts), lambda texts: map(str, texts)],
                         ids=["iter", "generator", "map"])
def test_a_stream_gives_an_iterator(make):
    "What has no length is answered one by one."
    answers = ours(judge(), make(TEXTS))
    assert iter(answers) is answers and same(list(answers), judge()(TEXTS))


@pytest.mark.parametrize("options", [{}, {"top_k": 1}, {"top_k": None}, {"function_to_apply": "none"}], ids=str)
def test_one_text_gives_the_pipelines_shape(options):
    "The pipeline returns a list for one text unless top_k is given when it is called."
    assert same(ours(judge(), TEXTS[0], **options), judge()(TEXTS[0], **options))
    ranked = pipe("text-classification", *small("bert", "text-classification"), top_k=2)
    assert same(ours(ranked, TEXTS[0], **options), ranked(TEXTS[0], **options))


def test_nothing_gives_nothing():
    "No texts, as a list, a tuple, a column or a stream, are no error."
    assert ours(judge(), []) == ours(judge(), ()) == ours(judge(), Dataset.from_dict({"text": []})["text"]) == []
    assert list(ours(judge(), iter([]))) == [] and ours(judge(), [], text_pairs=[]) == []


@pytest.mark.parametrize("make", [list, iter, lambda texts: Dataset.from_dict({"text": texts})["text"]], ids=["list", "iter", "Column"])
def test_pairs_may_be_given_beside_or_as_dictionaries(make):
    "text_pairs= as a list, stream or column, dictionaries of both, and one pair of strings."
    both = [{"text": text, "text_pair": pair} for text, pair in zip(TEXTS, SECONDS, strict=True)]
    theirs = judge()(both)
    assert same(list(ours(judge(), make(TEXTS), text_pairs=make(SECONDS))), theirs) and same(ours(judge(), both), theirs)
    assert same(ours(judge(), TEXTS[0], text_pairs=SECONDS[0]), theirs[:1])
    mixed = [*both, "The cat sat.", {"text": "a b"}, {"text": "a b", "text_pair": None}]
    assert same(ours(judge(), mixed), judge()(mixed))


@pytest.mark.parametrize(("texts", "seconds"), [(["a", "b"], ["c"]), (["a"], ["b", "c"]), (iter("ab"), iter("c"))])
def test_a_pair_that_is_missing_is_named(texts, seconds):
    "Fewer or more pairs than texts are an error, and so is a hole among them."
    with pytest.raises(ValueError, match="give one text pair for each text"):
        list(ours(judge(), texts, text_pairs=seconds))
    with pytest.raises(TypeError, match="text pair 1 is NoneType"):
        ours(judge(), ["a", "b"], text_pairs=["c", None])


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "none", "SIGMOID"])
def test_a_function_is_applied_when_called_and_when_made(function):
    "function_to_apply, given to predict or to the pipeline."
    model, tokenizer = small("bert", "text-classification", labels=3)
    told = pipe("text-classification", model, tokenizer, function_to_apply=function.lower(), top_k=None)
    assert same(ours(judge(labels=3), TEXTS, function_to_apply=function, top_k=None), told(TEXTS)) and same(ours(told, TEXTS), told(TEXTS))


@pytest.mark.parametrize("how", [True, "longest_first", "only_first"])
@pytest.mark.parametrize("architecture", ["bert", "gpt2", "roberta"])
def test_long_texts_are_cut_where_that_is_asked_for(architecture, how):
    "truncation=, as the tokenizer takes it; without it the limit and the remedy are named."
    classify, long = judge(architecture), ["a b " * 300, "The cat sat."]
    assert same(ours(classify, long, truncation=how), classify(long, truncation=how))
    assert same(ours(classify, long, truncation=how, max_length=9), classify(long, truncation=how, max_length=9))
    told = pipe("text-classification", classify.model, classify.tokenizer, truncation=True)
    assert same(ours(told, long), told(long))
    with pytest.raises(ValueError, match="the model takes 128: give truncation=True"):
        ours(classify, long)


@pytest.mark.parametrize("size", [1, 3, 8, 100, np.int64(4)])
def test_a_batch_size_counts_texts(size):
    "As many texts as asked for go into the model at once, the rest at the end, and the answers stay the pipeline's."
    classify, sizes, compute = judge(), [], type(judge()).forward

    def counted(pipe, batch):
        sizes.append(len(batch["input_ids"]))
        return compute(pipe, batch)

    with patch.object(type(classify), "forward", counted):
        answers = ours(classify, TEXTS, batch_size=size)
    full, rest = divmod(len(TEXTS), int(size))
    assert sizes == [int(size)] * full + [rest] * bool(rest) and same(answers, classify(TEXTS))


def test_two_sizes_of_a_batch_are_one_too_many():
    "The error says which to leave out, and either remedy works; a size that is none is named."
    for options in ({"batch_size": 4}, {"tokens_per_batch": 64}, {"batch_size": None, "tokens_per_batch": np.int32(64)}):
        assert len(ours(judge(), TEXTS, **options)) == len(TEXTS)
    with pytest.raises(ValueError, match=r"leave out batch_size .* or tokens_per_batch"):
        ours(judge(), TEXTS, batch_size=4, tokens_per_batch=64)
    for wrong, kind in ((0, ValueError), (True, TypeError), (2.5, TypeError), ("4", TypeError)):
        with pytest.raises(kind, match=r"batch_size is .*: give a whole number"):
            ours(judge(), TEXTS, batch_size=wrong)


def test_a_device_is_used_or_refused():
    "By name or as torch names it; what this machine lacks is refused, with what there is."
    classify = judge()
    for device in ("cpu", torch.device("cpu"), "auto"):
        assert same(ours(classify, TEXTS, device=device), classify(TEXTS))
    with pytest.raises(ValueError, match="this machine has no device 'tpu': give"):
        ours(classify, TEXTS, device="tpu")
    with pytest.raises(TypeError, match="device must be a name"):
        ours(classify, TEXTS, device=-1)


@pytest.mark.parametrize(("wrong", "meant"), [("topk", "top_k"), ("function_to_aply", "function_to_apply"), ("batchsize", "batch_size"),
                                              ("devices", "device"), ("return_all_scores", "one of text_pairs, tokens_per_batch"),
                                              ("maxlength", "max_length"), ("truncations", "truncation")])
def test_an_unknown_option_is_refused_with_the_nearest_known(wrong, meant):
    "The tokenizer would take any word and ignore it."
    with pytest.raises(TypeError, match=f"predict knows no option '{wrong}': give {meant}"):
        ours(judge(), TEXTS, **{wrong: None})


def test_the_known_options_are_those_that_predict_takes():
    "The names that are offered stand in the signature, or are handed to the pipeline."
    named = set(inspect.signature(predict).parameters) - {"source", "texts", "options"}
    passed = {"top_k", "function_to_apply", "max_length", "add_special_tokens"}
    assert named | passed == set(Options.__annotations__) and not named & passed


def test_whole_numbers_of_any_kind_are_whole_numbers():
    "numpy's are as good as Python's; True is none."
    classify = judge(labels=3)
    assert same(ours(classify, TEXTS, top_k=np.int64(2)), classify(TEXTS, top_k=2))
    assert same(ours(classify, TEXTS, truncation=True, max_length=np.int64(9)), classify(TEXTS, truncation=True, max_length=9))
    for call in (lambda: ours(classify, TEXTS, top_k=True), lambda: pipeline.decode(classify.model, torch.zeros(1, 3), top_k=True)):
        with pytest.raises(TypeError, match="top_k is True: give a whole number"):
            call()


def test_a_pipelines_own_truncation_can_be_taken_back():
    "None leaves it as the pipeline was told; False reads the text whole, and then it is too long."
    told = pipe("text-classification", *small("bert", "text-classification"), truncation=True, padding=True)
    long = ["a b " * 300, "The cat sat."]
    assert same(ours(told, long), told(long))
    with pytest.raises(ValueError, match="the model takes 128: give truncation=True"):
        ours(told, long, truncation=False)


@pytest.mark.parametrize("options", [{"add_special_tokens": False}, {"add_special_tokens": True}])
def test_special_tokens_are_left_out_where_that_is_asked_for(options):
    "As the pipeline hands it to the tokenizer."
    assert same(ours(judge(), NO_EMPTY, **options), judge()(NO_EMPTY, **options))


@pytest.mark.parametrize("tokens", [1, 7, 64, 1024, 10**9])
@pytest.mark.parametrize("window", [1, 3, 4096])
def test_no_size_of_batch_or_window_changes_the_answers(tokens, window):
    "Every size, and the order of the texts is kept across windows."
    texts = TEXTS * 5
    with patch.object(stages, "_WINDOW", window):
        answers = ours(judge(), texts, tokens_per_batch=tokens, top_k=None)
        assert same(answers, judge()(texts, top_k=None)) and same(list(ours(judge(), iter(texts), top_k=None)), answers)


def test_a_model_that_is_training_is_asked_in_evaluation_mode():
    "Dropout would make answers random; afterwards the model trains on."
    model, tokenizer = small("bert", "text-classification", seed=3)
    expected = pipe("text-classification", model, tokenizer)(TEXTS)
    model.train()
    assert same(ours((model, tokenizer), TEXTS), expected) and same(ours(pipe("text-classification", model, tokenizer), TEXTS), expected)
    assert all(layer.training for layer in model.modules())


def test_a_model_that_is_training_goes_on_training_meanwhile():
    "What another thread would see while `predict` computes: each layer of the model is in training mode."
    model, tokenizer = small("bert", "text-classification", seed=4)
    model.train()
    modes, embed = [], type(model.base_model.embeddings).forward

    def looking(layer, *given, **named):
        modes.append(all(layer.training for layer in model.modules()))
        return embed(layer, *given, **named)

    with patch.object(type(model.base_model.embeddings), "forward", looking):
        ours((model, tokenizer), TEXTS)
        pipeline.forward(model, pipeline.encode(tokenizer, TEXTS))
    assert len(modes) >= 2 and all(modes)


@settings(deadline=None, max_examples=40)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=12),
       tokens=st.integers(1, 200), window=st.integers(1, 10), paired=st.booleans())
def test_any_texts_in_any_batches_give_the_pipelines_answers(texts, tokens, window, paired):
    "Random texts and pairs, random sizes of batch and window."
    both = [{"text": text, "text_pair": pair} for text, pair in zip(texts, texts[::-1], strict=True)]
    with patch.object(stages, "_WINDOW", window):
        answers = ours(judge(), texts, text_pairs=texts[::-1] if paired else None, tokens_per_batch=tokens)
    assert same(answers, judge()(both if paired else texts) if texts else [])


def test_a_stream_is_read_one_window_ahead():
    "Nothing is read before the first answer is asked for, and then a window at a time."
    read = []
    stream = (read.append(i) or text for i, text in enumerate(TEXTS))
    with patch.object(stages, "_WINDOW", 3):
        answers = ours(judge(), stream)
        assert read == []
        next(answers)
        assert read == [0, 1, 2]
        list(islice(answers, 2))
        assert read == [0, 1, 2]
        next(answers)
        assert read == [0, 1, 2, 3, 4, 5]


MEMORY = """
import gc, json, psutil, torch
torch.set_num_threads(1)
from hfcourse.pipeline import predict
from hfcourse.ground.small import small_model
source = small_model("bert", "text-classification", hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
words, used = ["cat", "sun", "film", "letter", "course", "train"], {}
texts = (f"{words[i % 6]} {words[i % 5]}" for i in range(200_000))
for i, answer in enumerate(predict(source, texts, progress=False, tokens_per_batch=8192), 1):
    if i in (20_000, 200_000):
        gc.collect()
        used[i] = psutil.Process().memory_info().rss / 2**20
print(json.dumps(list(used.values())))
"""


def test_two_hundred_thousand_texts_take_no_more_memory_than_twenty_thousand():
    "Resident memory after 200,000 texts of a stream is within 24 MiB of that after 20,000: their answers alone would take 60."
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=570, check=True)
    early, late = json.loads(done.stdout)
    assert late - early < 24, (early, late)
