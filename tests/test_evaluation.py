"""Figures, intervals and reports against scikit-learn's and scipy's; what is no data is refused; a report is kept whole."""

import warnings
from functools import cache
from html import escape

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, pearsonr, spearmanr
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, matthews_corrcoef, precision_recall_fscore_support
from transformers import EvalPrediction, Trainer, TrainingArguments

from hfcourse.assets import metric
from hfcourse.display import show_value
from hfcourse.evaluation import Report, bootstrap_interval, metrics_for, report
from hfcourse.ground import judging
from hfcourse.ground.small import small_model

TASKS = ["pairs", "ax", "cola", "mnli", "mnli_matched", "mnli_mismatched", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "wnli"]
LABELLED = [task for task in TASKS if task != "stsb"]
SIZES = {task: 3 if task in ("ax", "mnli", "mnli_matched", "mnli_mismatched") else 2 for task in LABELLED}
SEEDS = st.integers(0, 2**32 - 1)
load = cache(metric)


def judged(task, references, answers):
    "What scikit-learn and scipy say of a task, as GLUE's paper has its figures."
    if task == "stsb":
        return {"pearson": pearsonr(answers, references)[0], "spearmanr": spearmanr(answers, references)[0]}
    if task in ("cola", "ax"):
        return {"matthews_correlation": matthews_corrcoef(references, answers)}
    f1 = {"f1": f1_score(references, answers, zero_division=0)} if task in ("pairs", "mrpc", "qqp") else {}
    if task is None:
        f1 = {f"f1_{mean}": f1_score(references, answers, average=mean) for mean in ("macro", "weighted")}
    return {"accuracy": accuracy_score(references, answers), **f1}


def rows_of(task, seed, least=2):
    "References and answers of a task, some right; in stsb two columns of scores."
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(least, 40))
    if task == "stsb":
        return rng.uniform(0, 5, rows), rng.uniform(0, 5, rows)
    references = rng.integers(0, SIZES[task], rows)
    return references, np.where(rng.random(rows) < 0.6, references, rng.integers(0, SIZES[task], rows))


@pytest.mark.parametrize("task", TASKS)
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
@pytest.mark.filterwarnings("ignore")
def test_the_metric_of_each_task_is_that_of_its_paper(task, seed):
    "Through evaluate, from lists, arrays and tensors; and `metrics_for` from logits gives the same."
    references, answers = rows_of(task, seed)
    expected = judged(task, references, answers)
    for form in (list, np.asarray, torch.tensor):
        found = load(task).compute(predictions=form(answers), references=form(references))
        assert found == pytest.approx(expected, abs=1e-5) and all(type(value) is float for value in found.values())
    outputs = answers[:, None] if task == "stsb" else np.eye(SIZES[task])[answers] + 5
    assert metrics_of(task)(EvalPrediction(outputs, references)) == pytest.approx(expected, abs=1e-5)


metrics_of = cache(metrics_for)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("predictions", "references", "says"), [
    ([1, 0, 1], [1, 0], "3 predictions for 2 references: give one for each"), ([], [], "there are no predictions: give"),
    (None, [1], "predictions are NoneType: give"), ([1, 0], None, "references are NoneType: give"),
    ([1, None], [1, 0], "row 1 of the predictions .* give"), ([1, 0], [float("nan"), 0], "row 0 of the references .* give"),
    (["a", "b"], [1, 0], "row 0 of the predictions is 'a': give"),
    ([[0.1, 0.9], [1.0, 2.0]], [1, 0], r"give one label a row|give a float a row"),
])
def test_a_metric_refuses_what_is_no_row_of_its_task(task, predictions, references, says):
    "Other lengths, nothing, missing, texts, logits: before evaluate casts it; and the next call works."
    if task == "stsb" and predictions:
        predictions = [float(one) if isinstance(one, int) else one for one in predictions]
    with pytest.raises((TypeError, ValueError), match=says):
        load(task).compute(predictions=predictions, references=references)
    if np.ndim(predictions) < 2:  # a row of logits is no mistake here
        with pytest.raises((TypeError, ValueError), match=says):
            metrics_of(task)((predictions, references))
    good = [0.5, 1.5] if task == "stsb" else [0, 1]
    assert next(iter(load(task).compute(predictions=good, references=good).values())) == pytest.approx(1)


@pytest.mark.parametrize("task", LABELLED)
def test_a_classifying_metric_refuses_scores(task):
    "evaluate alone would cast 0.9 to the label 0."
    for call in (lambda given: load(task).compute(predictions=given, references=[1, 0]), lambda given: metrics_of(task)((given, [1, 0]))):
        with pytest.raises(ValueError, match="are scores, not labels: give whole numbers"):
            call([0.9, 0.2])
    with pytest.raises(ValueError, match=r"columns for|from 0 to"):
        metrics_of(task)((np.eye(5)[[4, 1]], [1, 0]))


def test_stsb_refuses_labels():
    "Whole numbers come from an argmax, which is 0 for every row of one column; so do logits of a classifier."
    for wrong in ([0, 0, 0], np.array([[2.5], [1.0], [0.5]]).argmax(axis=-1), np.eye(2)[[0, 1, 0]], [True, False, True]):
        with pytest.raises(ValueError, match="give a float a row"):
            metrics_of("stsb")((wrong, [2.5, 1.0, 0.5]))
    with pytest.raises(ValueError, match="give a float a row"):
        load("stsb").compute(predictions=[0, 0, 0], references=[2.5, 1.0, 0.5])


@pytest.mark.parametrize("wrong", ["squad", "MRPC", "", None, 3, ["mrpc"]])
def test_no_task(wrong):
    "A name that GLUE does not have."
    with pytest.raises((TypeError, ValueError), match="give"):
        metrics_for(wrong)
    if wrong is not None:
        with pytest.raises(ValueError, match="give one of pairs"):
            report([1], [1], task=wrong)


def test_the_metric_is_loaded_once(monkeypatch):
    "However often the trainer calls."
    calls = []
    monkeypatch.setattr(judging, "metric", lambda task: calls.append(task) or load(task))
    count = metrics_for("mrpc")
    assert [count(([1, 0], [1, 1]))["accuracy"] for _ in range(3)] == [0.5] * 3 and calls == ["mrpc"]


@pytest.mark.parametrize(("task", "options", "scores"), [
    ("mrpc", {}, False), ("mrpc", {"output_hidden_states": True}, False), ("mnli", {"num_labels": 3}, False),
    ("stsb", {"num_labels": 1}, True)])
def test_a_trainer_takes_it(task, options, scores, tmp_path):
    "Logits, a tuple with hidden states behind them, three labels, regression: the figures of evaluate and of predict."
    model, tokenizer = small_model("bert", "text-classification", **options)
    data = Dataset.from_dict({**tokenizer(["The cat", "A dog", "The dog", "A cat"], padding=True),
                              "label": [2.5, 1.0, 4.0, 0.0] if scores else [0, 1, 1, 0]})
    arguments = TrainingArguments(str(tmp_path), per_device_eval_batch_size=3, use_cpu=True, report_to="none", disable_tqdm=True)
    trainer = Trainer(model, arguments, eval_dataset=data, processing_class=tokenizer, compute_metrics=metrics_for(task))
    output = trainer.predict(data)
    first = output.predictions[0] if options.get("output_hidden_states") else output.predictions
    assert isinstance(output.predictions, tuple) == bool(options.get("output_hidden_states"))
    answers = first[:, 0] if scores else first.argmax(axis=-1)
    for name, value in judged(task, output.label_ids, answers).items():
        assert output.metrics[f"test_{name}"] == pytest.approx(value, abs=1e-5)
        assert trainer.evaluate()[f"eval_{name}"] == pytest.approx(value, abs=1e-5)
    made = report(output.predictions, output.label_ids, task=task, draws=20)
    assert {name: made.figures[name] for name in made.figures if made.figures[name] is not None} == pytest.approx(
        {name: value for name, value in judged(task, output.label_ids, answers).items() if made.figures[name] is not None}, abs=1e-5)


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, share=st.floats(0.05, 0.99), draws=st.integers(1, 300))
def test_the_interval_is_scipys(seed, share, draws):
    "Of a mean, of a paired difference, of F1, and of several figures at once."
    one, other = rows_of("mrpc", seed)
    def f1(a, b):
        return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)
    for figure, columns in [(np.mean, [one]), (lambda a, b: a.mean() - b.mean(), [one, other]), (f1, [one, other])]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy warns where all draws are equal
            theirs = bootstrap(columns, figure, paired=True, vectorized=False, method="percentile", n_resamples=draws,
                               confidence_level=share, rng=np.random.default_rng(seed)).confidence_interval
        assert bootstrap_interval(figure, *columns, draws=draws, share=share, seed=seed) == pytest.approx(tuple(theirs), abs=1e-12)
    both = bootstrap_interval(lambda a, b: [a.mean(), f1(a, b)], one, other, draws=draws, share=share, seed=seed)
    assert [end[1] for end in both] == list(bootstrap_interval(f1, one, other, draws=draws, share=share, seed=seed))


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, draws=st.integers(1, 300))
def test_the_interval_is_that_of_draws_by_hand(seed, draws):
    "Rows drawn one draw after the other, whatever the batches of scipy; and for a single row the figure itself."
    one, other = rows_of("mrpc", seed)
    rng, means = np.random.default_rng(seed), []
    for _ in range(draws):
        rows = rng.integers(0, len(one), len(one))
        means.append([one[rows].mean(), one[rows].mean() - other[rows].mean()])
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    found = bootstrap_interval(lambda a, b: [a.mean(), a.mean() - b.mean()], one, other, draws=draws, seed=seed)
    assert found[0] == pytest.approx(low, abs=1e-12) and found[1] == pytest.approx(high, abs=1e-12)
    assert bootstrap_interval(np.mean, [0.3], draws=draws) == (0.3, 0.3)


def test_many_rows_are_drawn_in_batches(monkeypatch):
    "Two million row numbers at most are in memory at once; the interval is that of a single batch."
    import scipy.stats
    rows = np.random.default_rng(0).random(150_000)
    asked, real = [], scipy.stats.bootstrap
    monkeypatch.setattr(scipy.stats, "bootstrap", lambda *a, **b: asked.append(b["batch"]) or real(*a, **b))
    found = bootstrap_interval(np.mean, rows, draws=30)
    assert asked == [13]
    theirs = real((rows,), np.mean, n_resamples=30, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    assert found == pytest.approx(tuple(theirs), abs=1e-12)


def test_draws_without_a_value_are_left_out():
    "And if no draw has one, the ends are NaN, without a warning."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = bootstrap_interval(lambda a: a.mean() if a.any() else np.nan, [0, 0, 1], draws=200)
        assert low == pytest.approx(1 / 3) and high == 1
        assert np.isnan(bootstrap_interval(lambda a: np.nan, [0, 1], draws=9)).all()


def test_the_interval_covers():
    "Of 300 samples of 100 rows with 0.7 right, about 95 % of the intervals hold 0.7."
    rng = np.random.default_rng(0)
    held = [low <= 0.7 <= high for low, high in (bootstrap_interval(np.mean, rng.random(100) < 0.7, draws=500) for _ in range(300))]
    assert 0.90 < np.mean(held) < 0.98


@pytest.mark.parametrize("options", [{"draws": 0}, {"draws": 1.5}, {"share": 0.0}, {"share": 1.0}, {"share": 95}, {"seed": -1},
                                     {"seed": None}])
def test_an_interval_that_cannot_be(options):
    "Its settings are refused."
    with pytest.raises((TypeError, ValueError), match="give"):
        bootstrap_interval(np.mean, [1, 0], **options)


@pytest.mark.parametrize("columns", [[], [[]], [[1], [1, 2]], [None], [["a"]], [[1, None]]])
def test_columns_that_are_none(columns):
    "Nothing, other lengths, no numbers."
    with pytest.raises((TypeError, ValueError), match="give"):
        bootstrap_interval(lambda *sides: 0.0, *columns)


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, task=st.sampled_from([*LABELLED, None]), size=st.integers(2, 6), bins=st.integers(1, 20))
def test_a_report_on_labels(seed, task, size, bins):
    "Figures, counts, per label, calibration, mistakes: against scikit-learn's and a count by brute force."
    rng = np.random.default_rng(seed)
    size = SIZES.get(task, size)
    references, logits = rng.integers(0, size, rows := int(rng.integers(1, 60))), rng.normal(0, 3, (rows, size))
    answers, sure = logits.argmax(-1), torch.tensor(logits).softmax(-1).max(-1).values.numpy()
    made = report(logits, references, task=task, bins=bins, draws=20, worst=7, texts=[f"<b>{i}" for i in range(rows)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = judged(task, references, answers)
        theirs = precision_recall_fscore_support(references, answers, labels=range(size), zero_division=np.nan)
    one_kind = len(set(references)) == 1 or len(set(answers)) == 1
    for name, value in made.figures.items():
        if value is None:
            assert (name == "f1" and not references.any() and not answers.any()) or (name == "matthews_correlation" and one_kind)
            assert made.intervals[name] is None and any(name in note for note in made.notes)
        else:
            assert value == pytest.approx(expected[name], abs=1e-9) and made.intervals[name][0] <= made.intervals[name][1]
    assert set(made.figures) == set(expected) and made.confusion == confusion_matrix(references, answers, labels=range(size)).tolist()
    for row, precision, recall, f1, rows_there in zip(made.classes, *theirs, strict=True):
        assert row[4] == rows_there and [np.nan if x is None else x for x in row[1:3]] == pytest.approx([precision, recall], nan_ok=True)
        assert row[3] is None or row[3] == pytest.approx(0 if np.isnan(f1) else f1)
    error = 0.0
    for low, high in ((i / bins, (i + 1) / bins) for i in range(bins)):
        inside = (sure > low) & (sure <= high)
        error += inside.sum() / rows * abs((answers == references)[inside].mean() - sure[inside].mean()) if inside.any() else 0
    assert made.calibration_error == pytest.approx(error, abs=1e-9) and sum(bin[2] for bin in made.bins) == rows
    assert [row[4] for row in made.mistakes] == pytest.approx(sorted(sure[answers != references], reverse=True)[:7])
    assert all(row[1] == f"<b>{row[0]}" and row[2:4] == [str(references[row[0]]), str(answers[row[0]])] for row in made.mistakes)
    assert any("same right answer" in note for note in made.notes) == (len(set(references)) == 1)
    assert "<b>" not in made._repr_html_()
    plain = report(answers, references, task=task, draws=20)
    assert plain.figures == made.figures and plain.calibration_error is None and plain.intervals == made.intervals


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_a_report_on_scores(seed):
    "The two correlations as scipy gives them, the largest errors, bins that hold every row."
    references, scores = rows_of("stsb", seed)
    made = report(scores, references, task="stsb", draws=20, worst=3)
    assert made.figures == pytest.approx(judged("stsb", references, scores), abs=1e-9)
    errors = np.abs(references - scores)
    assert [row[4] for row in made.mistakes] == pytest.approx(sorted(errors, reverse=True)[:3])
    assert sum(bin[2] for bin in made.bins) == len(scores) and made.calibration_error <= errors.mean() + 1e-9
    assert made.classes == made.confusion == [] and "Worst" not in made._repr_html_()


@settings(deadline=None, max_examples=40)
@given(names=st.lists(st.text(max_size=9).filter(lambda text: text.isprintable()), min_size=2, max_size=4, unique=True), seed=SEEDS)
def test_names_are_labels_too(names, seed):
    "Answers and references by name give the report of their numbers, and no name becomes markup."
    rng = np.random.default_rng(seed)
    references, answers = rng.integers(0, len(names), (2, 9))
    made = report(answers, references, labels=names, draws=9)
    assert report([names[i] for i in answers], np.array([names[i] for i in references], dtype=object), labels=names, draws=9) == made
    assert [row[0] for row in made.classes] == names
    assert all(escape(show_value(name)) in made._repr_html_() for name in names)


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, task=st.sampled_from([*TASKS, None]))
def test_a_saved_report_is_the_same_when_loaded(seed, task, tmp_path_factory):
    "With texts of any kind; one file, and nothing beside it."
    folder = tmp_path_factory.mktemp("report")
    references, answers = rows_of(task or "mrpc", seed)
    made = report(answers, references, task=task, draws=9, texts=[("a\0", "🙂 שלום")] * len(answers))
    made.save(folder / "one.json")
    assert Report.load(str(folder / "one.json")) == made and len(list(folder.iterdir())) == 1
    assert repr(made).startswith("Report(task=")


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"format": "hfcourse.trace", "version": 1}',
                                     '{"format": "hfcourse.report", "version": 1, "rows": 3}',
                                     '{"format": "hfcourse.report", "version": 2}'])
def test_a_file_that_is_no_report(content, tmp_path):
    "Of another kind, or half of one."
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match=r"holds no report .* give a file that Report.save wrote"):
        Report.load(tmp_path / "x.json")


def test_a_claim_on_an_edge_is_in_the_lower_bin():
    "As Guo et al. have it: from above one edge up to the next."
    assert report([[0.0, 0.0]] * 30, [0, 1] * 15, draws=9).bins == [[0.4, 0.5, 30, 0.5, 0.5]]


def test_one_class_only():
    "What cannot be said is None, with a note; what can be said is said."
    made = report([[1.0, 0.0]] * 40, [0] * 40, task="mrpc", draws=50)
    assert made.figures == {"accuracy": 1.0, "f1": None} and made.intervals == {"accuracy": [1.0, 1.0], "f1": None}
    assert len(made.notes) == 2 and made.classes[1] == ["1", None, None, None, 0]
    assert report([0, 1], [0, 0], task="cola", draws=9).figures == {"matthews_correlation": None}
    assert report([2.0, 2.0], [1.0, 3.0], task="stsb", draws=9).figures == {"pearson": None, "spearmanr": None}
    assert report([1, 1, 0], [1, 1, 1], task="mrpc", draws=9).figures == {"accuracy": pytest.approx(2 / 3), "f1": pytest.approx(0.8)}
    made._repr_html_()


BAD = {
    "no rows": ([], [], {}), "nothing": (None, None, {}), "rows of no logits": (np.zeros((0, 2)), [], {}), "a text": ("10", [1, 0], {}),
    "other lengths": ([1, 0], [1], {}), "labels that are floats": ([1, 0], [0.5, 1.0], {}), "labels as text": (["yes"], ["no"], {}),
    "a label that has no name": (["yes"], ["maybe"], {"labels": ["no", "yes"]}), "a missing label": ([1, 0], [1, None], {}),
    "a missing answer": ([1, None], [1, 0], {}), "logits with NaN": ([[1.0, np.nan]], [1], {}),
    "infinite logits": ([[1.0, np.inf]], [1], {}),
    "hidden labels": ([1, 0], [-1, -1], {}), "ignored labels": ([1, 0], [-100, 0], {}), "one column": ([[0.3], [0.2]], [1, 0], {}),
    "three axes": (np.zeros((2, 3, 2)), [1, 0], {}), "rows of other lengths": ([[1.0, 2.0], [1.0]], [1, 0], {}),
    "a million labels": ([10**6], [0], {}), "too many columns": (np.zeros((1, 1001)), [0], {}), "probabilities": ([[0.2, 0.8]], [1], {}),
    "more texts": ([1], [1], {"texts": ["a", "b"]}), "texts that are one": ([1], [1], {"texts": "a"}),
    "a text that lacks": ([1], [1], {"texts": [None]}),
    "half a character": ([1], [1], {"texts": ["\ud800"]}), "another task": ([[1.0, 0.0]], [0], {"task": "mnli"}),
    "no task": ([1], [1], {"task": "x"}),
    "labels for stsb": ([1, 0], [1.5, 2.5], {"task": "stsb"}), "logits for stsb": ([[1.0, 2.0]], [1.5], {"task": "stsb"}),
    "names for stsb": ([1.0], [1.5], {"task": "stsb", "labels": ["a", "b"]}), "too few names": ([1], [1], {"labels": ["a"]}),
    "names twice": ([1], [1], {"labels": ["a", "a"]}), "three names for two": ([1], [1], {"task": "mrpc", "labels": ["a", "b", "c"]}),
    "names that are none": ([1], [1], {"labels": [1, 2]}), "no bins": ([1], [1], {"bins": 0}), "half a mistake": ([1], [1], {"worst": 0.5}),
    "no draws": ([1], [1], {"draws": 0}), "a dictionary": ({0: 1}, [1], {}), "a set": ({1}, [1], {}), "a number": (1, 1, {}),
    "numbers beyond": ([10**400], [1], {}),
}


@pytest.mark.parametrize(("predictions", "references", "options"), BAD.values(), ids=BAD)
def test_what_cannot_be_judged_says_what_to_give(predictions, references, options):
    "Never a figure."
    with pytest.raises((TypeError, ValueError), match=r"\b(give|mend|leave)\b"):
        report(predictions, references, **options)


def test_a_report_has_a_table():
    "Its figures and intervals; what is not defined is empty."
    table = report([0, 0, 1], [0, 0, 0], task="mrpc", draws=50).table()
    assert list(table.columns) == ["figure", "value", "interval from", "to"] and table.caption == "mrpc, 3 rows"
    assert [row[:2] for row in table.rows] == [["accuracy", pytest.approx(2 / 3)], ["f1", 0.0]]
    assert report([0], [0], task="mrpc", draws=9).table().rows[1] == ["f1", None, None, None]


def test_predictions_by_name():
    "In the library's word; the old one is no argument."
    assert report(predictions=[1, 0], references=[1, 0], draws=9).figures == dict.fromkeys(("accuracy", "f1_macro", "f1_weighted"), 1.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'outputs'"):
        report(outputs=[1, 0], references=[1, 0])


def test_the_module_is_light(call):
    "What takes seconds to import is imported by the function that needs it."
    code = "import sys, hfcourse.evaluation; print(*{name.partition('.')[0] for name in sys.modules})"
    done = call("python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert {"scipy", "sklearn", "evaluate", "datasets", "torch", "transformers", "matplotlib"} & set(done.stdout.split()) == set()


def test_forms_of_outputs():
    "A tensor in bf16, with a gradient; a column of a dataset; an iterator; whole floats; booleans; a tuple of outputs."
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]], dtype=torch.bfloat16, requires_grad=True)
    column = Dataset.from_dict({"label": [0, 1]})["label"]
    expected = report([[2.0, 1.0], [0.0, 3.0]], [0, 1], task="mrpc", draws=9)
    for outputs, references in [(logits, column), ((np.array([[2.0, 1.0], [0.0, 3.0]]), np.zeros((2, 5, 7))), iter([0, 1])),
                                ([[2, 1], [0, 3]], np.array([0.0, 1.0])), (np.array([[2.0, 1.0], [0.0, 3.0]]), [False, True])]:
        assert report(outputs, references, task="mrpc", draws=9) == expected


@settings(deadline=None, max_examples=40)
@given(data=st.data(), size=st.integers(2, 6))
def test_the_figures_of_own_labels_are_those_of_scikit_learn(data, size):
    "Accuracy and both means of F1, for any number of labels, also where some never occur."
    rows = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), min_size=1, max_size=30))
    right, answers = map(np.array, zip(*rows, strict=True))
    found = metrics_for(labels=size)((np.eye(size)[answers], right))
    expected = {"accuracy": (right == answers).mean(), "f1_macro": f1_score(right, answers, average="macro"),
                "f1_weighted": f1_score(right, answers, average="weighted")}
    assert found == pytest.approx(expected)
    assert report(answers, right, labels=[f"label {i}" for i in range(size)], draws=9).figures == pytest.approx(expected)


def test_the_intervals_of_own_labels_are_those_of_draws_by_hand():
    "Each figure is computed anew for each draw of the rows."
    rng = np.random.default_rng(3)
    right = rng.integers(0, 3, 60)
    answers = np.where(rng.random(60) < 0.7, right, rng.integers(0, 3, 60))
    made = report(answers, right, draws=400, seed=5)
    for name, mean in (("f1_macro", "macro"), ("f1_weighted", "weighted")):
        low, high = bootstrap_interval(lambda a, b, mean=mean: f1_score(a, b, average=mean), right, answers, draws=400, seed=5)
        assert made.intervals[name] == pytest.approx([low, high])


def test_several_labels_a_row():
    "Micro and macro F1, rows all right, F1 of each label: scikit-learn's, with intervals; mistakes by the labels that are wrong."
    rng = np.random.default_rng(0)
    right = rng.integers(0, 2, (80, 3))
    logits = rng.normal(size=(80, 3)) + 2 * right - 1
    made = report(logits, right, labels=["sad", "long", "new"], draws=200)
    given = logits > 0
    each = f1_score(right, given, average=None)
    assert made.figures == pytest.approx({
        "f1_micro": f1_score(right, given, average="micro"), "f1_macro": f1_score(right, given, average="macro"),
        "accuracy": (right == given).all(axis=1).mean(), "f1_sad": each[0], "f1_long": each[1], "f1_new": each[2]})
    low, high = bootstrap_interval(lambda a, b: f1_score(a, b, average="macro"), right, given.astype(int), draws=200)
    assert made.intervals["f1_macro"] == pytest.approx([low, high])
    assert [row[0] for row in made.classes] == ["sad", "long", "new"] and made.mistakes[0][2:4] != ["", ""] and made._repr_html_()
    wrong = (right != given).sum(axis=1)
    assert wrong[[row[0] for row in made.mistakes]].tolist() == sorted(wrong, reverse=True)[:len(made.mistakes)]
    with pytest.raises(ValueError, match=r"shape \(80, 2\) and the references \(80, 3\): give a logit and a 0 or 1"):
        report(logits[:, :2], right)
    with pytest.raises(ValueError, match="there are 2 labels for 3 columns: give a name for each"):
        report(logits, right, labels=["a", "b"])
    with pytest.raises(ValueError, match="on several labels a row, and has no confusion matrix: use"):
        made.matrix()


@pytest.mark.parametrize("answers, says", [
    ([0] * 40, "The model gives no to every row."), ([0] * 40, "no for every row would give 0.750: it is not shown"),
    ([0] * 30 + [1] * 2 + [0] * 8, "it is not shown that the model does better")])
def test_what_answers_are_worth_beside_one_label_for_all(answers, says):
    "A model that learnt nothing looks right three times of four."
    made = report(answers, [0] * 30 + [1] * 10, labels=["no", "yes"], draws=500)
    assert any(says in note for note in made.notes)
    right = report([0] * 30 + [1] * 10, [0] * 30 + [1] * 10, labels=["no", "yes"], draws=500)
    assert right.notes == []
    assert "No row has the label perhaps." in report([0, 1], [0, 1], labels=["no", "yes", "perhaps"], draws=9).notes
