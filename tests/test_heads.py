"""Seven heads on small bodies of nine architectures: what loading did, what comes out, and the loss, each found in a second way."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from near import small
from safetensors.torch import load_file

from hfcourse.assets import AssetError
from hfcourse.ground.small import ARCHITECTURES
from hfcourse.heads import HEADS, LoadReport, attach

ABSENT = {  # classes that the library does not have
    "distilbert": {"ForCausalLM"}, "albert": {"ForCausalLM"}, "deberta-v2": {"ForCausalLM"}, "gpt2": {"ForMultipleChoice", "ForMaskedLM"},
    "t5": {"ForMultipleChoice", "ForMaskedLM", "ForCausalLM"}, "bart": {"ForTokenClassification", "ForMultipleChoice"},
}
PAIRS = [(architecture, name) for architecture in ARCHITECTURES for name in HEADS if name not in ABSENT.get(architecture, set())]
NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=6, unique=True)


@pytest.fixture(scope="module", autouse=True)
def on_the_cpu():
    "Small models meet tensors on the CPU, whatever the machine has."
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HFCOURSE_DEVICE", "cpu")
        yield


@pytest.fixture(scope="module")
def bodies(tmp_path_factory):
    "A folder for each architecture with a body whose numbers all differ, so that each tensor can be told from a new one."
    home = tmp_path_factory.mktemp("bodies")
    for architecture in ARCHITECTURES:
        body = small(architecture, seed=1)[0]
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in body.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) / 5)
        body.save_pretrained(home / architecture)
    return home


def inputs_for(architecture, name):
    "Two rows of ids, or two times three for multiple choice."
    tokenizer = small(architecture, seed=1)[1]
    batch = dict(tokenizer(["The cat sat on the mat.", "The cat sat on the mat."], return_tensors="pt"))
    assert batch["input_ids"].shape[1] > 4
    return {key: ids[:, None].repeat(1, 3, 1) for key, ids in batch.items()} if name == "ForMultipleChoice" else batch


def cross_entropy(logits, right):
    "Minus the logarithm of the right answer's probability, averaged, written without the library's function."
    powers = torch.exp(logits - logits.max(dim=-1, keepdim=True).values)
    chances = (powers / powers.sum(dim=-1, keepdim=True)).reshape(-1, logits.shape[-1])
    return -torch.stack([chance[place].log() for chance, place in zip(chances, right.reshape(-1), strict=True) if place != -100]).mean()


def by_hand(architecture, name, output, right):
    "The loss of a head from its logits."
    if name == "ForQuestionAnswering":
        return (cross_entropy(output.start_logits, right["start_positions"]) + cross_entropy(output.end_logits, right["end_positions"])) / 2
    if name == "ForCausalLM" and architecture != "bart":  # BART's decoder gets labels that are shifted already
        return cross_entropy(output.logits[:, :-1], right["labels"][:, 1:])
    return cross_entropy(output.logits, right["labels"])


@pytest.mark.parametrize(("architecture", "name"), PAIRS)
def test_what_was_used_and_what_is_new(bodies, architecture, name):
    "A tensor that equals one of the file was used, any other is new; each name of the model has one fate; the numbers add up."
    model, report = attach(bodies / architecture, name)
    there = [tensor for tensor in load_file(bodies / architecture / "model.safetensors").values() if tensor.any()]
    weights = model.state_dict(keep_vars=True)
    found = {key for key, weight in weights.items() if any(weight.shape == other.shape and torch.equal(weight, other) for other in there)}
    buffers = weights.keys() - dict(model.named_parameters(remove_duplicate=False))  # BART's logits bias is no weight
    assert set(report.used) - buffers == found
    assert set(report.used) | set(report.missing) == set(weights) and not set(report.used) & set(report.missing)
    assert report.mismatched == {}
    assert {**report.used, **report.missing} == {key: tuple(weight.shape) for key, weight in weights.items()}
    own = {id(weight): weight.numel() for key, weight in weights.items() if key not in found | buffers}
    assert report.added == sum(own.values())
    assert report.loaded + report.added == model.num_parameters() + sum(weights[key].numel() for key in buffers)
    assert not model.training and json.loads(json.dumps(asdict(report)))["checkpoint"] == architecture


@pytest.mark.parametrize(("architecture", "name"), [pair for pair in PAIRS if pair[1] != "Model"])
def test_shape_and_loss(bodies, architecture, name):
    "The output has the sizes that HEADS names, and the loss is the one written by hand."
    head, batch = HEADS[name], inputs_for(architecture, name)
    model, _ = attach(bodies / architecture, name, labels=3 if head.named else None)
    model.config.pad_token_id = 0
    length, ids = batch["input_ids"].shape[-1], batch["input_ids"]
    right = {"ForSequenceClassification": torch.tensor([2, 0]), "ForMultipleChoice": torch.tensor([2, 0])}.get(name, ids)
    right = (ids % 3).index_fill(1, torch.tensor([0, length - 1]), -100) if name == "ForTokenClassification" else right
    targets = dict.fromkeys(head.targets, torch.tensor([1, 2]) if name == "ForQuestionAnswering" else right)
    with torch.inference_mode():
        output = model(**batch, **targets)
    sizes = {"rows": 2, "length": length, "labels": 3, "choices": 3, "vocabulary": model.config.vocab_size}
    assert tuple(output[head.output].shape) == tuple(sizes[word] for word in head.shape)
    torch.testing.assert_close(output.loss, by_hand(architecture, name, output, targets))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra", "gpt2", "bart"])
def test_a_causal_head_is_blind_to_later_tokens(bodies, architecture):
    "Changing the last token changes nothing before it; loaded for masked tokens again, the body looks both ways."
    model, _ = attach(bodies / architecture, "ForCausalLM")
    ids = inputs_for(architecture, "ForCausalLM")["input_ids"][:1]
    other = ids.clone()
    other[0, -1] = ids[0, -2]
    with torch.inference_mode():
        torch.testing.assert_close(model(ids).logits[0, :-1], model(other).logits[0, :-1])
    if architecture in ("bert", "roberta", "electra"):
        model.save_pretrained(bodies / f"{architecture}-causal")
        back, report = attach(bodies / f"{architecture}-causal", "ForMaskedLM")
        with torch.inference_mode():
            assert (back(ids).logits[0, 0] - back(other).logits[0, 0]).abs().max() > 1e-3
        assert report.added == 0


@pytest.mark.parametrize("architecture", ["bert", "roberta", "gpt2"])
def test_one_label_and_several_labels_at_once(bodies, architecture):
    "Squared differences for one label, yes or no for each of several; a kind of labels that the checkpoint had is forgotten with them."
    batch, stars, several = inputs_for(architecture, "Model"), torch.tensor([5.0, 1.0]), torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    model, _ = attach(bodies / architecture, "ForSequenceClassification", labels=3)
    model.config.problem_type, model.config.pad_token_id = "multi_label_classification", 0
    with torch.inference_mode():
        output = model(**batch, labels=several)
    yes = torch.sigmoid(output.logits)
    torch.testing.assert_close(output.loss, -(several * yes.log() + (1 - several) * (1 - yes).log()).mean())
    model.save_pretrained(bodies / f"{architecture}-several")
    model, report = attach(bodies / f"{architecture}-several", "text-classification", labels=["stars"])
    model.config.pad_token_id = 0
    with torch.inference_mode():
        output = model(**batch, labels=stars)
    torch.testing.assert_close(output.loss, ((output.logits[:, 0] - stars) ** 2).mean())
    assert report.mismatched and report.missing == {}


def test_a_question_head_points_whatever_the_labels_were(bodies):
    "A checkpoint with five labels still gets a start and an end."
    model, _ = attach(bodies / "bert", "ForSequenceClassification", labels=5)
    model.save_pretrained(bodies / "five")
    model, _ = attach(bodies / "five", "ForQuestionAnswering")
    assert model.config.id2label == {0: "start", 1: "end"} and model.qa_outputs.out_features == 2


def test_nothing_is_written(bodies, capfd):
    "No bar, no report and no warning, not even where the library has many to give."
    for name in HEADS:
        attach(bodies / "bert", name)
    attach(bodies / "bart", "ForCausalLM")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("changes", [{"model_type": "nonsense"}, {"model_type": None}, {"num_attention_heads": 5}], ids=str)
def test_a_config_that_cannot_be_read_is_explained(bodies, tmp_path, changes):
    "An unknown architecture, none at all, sizes that do not divide."
    shutil.copytree(bodies / "bert", tmp_path / "wrong")
    file = tmp_path / "wrong" / "config.json"
    file.write_text(json.dumps({key: value for key, value in {**json.loads(file.read_text()), **changes}.items() if value is not None}))
    with pytest.raises(AssetError, match="saved together"):
        attach(tmp_path / "wrong", "Model")


def test_weights_of_another_model_are_all_new(bodies, tmp_path):
    "BERT's config over GPT-2's weights loads, and the report says that nothing came from them."
    shutil.copytree(bodies / "bert", tmp_path / "mixed")
    shutil.copy(bodies / "gpt2" / "model.safetensors", tmp_path / "mixed")
    model, report = attach(tmp_path / "mixed", "ForTokenClassification")
    assert report.loaded == 0 and report.added == model.num_parameters() and len(report.unexpected) == 28


def test_a_body_for_images_has_no_heads_for_text(tmp_path):
    "What the library lacks for an architecture is refused, with what it has."
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "image_size": 8, "patch_size": 4}
    transformers.ViTModel(transformers.ViTConfig(**sizes)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no ForMaskedLM for vit: give one of Model"):
        attach(tmp_path, "ForMaskedLM")


@settings(deadline=None, max_examples=15)
@given(names=NAMES)
def test_label_names_survive_saving(tmp_path_factory, bodies, names):
    "Any different names, in their order, and the same weights again."
    model, first = attach(bodies / "distilbert", "ForSequenceClassification", labels=names)
    model.save_pretrained(folder := tmp_path_factory.mktemp("named"))
    again, second = attach(str(folder), "ForSequenceClassification")
    assert list(again.config.id2label.values()) == names and second.added == 0 and first.added > 0
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("labels", [["a", "b"], ("a", "b"), np.array(["a", "b"]), np.int64(2), torch.tensor(2)], ids=repr)
def test_labels_come_in_any_form(bodies, labels):
    "A list, a tuple, an array; a number of any kind."
    model, _ = attach(bodies / "distilbert", "ForSequenceClassification", labels=labels)
    assert model.config.num_labels == 2 and list(model.config.id2label.values()) in (["a", "b"], ["LABEL_0", "LABEL_1"])


@pytest.mark.parametrize(("labels", "says"), [
    (True, "give a list of names, or their number"), (2.0, "give a list of names, or their number"),
    (np.True_, "give a list of names, or their number"), (np.array([0.5, 1.5]), "label 0 is float, not a string"),
    (0, "from 1 to 100000"), (-1, "from 1 to 100000"), (10**30, "from 1 to 100000"),
    (["a"] * 3, "3 labels, 1 of them different"), ([], "give from 1 to 100,000 different names"),
], ids=repr)
def test_labels_that_are_none_are_refused(bodies, labels, says):
    "No number, none that a head can have, names that repeat."
    with pytest.raises((TypeError, ValueError), match=says):
        attach(bodies / "distilbert", "ForSequenceClassification", labels=labels)


def test_a_path_and_a_task_do(bodies):
    "A folder as text or as a path; a head by its name or by its task's."
    reports = [attach(where, task)[1] for where in (bodies / "bert", str(bodies / "bert")) for task in ("ForMaskedLM", "fill-mask")]
    assert all(report == reports[0] for report in reports) and isinstance(bodies / "bert", Path)


@settings(deadline=None)
@given(model=st.text(), names=st.dictionaries(st.text(), st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6))
def test_a_report_counts_and_stays_text(model, names):
    "Numbers are products of shapes, those of a second name left out; names are escaped, and can be stored."
    report = LoadReport(model, "here", used=names, missing=names, unexpected=tuple(names), mismatched={}, tied=tuple(names)[:1])
    assert report.loaded == report.added == sum(a * b for a, b in list(names.values())[1:])
    html = report._repr_html_()
    assert html == report.table()._repr_html_()
    assert html.encode() and repr(report).encode() and html.count("<td") == 16
