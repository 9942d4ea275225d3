"""Counts against brute force, `collate` against the library, and `token_batches` in one process and in two."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.data_loader import BatchSamplerShard, DataLoaderShard
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from near import small
from torch.utils.data import DataLoader
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments
from transformers.trainer_pt_utils import get_length_grouped_indices

from hfcourse import collation
from hfcourse.collation import STRATEGIES, Speed, collate, compare_padding, padding_cost, token_batches
from hfcourse.ground import batching
from hfcourse.ground.small import ARCHITECTURES, small_tokenizer

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=200)


def filled(batch, length):
    "A batch as the rows of a rectangle: 1 for a token, 0 for padding."
    return [[1] * own + [0] * (length - own) for own in batch]


@settings(deadline=None, max_examples=200)
@given(lengths=LENGTHS, strategy=st.sampled_from(STRATEGIES), size=st.integers(1, 40), budget=st.none() | st.integers(1, 200),
       width=st.integers(1, 70), seed=st.none() | st.integers(0, 2**31 - 1))
def test_a_cost_is_what_filling_the_batches_counts(lengths, strategy, size, budget, width, seed):
    "Every rectangle is built, and its ones and zeros are counted; each row is in one batch."
    options = {"strategy": strategy, "batch_size": size, "tokens_per_batch": budget, "width": width, "seed": seed}
    cost = padding_cost(lengths, max_length=60, speed=Speed(0.5, 0.25, 0.125), **options)
    plan = cost.plan
    assert sorted(row for batch in plan for row in batch) == list(range(len(lengths)))
    real = padded = 0
    seconds = 0.0
    for batch in plan:
        own = [lengths[row] for row in batch]
        rectangle = filled(own, {"max_length": 60, "longest": max(lengths)}.get(strategy, max(own)))
        real += sum(map(sum, rectangle))
        padded += sum(map(len, rectangle))
        seconds += 0.5 + sum(0.25 * len(row) + 0.125 * len(row) ** 2 for row in rectangle)
        if strategy == "token_budget":
            limit = max(1, round(size * sum(lengths) / len(lengths))) if budget is None else budget
            assert len(batch) == 1 or sum(map(len, rectangle)) <= limit
        else:
            assert len(batch) <= size
    assert (cost.real, cost.padded, cost.batches) == (real, padded, len(plan))
    assert cost.wasted == pytest.approx(1 - real / padded) and cost.seconds == pytest.approx(seconds)


@settings(deadline=None)
@given(lengths=LENGTHS, size=st.integers(1, 40), seed=st.integers(0, 2**31 - 1))
def test_grouped_batches_are_the_librarys(lengths, size, seed):
    "Of the same shuffle, the same rows in the same order."
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed)).numpy()
    theirs = get_length_grouped_indices(lengths, size, generator=torch.Generator().manual_seed(seed))
    assert np.concatenate(batching._grouped(np.array(lengths), order, size)).tolist() == theirs


@settings(deadline=None)
@given(lengths=LENGTHS, size=st.integers(1, 40))
def test_a_bill_holds_the_cost_of_each_strategy(lengths, size):
    "The table is what `padding_cost` counts, and the picture holds the table's batch size."
    bill = compare_padding(lengths, batch_size=size, seed=3)
    assert bill.costs == {name: padding_cost(lengths, batch_size=size, strategy=name, seed=3) for name in STRATEGIES}
    place = list(bill.chart.across).index(size)
    assert all(bill.chart.lines[name][place] == cost.wasted for name, cost in bill.costs.items())
    assert "<table>" in bill._repr_html_() and repr(bill) == repr(bill.table())
    assert [row[:2] for row in bill.table().rows] == [[name, cost.batches] for name, cost in bill.costs.items()]
    assert bill.costs["grouped"].table().rows == [bill.table().rows[3]]


NUMBER = st.integers(-2**40, 2**40) | st.floats(-1e6, 1e6)
LABEL = st.sampled_from([None, "label", "label_ids", "labels"])


@settings(deadline=None, max_examples=200)
@given(data=st.data(), architecture=st.sampled_from(ARCHITECTURES), side=st.sampled_from(["left", "right"]), label=LABEL,
       multiple=st.none() | st.integers(1, 17), kind=st.sampled_from(["lists", "numpy", "torch"]), pairs=st.booleans(),
       special=st.booleans())
def test_collate_is_the_librarys_key_for_key(data, architecture, side, label, multiple, kind, pairs, special):
    "Nine tokenizers, both sides, with and without segments and labels, as lists, arrays or tensors."
    tokenizer = small_tokenizer(architecture)
    tokenizer.padding_side, tokenizer.pad_token = side, tokenizer.pad_token or "<unk>"
    texts = data.draw(st.lists(st.text("the cat sat. ", min_size=1, max_size=30), min_size=1, max_size=5))
    rows = [dict(tokenizer(text, text[::-1] if pairs else None, return_special_tokens_mask=special)) for text in texts]
    for row in rows if not data.draw(st.booleans()) else []:
        row.pop("attention_mask", None)
    one = data.draw(st.sampled_from([int, float]))
    shape = data.draw(st.integers(0, 3)) if label else 0
    for row in rows if label else []:
        numbers = [one(data.draw(NUMBER)) for _ in range(shape)]
        row[label] = numbers if shape else one(data.draw(NUMBER))
    made = {"lists": list, "numpy": np.array, "torch": torch.tensor}[kind]
    rows = [{name: made(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows]
    ours = collate(rows, tokenizer, pad_to_multiple_of=multiple)
    theirs = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)(copy.deepcopy(rows))
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype and torch.equal(ours[name], tensor)


@settings(deadline=None)
@given(lengths=LENGTHS, budget=st.integers(1, 300), width=st.integers(1, 70), seed=st.integers(0, 99), processes=st.integers(1, 5))
def test_processes_share_the_batches(lengths, budget, width, seed, processes):
    "Each epoch has as many batches; each process as many as the others; twice is only what fills the last turn."
    whole = token_batches(lengths, budget, seed=seed, width=width)
    shares = [token_batches(lengths, budget, seed=seed, width=width, rank=rank, num_replicas=processes) for rank in range(processes)]
    count = len(whole)
    for epoch in range(3):
        for sampler in (whole, *shares):
            sampler.set_epoch(epoch)
        all_batches, parts = list(whole), [list(share) for share in shares]
        assert sorted(row for batch in all_batches for row in batch) == list(range(len(lengths)))
        assert all(len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget for batch in all_batches)
        assert len(all_batches) == count and {len(part) for part in parts} == {len(share) for share in shares} == {-(-count // processes)}
        taken = [batch for turn in zip(*parts, strict=True) for batch in turn]
        fill = len(taken) - count
        assert taken[:count] == all_batches and 0 <= fill < processes and taken[count:] == (all_batches * processes)[:fill]


@pytest.mark.parametrize(("wrong", "kind"), [(True, TypeError), ("2", TypeError), (2.5, TypeError), (None, TypeError), (-1, ValueError)])
@pytest.mark.parametrize("option", ["rank", "num_replicas", "seed", "width", "tokens_per_batch"])
def test_what_is_no_whole_number(option, wrong, kind):
    "One rule for every option that counts, and for the lengths; numpy's numbers are numbers."
    with pytest.raises(kind, match=rf"{option} is .*give a whole number"):
        token_batches([3, 2], **{"rank": 0, "num_replicas": 1, option: wrong})
    if option in ("width", "tokens_per_batch", "seed") and (wrong is not None or option == "width"):
        with pytest.raises(kind, match=rf"{option} is .*give a whole number"):
            padding_cost([3, 2], **{option: wrong})
    with pytest.raises(kind, match=r"length 1 is .*give a whole number"):
        padding_cost([3, wrong])
    with pytest.raises(TypeError if wrong is None else kind, match=r"pad_to_multiple_of is .*give a whole number"):
        collate([{"input_ids": [1]}], small_tokenizer("bert"), pad_to_multiple_of="" if wrong is None else wrong)


def test_numpys_numbers_are_numbers():
    "As options, as lengths and as ids; what is true or false is none."
    two, tokenizer = np.int64(2), small_tokenizer("bert")
    assert list(token_batches([two, 3], np.int32(9), seed=two, width=two, rank=np.int8(0), num_replicas=two))
    assert padding_cost([two, 3], batch_size=two, seed=two, max_length=np.int64(9)) == padding_cost([2, 3], batch_size=2, seed=2)
    assert collate([{"input_ids": [two, 3]}], tokenizer, pad_to_multiple_of=two)["input_ids"].tolist() == [[2, 3]]
    with pytest.raises(ValueError, match=r"attention_mask of feature 0 are .*give a whole number for each id"):
        collate([{"input_ids": [2, 3], "attention_mask": [True, 1]}], tokenizer)
    with pytest.raises(ValueError, match="rank is 2: give a whole number, from 0 to 1"):
        token_batches([1], rank=2, num_replicas=2)


@pytest.mark.parametrize(("wrong", "kind"), [(True, TypeError), ("1", TypeError), (-1.0, ValueError), (float("nan"), ValueError),
                                             (float("inf"), ValueError)])
@pytest.mark.parametrize("part", ["per_batch", "per_token", "per_square"])
def test_a_speed_is_made_of_times(part, wrong, kind):
    "None below zero, and none without end."
    with pytest.raises(kind, match=f"{part} is .*give a number from 0"):
        Speed(**{part: wrong})


def test_seed_and_epoch_are_different_things():
    "Seed 0 in epoch 1 is not seed 1 in epoch 0, and the same seed and epoch give the same batches."
    lengths = list(range(1, 200))
    made = {}
    for seed in range(3):
        for epoch in range(3):
            sampler = token_batches(lengths, 400, seed=seed)
            sampler.set_epoch(epoch)
            made[seed, epoch] = str(list(sampler))
            assert made[seed, epoch] == str(list(sampler))
    assert len(set(made.values())) == 9


def test_a_dataloader_takes_token_batches_in_workers_too():
    "The batches come in order, collated, from a worker process."
    rows = [{"input_ids": [row + 5] * (row % 7 + 1)} for row in range(40)]
    sampler = token_batches(rows, 20, width=1)
    loader = DataLoader(rows, batch_sampler=sampler, num_workers=1, collate_fn=Collate(small_tokenizer("bert")))
    assert len(loader) == len(sampler)
    for batch, chosen in zip(loader, sampler, strict=True):
        assert batch["input_ids"][:, 0].tolist() == [row + 5 for row in chosen]


class Collate:
    "A collate function that can be sent to a worker."

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, features):
        return collate(features, self.tokenizer)


def test_accelerate_would_deal_out_a_second_time():
    "Why the lesson makes its loader without `prepare`: a shard of a share is half of it."
    share = token_batches(range(1, 100), 200, rank=0, num_replicas=2)
    assert len(list(BatchSamplerShard(share, num_processes=2, process_index=0))) <= len(share) // 2 + 1 < len(share)


class Plain(Trainer):
    "What the lesson warns of: a plain loader."

    def get_train_dataloader(self):
        loader = super().get_train_dataloader()
        return DataLoader(loader.dataset, batch_sampler=self.batches, collate_fn=loader.collate_fn)


class Ours(Trainer):
    "What the lesson shows."

    def get_train_dataloader(self):
        usual = super().get_train_dataloader()
        return DataLoaderShard(usual.dataset, self.args.device, batch_sampler=self.batches, collate_fn=usual.collate_fn)


@pytest.mark.parametrize(("kind", "differ"), [(Plain, False), (Ours, True)])
def test_a_plain_loader_repeats_the_first_epoch(kind, differ, tmp_path):
    "Trainer reaches `set_epoch` through the lesson's loader, and not through a plain one."
    model, tokenizer = small("bert", "text-classification")
    rows, seen = [{"input_ids": [row % 50] * (row % 9 + 2), "labels": row % 2} for row in range(40)], []

    def note(features):
        seen.append([row["input_ids"] for row in features])
        return collate(features, tokenizer)

    args = TrainingArguments(str(tmp_path), num_train_epochs=2, report_to="none", disable_tqdm=True, save_strategy="no", use_cpu=True)
    trainer = kind(copy.deepcopy(model), args, train_dataset=rows, data_collator=note)
    trainer.batches = token_batches(rows, 40)
    trainer.train()
    half = len(trainer.batches)
    assert len(seen) == 2 * half and (seen[:half] != seen[half:]) is differ


SCRIPT = '''
import copy, json, sys, warnings
from pathlib import Path
import torch
from accelerate.data_loader import DataLoaderShard
from transformers import Trainer, TrainerCallback, TrainingArguments
from hfcourse.collation import collate, token_batches
from hfcourse.ground.small import small_model

class Batched(Trainer):
    def get_train_dataloader(self):
        usual = super().get_train_dataloader()
        return DataLoaderShard(usual.dataset, self.args.device, batch_sampler=self.batches, collate_fn=usual.collate_fn)

class Stop(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        control.should_save = control.should_training_stop = state.global_step == STOP

out, (model, tokenizer) = Path(sys.argv[1]), small_model("bert", "text-classification")
rows = [{"input_ids": [5 + i // 25, 5 + i % 25] + [9] * (i * 7 % 23), "label": i % 2} for i in range(90)]
numbers = {tuple(row["input_ids"][:2]): i for i, row in enumerate(rows)}
made = token_batches(rows, 100)  # before torch knows of any process

def run(folder, stop=False, resume=False):
    seen = []
    def note(features):
        seen.append([numbers[tuple(row["input_ids"][:2])] for row in features])
        return collate(features, tokenizer)
    args = TrainingArguments(str(out / folder), num_train_epochs=2, report_to="none", disable_tqdm=True, use_cpu=True,
                             ddp_backend="gloo", save_strategy="no" if folder == "whole" else "steps", save_steps=1000)
    trainer = Batched(copy.deepcopy(model), args, train_dataset=rows, data_collator=note)
    trainer.batches = made
    if stop:
        trainer.add_callback(Stop())
    trainer.train(resume_from_checkpoint=resume or None)
    return trainer, seen

whole, seen = run("whole")
STOP = len(made) + 2
run("broken", stop=True)
resumed, after = run("broken", resume=True)
same = all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters()))
json.dump({"seen": seen, "after": after, "steps": len(made), "same": same, "processes": whole.args.world_size},
          open(out / f"{whole.args.process_index}.json", "w"))
'''


def test_two_processes_train_on_their_own_batches_and_resume(tmp_path):
    "torchrun with gloo: two epochs, and the same again after a stop in the middle of the second."
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    root = Path(collation.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "train.py", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1))
    rows = [{"input_ids": [0] * (2 + i * 7 % 23)} for i in range(90)]
    steps = first["steps"]
    assert first["processes"] == 2 and len(first["seen"]) == len(second["seen"]) == 2 * steps
    for rank, found in enumerate((first, second)):
        sampler, expected = token_batches(rows, 100, rank=rank, num_replicas=2), []
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            expected += list(sampler)
        assert found["seen"] == expected and found["after"] == expected[steps + 2:] and found["same"]
    both = [tuple(batch) for turn in zip(first["seen"][:steps], second["seen"][:steps], strict=True) for batch in turn]
    assert {row for batch in both for row in batch} == set(range(90)) and len(both) - len(set(both)) <= 1


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("form", [dict, Dataset.from_dict, lambda columns: Dataset.from_dict(columns).with_format("torch")])
def test_rows_that_are_filled_already_are_counted_by_their_mask(side, form):
    "The bill is that of the same rows without padding, and not nothing; the sampler's batches are the same, too."
    tokenizer = small("bert")[1]
    texts = [("The cat sat. " * (i % 5 + 1)).strip() for i in range(40)]
    bare = dict(tokenizer(texts))
    full = form(dict(tokenizer(texts, padding="max_length", max_length=128, padding_side=side)))
    with pytest.warns(UserWarning, match=r"filled already, \d\d% of their places with padding"):
        bill, batches = collation.compare_padding(full, max_length=128), list(collation.token_batches(full, 64))
    expected = collation.compare_padding(bare, max_length=128)
    assert repr(bill.table()) == repr(expected.table()) and batches == list(collation.token_batches(bare, 64))
    real = sum(map(len, bare["input_ids"]))
    assert bill.costs["max_length"].wasted == pytest.approx(1 - real / (40 * 128)) and bill.costs["max_length"].wasted > 0.8
