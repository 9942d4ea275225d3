"""Attention by hand against torch's and the library's: any shape, any mask, each architecture, training and half precision."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from near import small
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoConfig, AutoModel

from hfcourse.attention import ENCODERS, attention_masks, encoder_layer, layers_of, scaled_dot_product, self_attention
from hfcourse.ground.small import ARCHITECTURES

TEXTS = ["The cat sat on the mat.", "Hi.", "We read the book before we saw the film."]
SIZES = st.integers(1, 5)


def made(architecture, **config):
    "A random model in evaluation mode; those that have no small model get one made from their config."
    if architecture in ARCHITECTURES:
        return small(architecture, **config)[0]
    wanted = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, **config}
    return AutoModel.from_config(AutoConfig.for_model(architecture, **wanted)).eval()


def run(model, attention="eager"):
    "A padded batch of ids, its mask, and what the model gives for it."
    ids = torch.randint(5, 60, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1] * 7, [1] * 2 + [0] * 5, [1] * 5 + [0] * 2])
    model.set_attn_implementation(attention)
    with torch.no_grad():
        return mask, model(ids, attention_mask=mask, output_hidden_states=True, output_attentions=attention == "eager")


@settings(deadline=None, max_examples=200)
@given(data=st.data(), leading=st.lists(SIZES, max_size=3), queries=SIZES, keys=SIZES, size=SIZES, width=SIZES,
       scale=st.none() | st.floats(0.01, 10), masked=st.booleans())
def test_it_is_torchs_for_any_shape_and_mask(data, leading, queries, keys, size, width, scale, masked):
    "Rows and heads or none, masks that hide anything and everything, any scale."
    source = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    query, key, value = (torch.randn(*leading, *shape, generator=source) for shape in ((queries, size), (keys, size), (keys, width)))
    mask = torch.rand(*leading, queries, keys, generator=source) < data.draw(st.floats(0, 1)) if masked else None
    ours = scaled_dot_product(query, key, value, mask=mask, scale=scale)
    theirs = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    assert torch.allclose(ours.output, theirs, atol=1e-5)
    sums = ours.weights.sum(dim=-1)
    seen = torch.ones_like(sums) if mask is None else mask.any(dim=-1).float()
    assert torch.allclose(sums, seen, atol=1e-5) and (mask is None or not ours.weights[~mask].any())
    assert ours._repr_html_() and ours.table().columns[1:] == [str(number) for number in range(keys)]


@settings(deadline=None, max_examples=50)
@given(rows=SIZES, heads=SIZES, length=SIZES, size=SIZES, seed=st.integers(0, 2**31))
def test_first_dimensions_may_be_left_to_broadcasting(rows, heads, length, size, seed):
    "Keys for all rows, one mask for all heads, a value of more rows than scores."
    source = torch.Generator().manual_seed(seed)
    query = torch.randn(rows, heads, length, size, generator=source)
    key, value = torch.randn(length, size, generator=source), torch.randn(rows, 1, length, size, generator=source)
    mask = torch.rand(rows, 1, 1, length, generator=source) < 0.5
    wide = key.expand(rows, heads, length, size), value.expand(rows, heads, length, size)
    theirs = scaled_dot_product_attention(query, *wide, attn_mask=mask.expand(rows, heads, length, length))
    assert torch.allclose(scaled_dot_product(query, key, value, mask=mask).output, theirs, atol=1e-5)
    assert scaled_dot_product(key, key, value).output.shape == value.shape


def test_scores_far_apart_and_far_from_zero_stay_exact():
    "Softmax must not overflow."
    huge = torch.tensor([[1e4, 0.0], [-1e4, 1e4]])
    ours = scaled_dot_product(huge, huge, torch.eye(2))
    assert torch.equal(ours.weights, torch.eye(2)) and torch.allclose(ours.output, scaled_dot_product_attention(huge, huge, torch.eye(2)))


@settings(deadline=None, max_examples=100)
@given(real=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=3), targets=SIZES)
def test_masks_say_who_may_look(real, targets):
    "Place by place, in words of the definition."
    own = [[True] * targets for _ in real]
    masks, alone = attention_masks(real, targets=own), attention_masks(torch.tensor(real).int())
    for row, tokens in enumerate(real):
        assert masks.encoder[row, 0].tolist() == [tokens] * 4 and masks.cross[row, 0].tolist() == [tokens] * targets
        assert masks.decoder[row, 0].tolist() == [[key <= query for key in range(targets)] for query in range(targets)]
        assert alone.decoder[row, 0].tolist() == [[key <= query and tokens[key] for key in range(4)] for query in range(4)]
    assert "Masks(encoder" in repr(masks) and masks._repr_html_().count("<table") == 3


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("architecture", ENCODERS)
def test_each_supported_encoder_layer_by_layer_and_stacked(architecture, attention):
    "Weights, attention's output and hidden states are the library's, with padding, however the library computes attention."
    model = made(architecture)
    mask, output = run(model, attention)
    real, stacked = mask.bool(), output.hidden_states[0]
    for number, layer in enumerate(layers_of(model)):
        given_in = output.hidden_states[number]
        if attention == "eager":
            found = self_attention(layer, given_in, mask=mask)
            assert torch.allclose(found.weights, output.attentions[number], atol=1e-5)
            assert torch.equal(found.weights > 0, attention_masks(mask).encoder.expand_as(found.weights))
        assert torch.allclose(encoder_layer(layer, given_in, mask=mask)[real], output.hidden_states[number + 1][real], atol=1e-5)
        stacked = encoder_layer(layer, stacked, mask=attention_masks(mask).encoder)
    assert torch.allclose(stacked[real], output.last_hidden_state[real], atol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "gelu_new", "silu"])
def test_the_layers_own_activation_is_used(activation):
    "A config with another function than the usual one."
    model = made("bert", hidden_act=activation)
    _, output = run(model)
    assert torch.allclose(encoder_layer(layers_of(model)[0], output.hidden_states[0])[0], output.hidden_states[1][0], atol=1e-5)


def test_a_model_with_a_head_has_the_layers_of_its_body():
    "With a head, and the body alone."
    model = small("distilbert", "text-classification")[0]
    assert layers_of(model) == layers_of(model.base_model) == list(model.distilbert.transformer.layer)


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - set(ENCODERS)))
def test_other_architectures_are_refused_and_the_supported_ones_named(architecture):
    "The model, and each of its parts that could be taken for a layer."
    model = small(architecture)[0]
    with pytest.raises(ValueError, match="give a model of one of bert, camembert, distilbert, electra, roberta, xlm-roberta"):
        layers_of(model)
    for part in model.modules():
        with pytest.raises(ValueError, match="the model one of bert, camembert, distilbert, electra, roberta, xlm-roberta"):
            self_attention(part, torch.zeros(1, 3, 32))


def test_of_a_supported_model_only_the_layers_are_layers():
    "The model, its encoder, one of its matrices."
    for architecture in ENCODERS:
        model = made(architecture)
        for part in model.modules():
            if part not in layers_of(model):
                with pytest.raises(ValueError, match="give one of layers_of"):
                    encoder_layer(part, torch.zeros(1, 3, 32))


def test_a_bert_made_a_decoder_is_refused():
    "It would look only back, and ours would not."
    model = made("bert", is_decoder=True)
    with pytest.raises(ValueError, match="no encoder laid out as BERT's"):
        layers_of(model)
    with pytest.raises(ValueError, match="no encoder layer laid out as BERT's"):
        encoder_layer(model.encoder.layer[0], torch.zeros(1, 3, 32))


def test_gradients_are_the_layers():
    "What comes out can be trained through, as the layer can."
    layer = layers_of(made("bert"))[0]
    gradients = []
    for call in (layer, lambda hidden: encoder_layer(layer, hidden)):
        hidden = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
        call(hidden).square().sum().backward()
        gradients.append(hidden.grad)
    assert torch.allclose(*gradients, atol=1e-5)


def test_dropout_is_left_out_and_the_mode_stays():
    "In training mode the numbers are those of evaluation, and the layer goes on training."
    layer, hidden = layers_of(made("bert"))[0], torch.randn(1, 4, 32)
    before = encoder_layer(layer, hidden)
    layer.train()
    assert torch.equal(encoder_layer(layer, hidden), before) and layer.training
    layer.eval()


def test_half_precision_follows_the_layer():
    "A layer in bf16 is given bf16, whatever comes in."
    layer, hidden = layers_of(small("bert", seed=3)[0])[1], torch.randn(1, 4, 32)
    exact = encoder_layer(layer, hidden)
    half = encoder_layer(layer.to(torch.bfloat16), hidden)
    assert half.dtype is torch.bfloat16 and (half.float() - exact).abs().max() < 0.1


@pytest.mark.parametrize("shape", [(2, 3), (3, 4), (4,), (2, 4, 4), (2, 3, 4, 4), (2, 4, 4, 3), (2, 4, 3, 4)])
def test_a_mask_that_does_not_fit_is_refused(shape):
    "Other lengths, other rows, another number of dimensions or heads; floats, and numbers that are not 0 or 1."
    layer, hidden = layers_of(made("bert"))[0], torch.zeros(2, 4, 32)
    for mask in (torch.ones(shape).int(), torch.ones(2, 4), torch.full((2, 4), 2)):
        with pytest.raises(ValueError, match="give"):
            self_attention(layer, hidden, mask=mask)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf, True, "root", [1.0]])
def test_a_scale_that_is_none_is_refused(scale):
    "Zero, below zero, no number."
    with pytest.raises((TypeError, ValueError), match=r"scale is .*: give a number from 1e-30"):
        scaled_dot_product([[1.0]], [[1.0]], [[1.0]], scale=scale)


def test_dtypes_and_devices_do_not_mix():
    "Said in our words, not torch's."
    one = torch.ones(2, 3)
    for other in (one.double(), one.to("meta")):
        with pytest.raises(ValueError, match="one dtype and device"):
            scaled_dot_product(one, other, one)
