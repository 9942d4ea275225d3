"""`trace` against the library's own pipelines: every source, nine architectures, every task that it reads an answer for."""

import json
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from unittest.mock import patch

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from near import pipe, same, small

from hfcourse.assets import checkpoint
from hfcourse.ground.forward import capture, twin
from hfcourse.ground.saving import pack, unpack
from hfcourse.ground.small import ARCHITECTURES
from hfcourse.pipeline import Trace, trace

TEXT, PAIR = "The cat sat on the mat.", "A dog slept in the sun."
SEGMENTS, POOLED = ("bert", "albert", "electra", "deberta-v2"), ("bert", "roberta", "albert")
NO_TAGGER, NO_MASK = ("bart",), ("gpt2", "t5")  # architectures for which the library has no such head
TAGGERS = [name for name in ARCHITECTURES if name not in NO_TAGGER]
FILLERS = [name for name in ARCHITECTURES if name not in NO_MASK]


@contextmanager
def one_array_missing(name: str):
    "The capture of a model that lacks one part."
    def without(*args):
        parts = capture(*args)
        object.__setattr__(parts, name, None)
        return parts
    with patch("hfcourse.ground.stages.capture", without):
        yield


def state_of(model):
    "Mode of each layer, attention, and the hooks that are the course's own: the library leaves some of its own."
    hooks = [hook for layer in model.modules() for hook in layer._forward_hooks.values()]
    ours = [hook for hook in hooks if getattr(hook, "__module__", "") == "hfcourse.ground.forward"]
    return [layer.training for layer in model.modules()], model.config._attn_implementation, ours


def test_every_source_gives_the_same_trace(tmp_path):
    "A folder, its path as a Path, (model, tokenizer) and a pipeline lead to the same numbers; the name is what a reader would call it."
    model, tokenizer = small("bert", "text-classification", labels=3)
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "mine")
    sources = [str(tmp_path / "mine"), tmp_path / "mine", (model, tokenizer), pipe("text-classification", model, tokenizer)]
    traces = [trace(source, TEXT, PAIR) for source in sources]
    assert [one.model for one in traces] == ["mine", "mine", "BertForSequenceClassification", "BertForSequenceClassification"]
    for one in traces[:3]:
        assert one.tokens == traces[3].tokens and one.text_pair == PAIR and same(one.answer, traces[3].answer)
        assert np.allclose(one.hidden_states, traces[3].hidden_states, atol=1e-5)


def test_a_checkpoint_by_name_gives_what_its_body_gives():
    "The body that the course carries, by its short name: hidden states and pooled vector are the library's."
    seen, model = trace("minilm", TEXT), transformers.AutoModel.from_pretrained(checkpoint("minilm"))
    with torch.inference_mode():
        output = model(torch.tensor([seen.input_ids]))
    assert (seen.model, seen.task, seen.answer, seen.logits) == ("minilm", "feature-extraction", None, None)
    assert np.allclose(seen.hidden_states[-1], output.last_hidden_state[0].numpy(), atol=1e-5)
    assert np.allclose(seen.pooled, output.pooler_output[0].numpy(), atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_an_architecture_lacks_is_none_and_left_out(architecture):
    "Segments and pooled vector are None where the architecture has none, and then the table has no such column."
    model, tokenizer = small(architecture)
    seen = trace((model, tokenizer), TEXT, PAIR)
    assert (seen.segments is not None) == ("segment" in seen.table().columns) == (architecture in SEGMENTS)
    assert (seen.pooled is not None) == (architecture in POOLED)
    assert seen.logits is seen.probabilities is seen.label is seen.answer is None
    assert "score" not in seen._repr_html_() and "None" not in seen._repr_html_()
    assert seen.input_ids == tokenizer(TEXT, PAIR)["input_ids"] and sum(seen.mask) == len(seen.input_ids)
    ids = {"decoder_input_ids": torch.tensor([[0]])} if model.config.is_encoder_decoder else {}
    with torch.inference_mode():
        output = model(**tokenizer(TEXT, PAIR, return_tensors="pt"), **ids)
    last = output["encoder_last_hidden_state" if ids else "last_hidden_state"]
    assert np.allclose(seen.hidden_states[-1], last[0].numpy(), atol=1e-5)


@pytest.mark.parametrize("part", ["attentions", "offsets"])
def test_a_trace_without_attentions_or_offsets_still_shows_itself(part, monkeypatch):
    "No attention weights: no fold-out table, and asking for one says so. A tokenizer without offsets: no column of characters."
    model, tokenizer = small("bert", "text-classification")
    if part == "offsets":
        monkeypatch.setattr(type(tokenizer), "is_fast", False)
        seen = trace((model, tokenizer), TEXT)
        assert seen.offsets is None and "characters" not in seen.table().columns and "characters" not in seen._repr_html_()
        return
    with one_array_missing(part):
        seen = trace((model, tokenizer), TEXT)
    assert seen.attentions is None and "attention" not in seen._repr_html_()
    with pytest.raises(ValueError, match="gives no attention weights: trace another"):
        seen.attention()


@pytest.mark.parametrize("pair", [None, PAIR])
@pytest.mark.parametrize("kind", [None, "regression", "multi_label_classification"])
@pytest.mark.parametrize("labels", [1, 2, 5])
def test_classes_of_a_text_are_the_pipelines(labels, kind, pair):
    "One, two and many labels; softmax, sigmoid and plain numbers; single texts and pairs."
    model, tokenizer = small("bert", "text-classification", labels=labels, problem_type=kind)
    seen = trace((model, tokenizer), TEXT, pair)
    [theirs] = pipe("text-classification", model, tokenizer)([{"text": TEXT, "text_pair": pair}], top_k=None)
    assert same(seen.answer, theirs) and seen.label == theirs[0]["label"] and seen.logits.shape == (labels,)
    assert np.allclose(sorted(seen.probabilities, reverse=True), [entry["score"] for entry in theirs], atol=1e-5)


@pytest.mark.parametrize("pair", [None, PAIR])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_classifies_as_its_pipeline_does(architecture, pair):
    "Nine architectures, encoders, decoders and both; single texts and pairs."
    model, tokenizer = small(architecture, "text-classification", labels=3)
    [theirs] = pipe("text-classification", model, tokenizer)([{"text": TEXT, "text_pair": pair}], top_k=None)
    assert same(trace((model, tokenizer), TEXT, pair).answer, theirs)


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "none"])
def test_a_pipelines_function_is_applied(function):
    "A pipeline that was told which function to apply is believed."
    judge = pipe("text-classification", *small("bert", "text-classification", labels=3), function_to_apply=function)
    assert same(trace(judge, TEXT).answer, judge(TEXT, top_k=None))


@pytest.mark.parametrize("architecture", TAGGERS)
def test_classes_of_tokens_are_the_pipelines(architecture):
    "One entry a token, without the special ones and those of label O."
    names = {0: "O", 1: "B", 2: "I"}
    model, tokenizer = small(architecture, "token-classification", labels=3)
    with patch.dict(model.config.id2label, names):
        seen, theirs = trace((model, tokenizer), TEXT), pipe("token-classification", model, tokenizer)(TEXT)
    assert same(seen.answer, theirs) and len(seen.label) == len(seen.tokens) and set(seen.label) <= set(names.values())


@pytest.mark.parametrize("masks", [1, 2])
@pytest.mark.parametrize("architecture", FILLERS)
def test_fillings_of_masks_are_the_pipelines(architecture, masks):
    "One mask gives a list of five, two masks a list for each; BART's head fills where its pipeline asks for it."
    filler = pipe("fill-mask", *small(architecture, "fill-mask"))
    text = f"The {filler.tokenizer.mask_token} sat on " + ("the mat." if masks == 1 else f"a {filler.tokenizer.mask_token}.")
    seen = trace(filler, text)
    assert seen.task == "fill-mask" and len(seen.logits) == masks and same(seen.answer, filler(text))
    with pytest.raises(ValueError, match="no mask to fill: write"):
        trace(filler, TEXT)


@pytest.mark.parametrize(("architecture", "task"), [("gpt2", "text-generation"), ("bart", "text-generation"),
                                                    ("t5", "text2text-generation"), ("bart", "text2text-generation")])
def test_the_next_token_is_what_the_model_generates(architecture, task):
    "The likeliest token is the one that `generate` writes first; the probabilities are those of the last position."
    model, tokenizer = small(architecture, task)
    seen, inputs = trace((model, tokenizer), TEXT), tokenizer(TEXT, return_tensors="pt")
    with torch.inference_mode():
        made = model.generate(**inputs, max_new_tokens=1, do_sample=False, output_logits=True, return_dict_in_generate=True)
    assert seen.answer[0]["token"] == made.sequences[0, -1] and len(seen.answer) == 5 and "token" in seen.embeddings
    assert np.allclose(seen.probabilities, made.logits[0][0].softmax(dim=-1).numpy(), atol=1e-5)
    if architecture == "gpt2":
        [theirs] = pipe(task, model, tokenizer)(TEXT, max_new_tokens=1, do_sample=False)
        assert theirs["generated_text"] == TEXT + seen.label


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("architecture", ["bert", "gpt2", "t5", "bart"])
def test_the_model_is_left_as_it_was(architecture, attention, fails):
    "Its attention, and the mode of each layer, even where some train and some do not, and even after an error."
    model, tokenizer = small(architecture, "text-classification", seed=1)
    model.set_attn_implementation(attention if model._supports_sdpa else "eager")
    model.train().base_model.eval()
    before = state_of(model)
    with patch.object(type(model), "forward", side_effect=MemoryError) if fails else nullcontext():
        try:
            trace((model, tokenizer), TEXT)
        except MemoryError:
            assert fails
    assert state_of(model) == before


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_another_thread_keeps_its_attention_and_its_answers(architecture):
    "While one thread traces, the other finds fast attention, evaluation mode or not, and the very logits that it had before."
    model, tokenizer = small(architecture, "text-classification", seed=2)
    model.eval().score.train() if architecture == "gpt2" else model.eval().bert.pooler.train()
    batch, before = tokenizer(TEXT, return_tensors="pt"), state_of(model)
    with torch.inference_mode():
        expected = model(**batch).logits
    done, found, entered = threading.Event(), [], []

    def use():
        with torch.inference_mode():
            while not done.is_set():
                found.append((state_of(model) == before, torch.equal(model(**batch).logits, expected)))

    def looks(layer, *given, **named):
        entered.append((threading.current_thread(), model.config._attn_implementation))
        return forward(layer, *given, **named)

    embeddings = model.get_input_embeddings()
    forward, other = type(embeddings).forward, threading.Thread(target=use)
    with patch.object(type(embeddings), "forward", looks):
        other.start()
        try:
            traces = [trace((model, tokenizer), TEXT) for _ in range(20)]
        finally:
            done.set()
            other.join()
    assert len(traces) == 20 and found and all(kept and equal for kept, equal in found)
    assert {how for _, how in entered} == {"sdpa"} and len({thread for thread, _ in entered}) == 2


def test_threads_that_trace_one_model_do_not_mix():
    "Four threads, each with a text of its own: every trace is the one that its text has alone."
    source, texts = small("bert", "text-classification", labels=3), [TEXT, PAIR, "The cat saw the dog.", "A mat lay in the sun."]
    alone, found = [trace(source, text) for text in texts], {}

    def work(text):
        found[text] = [trace(source, text) for _ in range(5)]

    threads = [threading.Thread(target=work, args=[text]) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for text, expected in zip(texts, alone, strict=True):
        assert len(found[text]) == 5
        for seen in found[text]:
            assert seen.tokens == expected.tokens and same(seen.answer, expected.answer)
            assert all(np.allclose(seen.embeddings[part], expected.embeddings[part]) for part in expected.embeddings)
            assert np.allclose(seen.attentions, expected.attentions, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_twin_shares_every_weight(architecture):
    "Parameters and buffers lie at the same place in memory; settings, modes and hooks are apart."
    model, _ = small(architecture, "text-classification", seed=5)
    second = twin(model.train())
    for kind in ("named_parameters", "named_buffers"):
        firsts, seconds = dict(getattr(model, kind)()), dict(getattr(second, kind)())
        assert firsts.keys() == seconds.keys() and all(firsts[name] is seconds[name] for name in firsts)
    layers = {id(layer) for layer in model.modules()}
    assert not layers & {id(layer) for layer in second.modules()} and second.config is not model.config
    second.eval().register_forward_hook(print)
    assert all(layer.training for layer in model.modules()) and not model._forward_hooks


@pytest.mark.parametrize(("architecture", "task"), [("bert", "text-classification"), ("t5", "token-classification"),
                                                    ("roberta", "fill-mask"), ("gpt2", "text-generation"), ("bart", "feature-extraction")])
def test_a_saved_trace_is_the_same_when_loaded(architecture, task, tmp_path):
    "Every field: arrays to within 0.001, the rest, logits, probabilities and answer exactly; no other file is left."
    model, tokenizer = small(architecture, task)
    seen = trace((model, tokenizer), f"The {tokenizer.mask_token} sat." if task == "fill-mask" else TEXT)
    seen.save(tmp_path / "trace.json")
    again = Trace.load(str(tmp_path / "trace.json"))
    for field in fields(Trace):
        old, new = getattr(seen, field.name), getattr(again, field.name)
        if field.name == "embeddings":
            assert old.keys() == new.keys() and all(np.abs(old[part] - new[part]).max() < 1e-3 for part in old)
        elif field.name in ("hidden_states", "attentions", "pooled") and old is not None:
            assert old.shape == new.shape and old.dtype == new.dtype and np.abs(old - new).max() < 1e-3
        elif isinstance(old, np.ndarray):
            assert np.array_equal(old, new) and old.dtype == new.dtype
        else:
            assert new == (old if field.name != "offsets" else [list(span) for span in old])
    assert repr(again.table()) == repr(seen.table())
    assert [file.name for file in tmp_path.iterdir()] == ["trace.json"]


def test_a_hundred_tokens_fit_into_four_megabytes(tmp_path):
    "A trace of the course's own body, 100 tokens long, is small enough for a page."
    seen = trace("minilm", "good " * 98)
    seen.save(tmp_path / "long.json")
    assert len(seen.tokens) == 100 and (tmp_path / "long.json").stat().st_size < 4e6


FLOATS = st.one_of(*(arrays(np.float32, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5), elements=elements)
                     for elements in (st.floats(width=32), st.floats(-200, 200, width=32))))


@settings(deadline=None)
@given(value=FLOATS | st.dictionaries(st.text() | st.just("array"), FLOATS) | st.none() | st.lists(st.integers()), exact=st.booleans())
def test_packing_can_be_undone(value, exact):
    "Any array of numbers, infinities and NaN too: within 0.001, or every bit; anything else comes back as it was."
    again = unpack(json.loads(json.dumps(pack(value, exact=exact))))
    for old, new in [(value[name], again[name]) for name in value] if isinstance(value, dict) else [(value, again)]:
        if isinstance(old, np.ndarray):
            assert new.shape == old.shape and new.dtype == old.dtype
            np.testing.assert_allclose(new, old, rtol=0, atol=0 if exact else 1e-3)
        else:
            assert new == old
