"""The one place that loads: a model whose weights all come from its file, a tokenizer that is none of the library's making, or an error."""

import json
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from near import small
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

from hfcourse.assets import AssetError, quiet
from hfcourse.ground.loading import classifier, load, load_config, load_model, load_tokenizer, name_of
from hfcourse.ground.small import ARCHITECTURES
from hfcourse.models import parameter_table, same_weights
from hfcourse.pipeline import predict, trace

VALUES = st.none() | st.booleans() | st.integers(-3, 300) | st.floats(-1, 1) | st.text(max_size=5)
ANY_JSON = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.text(max_size=3), VALUES, max_size=2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    "A body of each architecture with its tokenizer."
    home = tmp_path_factory.mktemp("bodies")
    with quiet():
        for architecture in ARCHITECTURES:
            for part in small(architecture):
                part.save_pretrained(home / architecture)
    return home


@pytest.fixture
def bert(folders, tmp_path):
    "A copy of BERT to change."
    return shutil.copytree(folders / "bert", tmp_path / "it")


def change(folder, **settings):
    "Write settings into a folder's config."
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | settings), encoding="utf-8")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_and_its_tokenizer_come_back(folders, architecture):
    "Equal to the bit, in evaluation mode, as the class that was saved; the tokenizer gives the same ids."
    model, tokenizer = load(folders / architecture)
    assert type(model) is type(small(architecture)[0]) and not model.training
    assert same_weights(model.to("cpu"), small(architecture)[0])
    assert tokenizer("The cat sat.")["input_ids"] == small(architecture)[1]("The cat sat.")["input_ids"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_without_a_tokenizer_has_none(folders, architecture, tmp_path):
    "The library makes up an empty one, in which all words are one; nothing here answers from it."
    folder = shutil.copytree(folders / architecture, tmp_path / "it", ignore=shutil.ignore_patterns("tokenizer*"))
    for call in (load_tokenizer, load, lambda source: trace(source, "a"), lambda source: list(predict(source, ["a"], progress=False))):
        with pytest.raises(AssetError, match=r"has no tokenizer .*Write the tokenizer of this very model there"):
            call(folder)
    assert same_weights(load_model(folder), small(architecture)[0])
    small(architecture)[1].save_pretrained(folder)  # the remedy, followed to the end
    assert trace(folder, "The cat sat.").tokens == trace(small(architecture), "The cat sat.").tokens


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_tokenizer_cut_anywhere_is_refused(share, folders, tmp_path_factory):
    "With the file's name and a remedy."
    folder = shutil.copytree(folders / "bert", tmp_path_factory.mktemp("cut") / "it")
    raw = (folder / "tokenizer.json").read_bytes()
    (folder / "tokenizer.json").write_bytes(raw[:int(share * len(raw))])
    with pytest.raises(AssetError, match=r"tokenizer.json is truncated or damaged .* Delete it and download it again"):
        load_tokenizer(folder)


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_whatever_a_config_says_a_model_comes_whole_from_its_file_or_not_at_all(data, folders, tmp_path_factory):
    "Any setting, any value: no weight is made up, and what cannot be loaded is explained in one kind of error."
    folder = shutil.copytree(folders / "bert", tmp_path_factory.mktemp("odd") / "it")
    names = sorted(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    change(folder, **data.draw(st.dictionaries(st.sampled_from(names), ANY_JSON, min_size=1, max_size=2)))
    there = load_file(folder / "model.safetensors")
    try:
        model = load_model(folder)
    except AssetError as error:
        assert error.remedy.startswith(("Give a folder", "Get the file again", "Use a checkpoint"))
    else:
        weights = {name: value for name, value in model.state_dict().items() if "position_ids" not in name}
        assert weights and all(torch.equal(value, there[name]) for name, value in weights.items())


def test_weights_of_other_sizes_are_named_with_both(bert):
    "Not only that they differ."
    change(bert, vocab_size=1000)
    says = r"lacks 1 of 39 weights .*word_embeddings.weight is \(\d+, 32\) in the file and \(1000, 32\) by the config"
    with pytest.raises(AssetError, match=says):
        load_model(bert)


@pytest.mark.parametrize("kind", [AutoModelForSequenceClassification, AutoModelForTokenClassification])
def test_a_head_is_new_only_where_it_is_asked_for(bert, kind):
    "And then the body comes from the file all the same."
    with pytest.raises(AssetError, match=r"lacks 2 of \d+ weights .*: classifier.bias is missing"):
        load_model(bert, kind)
    made = load_model(bert, kind, new_head=True, num_labels=5)
    assert made.classifier.out_features == 5
    assert not same_weights(made, small("bert")[0]).changed
    change(bert, num_hidden_layers=3)  # the third layer would be random
    with pytest.raises(AssetError, match=r"lacks 16 of 5[57] weights .*encoder.layer.2.* is missing"):
        load_model(bert, kind, new_head=True)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_classifier_has_the_whole_body(folders, architecture):
    "Of each architecture that has one; the seed decides the head, and the random numbers of the caller stay as they are."
    before = torch.get_rng_state()
    one, again, other = (classifier(str(folders / architecture), ["a", "b", "c"], seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert same_weights(one, again) and not same_weights(one, other)
    assert one.config.num_labels == 3 and not same_weights(one.base_model, small(architecture)[0]).changed.keys() - {"pooler.dense.weight"}


def test_a_classifier_of_other_weights_is_refused(folders, bert):
    "Training would begin from random numbers, and nobody would know."
    shutil.copy(folders / "gpt2" / "model.safetensors", bert)
    with pytest.raises(AssetError, match=r"its file lacks .*: bert\..* saved together"):
        classifier(str(bert), ["a", "b"])


def test_a_body_without_its_pooler_has_none(bert):
    "Its pooled vector would be random: there is none, and the parts that are counted are those of the file."
    whole, _ = small("bert", "fill-mask")
    with quiet():
        whole.bert.save_pretrained(bert)
        model = AutoModel.from_pretrained(bert)
    assert model.pooler is not None  # the library's is made up
    assert load_model(bert).pooler is None and trace(bert, "The cat sat.").pooled is None
    assert parameter_table(bert).rows[-1][1] == sum(value.numel() for value in load_file(bert / "model.safetensors").values())
    judge = classifier(str(bert), ["a", "b"])  # it is trained with its head
    assert judge.bert.pooler is not None


def test_a_head_that_reads_a_pooler_needs_it(tmp_path):
    "A classifier's logits come through the pooler, so a made-up one is refused."
    judge, _ = small("bert", "text-classification")
    weights = {name: value for name, value in judge.state_dict().items() if ".pooler." not in name}
    judge.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(AssetError, match=r"lacks 2 of 41 weights .*: bert.pooler.dense.bias is missing"):
        load_model(tmp_path)


def test_a_short_name_is_no_folder(bert, tmp_path, monkeypatch):
    "Whatever lies where you are: `./minilm` is the folder."
    monkeypatch.chdir(tmp_path)
    bert.rename(tmp_path / "minilm")
    assert load_config("minilm").hidden_size == 384 and load_config("./minilm").hidden_size == 32
    assert load_model("./minilm").config.hidden_size == 32


def test_the_folder_that_you_are_in_has_a_name(bert, monkeypatch):
    "It is that of the folder, as for any other."
    monkeypatch.chdir(bert)
    assert name_of(".", load(".")[0]) == bert.name == trace(".", "a").model
