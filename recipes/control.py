"""Reading together, or as two vectors? Both trained: the same body, rows, order, steps and settings.

    python recipes/control.py [--seeds 0 1 2]    # some two minutes a model on two cores

The *joint* model gets a pair as one row. The *two-vector* model reads each sentence by itself and gets (u, v, |u - v|), as
Sentence-BERT does (Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084), into a linear head. Both begin as lesson 10
does: an open pooler, the embeddings and the lowest two layers frozen, no dropout, one epoch in batches of 16, rate 1.5e-4.
Writes hfcourse/shipped/measured/control.json: which of the 1,000 test pairs each answers rightly, for each seed.
"""
import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer, Trainer, TrainingArguments

from hfcourse.assets import checkpoint, dataset, device, quiet
from hfcourse.ground.running import write_whole

TARGET = Path(__file__).resolve().parent.parent / "hfcourse" / "shipped" / "measured" / "control.json"


class Judge(torch.nn.Module):
    "The body of lesson 10 with a linear head, on the vector of a pair or on what two vectors give."

    def __init__(self, together: bool):
        super().__init__()
        with quiet():
            self.body = AutoModel.from_pretrained(
                checkpoint("minilm"), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        torch.nn.init.eye_(self.body.pooler.dense.weight)
        for part in (self.body.embeddings, *self.body.encoder.layer[:2]):
            part.requires_grad_(False)
        self.together = together
        width = self.body.config.hidden_size
        self.head = torch.nn.Linear(width if together else 3 * width, 2)

    def forward(self, labels=None, **given):
        "Logits, and the loss where labels are given."
        if self.together:
            vectors = self.body(**given).pooler_output
        else:
            u, v = (self.body(**{name.removeprefix(f"{side}_"): ids for name, ids in given.items()
                                 if name.startswith(side)}).pooler_output for side in ("first", "second"))
            vectors = torch.cat([u, v, (u - v).abs()], dim=-1)
        logits = self.head(vectors)
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return {"logits": logits} if loss is None else {"loss": loss, "logits": logits}


def collator(tokenizer, together: bool):
    "What makes a batch of pairs for one of the two models."
    def collate(rows):
        firsts, seconds = ([row[name] for row in rows] for name in ("sentence1", "sentence2"))
        options = {"padding": True, "truncation": True, "return_tensors": "pt"}
        if together:
            batch = dict(tokenizer(firsts, seconds, **options))
        else:
            batch = {f"{side}_{name}": ids for side, texts in (("first", firsts), ("second", seconds))
                     for name, ids in tokenizer(texts, **options).items()}
        return {**batch, "labels": torch.tensor([row["label"] for row in rows])}
    return collate


def measured(together: bool, seed: int) -> dict:
    "Train one model and say which test pairs it answers rightly."
    torch.manual_seed(seed)
    model, tokenizer, data = Judge(together), AutoTokenizer.from_pretrained(checkpoint("minilm")), dataset("pairs")
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=16, per_device_eval_batch_size=50, learning_rate=1.5e-4,
            seed=seed, save_strategy="no", report_to="none", disable_tqdm=True, remove_unused_columns=False,
            label_names=["labels"], use_cpu=device().type == "cpu", logging_steps=1000)
        trainer = Trainer(model, arguments, train_dataset=data["train"], data_collator=collator(tokenizer, together))
        began = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - began
        output = trainer.predict(data["test"])
    right = (output.predictions.argmax(axis=-1) == output.label_ids).astype(int)
    return {"way": "joint" if together else "two vectors", "seed": seed, "steps": trainer.state.global_step,
            "seconds": round(seconds, 1), "accuracy": float(right.mean()), "right": "".join(map(str, right))}


def main() -> None:
    "Train all of them, and write the file."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    runs = []
    for seed in parser.parse_args().seeds:
        for together in (True, False):
            runs.append(measured(together, seed))
            print({name: value for name, value in runs[-1].items() if name != "right"}, flush=True)
    write_whole(TARGET, json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
