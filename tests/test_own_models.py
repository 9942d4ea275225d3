"""A reader's own labels, models and figures: trained as plain `Trainer` trains, or refused with a word that helps."""

import copy
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import peft
import pytest
import torch
import transformers
from datasets import ClassLabel, Dataset, DatasetDict, List, Value
from sklearn.metrics import classification_report
from torch.utils.data import DataLoader

from hfcourse import assets, evaluation, pipeline, training
from hfcourse.assets import AssetError
from hfcourse.ground import aligned, loading
from hfcourse.ground.small import small_model
from hfcourse.ground.tuning import batches, figures

TEXTS = [("The cat sat. " * (i % 4 + 1)) + "A dog slept." * (i % 2) for i in range(18)]
HEADS = {  # for each kind of task the head's name in `small_model`, how many labels, and a label for row i with so many ids
    "single_label_classification": ("text-classification", 2, lambda i, ids: i % 2),
    "regression": ("text-classification", 1, lambda i, ids: (i % 7) / 3 - 1),
    "multi_label_classification": ("text-classification", 3, lambda i, ids: [i % 2, i % 3 % 2, int(i % 5 == 0)]),
    "token_classification": ("token-classification", 3, lambda i, ids: [-100, *[n % 3 for n in range(ids - 2)], -100]),
}
QUICK = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "show": False, "device": "cpu", "precision": "fp32"}


def made(problem, architecture="bert", **config):
    "A small model for a task, its tokenizer, and rows to train and to evaluate on."
    head, labels, label = HEADS[problem]
    model, tokenizer = small_model(architecture, head, labels=labels, seed=3, **config)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token  # GPT-2 has none
    ids = tokenizer(TEXTS)["input_ids"]
    rows = {"input_ids": ids, "label": [label(i, len(row)) for i, row in enumerate(ids)]}
    data = {"train": rows, "validation": {name: values[:8] for name, values in rows.items()}}
    return model, tokenizer, data


class PlainTrainer(transformers.Trainer):
    "The library's own, on our batches."
    loss_is_scaled_for_ga = False

    def get_train_dataloader(self):
        sampler = batches.GroupedBatches([len(ids) for ids in self.train_dataset["input_ids"]], 4, seed=5)
        return self.accelerator.prepare(DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator))


def plain(model, tokenizer, data, folder, problem, **options):
    "Weights and losses of plain `Trainer` with the settings that `fine_tune` has."
    fractions = {"regression": Value("float32"), "multi_label_classification": List(Value("float32"))}
    splits = {name: Dataset.from_dict(rows).rename_column("label", "labels") for name, rows in data.items()}
    if problem in fractions:
        splits = {name: rows.cast_column("labels", fractions[problem]) for name, rows in splits.items()}
    collators = {"token_classification": transformers.DataCollatorForTokenClassification}
    if problem != "token_classification":
        model.config.problem_type = problem
    with assets.quiet():
        trainer = PlainTrainer(
            model, transformers.TrainingArguments(
                folder, num_train_epochs=2, learning_rate=1e-3, per_device_train_batch_size=4, warmup_steps=0.1, weight_decay=0.01,
                seed=5, optim="adamw_torch_fused", save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
                eval_strategy="epoch", log_level="error"),
            train_dataset=splits["train"], eval_dataset=splits["validation"],
            data_collator=collators.get(problem, transformers.DataCollatorWithPadding)(tokenizer), **options)
        trainer.remove_callback(transformers.PrinterCallback)
        transformers.set_seed(5)
        trainer.train()
    return trainer


@pytest.mark.parametrize("problem", HEADS)
def test_each_kind_of_task_equals_plain_trainer(problem, tmp_path):
    "The same weights and the same loss on validation; what the labels ask for is found out."
    model, tokenizer, data = made(problem)
    theirs = plain(copy.deepcopy(model), tokenizer, data, tmp_path, problem)
    tuned = training.fine_tune(model, tokenizer, data, **QUICK, seed=5, best=None)
    assert tuned.facts["problem_type"] == problem
    for ours, other in zip(tuned.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(ours, other, atol=1e-6, rtol=0)
    losses = [entry["eval_loss"] for entry in theirs.state.log_history if "eval_loss" in entry]
    assert [entry["loss"] for entry in tuned.curves.evaluations] == pytest.approx(losses, abs=1e-6)


@pytest.mark.parametrize("problem, best, names", [
    ("single_label_classification", "accuracy", {"accuracy"}), ("regression", "loss", {"pearson", "spearmanr"}),
    ("multi_label_classification", "f1_micro", {"f1_micro", "f1_macro", "accuracy", "f1_LABEL_0", "f1_LABEL_1", "f1_LABEL_2"}),
    ("token_classification", "accuracy", {"accuracy"})])
def test_each_kind_of_task_has_its_figures(problem, best, names):
    "And one of them decides which epoch is kept."
    model, tokenizer, data = made(problem)
    tuned = training.fine_tune(model, tokenizer, data, **QUICK)
    assert tuned.facts["best"] == best and set(tuned.scores["validation"]) == {"loss", *names}
    values = [entry[best] for entry in tuned.curves.evaluations]
    assert tuned.scores["validation"][best] == (min(values) if best == "loss" else max(values))


def test_names_in_texts_are_scored_as_wholes():
    "Labels with `B-` and `I-` bring precision, recall and F1, also of each kind."
    model, tokenizer, data = made("token_classification")
    tuned = training.fine_tune(model, tokenizer, data, **QUICK, labels=["O", "B-X", "I-X"])
    assert set(tuned.scores["validation"]) == {"loss", "accuracy", "precision", "recall", "f1", "f1_X"}
    assert tuned.facts["best"] == "f1" and tuned.model.config.id2label == {0: "O", 1: "B-X", 2: "I-X"}


def test_from_words_with_labels_to_a_model_that_finds_names(tmp_path):
    "Words and tags become ids and labels, a model is trained on them, saved, and the pipeline finds the names elsewhere."
    model, tokenizer = small_model("bert", "token-classification", labels=3, seed=3)
    rows = {"tokens": [["the", "cat", "sat"], ["a", "dog", "slept"]] * 6, "ner_tags": [["O", "B-X", "O"], ["O", "B-X", "I-X"]] * 6}
    data = aligned.tokenize_and_align_labels({"train": Dataset.from_dict(rows), "validation": Dataset.from_dict(rows)}, tokenizer)
    tuned = training.fine_tune(model, tokenizer, data, **{**QUICK, "epochs": 15, "learning_rate": 5e-3})
    assert tuned.scores["validation"]["f1"] == 1.0
    finder = transformers.pipeline("token-classification", model=str(tuned.save(tmp_path / "mine")))
    assert [(one["word"], one["entity"]) for one in finder("a dog slept") if one["word"] in ("dog", "slept")] == [
        ("dog", "B-X"), ("slept", "I-X")]


def test_class_weights_equal_plain_trainer(tmp_path):
    "Balanced, as scikit-learn has it, through the library's own way to give a loss."
    model, tokenizer, data = made("single_label_classification")
    for rows in data.values():
        rows["label"] = [int(i % 6 == 0) for i in range(len(rows["label"]))]
    weights = torch.tensor([18 / (2 * 15), 18 / (2 * 3)])

    def loss(outputs, labels, num_items_in_batch=None):
        return torch.nn.functional.cross_entropy(outputs["logits"], labels, weight=weights)

    theirs = plain(copy.deepcopy(model), tokenizer, data, tmp_path, "single_label_classification", compute_loss_func=loss)
    tuned = training.fine_tune(copy.deepcopy(model), tokenizer, data, **QUICK, seed=5, best=None, class_weights="balanced")
    for ours, other in zip(tuned.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(ours, other, atol=1e-6, rtol=0)
    without = training.fine_tune(copy.deepcopy(model), tokenizer, data, **QUICK, seed=5, best=None)
    assert not torch.equal(without.model.classifier.weight, tuned.model.classifier.weight)
    with pytest.raises(ValueError, match=r"class_weights is 'heavy': give 'balanced'"):
        training.fine_tune(model, tokenizer, data, **QUICK, class_weights="heavy")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("how", ["folder", "model", "loop"])
def test_half_precision_is_trained_in_full(dtype, how, tmp_path):
    "At a rate of 2e-5 every weight with a gradient moves, as it does in fp32, and not a tenth of them."
    model, tokenizer, data = made("single_label_classification")
    model.to(dtype).save_pretrained(tmp_path)
    before = {name: weights.float().clone() for name, weights in model.named_parameters()}
    if how == "loop":
        training.train_loop(model, transformers.DataCollatorWithPadding(tokenizer), data["train"], epochs=1, learning_rate=2e-5)
        tuned = model
    else:
        source = str(tmp_path) if how == "folder" else model
        tuned = training.fine_tune(source, tokenizer, data, **{**QUICK, "learning_rate": 2e-5, "epochs": 1}, best=None).model
    assert {weights.dtype for weights in tuned.parameters()} == {torch.float32}
    layers = [(name, weights) for name, weights in tuned.named_parameters() if "query.weight" in name or "output.dense.weight" in name]
    moved = [float((weights != before[name]).float().mean()) for name, weights in layers]
    assert layers and min(moved) > 0.99


def test_what_stays_as_it_is_may_be_half():
    "A frozen body of half precision is left alone; where a part that is trained is half, as PEFT leaves the head, all becomes whole."
    model, tokenizer, data = made("single_label_classification")
    adapted = peft.get_peft_model(model.to(torch.bfloat16), peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query"]))
    trained = [weights for weights in adapted.parameters() if weights.requires_grad]
    assert {weights.dtype for weights in trained} == {torch.float32, torch.bfloat16}
    whole = training.fine_tune(copy.deepcopy(adapted), tokenizer, data, **QUICK).model
    assert {weights.dtype for weights in whole.parameters()} == {torch.float32}
    for weights in trained:
        weights.data = weights.data.float()
    loading.in_full(adapted)
    assert adapted.base_model.model.bert.embeddings.word_embeddings.weight.dtype == torch.bfloat16


def nested(outputs):
    "What scikit-learn gives as a dictionary."
    logits = figures.logits_of(outputs)
    return classification_report(outputs.label_ids, logits.argmax(axis=-1), output_dict=True, zero_division=0)


@pytest.mark.parametrize("compute, names", [
    (nested, ["0_precision", "macro avg_f1-score", "accuracy"]),
    (lambda outputs: {"a": np.float32(0.5), "b": torch.tensor(0.25), "c": np.array([1])}, ["a", "b", "c"])])
def test_figures_that_can_be_made_plain(compute, names, tmp_path):
    "A report within a report, numbers of numpy and of torch: laid flat, written down, and the best epoch is kept by one."
    model, tokenizer, data = made("single_label_classification")
    tuned = training.fine_tune(model, tokenizer, data, **QUICK, compute_metrics=compute, best=names[-1], folder=tmp_path / "run")
    assert all(isinstance(tuned.scores["validation"][name], (int, float)) for name in names)
    json.dumps(tuned.scores)


@pytest.mark.parametrize("compute, says", [
    (lambda outputs: None, "returns NoneType: give a function"), (lambda outputs: "good", "returns str"),
    (lambda outputs: np.eye(2), "returns ndarray"), (lambda outputs: {"confusion": np.eye(2)}, "'confusion' as ndarray of shape"),
    (lambda outputs: {"report": "precision recall"}, "'report' as str")])
def test_figures_that_cannot_be_are_named_before_training(compute, says, monkeypatch):
    "Not after an epoch, and not as a disk that is full."
    model, tokenizer, data = made("single_label_classification")
    monkeypatch.setattr(transformers.Trainer, "train", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(TypeError, match=says):
        training.fine_tune(model, tokenizer, data, **QUICK, compute_metrics=compute)


@pytest.mark.parametrize("architecture", ["bert", "bart", "gpt2"])
def test_a_model_that_gives_a_tuple(architecture):
    "Hidden states come with the logits: a function that reads them is tried with such a tuple, one that does not is told."
    model, tokenizer, data = made("single_label_classification", architecture, output_hidden_states=True)
    seen = []

    def first_of_tuple(outputs):
        seen.append(type(outputs.predictions))
        return {"accuracy": float((outputs.predictions[0].argmax(axis=-1) == outputs.label_ids).mean())}

    tuned = training.fine_tune(model, tokenizer, data, **{**QUICK, "epochs": 1}, compute_metrics=first_of_tuple)
    assert set(seen) == {tuple} and len(seen) >= 2 and 0 <= tuned.scores["validation"]["accuracy"] <= 1
    with pytest.raises(ValueError, match=r"fails on right answers \(AttributeError.*logits of shape \(8, 2\), in a tuple of"):
        training.fine_tune(model, tokenizer, data, **QUICK, compute_metrics=lambda outputs: {"a": outputs.predictions.argmax()})


def test_a_function_that_fails_later_says_whose_fault_it_is(tmp_path):
    "An error of the reader's own function is not taken for a full disk; the epoch before is kept, and the run goes on."
    model, tokenizer, data = made("single_label_classification")
    calls = []

    def later(outputs):
        calls.append(1)
        if len(calls) == 3:  # the second epoch
            raise KeyError("f1")
        return {"accuracy": 0.5}

    with pytest.raises(ValueError, match=r"compute_metrics fails \(KeyError: 'f1'\): mend it; what was trained until the checkpoint"):
        training.fine_tune(copy.deepcopy(model), tokenizer, data, **QUICK, compute_metrics=later, folder=tmp_path / "run")
    tuned = training.fine_tune(copy.deepcopy(model), tokenizer, data, **QUICK, compute_metrics=later, folder=tmp_path / "run")
    assert tuned.began == 5


def test_the_best_of_a_peft_model_is_kept(tmp_path):
    "Adapters have a file of their own: the best epoch's are there in the end, and saving gives a whole model."
    model, tokenizer, data = made("single_label_classification")
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query"], lora_dropout=0.0))
    rising = iter(range(99))
    tuned = training.fine_tune(adapted, tokenizer, data, **{**QUICK, "epochs": 3, "learning_rate": 1e-2}, folder=tmp_path / "run",
                               compute_metrics=lambda outputs: {"fall": -next(rising)}, best="fall")
    assert tuned.step == 5  # of 15: the first epoch
    kept = peft.load_peft_weights(str(tmp_path / "run" / "checkpoint-5"))
    assert all(any(torch.equal(value, there) for there in tuned.model.state_dict().values()) for value in kept.values())
    tuned.save(tmp_path / "whole")
    answers = pipeline.predict(tmp_path / "whole", TEXTS[:4], progress=False)
    assert [answer["score"] for answer in answers] == pytest.approx(
        [answer["score"] for answer in pipeline.predict((model_of(tuned), tokenizer), TEXTS[:4], progress=False)], abs=1e-5)


def model_of(tuned):
    "The whole model of adapters."
    return copy.deepcopy(tuned.model).merge_and_unload()


def test_the_best_of_a_sharded_checkpoint_is_kept(tmp_path, monkeypatch):
    "Large models are written in several files."
    model, tokenizer, data = made("single_label_classification")
    save = transformers.PreTrainedModel.save_pretrained
    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained",
                        lambda self, *args, **options: save(self, *args, **{**options, "max_shard_size": "20KB"}))
    rising = iter(range(99))
    tuned = training.fine_tune(model, tokenizer, data, **QUICK, folder=tmp_path / "run",
                               compute_metrics=lambda outputs: {"fall": -next(rising)}, best="fall")
    assert tuned.step == 5 and (tmp_path / "run" / "checkpoint-5" / "model.safetensors.index.json").is_file()
    first = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "checkpoint-5")
    for ours, kept in zip(tuned.model.parameters(), first.parameters(), strict=True):
        assert torch.equal(ours, kept)


ANSWER = """
import json, sys, transformers
import hfcourse
texts = json.loads(sys.argv[2])
pipe = transformers.pipeline("text-classification", model=sys.argv[1])
print(json.dumps([pipe(text)[0] for text in texts]))
print(json.dumps(hfcourse.predict(sys.argv[1], texts, progress=False)))
"""


@pytest.mark.parametrize("problem", ["single_label_classification", "regression", "multi_label_classification"])
def test_a_saved_model_answers_elsewhere(problem, tmp_path):
    "With the right names, in another process, through the pipeline and `predict`; the figures lie beside it."
    model, tokenizer, data = made(problem)
    names = None if problem == "regression" else ["low", "high", "other"][:model.config.num_labels]
    tuned = training.fine_tune(model, tokenizer, data, **QUICK, labels=names)
    home = tuned.save(tmp_path / "mine")
    done = subprocess.run([sys.executable, "-c", ANSWER, str(home), json.dumps(TEXTS[:3])], capture_output=True, text=True, check=True)
    theirs, ours = map(json.loads, done.stdout.strip().splitlines()[-2:])
    here = pipeline.predict(tuned, TEXTS[:3], progress=False)
    for answers in (theirs, ours):
        assert [one["label"] for one in answers] == [one["label"] for one in here]
        assert [one["score"] for one in answers] == pytest.approx([one["score"] for one in here], abs=1e-5)
    assert problem == "regression" or {one["label"] for one in theirs} <= set(names)
    note = json.loads((home / "made.json").read_text(encoding="utf-8"))
    assert note["scores"] == tuned.scores and note["facts"]["problem_type"] == problem and note["versions"]["hfcourse"]


def test_saving_loses_nothing(tmp_path, monkeypatch):
    "What is there is not written over unless asked; a save that fails leaves what was there, and no half."
    model, tokenizer, data = made("single_label_classification")
    tuned = training.fine_tune(model, tokenizer, data, **{**QUICK, "epochs": 1})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(AssetError, match=r"something is there already. Give the name of a folder that is not there yet"):
        tuned.save(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"
    home = tuned.save(tmp_path / "new" / "mine")
    weights = (home / "model.safetensors").read_bytes()
    with pytest.raises(AssetError, match="replaced with overwrite=True"):
        tuned.save(home)
    assert tuned.save(home, overwrite=True) == home

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tokenizer), "save_pretrained", full)
    with pytest.raises(AssetError, match=r"could not be written .*No space left.*what was there is untouched. Make room"):
        tuned.save(home, overwrite=True)
    assert (home / "model.safetensors").read_bytes() == weights
    assert sorted(path.name for path in home.parent.iterdir()) == ["mine"]
    for wrong in (7, None, " "):
        with pytest.raises((TypeError, ValueError), match="give a string"):
            tuned.save(wrong)


def test_the_trainer_does_not_write_where_nothing_stays(tmp_path):
    "A run without a folder had a passing one; `save_model` says so, and the remedy works."
    model, tokenizer, data = made("single_label_classification")
    tuned = training.fine_tune(model, tokenizer, data, **{**QUICK, "epochs": 1})
    for write in (tuned.trainer.save_model, tuned.trainer.save_state, lambda: tuned.trainer.save_metrics("test", {})):
        with pytest.raises(ValueError, match=r"the training kept no folder.*: give save_model a folder"):
            write()
    tuned.trainer.save_model(str(tmp_path / "there"))
    assert assets.checkpoint(tmp_path / "there")
    with_folder = training.fine_tune(model, tokenizer, data, **{**QUICK, "epochs": 1}, folder=tmp_path / "run")
    with_folder.trainer.save_model()
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_an_adapter_is_told_from_a_checkpoint(tmp_path):
    "A folder that PEFT wrote says what it is, and what it says to do makes a checkpoint of it."
    model, tokenizer, _ = made("single_label_classification")
    model.save_pretrained(tmp_path / "body")
    body = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "body")
    adapted = peft.get_peft_model(body, peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query"]))
    adapted.save_pretrained(tmp_path / "adapter")
    for use in (assets.checkpoint, lambda folder: pipeline.predict(folder, ["a"]), lambda folder: pipeline.trace(folder, "a")):
        with pytest.raises(AssetError, match=r"holds an adapter that PEFT wrote.*no whole model. Merge them: AutoPeftModel"):
            use(str(tmp_path / "adapter"))
    whole = peft.AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "adapter").merge_and_unload()
    whole.save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    assert pipeline.predict(tmp_path / "other", ["The cat sat."], progress=False)[0]["label"] in ("LABEL_0", "LABEL_1")


def test_a_folder_without_its_tokenizer_is_refused(tmp_path):
    "The library would make up one of five tokens and answer something; what is written with the model's own answers right."
    folder = tmp_path / "mine"
    shutil.copytree(assets.checkpoint("sentiment"), folder)
    right = pipeline.predict(folder, ["What a wonderful film!"], progress=False)
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if "token" in path.name or "vocab" in path.name}
    for name in kept:
        (folder / name).unlink()
    for use in (assets.checkpoint, lambda one: pipeline.predict(one, ["a"]), lambda one: pipeline.trace(one, "a")):
        with pytest.raises(AssetError, match=r"has no tokenizer \(tokenizer.json, vocab.txt or alike\).*tokenizer.save_pretrained"):
            use(str(folder))
    transformers.AutoTokenizer.from_pretrained(assets.checkpoint("sentiment")).save_pretrained(folder)
    assert pipeline.predict(folder, ["What a wonderful film!"], progress=False)[0]["score"] == pytest.approx(right[0]["score"])


def test_added_tokens_need_weights():
    "Ids beyond the model's are refused; resizing, which the message names, is enough."
    model, tokenizer, data = made("single_label_classification")
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.add_tokens(["zyx"])
    for rows in data.values():
        rows["input_ids"] = [tokenizer(f"{text} zyx")["input_ids"] for text in TEXTS[:len(rows["label"])]]
    with pytest.raises(ValueError, match=r"if you added tokens to it.*model.resize_token_embeddings\(len\(tokenizer\)\)"):
        training.fine_tune(model, tokenizer, data, **QUICK)
    model.resize_token_embeddings(len(tokenizer))
    assert training.fine_tune(model, tokenizer, data, **QUICK).scores


def test_names_travel_from_the_data_to_the_model():
    "Also where one class encoding numbers each split alone: that is refused, and the remedy gives every row right."
    model, tokenizer, _ = made("single_label_classification")
    texts = {"train": ["bad", "good", "bad", "good"] * 3, "validation": ["good"] * 4}
    words = DatasetDict({name: Dataset.from_dict({"input_ids": tokenizer(rows)["input_ids"], "label": [
        {"bad": "neg", "good": "pos"}[text] for text in rows]}) for name, rows in texts.items()})
    apart = words.class_encode_column("label")
    with pytest.raises(ValueError, match=r"of the validation split are \['pos'\] and those of the train split \['neg', 'pos'\]"):
        training.fine_tune(copy.deepcopy(model), tokenizer, apart, **QUICK)
    right = words.cast_column("label", ClassLabel(names=["neg", "pos"]))
    tuned = training.fine_tune(copy.deepcopy(model), tokenizer, right, **{**QUICK, "epochs": 12, "learning_rate": 5e-3})
    assert tuned.scores["validation"]["accuracy"] == 1.0  # the memorised texts; 0.0 with the splits' own numbers
    assert pipeline.predict(tuned, ["good"], progress=False)[0]["label"] == "pos"
    turned = small_model("bert", "text-classification", id2label={0: "pos", 1: "neg"}, label2id={"pos": 0, "neg": 1})[0]
    with pytest.raises(ValueError, match=r"numbered otherwise: use data.align_labels_with_mapping"):
        training.fine_tune(turned, tokenizer, right, **QUICK)
    renumbered = right.align_labels_with_mapping({"pos": 0, "neg": 1}, "label")
    tuned = training.fine_tune(turned, tokenizer, renumbered, **{**QUICK, "epochs": 12, "learning_rate": 5e-3})
    assert pipeline.predict(tuned, ["good", "bad"], progress=False)[0]["label"] == "pos"


@pytest.mark.parametrize("kind", ["torch", "numpy", "pandas", "arrow"])
def test_rows_with_a_format_are_the_same_rows(kind):
    "Tensors, arrays and tables of the same rows train the same weights."
    model, tokenizer, data = made("single_label_classification")
    plain_rows = DatasetDict({name: Dataset.from_dict(rows) for name, rows in data.items()})
    one = training.fine_tune(copy.deepcopy(model), tokenizer, plain_rows, **{**QUICK, "epochs": 1})
    other = training.fine_tune(copy.deepcopy(model), tokenizer, plain_rows.with_format(kind), **{**QUICK, "epochs": 1})
    for ours, theirs in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("labels, match", [
    ([1.0, 2.0] * 9, r"without a fraction: give whole numbers.*or problem_type='regression'"),
    ([[0, 3], [1]] * 9, "lists that fit neither labels nor ids"),
    ([True, False] * 9, r"are bool: give whole numbers.*cast_column\('label', Value\('int64'\)\)")])
def test_labels_that_do_not_say_what_they_are(labels, match):
    "Asked back, with what to give."
    model, tokenizer, data = made("single_label_classification")
    data["train"]["label"], data["validation"]["label"] = labels, labels[:8]
    with pytest.raises((ValueError, TypeError), match=match):
        training.fine_tune(model, tokenizer, data, **QUICK)


def test_whole_fractions_are_what_you_say():
    "Stars to estimate, or classes."
    model, tokenizer, data = made("regression")
    for rows in data.values():
        rows["label"] = [float(i % 5) for i in range(len(rows["label"]))]
    assert training.fine_tune(model, tokenizer, data, **QUICK, problem_type="regression").facts["problem_type"] == "regression"
    cast = {name: Dataset.from_dict(rows).cast_column("label", Value("int64")) for name, rows in data.items()}
    classes = small_model("bert", "text-classification", labels=5)[0]
    assert training.fine_tune(classes, tokenizer, cast, **QUICK).facts["problem_type"] == "single_label_classification"


def test_figures_with_names_of_their_own(monkeypatch):
    "A task's figures know what its labels are called: data that number them otherwise are refused."
    model, tokenizer, data = made("single_label_classification")
    turned = {name: Dataset.from_dict(rows).cast_column("label", ClassLabel(names=["equivalent", "not_equivalent"]))
              for name, rows in data.items()}
    with pytest.raises(ValueError, match=r"those of compute_metrics \['not_equivalent', 'equivalent'\], numbered otherwise"):
        training.fine_tune(model, tokenizer, turned, **QUICK, compute_metrics=evaluation.metrics_for("mrpc"))
    order = {"not_equivalent": 0, "equivalent": 1}
    right = {name: rows.align_labels_with_mapping(order, "label") for name, rows in turned.items()}
    tuned = training.fine_tune(model, tokenizer, right, **QUICK, compute_metrics=evaluation.metrics_for("mrpc"))
    assert set(tuned.scores["validation"]) == {"loss", "accuracy", "f1"}


def test_the_readmes_program_for_data_of_ones_own(root, call, tmp_path):
    "As it stands there, on a file of sixty reviews: what it saves answers with the file's own names."
    [program] = [block for block in re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
                 if "reviews.csv" in block]
    lines = [f"a {word} film, number {i};{verdict}" for i in range(30) for word, verdict in (("great", "good"), ("boring", "bad"))]
    (tmp_path / "reviews.csv").write_text("\n".join(["review;verdict", *lines]) + "\n", encoding="utf-8")
    done = call("python", "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "'label': 'good'" in done.stdout or "'label': 'bad'" in done.stdout
    assert (tmp_path / "my-model" / "model.safetensors").is_file()
