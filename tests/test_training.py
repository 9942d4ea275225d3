"""The loop equals `Trainer`; a run that is killed, or whose disk fills, goes on to the same weights; bad data is refused."""

import copy
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import transformers
from datasets import Dataset, DatasetDict
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcourse import assets, training
from hfcourse.ground.small import small_model
from hfcourse.ground.tuning import inputs, kept, runs, trainer, words
from hfcourse.ground.tuning import tune as tuning

MODEL, TOKENIZER = small_model("bert", "text-classification", seed=3)


def rows(count, start=0):
    "Short texts with two labels."
    texts = [("The cat sat. " * ((i + start) % 5 + 1)) + "A dog slept." * (i % 2) for i in range(count)]
    return {"input_ids": TOKENIZER(texts)["input_ids"], "label": [i % 2 for i in range(count)]}


DATA = {"train": rows(21), "validation": rows(8, 1)}
QUICK = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "save_steps": 2, "best": "loss", "show": False}


def tune(folder=None, data=DATA, **options):
    "A short run."
    return training.fine_tune(copy.deepcopy(MODEL), TOKENIZER, data, folder=folder, **{**QUICK, **options})


def same(one, other):
    "Whether two models have the same weights, bit for bit."
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


class MeanTrainer(transformers.Trainer):
    loss_is_scaled_for_ga = False


@settings(deadline=None, max_examples=8)
@given(count=st.integers(3, 14), batch_size=st.integers(1, 5), accumulate=st.integers(1, 3), warmup_steps=st.integers(0, 4),
       weight_decay=st.sampled_from([0.0, 0.01, 0.5]), clip=st.sampled_from([0.05, 1.0]), seed=st.integers(0, 99))
def test_the_loop_equals_trainer(count, batch_size, accumulate, warmup_steps, weight_decay, clip, seed):
    "The same loss at each step to 1e-5, and the same weights to 1e-4, with dropout."
    data, (mine, theirs) = Dataset.from_dict(rows(count)).rename_column("label", "labels"), (copy.deepcopy(MODEL) for _ in range(2))
    losses = training.train_loop(
        mine, transformers.DataCollatorWithPadding(TOKENIZER), data, epochs=2, learning_rate=1e-3, batch_size=batch_size,
        accumulate=accumulate, warmup_steps=warmup_steps, weight_decay=weight_decay, clip=clip, seed=seed)
    with tempfile.TemporaryDirectory() as folder, assets.quiet():
        trainer = MeanTrainer(theirs, transformers.TrainingArguments(
            folder, num_train_epochs=2, learning_rate=1e-3, per_device_train_batch_size=batch_size, max_grad_norm=clip,
            gradient_accumulation_steps=accumulate, warmup_steps=warmup_steps, weight_decay=weight_decay, seed=seed, logging_steps=1,
            save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True, log_level="error"),
            train_dataset=data, processing_class=TOKENIZER)
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    assert losses == pytest.approx(training.Curves.of(trainer).losses, abs=1e-5)
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_accumulated_batches_are_averaged():
    "Where plain `Trainer` adds up the losses of a step's batches."
    assert max(tune(accumulate=2, epochs=1).curves.losses) < 0.9 and tune(accumulate=2, epochs=1).trainer.state.global_step == 3


KILLED = '''
import copy, json, os, random, signal, sys, time
from pathlib import Path
os.environ["HFCOURSE_DEVICE"] = "cpu"
sys.path[:0] = [os.path.dirname(sys.argv[1])]
from test_training import tune, DATA
from hfcourse.ground.tuning import runs, trainer
import torch

def attempt(folder, kill=None):
    "Train in a process of its own; where it ends by itself, its weights lie in the file."
    if (child := os.fork()) == 0:
        if kill:
            kill()
        done = tune(folder)
        torch.save(done.model.state_dict(), folder + ".weights")
        Path(folder + ".events").write_text(json.dumps([seen[0], done.began]))
        os._exit(0)
    return os.waitpid(child, 0)[1]

seen = [0]

def at_event(last):
    "Kill at the given call of a function, of Python or of C."
    def count(*_):
        seen[0] += 1
        if seen[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)
    return lambda: sys.setprofile(count)

def at_call(owner, name, number, after):
    "Kill before or after the given call of one function."
    def arm():
        real, calls = getattr(owner, name), [0]
        def killing(*args, **options):
            calls[0] += 1
            if calls[0] == number and not after:
                if name == "save":  # half a file
                    Path(args[1]).write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **options)
            if calls[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        setattr(owner, name, killing)
    return arm

torch.set_num_threads(1)
work, seed = sys.argv[2], int(sys.argv[3])
tune(work + "/warm")  # what is imported late is imported now
assert attempt(work + "/whole") == 0
assert attempt(work + "/counted", at_event(-1)) == 0
events = json.loads(Path(work + "/counted.events").read_text())[0]
whole, rng = torch.load(work + "/whole.weights"), random.Random(seed)
kills = {f"event {n} of {events}": at_event(n) for n in sorted(rng.sample(range(events), 10))}
kills |= {f"{name}, call {n}, after: {after}": at_call(owner, name, n, after) for owner, name, n, after in [
    (torch, "save", 6, False), (trainer, "seal", 2, False), (trainer, "seal", 3, True), (runs.shutil, "rmtree", 1, False),
    (runs.os, "replace", 1, False)]}
report = []
for i, (moment, kill) in enumerate(kills.items()):
    folder = f"{work}/{i}"
    killed = attempt(folder, kill)
    there = sorted(runs.checkpoints_of(Path(folder)))
    assert attempt(folder) == 0, moment
    weights = torch.load(folder + ".weights")
    equal = all(torch.equal(weights[name], whole[name]) for name in whole)
    report.append([moment, killed, there, json.loads(Path(folder + ".events").read_text())[1], equal])
print(json.dumps(report))
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no SIGKILL and no fork")
def test_a_killed_run_ends_with_the_same_weights(tmp_path):
    "Ten random moments from a printed seed, and five in the middle of a checkpoint's writing."
    seed = int.from_bytes(os.urandom(3), "big")
    print(f"seed {seed}")
    (tmp_path / "killed.py").write_text(KILLED)
    ran = subprocess.run([sys.executable, tmp_path / "killed.py", __file__, tmp_path, str(seed)],
                         capture_output=True, text=True, timeout=900, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, f"seed {seed}: {ran.stderr[-3000:]}"
    report = json.loads(ran.stdout.splitlines()[-1])
    print(*report, sep="\n")
    assert len(report) == 15 and all(killed == 9 for _, killed, *_ in report), f"seed {seed}: {report}"
    assert all(equal for *_, equal in report), f"seed {seed}: {report}"
    assert any(began for *_, began, _ in report), f"seed {seed}: no run went on from a checkpoint"


def test_a_run_that_went_on_does_not_begin_again(tmp_path):
    "An error in the second epoch; the next call goes on from the last checkpoint, to the weights of a run without it."
    def failing(outputs, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 3:  # the first call is the trial, the second the first epoch's
            raise KeyboardInterrupt
        return {}
    with pytest.raises(KeyboardInterrupt):
        tune(tmp_path / "run", compute_metrics=failing, epochs=3)
    done, whole = tune(tmp_path / "run", compute_metrics=lambda outputs: {}, epochs=3), tune(epochs=3)
    assert done.began in (6, 8, 10) and whole.began == 0 and same(done.model, whole.model)
    assert done.curves.losses == pytest.approx(training.Curves.of(done.trainer).losses) and len(done.curves.evaluations) == 3
    again = tune(tmp_path / "run", compute_metrics=lambda outputs: {}, epochs=3)
    assert again.began == 18 and same(again.model, done.model) and again.scores["validation"] == done.scores["validation"]


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    "Called again, it does not train on."
    options = {"patience": 1, "epochs": 6, "learning_rate": 0.5, "save_steps": None, "best": "accuracy"}
    done, again = tune(tmp_path / "run", **options), tune(tmp_path / "run", **options)
    assert len(done.curves.evaluations) < 6 and again.curves == done.curves and same(again.model, done.model)


def test_a_damaged_checkpoint_is_not_used(tmp_path):
    "One bit is turned in the last; the one before it, or the beginning, gives the same weights."
    done = tune(tmp_path / "run")
    last = max(runs.checkpoints_of(tmp_path / "run").values(), key=lambda folder: folder.stat().st_mtime)
    weights = bytearray((last / "optimizer.pt").read_bytes())
    weights[len(weights) // 2] ^= 1
    (last / "optimizer.pt").write_bytes(weights)
    again = tune(tmp_path / "run")
    assert again.began < 12 and same(again.model, done.model)


def full_disk(folder, make_full, make_room):
    "A run whose disk fills, the error, what stays, and the run again."
    with pytest.raises(OSError, match=r"checkpoint of step \d+ could not be written .* is whole and stays. Make room on the disk") as error:
        make_full()
        tune(folder)
    good = runs.newest(Path(folder))
    assert good is not None and str(good.name).split("-")[1] in str(error.value)
    assert all(runs.is_whole(one) for one in runs.checkpoints_of(Path(folder)).values())
    make_room()
    done = tune(folder)
    assert done.began == int(good.name.split("-")[1]) and same(done.model, tune().model)


def test_a_full_disk(tmp_path):
    "A small file system in memory, which has room for one checkpoint and not for two."
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=800k", "none", tmp_path], capture_output=True, text=True) \
        if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    if mount is None or mount.returncode:
        pytest.skip(f"mounting a small file system needs root: {mount.stderr.strip() if mount else 'not root'}")
    try:
        full_disk(tmp_path / "run", lambda: None,
                  lambda: subprocess.run(["mount", "-o", "remount,size=8m", tmp_path], check=True))
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_file_that_cannot_grow(tmp_path, monkeypatch):
    "The system refuses to write on in the middle of a file, from the second checkpoint on."
    resource = pytest.importorskip("resource", reason="this system has no limits on files")
    before, real, sealed = resource.getrlimit(resource.RLIMIT_FSIZE), trainer.seal, []

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    def seal_and_limit(folder):
        real(folder)
        sealed.append(folder)
        if len(sealed) == 2:
            limit(50_000)
    try:
        full_disk(tmp_path / "run", lambda: monkeypatch.setattr(trainer, "seal", seal_and_limit), lambda: limit(before[0]))
    finally:
        limit(before[0])


OTHER = {"learning_rate": 1e-2, "epochs": 3, "seed": 5, "batch_size": 2, "best": None, "warmup": 0.3, "weight_decay": 0.2, "accumulate": 2,
         "max_grad_norm": 0.5, "lr_scheduler_type": "cosine"}


def test_a_folder_that_holds_another_run(tmp_path):
    "Other settings, data or weights are refused by name; without `resume` the old run makes place."
    done = tune(tmp_path)
    for name, value in OTHER.items():
        with pytest.raises(ValueError, match=rf"holds another run, which differs in .*{name} .*: give another folder"):
            tune(tmp_path, **{name: value})
    for name, options in {"data": {"data": {**DATA, "validation": rows(8, 2)}}, "model": {}}.items():
        other = small_model("bert", "text-classification", seed=4)[0] if name == "model" else copy.deepcopy(MODEL)
        with pytest.raises(ValueError, match=f"differs in {name} "):
            training.fine_tune(other, TOKENIZER, options.get("data", DATA), folder=tmp_path, **QUICK)
    assert same(tune(tmp_path).model, done.model)
    anew = tune(tmp_path, learning_rate=1e-2, resume=False)
    assert anew.began == 0 and not same(anew.model, done.model)


def changed(split="train", **columns):
    "The data with columns of a split changed, or with the split replaced."
    return {**DATA, split: {**DATA[split], **columns}}


LONG, MANY = [2] + [7] * 10_000 + [3], 21
REFUSED = {
    "no evaluation data": ({"train": DATA["train"]}, "no validation split"),
    "nothing to train on": ({"validation": DATA["train"]}, "no train split"),
    "text left in": (changed(sentence1=["A cat."] * MANY), "still has text in sentence1: tokenise first"),
    "text only": ({name: {"text": ["a", ""], "label": [0, 1]} for name in DATA}, "still has text in text: tokenise first"),
    "empty texts left in": (changed(sentence1=[""] * MANY), "still has text in sentence1"),
    "zero rows": (changed(input_ids=[], label=[]), "the train split has no rows"),
    "zero rows to evaluate": (changed("validation", input_ids=[], label=[]), "the validation split has no rows"),
    "one class": (changed(label=[1] * MANY), r"has the label \[1\] only"),
    "a label missing": (changed(label=[None, *DATA["train"]["label"][1:]]), "row 0 of the train split has no label"),
    "ids missing": (changed(input_ids=[*DATA["train"]["input_ids"][:-1], None]), "row 20 of the train split has no ids"),
    "no ids": (changed(input_ids=[[], *DATA["train"]["input_ids"][1:]]), "row 0 of the train split has no ids"),
    "labels with a gap": (changed(label=[0, 2] * 10 + [0]), "number them from 0 without a gap"),
    "negative labels": (changed("validation", label=[-1] * 8), "row 0 of the validation split has a label that is not from 0 to 1"),
    "labels beyond": (changed("validation", label=[0, 1, 2, 3] * 2), "row 2 of the validation split has a label"),
    "too many labels for the model": (changed(label=[0, 1, 2] * 7), "2 labels, and the data have 3"),
    "hidden test labels": ({**DATA, "test": {**rows(3), "label": [-1] * 3}}, "leave the split out if they are hidden"),
    "10,000 ids": (changed(input_ids=[LONG, *DATA["train"]["input_ids"][1:]]), "row 0 .* is longer than the 128 ids .* truncation=True"),
    "another tokenizer": (changed(input_ids=[[30_000]] * MANY), "use the tokenizer of the model's own checkpoint"),
    "unequal columns": (changed(label=[0, 1]), "is no table"),
    "splits that differ": ({**DATA, "validation": {**rows(8), "attention_mask": [[1]] * 8}}, "differ in attention_mask"),
}
WRONG_TYPES = {"labels as text": ["yes", "no", "yes"] * 7, "labels as floats": [0.0, 1.0, 0.0] * 7,
               "labels as truth": [True, False, True] * 7}


@pytest.mark.parametrize("data, match", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trained_on_is_refused(data, match, monkeypatch):
    "Before any training, with what to do."
    monkeypatch.setattr(trainer, "train_on", lambda *_: pytest.fail("it began to train"))
    with pytest.raises(ValueError, match=match):
        tune(data=data)


@pytest.mark.parametrize("labels", WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_labels_of_another_type_are_refused(labels):
    "With the type that they have."
    with pytest.raises((TypeError, ValueError), match=r"the labels of the train split are .*: give whole numbers"):
        tune(data=changed(label=labels))


def test_settings_that_cannot_be(tmp_path):
    "An unknown figure, a metric that fails, patience without a figure, a folder of somebody else's."
    for options, match in [({"best": "f1"}, "no figure 'f1' to keep the best by: give one of loss, accuracy"),
                           ({"best": None, "patience": 2}, "patience counts from the best"), ({"epochs": 0}, "epochs is 0: give"),
                           ({"compute_metrics": lambda outputs: {}["f1"]}, "compute_metrics fails on right answers .KeyError"),
                           ({"folder": tmp_path / "other"}, "fine_tune did not begin: give an empty folder")]:
        (tmp_path / "other" / "checkpoint-1").mkdir(parents=True, exist_ok=True)
        with pytest.raises(ValueError, match=match):
            tune(**options)


def test_a_rate_too_high_is_said():
    "The loss becomes no number, and training stops there."
    with pytest.raises(ValueError, match=r"the loss is nan at step \d+: give a lower learning_rate"):
        tune(learning_rate=1e5, epochs=9, best=None)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "albert", "gpt2", "t5"])
def test_other_architectures(architecture):
    "Each can be fine-tuned once it can pad."
    model, tokenizer = small_model(architecture, "text-classification")
    if tokenizer.pad_token is None:
        with pytest.raises(ValueError, match="no pad token"):
            training.fine_tune(model, tokenizer, DATA, **QUICK)
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
        model.config.pad_token_id = tokenizer.pad_token_id
    ids = tokenizer(["The cat sat."] * 6)["input_ids"]
    split = {"input_ids": ids, "label": [0, 1] * 3}
    done = training.fine_tune(model, tokenizer, DatasetDict({name: Dataset.from_dict(split) for name in DATA}), epochs=1, show=False)
    assert set(done.scores["validation"]) == {"loss", "accuracy"} and done.step == 1


@pytest.mark.parametrize("precision", ["fp32", assets.precision(on=torch.device("cpu"))])
def test_precision_and_device(precision):
    "They reach the library's arguments and the model, and stand in the result and in the run's facts."
    done = tune(precision=precision, device="cpu", epochs=1)
    assert done.precision == done.facts["precision"] == precision and done.facts["device"] == "cpu"
    assert done.trainer.args.bf16 == (precision == "bf16") and done.trainer.args.use_cpu
    assert next(done.model.parameters()).device.type == "cpu" and f", in {precision}" in done.table().caption


def test_the_precision_is_computed_in(monkeypatch):
    "Half of the digits give other losses, near those of fp32; torch emulates bf16 where the processor does not multiply it."
    fp32 = tune(precision="fp32", device="cpu").curves.losses
    monkeypatch.setattr(inputs.machine, "precision", lambda *_, **__: "bf16")
    tuned = tune(precision="bf16", device="cpu")
    assert tuned.trainer.args.bf16 and tuned.precision == "bf16"
    assert tuned.curves.losses != fp32 and tuned.curves.losses == pytest.approx(fp32, abs=0.05)


def test_a_device_or_precision_that_is_not_here(monkeypatch, tmp_path):
    "Refused before anything is written; the second GPU with how to make it the first."
    for options, says in [({"device": "tpu"}, "give \"auto\", \"cpu\""), ({"precision": "fp8"}, "give \"auto\", \"fp32\" or \"bf16\"")]:
        with pytest.raises(ValueError, match=says):
            tune(tmp_path / "run", **options)
    monkeypatch.setattr(inputs.machine, "device", lambda wanted: torch.device(wanted))
    with pytest.raises(ValueError, match="CUDA_VISIBLE_DEVICES=1, and give device=\"cuda\""):
        tune(tmp_path / "run", device="cuda:1")
    assert not (tmp_path / "run").exists()


def test_attention_is_plain_where_it_trains_faster(monkeypatch):
    "On the device that was asked for, whatever the machine's best is."
    seen = []
    monkeypatch.setattr(tuning, "fast_attention", lambda model, on: seen.append(on.type) or nullcontext())
    tune(device="cpu", epochs=1)
    assert seen == ["cpu"]


def test_any_of_the_librarys_settings(tmp_path):
    "Goes through to `Trainer`, changes the weights, and is a fact of the run."
    plain, smoothed = tune(tmp_path / "run"), tune(label_smoothing_factor=0.3, max_grad_norm=0.01)
    assert smoothed.trainer.args.label_smoothing_factor == 0.3 and not same(plain.model, smoothed.model)
    assert smoothed.facts["max_grad_norm"] == 0.01
    with pytest.raises(ValueError, match=r"differs in max_grad_norm \(null there, 0.01 here\): give another folder"):
        tune(tmp_path / "run", max_grad_norm=0.01)
    done = tune(tmp_path / "other", max_steps=5, lr_scheduler_type="cosine", logging_steps=1)
    assert done.trainer.state.global_step == 5 and done.curves.steps == [1, 2, 3, 4, 5]
    again = tune(tmp_path / "other", max_steps=5, lr_scheduler_type="cosine", logging_steps=1)
    assert again.began == 5 and same(again.model, done.model)
    assert tune(dataloader_num_workers=1, epochs=1).step == 6


@pytest.mark.parametrize("given, says", [
    ({"num_train_epochs": 2}, "num_train_epochs is not for fine_tune: give epochs"),
    ({"per_device_train_batch_size": 2}, "give batch_size"), ({"bf16": True}, "give precision"), ({"fp16": True}, "give precision"),
    ({"use_cpu": True}, "give device"), ({"output_dir": "x"}, "give folder"), ({"warmup_steps": 3}, "give warmup"),
    ({"metric_for_best_model": "loss"}, "give best"), ({"load_best_model_at_end": True}, "give best the figure that decides"),
    ({"eval_strategy": "steps"}, "it evaluates after each epoch"), ({"train_sampling_strategy": "group_by_length"}, "give batches"),
    ({"data_seed": 3}, "give batches"), ({"resume_from_checkpoint": True}, "give folder"),
    ({"lerning_rate": 0.1}, "fine_tune has no setting 'lerning_rate': give learning_rate"),
    ({"batchsize": 4}, "give batch_size"), ({"num_epochs": 4}, "give epochs"), ({"max_grad_nrom": 4}, "give max_grad_norm"),
    ({"tokenizers": 4}, "give "),
])
def test_a_setting_by_another_word(given, says, tmp_path):
    "Names `fine_tune`'s own word, or the nearest; nothing is written."
    with pytest.raises(TypeError, match=says):
        tune(tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_a_value_that_the_library_refuses(tmp_path):
    "Its reason, with the names; nothing is written."
    with pytest.raises(ValueError, match=r"does not take lr_scheduler_type as given \(.*sinus.*give values that it takes"):
        tune(tmp_path / "run", lr_scheduler_type="sinus")
    assert not (tmp_path / "run").exists()


@settings(deadline=None, max_examples=60)
@given(name=st.one_of(st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=25), st.sampled_from(sorted(words.WORDS.values()))))
def test_a_refused_setting_leads_to_one_that_is_taken(name):
    "Whatever the name: what the error says to give is a word of `fine_tune`, or goes through."
    def refusal(name):
        try:
            words.check_names({name: 1})
        except TypeError as error:
            return str(error)
    message = refusal(name) if name not in {*words.WORDS, *words.ALSO} else None
    found = re.search(r"give ([a-z_0-9]+)(\.|,)", message or "")
    if found:
        own = {*words.WORDS, *words.ALSO, "compute_metrics", "data"}
        assert found[1] in own or refusal(found[1]) is None


def test_a_token_for_the_hub_is_not_written_down(tmp_path):
    "It is no fact of a run."
    tune(tmp_path / "run", epochs=1, hub_token="secret")
    assert "secret" not in (tmp_path / "run" / "run.json").read_text()


def test_without_ipython(monkeypatch):
    "Curves are drawn where a notebook is; elsewhere IPython need not be installed."
    monkeypatch.setitem(sys.modules, "IPython", None)
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    assert tune(epochs=1, show=True).step == 6


def test_tables():
    "Curves and result are tables too, of what they show."
    done = tune()
    assert [row[:2] for row in done.table().rows] == [["validation", "loss"], ["validation", "accuracy"]]
    assert [row[0] for row in done.curves.table().rows] == [6, 12] and done.table().caption in repr(done)
    assert training.Curves.of([0.5, 0.25]).table().rows == [(1, 0.5), (2, 0.25)]


TWO_AT_ONCE = '''
import json, os, sys
os.environ["HFCOURSE_DEVICE"] = "cpu"
sys.path[:0] = [os.path.dirname(sys.argv[1])]
from test_training import DATA, MODEL, QUICK, TOKENIZER
from hfcourse.ground.tuning.kept import kept_model
tuned = kept_model("toy", MODEL, TOKENIZER, DATA, **QUICK)
print(json.dumps([tuned.loaded, tuned.scores["validation"]["loss"]]))
'''


def test_two_that_ask_at_once_train_once(tmp_path):
    "One process trains while the other waits, and then reads."
    (tmp_path / "ask.py").write_text(TWO_AT_ONCE)
    env = {**os.environ, "HFCOURSE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    asked = [subprocess.Popen([sys.executable, tmp_path / "ask.py", __file__], env=env, stdout=subprocess.PIPE, text=True)
             for _ in range(2)]
    said = sorted(json.loads(one.communicate(timeout=600)[0].splitlines()[-1]) for one in asked)
    assert [loaded for loaded, _ in said] == [False, True] and said[0][1] == said[1][1]
    assert len(list((tmp_path / "cache").glob("toy-*[0-9a-f]"))) == 1


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    "What to do; and nothing is trained."
    (tmp_path / "file").touch()
    monkeypatch.setenv("HFCOURSE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(kept, "fine_tune", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(assets.AssetError, match="set HFCOURSE_CACHE to a folder that you can write to"):
        kept.kept_model("toy", copy.deepcopy(MODEL), TOKENIZER, DATA, **QUICK)
