"""Whatever is given as data, a public function works or says what was wrong and what to do; and no text becomes markup."""

import copy
import faulthandler
import json
import re
import tempfile
import traceback
from dataclasses import replace
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import huggingface_hub
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from near import pipe, small
from paths import ROOT
from transformers import DataCollatorWithPadding

import hfcourse
from hfcourse import (
    assets,
    attention,
    collation,
    display,
    evaluation,
    heads,
    mapping,
    models,
    padding,
    pairs,
    pipeline,
    tokenization,
    training,
)
from hfcourse.assets import AssetError
from hfcourse.ground import aligned, answering, checks, forward, lengths, loading, problems, report, saving, tables, tokenised, trace
from hfcourse.ground.small import small_model, small_tokenizer

ACCEPTED = ROOT / "tests" / "support" / "accepted.json"  # what each parameter takes and refuses
JUDGE, TAGGER = small("bert", "text-classification"), small("bert", "token-classification")
NAMED = small_model("bert", "text-classification", id2label={0: "<i>", 1: "&amp;"}, label2id={"<i>": 0, "&amp;": 1})
MODEL, TOKENIZER = JUDGE
SEEN = pipeline.trace(JUDGE, "The cat sat.")
ROW = {"input_ids": SEEN.input_ids, "tokens": SEEN.tokens, "offsets": SEEN.offsets, "special": SEEN.special}
LAYER, HIDDEN = attention.layers_of(MODEL)[0], [[[0.5] * 32] * 2]
SAVED = tempfile.TemporaryDirectory()  # deleted when the tests end
small("bert")[0].save_pretrained(SAVED.name)
WRITTEN = f"{SAVED.name}/it.csv"
Path(WRITTEN).write_text("text,label\nfine,1\n", encoding="utf-8")
WORDS = tokenization.word_vocabulary(["the cat sat"])
COUNT, VERDICT = evaluation.metrics_for("mrpc"), evaluation.report([1, 0], [1, 1], draws=9)
ROWS = {split: {"input_ids": [[2, 5, 3], [2, 6, 3]], "label": [0, 1]} for split in ("train", "validation")}
DONE = training.fine_tune(copy.deepcopy(MODEL), TOKENIZER, ROWS, epochs=1, show=False)
PAIR = {"text1": ["The cat"], "text2": ["A dog"], "label": [1]}

# One entry for each parameter that takes data. Parameters that take a model or a tokenizer itself are left to the type checker.
CALLS = {
    "ground.checks.whole": [lambda v: checks.whole(v, "whole")],
    "ground.checks.seed": [checks.seed],
    "ground.problems.problem_of": [lambda v: problems.problem_of([v], [3]), lambda v: problems.problem_of([0], [3], v),
                                   lambda v: problems.problem_of([[v, 0]], [2])],
    "ground.aligned.tokenize_and_align_labels": [
        lambda v: aligned.tokenize_and_align_labels(v, TOKENIZER), lambda v: worded(tokens=v), lambda v: worded(tokens=[v]),
        lambda v: worded(tokens=[["a", v]]), lambda v: worded(tags=[v]), lambda v: worded(tags=[["O", v]]),
        *(lambda v, name=name: worded(**{name: v}) for name in ("words", "labels", "max_length"))],
    "ground.checks.number": [lambda v: checks.number(v, "number", 0, 1)],
    "pipeline.encode": [lambda v: pipeline.encode(TOKENIZER, v), lambda v: pipeline.encode(TOKENIZER, ["a"], v)],
    "pipeline.forward": [lambda v: pipeline.forward(MODEL, v), lambda v: pipeline.forward(MODEL, {"input_ids": v})],
    "pipeline.decode": [lambda v: pipeline.decode(MODEL, v), lambda v: pipeline.decode(MODEL, logits(), top_k=v),
                        lambda v: pipeline.decode(MODEL, logits(), function=v)],
    "pipeline.trace": [lambda v: pipeline.trace(JUDGE, v), lambda v: pipeline.trace(JUDGE, "a", v),
                       lambda v: pipeline.trace(small("gpt2"), v)],
    "pipeline.length_batches": [lambda v: pipeline.length_batches(v, 9)],
    "pipeline.predict": [lambda v: predicted(v), lambda v: predicted([v]), lambda v: predicted(iter([v])), lambda v: predicted({"text": v}),
                         lambda v: predicted([{"text": "a", "text_pair": v}]), lambda v: predicted("a", text_pairs=v),
                         lambda v: predicted(["a"], tokens_per_batch=v), lambda v: predicted(["a"], function_to_apply=v),
                         lambda v: predicted(["a"], precision=v), lambda v: predicted([v], on=small("gpt2", "text-classification")),
                         *(lambda v, name=name: predicted(["a"], **{name: v}) for name in (
                             "batch_size", "device", "top_k", "max_length", "truncation", "add_special_tokens", "top_kk"))],
    "ground.lengths.length_batches": [lambda v: lengths.length_batches(v, 9), lambda v: lengths.length_batches([2, 1], v),
                                      lambda v: lengths.length_batches([2, 1], batch_size=v)],
    "ground.answering.check_options": [lambda v: answering.check_options({"top_k": v}),
                                       lambda v: answering.check_options({str(v): 1})],
    "ground.answering.text_rows": [lambda v: list(answering.text_rows(v, None)), lambda v: list(answering.text_rows(["a"], v))],
    "ground.answering.moved": [lambda v: answering.moved(pipe("text-classification", *JUDGE), v)],
    "ground.answering.reader_of": [lambda v: answering.reader_of(cut(v), {}), lambda v: answering.reader_of(JUDGE, {"top_k": v})],
    "assets.checkpoint": [lambda v: assets.checkpoint(cut(v))],
    "assets.dataset": [assets.dataset, *(lambda v, name=name: assets.dataset(WRITTEN, **{name: v}) for name in (
        "separator", "encoding", "quoting", "missing", "columns", "labels"))],
    "assets.metric": [assets.metric],
    "assets.device": [assets.device],
    "assets.precision": [assets.precision],
    "ground.checks.as_name": [lambda v: checks.as_name(v, "name")],
    "ground.checks.check_text": [checks.check_text],
    "ground.checks.check_texts": [checks.check_texts],
    "ground.forward.check_batch": [forward.check_batch],
    "ground.forward.capture": [lambda v: forward.capture(MODEL, v)],
    "ground.forward.token_answer": [lambda v: forward.token_answer("token-classification", *TAGGER, ROW, v)],
    "ground.loading.load": [lambda v: loading.load(cut(v)), lambda v: pipeline.trace(cut(v), "a"), lambda v: predicted(["a"], on=cut(v))],
    "ground.loading.load_config": [lambda v: loading.load_config(cut(v))],
    "ground.loading.load_tokenizer": [lambda v: loading.load_tokenizer(cut(v))],
    "ground.loading.load_model": [lambda v: loading.load_model(cut(v))],
    "ground.loading.load_with_info": [lambda v: loading.load_with_info(cut(v))],
    "ground.small.small_model": [lambda v: small_model(v), lambda v: small_model("bert", v), lambda v: small_model(labels=v),
                                 lambda v: small_model(seed=v)],
    "ground.small.small_tokenizer": [lambda v: small_tokenizer(v)],
    "ground.saving.pack": [saving.pack],
    "ground.saving.unpack": [saving.unpack],
    "ground.trace.Trace": [SEEN.save, trace.Trace.load, lambda v: SEEN.attention(layer=v), lambda v: SEEN.attention(head=v)],
    "ground.saving.save_json": [lambda v: saving.save_json(v, "trace", {})],
    "ground.saving.load_json": [lambda v: saving.load_json(v, "trace", dict)],
    "ground.checks.as_numbers": [lambda v: checks.as_numbers(v, "rows"), lambda v: checks.as_numbers([v], "rows")],
    "ground.checks.as_labels": [lambda v: checks.as_labels(checks.as_numbers([v], "rows"), "labels", 9)],
    "ground.checks.as_texts": [lambda v: checks.as_texts(v, "texts"), lambda v: checks.as_texts([v], "texts")],
    "ground.report.Report": [VERDICT.save, report.Report.load],
    "evaluation.metrics_for": [evaluation.metrics_for, lambda v: evaluation.metrics_for(labels=v),
                               lambda v: evaluation.metrics_for(labels=3)((v, [1])), COUNT,
                               lambda v: COUNT((v, [1])), lambda v: COUNT(([1], v)),
                               lambda v: COUNT(([v], [1])), lambda v: COUNT(([[0.5, v]], [1]))],
    "evaluation.bootstrap_interval": [lambda v: evaluation.bootstrap_interval(len, v, draws=9),
                                      lambda v: evaluation.bootstrap_interval(len, [1], draws=v if isinstance(v, bool | str) else 9),
                                      lambda v: evaluation.bootstrap_interval(len, [1], draws=9, share=v),
                                      lambda v: evaluation.bootstrap_interval(len, [1], draws=9, seed=v)],
    "evaluation.report": [lambda v: judged(v, [1]), lambda v: judged([v], [1]), lambda v: judged([1], v), lambda v: judged([1], [v]),
                          lambda v: judged([[0.5, v]], [1]), lambda v: judged([1], [1], texts=v), lambda v: judged([1], [0], texts=[v]),
                          lambda v: judged([1], [1], labels=v), lambda v: judged([1], [1], labels=["a", v]),
                          lambda v: judged([v], [1], labels=["a", "b"]), lambda v: judged([1], [1], task=v),
                          lambda v: judged([1], [1], worst=v),
                          lambda v: judged([[1, 2]], [1], bins=v), lambda v: judged([v], [1.5], task="stsb"),
                          lambda v: judged([1.5], v, task="stsb"), lambda v: judged(v, [[0, 1]]),
                          lambda v: judged([[0.5, -1]], [[v, 1]])],
    "display.show_value": [display.show_value],
    "display.shade": [lambda v: display.shade(v if isinstance(v, float) else 0.5)],
    "display.Table": [lambda v: html_of(display.Table(["a", "b"], [[v, 1.5]], shaded=["a", "b"]))],
    "display.heat": [lambda v: html_of(display.heat([[1]], [v], ["b"])), lambda v: display.heat([[1]], ["a"], [v])],
    "display.strip": [lambda v: display.strip([v])],
    "display.Chart": [lambda v: html_of(display.Chart([1, 2], {"a": [1, 2]}, says=v)), lambda v: display.Chart([1], v, says="a"),
                      lambda v: html_of(display.Chart(v, {"a": v}, says="a")), lambda v: display.Chart([1], {"a": [1]}, says="a", logs=v)],
    "tokenization.word_vocabulary": [tokenization.word_vocabulary, lambda v: tokenization.word_vocabulary(["a"], size=v)],
    "tokenization.character_vocabulary": [tokenization.character_vocabulary],
    "tokenization.wordpiece": [lambda v: tokenization.wordpiece(v, {"a": 1}), lambda v: tokenization.wordpiece("a", v)],
    "tokenization.compare_tokenizers": [lambda v: tokenization.compare_tokenizers(v, {"one": TOKENIZER}),
                                        lambda v: tokenization.compare_tokenizers(["a"], v)],
    "tokenization.Vocabulary": [WORDS.encode, WORDS.decode],
    "padding.pad_batch": [lambda v: padding.pad_batch(v, 0), lambda v: padding.pad_batch([[1]], v),
                          lambda v: padding.pad_batch([[1]], 0, max_length=v), lambda v: padding.pad_batch([[1]], 0, padding_side=v)],
    "padding.mask_effect": [lambda v: padding.mask_effect(*JUDGE, v)],
    "padding.truncate_batch": [lambda v: padding.truncate_batch(TOKENIZER, v, max_length=9),
                               lambda v: padding.truncate_batch(TOKENIZER, ["a"], max_length=v)],
    "padding.windows": [lambda v: padding.windows(TOKENIZER, v, max_length=9, stride=2),
                        lambda v: padding.windows(TOKENIZER, "a", max_length=v, stride=v)],
    "attention.scaled_dot_product": [lambda v: attention.scaled_dot_product(v, [[1.0]], [[1.0]]),
                                     lambda v: attention.scaled_dot_product([[1.0]], v, v), lambda v: html_of(attended(mask=v)),
                                     lambda v: attended(scale=v)],
    "attention.self_attention": [lambda v: attention.self_attention(v, HIDDEN), lambda v: attention.self_attention(LAYER, v),
                                 lambda v: attention.self_attention(LAYER, HIDDEN, mask=v)],
    "attention.encoder_layer": [lambda v: attention.encoder_layer(v, HIDDEN), lambda v: attention.encoder_layer(LAYER, v),
                                lambda v: attention.encoder_layer(LAYER, HIDDEN, mask=v)],
    "attention.layers_of": [attention.layers_of],
    "attention.attention_masks": [lambda v: html_of(attention.attention_masks(v)), lambda v: attention.attention_masks([[1]], targets=v)],
    "attention.Masks": [lambda v: attention.attention_masks([[1]]).table(v), lambda v: attention.attention_masks([[1]]).table(row=v)],
    "attention.Attended": [lambda v: html_of(attended().table(v)), lambda v: attended().table(row=v), lambda v: attended().table(head=v)],
    "tokenization.steps": [lambda v: html_of(tokenization.steps(TOKENIZER, v)), lambda v: tokenization.steps(v, "a")],
    "models.blueprint": [models.blueprint],
    "models.parameter_table": [models.parameter_table, lambda v: models.parameter_table(MODEL, depth=v)],
    "heads.attach": [lambda v: heads.attach(cut(v), "Model"), lambda v: heads.attach(SAVED.name, v),
                     lambda v: html_of(heads.attach(SAVED.name, "ForSequenceClassification", labels=v)[1]),
                     lambda v: heads.attach(SAVED.name, "ForMaskedLM", labels=v)],
    "pairs.encode_pair": [lambda v: html_of(pairs.encode_pair(TOKENIZER, v, "a")),
                          lambda v: html_of(pairs.encode_pair(TOKENIZER, "a", v)),
                          lambda v: pairs.encode_pair(TOKENIZER, "a", "b", max_length=v),
                          lambda v: pairs.encode_pair(TOKENIZER, "a", "b", truncation=v)],
    "pairs.overlap_baseline": [lambda v: pairs.overlap_baseline(v, PAIR), lambda v: pairs.overlap_baseline(PAIR, v),
                               lambda v: html_of(pairs.overlap_baseline(PAIR, {**PAIR, "text2": [v]})),
                               lambda v: html_of(pairs.overlap_baseline({**PAIR, "label": [v]}, PAIR)),
                               lambda v: pairs.overlap_baseline(PAIR, PAIR, columns=v),
                               lambda v: pairs.overlap_baseline(PAIR, PAIR, label=v)],
    "pairs.cosine_baseline": [lambda v: pairs.cosine_baseline(v, PAIR, source=JUDGE),
                              lambda v: pairs.cosine_baseline(PAIR, v, source=JUDGE),
                              lambda v: html_of(pairs.cosine_baseline(PAIR, {**PAIR, "text2": [v]}, source=JUDGE)),
                              lambda v: pairs.cosine_baseline(PAIR, PAIR, source=cut(v)),
                              lambda v: pairs.cosine_baseline(PAIR, PAIR, source=JUDGE, columns=v)],
    "ground.tables.splits_by_name": [tables.splits_by_name, lambda v: tables.splits_by_name({"a": v}),
                              lambda v: tables.splits_by_name({"a": [v]})],
    "ground.tables.check_table": [lambda v: tables.check_table(tables.splits_by_name({"a": [v]})[None], "the data", ["a"])],
    "ground.checks.in_order": [lambda v: list(checks.in_order(v, "it"))],
    "ground.tables.is_text": [tables.is_text],
    "ground.tables.columns_named": [lambda v: tables.columns_named(v, tables.splits_by_name({"a": ["b"]})[None], "columns")],
    "mapping.text_columns": [mapping.text_columns, lambda v: mapping.text_columns({"a": [v]}),
                             lambda v: mapping.text_columns({str(v): ["a"]})],
    "mapping.choose": [lambda v: html_of(mapping.choose(v, TOKENIZER)), lambda v: mapping.choose({"a": ["b"]}, v),
                       lambda v: html_of(mapping.choose({"a": ["b"], "label": [v]}, TOKENIZER)), lambda v: chosen(columns=v),
                       lambda v: chosen(max_length=v), lambda v: chosen(num_proc=v), lambda v: chosen(keep=v)],
    "mapping.tokenize": [lambda v: mapping.tokenize(v, TOKENIZER), lambda v: mapping.tokenize({"text": v}, TOKENIZER),
                         lambda v: mapping.tokenize({"text": [v]}, TOKENIZER), lambda v: mapping.tokenize({"text": ["a", v]}, TOKENIZER),
                         lambda v: mapping.tokenize({"text": ["a"], "label": [v]}, TOKENIZER), lambda v: mapping.tokenize({"a": ["b"]}, v),
                         lambda v: mapping.tokenize({"a": ["b"]}, TOKENIZER, columns=v, max_length=v)],
    "mapping.time_map": [lambda v: timed(v), lambda v: html_of(timed({"text": [v]})), lambda v: timed({"a": ["b"]}, rows=v),
                         lambda v: timed({"a": ["b"]}, sizes=v), lambda v: timed({"a": ["b"]}, rounds=v),
                         lambda v: timed({"a": ["b"]}, columns=v, max_length=v)],
    "models.same_weights": [lambda v: models.same_weights(MODEL, v), lambda v: models.same_weights(v, MODEL)],
    "training.train_loop": [lambda v: looped(v), lambda v: looped([v]), lambda v: looped([{"input_ids": v, "labels": 1}]),
                            *(lambda v, name=name: looped(**{name: at_most(3, v)})
                              for name in ("epochs", "learning_rate", "batch_size", "accumulate", "warmup_steps", "weight_decay", "clip",
                                           "seed"))],
    "training.fine_tune": [lambda v: tuned(v), lambda v: tuned({"train": v, "validation": v}), lambda v: tuned({**ROWS, "validation": v}),
                           lambda v: tuned({**ROWS, "train": {"input_ids": [v, [2]], "label": [0, 1]}}),
                           lambda v: tuned({**ROWS, "train": {"input_ids": [[2], [3]], "label": [0, v]}}),
                           lambda v: tuned({**ROWS, "train": [v]}), lambda v: training.fine_tune(cut(v), TOKENIZER, ROWS),
                           *(lambda v, name=name: tuned(**{name: at_most(3, v)}) for name in (
                               "epochs", "learning_rate", "batch_size", "accumulate", "warmup", "weight_decay", "best", "patience",
                               "compute_metrics", "batches", "save_steps", "seed", "problem_type", "class_weights", "labels")),
                           lambda v: tuned(folder=cut(v)), lambda v: tuned(compute_metrics=lambda outputs: v),
                           lambda v: tuned(compute_metrics=lambda outputs: {"a": v}), lambda v: DONE.save(cut(v), overwrite=True)],
    "training.Curves": [lambda v: html_of(training.Curves.of(v)), lambda v: html_of(training.Curves.of([v])),
                        lambda v: html_of(training.Curves.of([{"loss": v, "step": 1}, {"eval_loss": v, "eval_f1": v, "step": v}]))],
    "ground.tokenised.columns_of": [tokenised.columns_of, lambda v: tokenised.columns_of([v]),
                                    lambda v: tokenised.columns_of([{"input_ids": v}])],
    "ground.tokenised.stacked": [lambda v: tokenised.stacked("label", [v]), lambda v: tokenised.stacked("label", [1, v])],
    "ground.tokenised.lengths_of": [tokenised.lengths_of, lambda v: tokenised.lengths_of([v]),
                                    lambda v: tokenised.lengths_of({"input_ids": v})],
    "collation.collate": [lambda v: collation.collate(v, TOKENIZER), lambda v: collation.collate([v], TOKENIZER),
                          lambda v: collation.collate([{"input_ids": v}], TOKENIZER),
                          lambda v: collation.collate([{"input_ids": [v, 1]}, {"input_ids": [1]}], TOKENIZER),
                          lambda v: collation.collate([{"input_ids": [1], "label": v}, {"input_ids": [1], "label": 1}], TOKENIZER),
                          lambda v: collation.collate([{"input_ids": [1], "attention_mask": v, "other": v}], TOKENIZER),
                          lambda v: collation.collate([{"input_ids": [1]}], TOKENIZER, pad_to_multiple_of=v)],
    "collation.padding_cost": [collation.padding_cost, lambda v: collation.padding_cost([2, v]),
                               *(lambda v, name=name: collation.padding_cost([2, 1], strategy="token_budget", **{name: v})
                                 for name in ("batch_size", "tokens_per_batch", "width", "seed", "speed")),
                               lambda v: collation.padding_cost([2, 1], strategy=v),
                               lambda v: collation.padding_cost([2, 1], strategy="max_length", max_length=v)],
    "collation.compare_padding": [lambda v: html_of(collation.compare_padding(v)),
                                  *(lambda v, name=name: html_of(collation.compare_padding([2, 1], **{name: v}))
                                    for name in ("batch_size", "max_length", "seed", "speed"))],
    "collation.token_batches": [lambda v: list(collation.token_batches(v)), lambda v: list(collation.token_batches([2, 1], v)),
                                *(lambda v, name=name: list(collation.token_batches([2, 1], **{"rank": 0, "num_replicas": 2, name: v}))
                                  for name in ("seed", "width", "rank", "num_replicas")),
                                lambda v: list(collation.token_batches([2, 1], rank=v))],
    "collation.TokenBatches": [lambda v: collation.token_batches([2, 1]).set_epoch(v)],
}
PACKAGE = Path(hfcourse.__file__).resolve().parent
FILES = ("ground.trace.Trace", "ground.saving.save_json", "ground.saving.load_json", "ground.report.Report")
NO_DATA = {  # what takes models and settings, or holds what another function checked
    "ground.tokenised.LABELS", "collation.STRATEGIES", "collation.Speed", "collation.PaddingCost", "collation.PaddingBill",
    "pipeline.activation", "ground.forward.task_of", "ground.forward.label_names", "ground.forward.longest_input",
    "ground.forward.twin", "ground.forward.calm", "ground.forward.check_padding", "ground.forward.told",
    "ground.lengths.budgeted", "ground.lengths.cut_into", "ground.lengths.one_size", "ground.lengths.mean_pool",
    "ground.answering.Text", "ground.answering.Options", "ground.answering.FUNCTIONS", "ground.answering.Reader",
    "ground.answering.text_classifier", "ground.answering.with_model",
    "ground.forward.Captured", "ground.loading.classifier", "ground.saving.write_note", "ground.saving.read_note",
    "ground.loading.name_of", "ground.loading.reading", "ground.small.ARCHITECTURES", "ground.small.TEXTS",
    "assets.quiet", "assets.AssetError", "tokenization.Steps", "attention.ENCODERS",
    "ground.tables.one_split", "ground.tables.split_called", "ground.tables.text_columns",  # mapping.text_columns tries it
    "ground.tokenised.fingerprint", "ground.tokenised.splits_of",  # fine_tune tries these
    "ground.checks.brief", "ground.problems.PROBLEMS", "ground.problems.check_splits",
    "ground.problems.name_advice",
    "ground.problems.label_fault", "ground.problems.feature_names", "ground.problems.nameless",
    "ground.problems.label_names_of", "ground.problems.are_nameless", "ground.problems.agreed_names", "ground.loading.in_full",
    "ground.tokenised.rows_of", "ground.tokenised.check_rows", "ground.tokenised.whole_numbers",
    "pipeline.Trace", "padding.combine", "padding.MaskEffect", "padding.Truncated", "padding.Windows",
    "models.Comparison", "heads.HEADS", "heads.Head", "heads.LoadReport",
    "evaluation.Report",
    "ground.tables.listed", "mapping.Choices", "mapping.MapTimes", "mapping.tokenize_and_align_labels",
    "training.FineTuned", "training.WORDS",
    "pairs.GLUE", "pairs.Task", "pairs.EncodedPair", "pairs.Baseline",
}
STRUCTURES = {  # wrong in structure, not in a single value
    "a checkpoint's name of 100,000 characters": lambda: assets.checkpoint("x" * 100_000),
    "mask_effect(padding_side=1.5)": lambda: padding.mask_effect(*JUDGE, ["a"], padding_side=1.5),
    "mask_effect(padding_side='up')": lambda: padding.mask_effect(*JUDGE, ["a"], padding_side="up"),
    "combine(None)": lambda: padding.combine(None, [(0, 1)]),
    "combine of texts": lambda: padding.combine([["a"]], [(0, 1)]),
    "shade of a text": lambda: display.shade("a"),
    "a table of None": lambda: html_of(display.Table(None, [])),
    "rows that are numbers": lambda: display.Table(["a"], [1]),
    "a column named by half a character": lambda: html_of(display.Table(["\ud800"], [["a"]], "\ud800")),
    "heat of texts": lambda: display.heat([["a"]], ["a"], ["b"]),
    "more rows than names": lambda: display.heat([[1], [2]], ["a"], ["b"]),
    "a strip of None": lambda: display.strip(None),
    "marks that are texts": lambda: display.strip(["a"], ["b"]),
    "a shaded number beyond floats": lambda: html_of(display.Table(["a"], [[10**400]], shaded=["a"])),
}
FIXED = {"empty": "", "no list": [], "None": None, "zero": 0, "number": 3.5, "not a number": float("nan"), "yes": True, "bytes": b"hi",
         "100,000 characters": "x" * 100_000, "20,000 words": "word " * 20_000, "half a character": "\ud800", "another half": "a\udfffb",
         "right to left": "שלום \u202eעולם", "combining": "e\u0301\u200d\u0308", "emoji": "👋🏽 👨‍👩‍👧", "nul": "a\0b", "blank": " \n\t",
         "nested": [["a"]], "nested, empty": [[]], "mixed": ["a", None], "numbers": [1, 2],
         "a dictionary": {"text": None}, "no dictionary": {},
         "an object": object(), "a set": {"a"}, "a tuple": ("a", "b"), "texts": ["a", "<b>"], "true and lone": ["a", "\ud800"]}
ANYTHING = st.recursive(st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.binary(max_size=9)
                        | st.text(st.characters(), max_size=20),
                        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6)
REMEDY = re.compile(r"\b(give|set|load|write|mend|run|check|use|leave|cut|shorten|truncate|get|trace|remove)\b", re.IGNORECASE)
TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "div", "span", "details", "summary"}
TEXT = st.text("<>&\"'/;#xab1 \n\0é", max_size=12) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def at_most(most, value):
    "A value, but no whole number that would train for long."
    return min(value, most) if isinstance(value, int) and not isinstance(value, bool) else value


def looped(rows=None, **options):
    "One epoch by hand."
    rows = [{"input_ids": [2, 5, 3], "labels": 1}] if rows is None else rows
    return training.train_loop(copy.deepcopy(MODEL), DataCollatorWithPadding(TOKENIZER), rows, **{"epochs": 1, **options})


def tuned(data=None, **options):
    "One epoch of a copy of the judge."
    data = ROWS if data is None else data
    return html_of(training.fine_tune(copy.deepcopy(MODEL), TOKENIZER, data, **{"epochs": 1, "show": False, **options}))


def worded(tokens=(("a", "b"),), tags=(("O", "B-X"),), **options):
    "Two words with a label each."
    return aligned.tokenize_and_align_labels({"tokens": tokens, "ner_tags": tags}, TOKENIZER, **options)


def attended(**options):
    "One query that looks at one key."
    return attention.scaled_dot_product([[1.0]], [[1.0]], [[1.0]], **options)


def chosen(**options):
    "What `tokenize` would do with one text."
    return mapping.choose({"a": ["b"]}, TOKENIZER, **options)


def timed(data, **options):
    "One process, batches of two."
    return mapping.time_map(data, TOKENIZER, **{"num_proc": 1, "sizes": (2,), **options})


def logits():
    "One row for the judge."
    return pipeline.forward(MODEL, pipeline.encode(TOKENIZER, "a"))


def judged(outputs, references, **options):
    "A report of few draws, shown."
    return html_of(evaluation.report(outputs, references, draws=9, **options))


def predicted(texts, on=JUDGE, **options):
    "All that `predict` gives."
    return list(pipeline.predict(on, texts, progress=False, **options))


def html_of(value):
    "A value as a notebook and a prompt show it, which must be text that can be stored."
    assert repr(value) is not None
    value._repr_html_().encode("utf-8")
    return value._repr_html_()


def cut(name):
    "A name, not so long that each file system refuses it in its own way."
    return name[:200] if isinstance(name, str) else name


def works_or_explains(call, *values, may=()):
    "The call works, or raises an error of ours, on purpose, that names a remedy, or what it `may` raise."
    try:
        call(*values)
    except (ValueError, TypeError, AssetError) as error:
        where = Path(traceback.extract_tb(error.__traceback__)[-1].filename).resolve()
        told = f"{where}: {type(error).__name__}: {str(error)[:200]}"
        assert where.is_relative_to(PACKAGE) and REMEDY.search(str(error)), told
        assert len(str(error)) < 2000, told  # a value of 100,000 characters does not fill the screen
    except may:
        pass


@pytest.fixture(autouse=True)
def nothing_hangs_and_nothing_is_fetched(monkeypatch, tmp_path):
    "A test that takes ten minutes ends the run with a traceback; the Hub is not asked; files land in an empty folder."
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    faulthandler.dump_traceback_later(600, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("name", [
    "pipeline", "assets", "display", "tokenization", "padding", "attention", "models", "heads", "pairs", "evaluation", "mapping",
    "collation", "training", "ground.aligned", "ground.checks", "ground.problems", "ground.lengths", "ground.answering",
    "ground.forward", "ground.loading",
    "ground.small", "ground.saving", "ground.tables", "ground.tokenised", "ground.trace", "ground.report"])
def test_every_public_name_is_tried(name):
    "A function that is added is added here too."
    names = {f"{name}.{one}" for one in import_module(f"hfcourse.{name}").__all__}
    assert names - NO_DATA == {one for one in CALLS if one.startswith(f"{name}.")}


def came_of(call, value, may=()):
    "What becomes of a value: `taken`, or the kind of error; the value itself stays as it was."
    before = repr(value)
    try:
        call(value)
    except Exception as error:
        works_or_explains(call, value, may=may)
        kind = type(error).__name__
    else:
        kind = "taken"
    assert repr(value) == before or "object at" in before
    return kind


@pytest.mark.parametrize("name", CALLS)
def test_what_is_taken_and_what_is_refused_is_written_down(name, request):
    """Empty, huge, nested, of another type, half a character, right to left, a nul byte: each is taken or refused as the file says,
    for each parameter; what is newly taken, or refused by another kind of error, is looked at before it is written down:
    `pytest tests/test_bad_input.py --write-accepted`."""
    may = OSError if name in FILES else ()
    found = {}
    for number, call in enumerate(CALLS[name]):
        kinds = {label: came_of(call, value, may) for label, value in FIXED.items()}
        for kind in sorted(set(kinds.values())):
            found[f"{number} {kind}"] = sorted(label for label in FIXED if kinds[label] == kind)
    written = json.loads(ACCEPTED.read_text(encoding="utf-8")) if ACCEPTED.exists() else {}
    if request.config.getoption("write_accepted"):
        lines = json.dumps({**written, name: found}, indent=1, sort_keys=True)
        ACCEPTED.write_text(lines + "\n", encoding="utf-8")
    else:
        assert found == written[name]


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("assets.dataset", *FILES)])  # these read and write files
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=ANYTHING)
def test_any_input_is_explained(name, value):
    "Random values of any type, nested."
    for call in CALLS[name]:
        works_or_explains(call, value)


@pytest.mark.parametrize("place", ["here", "hfcourse/tests", "hfcourse/.venv/site-packages/torch"])
def test_an_error_from_elsewhere_is_not_ours(place, tmp_path):
    "A library's error is found out, also in a clone that bears the package's name; so is one of ours without a remedy."
    file = tmp_path / place / "library.py"
    file.parent.mkdir(parents=True)
    file.write_text("def call(value):\n    raise ValueError(f'{value}: give another')\n", encoding="utf-8")
    names = {}
    exec(compile(file.read_text(encoding="utf-8"), file, "exec"), names)  # noqa: S102 - written three lines above
    with pytest.raises(AssertionError, match=r"library.py: ValueError"):
        works_or_explains(names["call"], 1)


def test_an_error_of_ours_needs_a_remedy(monkeypatch):
    "From the package, and with nothing to do about it."
    works_or_explains(checks.whole, 0, "size")
    monkeypatch.setattr("test_bad_input.REMEDY", re.compile("no such remedy"))
    with pytest.raises(AssertionError, match=r"checks.py: ValueError"):
        works_or_explains(checks.whole, 0, "size")


@pytest.mark.parametrize("wrong", STRUCTURES.values(), ids=STRUCTURES)
def test_wrong_structure_is_explained(wrong):
    "Options out of range, rows that are none, numbers beyond floats."
    works_or_explains(wrong)


class Reader(HTMLParser):
    "The tags and the texts of a piece of HTML."

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = set(), [""]
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.texts.append("")
        assert {name for name, _ in attrs} <= {"style", "scope"}

    def handle_endtag(self, tag):
        self.texts.append("")

    def handle_data(self, data):
        self.texts[-1] += data

    handle_comment = handle_decl = handle_pi = unknown_decl = lambda self, data: pytest.fail(f"{data!r} became markup")


def read(html):
    "The texts of the HTML, one an element; no tags but those of tables, boxes and folds."
    reader = Reader(html)
    assert reader.tags <= TAGS
    return [text for text in reader.texts if text]


@settings(deadline=None)
@given(column=TEXT, cell=TEXT | st.text(), caption=TEXT)
def test_text_in_a_table_stays_text(column, cell, caption):
    "Column, cell and caption are read back as they were."
    table = display.Table([column], [[cell]], caption)
    assert read(table._repr_html_()) == [display.show_value(text) for text in (caption, column, cell) if text]
    assert read(display.heat([[0.5]], [cell], [column])._repr_html_()) == [display.show_value(t) for t in (column, cell, "0.5000") if t]
    assert read(display.strip([cell])) == [display.show_value(cell) or "\xa0"]


@settings(deadline=None, max_examples=50)
@given(text=TEXT, label=TEXT)
def test_text_in_a_trace_and_in_its_steps_stays_text(text, label):
    "Tokens, labels and names are read back as they were; none of them opens a tag."
    seen = replace(pipeline.trace(JUDGE, text), label=label, model=text, answer=[{"label": label, "score": 0.5}])
    texts = read(seen._repr_html_())
    shown = {display.show_value(token) for token in seen.tokens} | {display.show_value(label)}
    assert shown - {""} <= set(texts)
    read(tokenization.steps(TOKENIZER, text)._repr_html_())
    assert {"<i>", "&amp;"} <= set(read(pipeline.trace(NAMED, text)._repr_html_()))
