"""Lesson 05's results for any model: counts that add up, comparisons that miss no bit, configs of any architecture, damage of any size."""

import copy
import json
import re
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from near import small
from test_bad_input import TEXT, read
from transformers import AutoConfig, AutoModel, BertConfig

from hfcourse.assets import AssetError, checkpoint, quiet
from hfcourse.display import show_value
from hfcourse.ground.small import ARCHITECTURES, small_model
from hfcourse.models import blueprint, parameter_table, same_weights

TASKS = ["feature-extraction", "text-classification", "token-classification", "fill-mask", "text-generation", "text2text-generation"]
OTHERS = ["llama", "qwen3", "gemma2", "mixtral", "modernbert", "whisper", "wav2vec2", "vit", "clip", "segformer", "blip-2", "mamba"]
TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64]


def heads(architecture):
    "Every small model of an architecture, with each head that it has."
    for task in TASKS:
        try:
            yield small(architecture, task, labels=3)[0]  # with two, BART's config.json leaves them out, and its class then makes three
        except ValueError as error:  # the library has no such head for it
            assert "Unrecognized configuration class" in str(error)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_parts_add_up_to_the_models_own_count(architecture):
    "At every depth, with every head, tied or not; the share adds up to 1, and what is counted twice is what the names hold too much."
    for model in heads(architecture):
        named = sum(parameter.numel() for _, parameter in model.named_parameters(remove_duplicate=False))
        for depth in (1, 2, 3, 9):
            *parts, last = parameter_table(model, depth=depth).rows
            assert last[:3] == ["all", model.num_parameters(), 1.0] and last[1] + last[3] == named
            assert sum(row[1] for row in parts) == last[1] and sum(row[3] for row in parts) == last[3]
            assert sum(row[2] for row in parts) == pytest.approx(1) and len({row[0] for row in parts}) == len(parts)
            assert all(row[0].count(".") < depth for row in parts)


def test_a_module_without_parameters_has_an_empty_table():
    "Nothing to divide by."
    assert parameter_table(torch.nn.Dropout()).rows == [["all", 0, 0.0, 0]]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_bit_is_found_wherever_it_is(data):
    "Any bit of any number of any tensor, whatever its type; the comparison names that tensor alone, from either side."
    kind = data.draw(st.sampled_from(TYPES))
    shapes = data.draw(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.lists(st.integers(0, 3), max_size=3), min_size=1))
    one = torch.nn.Module()
    for name, shape in shapes.items():
        one.register_buffer(f"of_{name}", torch.ones(shape, dtype=kind))
    two = copy.deepcopy(one)
    assert same_weights(one, two)
    names = [name for name, value in one.state_dict().items() if value.numel()]
    if not names:
        return
    name = data.draw(st.sampled_from(names))
    raw = getattr(two, name).flatten().view(torch.uint8)
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 if kind == torch.bool else 1 << data.draw(st.integers(0, 7))
    for pair in ((one, two), (two, one)):
        found = same_weights(*pair)
        assert not found and list(found.changed) == [name] and set(found.equal) == set(one.state_dict()) - {name}
        assert name in repr(found) and name in found._repr_html_()


def test_differences_of_every_kind_are_told_apart():
    "Other numbers, another type, another shape, a tensor that one side lacks; the body alone against the body in a classifier."
    body = small_model("bert")[0]
    judge = small_model("bert", "text-classification")[0]
    judge.bert.load_state_dict(body.state_dict())
    found = same_weights(body, judge)
    assert found.only_second == ("classifier.weight", "classifier.bias") and not (found.changed or found.unlike or found.only_first)
    other = copy.deepcopy(body)
    other.pooler.to(torch.float64)
    other.embeddings.LayerNorm.weight.data += 0.25
    other.embeddings.token_type_embeddings = torch.nn.Embedding(3, 32)
    found = same_weights(body, other)
    assert found.changed == {"embeddings.LayerNorm.weight": 0.25}
    assert found.unlike["embeddings.token_type_embeddings.weight"] == "float32 (2, 32), float32 (3, 32)"
    assert found.unlike["pooler.dense.bias"] == "float32 (32,), float64 (32,)" and len(found.unlike) == 3
    many = same_weights(body, small_model("gpt2")[0])
    assert len(many.table(most=5).rows) == 6 and re.fullmatch(r"\.\.\. and \d+ more", many.table(most=5).rows[-1][0])
    with pytest.raises(ValueError, match="most is -1: give a whole number"):
        many.table(most=-1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_saved_and_loaded_is_equal_to_the_bit(architecture, tmp_path):
    "With every head, in one file and in several, in two types; the table of its config is the config.json that was written."
    for number, model in enumerate(heads(architecture)):
        model = copy.deepcopy(model).to([torch.float32, torch.bfloat16][number % 3 == 1])
        with quiet():
            model.save_pretrained(tmp_path / str(number), max_shard_size="1GB" if number % 2 else "30KB")
            assert same_weights(model, type(model).from_pretrained(tmp_path / str(number)))
        file = json.loads((tmp_path / str(number) / "config.json").read_text(encoding="utf-8"))
        table = blueprint(tmp_path / str(number))
        assert {row[0] for row in table.rows} == set(file)
        assert all(row[1] == file[row[0]] for row in table.rows if isinstance(file[row[0]], (int, float)))


@pytest.mark.parametrize("name", [*ARCHITECTURES, *OTHERS])
def test_each_number_of_a_config_has_a_meaning(name):
    "Text, image and sound, configs inside a config; elsewhere a class may compute a number of its own, which the library does not explain."
    rows = blueprint(AutoConfig.for_model(name)).rows
    numbers = [row for row in rows if isinstance(row[1], (int, float)) and not isinstance(row[1], bool)]
    bare = [setting for setting, *_, meaning in numbers if meaning == "not explained by the library"]
    assert numbers and not any("no setting of" in meaning for *_, meaning in rows)
    assert len(bare) <= (0 if name in ARCHITECTURES else 1), bare


@settings(deadline=None, max_examples=30)
@given(name=st.text("abcxyz_", min_size=1, max_size=9).filter(lambda name: not name.startswith("_")), value=TEXT, label=TEXT)
def test_what_a_config_holds_stays_text(name, value, label):
    "A setting of the reader's own is marked as none of the class; no value or label becomes markup."
    config = BertConfig(id2label={0: label, 1: "b"}, label2id={label: 0, "b": 1}, **{f"own_{name}": value})
    table = blueprint(config)
    assert table.rows[-1] == [f"own_{name}", value[:60] + "..." * (len(value) > 60), None, "no setting of BertConfig"]
    shown = read(table._repr_html_())
    assert show_value(f"0: {label}, 1: b") in shown


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "A small checkpoint."
    folder = tmp_path_factory.mktemp("whole")
    with quiet():
        for part in small("bert"):
            part.save_pretrained(folder)
    return folder


@settings(deadline=None, max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_weights_file_cut_anywhere_is_refused(share, whole, tmp_path_factory):
    "By `checkpoint`, which names the file and the remedy, and by the library."
    folder = tmp_path_factory.mktemp("cut") / "it"
    shutil.copytree(whole, folder)
    raw = (whole / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw[:int(share * len(raw))])
    with pytest.raises(AssetError, match=r"model.safetensors is truncated or damaged .* Delete it and download it again"):
        checkpoint(str(folder))
    with pytest.raises(Exception, match="deserializing header"):
        AutoModel.from_pretrained(folder)


@pytest.mark.parametrize(("config", "says"), [
    (None, "has no config.json, so it is no checkpoint. Give a folder that save_pretrained wrote"),
    ("{", "config.json cannot be read as JSON .* Get the file again"), ("[]", "holds no JSON object. Get the file again"),
    ("{}", "Unrecognized model .*saved together"), ('{"model_type": "x"}', "does not recognize .*saved together"),
    ('{"model_type": "bert", "hidden_size": "32"}', "expected int, got str .*saved together"),
])
def test_a_blueprint_of_a_folder_that_has_none_is_explained(config, says, whole, tmp_path):
    "No config, no JSON, no architecture, one that nobody knows, a width that is no number."
    if config is not None:
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(AssetError, match=f"(?s){says}"):
        blueprint(tmp_path)
    assert blueprint(whole).rows == blueprint(small("bert")[0]).rows


def test_a_folder_is_loaded_as_what_was_saved(whole, tmp_path):
    "With its head and without a tokenizer; a config that does not fit the weights is explained."
    judge = small_model("bert", "text-classification")[0]
    with quiet():
        judge.save_pretrained(tmp_path)
    assert same_weights(judge, tmp_path) and parameter_table(tmp_path).rows == parameter_table(judge).rows
    file = tmp_path / "config.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"hidden_size": 32', '"hidden_size": 64'), encoding="utf-8")
    with pytest.raises(AssetError, match=r"it cannot be loaded \(.* in the file and \(64,\) by the config.* saved together"):
        parameter_table(tmp_path)
