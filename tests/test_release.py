"""What a release promises: declared imports, small needs, pinned workflows, valid cards."""
import ast
import json
import re
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
NOT_IMPORTED = {  # required, though no line of the package or of a lesson imports it
    "accelerate": "Trainer stands on it",
    "ipywidgets": "without it tqdm.auto, which the library imports, warns in every notebook",
}


def declared(*lists: str) -> set[str]:
    "The distributions that settings.ini requires in the named lists."
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    words = " ".join(config["DEFAULT"][name] for name in lists).split()
    return {canonicalize_name(Requirement(word).name) for word in words}


BASE, COURSE = declared("requirements"), declared("course_requirements")


def imported(source: str) -> set[str]:
    "The top names that a source imports, here or there, without the standard library."
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found - {"hfcourse"} - sys.stdlib_module_names


def distributions(names: set[str]) -> set[str]:
    "The distributions that the imported names come from."
    known = metadata.packages_distributions()
    strange = sorted(name for name in names if name not in known)
    assert not strange, f"imported and not installed: {strange}"
    return {canonicalize_name(known[name][0]) for name in names}


def of_package() -> set[str]:
    "What the package imports."
    names = set()
    for path in (ROOT / "hfcourse").rglob("*.py"):
        names |= imported(path.read_text(encoding="utf-8"))
    return distributions(names)


def of_lessons() -> set[str]:
    "What the cells of the lessons import."
    names = set()
    for path in (ROOT / "nbs").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                python = [line for line in cell["source"] if line.lstrip()[:1] not in ("%", "!")]
                names |= imported("".join(python))
    return distributions(names)


def test_every_import_is_declared():
    "Whatever package and lessons import, settings.ini requires by its own name."
    assert not of_package() - BASE - COURSE, "write these into settings.ini"
    assert not of_lessons() - BASE - COURSE, "write these into course_requirements of settings.ini"


def test_every_requirement_is_imported():
    "What settings.ini requires is imported, or said above why not; and what is said still holds."
    unused = (BASE - of_package()) | (COURSE - of_package() - of_lessons())
    assert unused == set(NOT_IMPORTED), "take these out of settings.ini, or out of the list above"
    assert not BASE & COURSE


def brought(names: set[str]) -> set[str]:
    "These distributions and all that they require."
    found, todo = set(), list(names)
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                todo.append(need.name)
    return found


HIDE = """
import sys
class Hidden:
    "A finder that does not see some packages."
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            return None
        return self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Hidden(finder) for finder in sys.meta_path]
"""


@pytest.fixture(scope="module")
def without_course(call, tmp_path_factory):
    "Run a program as if nothing were installed that only the extra `course` brings."
    known = metadata.packages_distributions()
    extra = brought(COURSE) - brought(BASE)
    hidden = {name for name, (first, *_) in known.items() if canonicalize_name(first) in extra}
    assert {"IPython", "ipywidgets", "matplotlib", "nbclient", "pytest"} <= hidden
    home = tmp_path_factory.mktemp("base")

    def run(program: str):
        code = f"HIDDEN = {sorted(hidden)!r}\n{HIDE}\n{program}"
        return call("python", "-c", code, cwd=home, env={"PYTHONPATH": str(ROOT)})
    return run


def test_what_is_hidden_is_gone(without_course):
    "The environment of the tests below does lack the packages."
    assert "No module named 'matplotlib'" in without_course("import matplotlib").stderr


USE = """
import importlib, pkgutil, hfcourse
lacking = {}
for module in pkgutil.walk_packages(hfcourse.__path__, "hfcourse."):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        lacking[module.name] = error.name
from hfcourse.pipeline import predict, trace
text = "I hate this so much!"
answer = predict("sentiment", [text], progress=False)[0]["label"]
print([lacking, answer, trace("sentiment", text).label])
"""


def test_the_package_works_without_the_course(without_course):
    "Every module but the command's imports, and the model answers."
    done = without_course(USE)
    assert done.returncode == 0, done.stderr
    lacking, *answers = ast.literal_eval(done.stdout)
    assert set(lacking) <= {"hfcourse.cli"} and answers == ["NEGATIVE", "NEGATIVE"]


TUNE = """
from datasets import Dataset, DatasetDict
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from hfcourse import assets, mapping, training
path = assets.checkpoint("minilm")
tokenizer = AutoTokenizer.from_pretrained(path)
config = AutoConfig.from_pretrained(path, num_labels=2, num_hidden_layers=1, intermediate_size=16)
model = AutoModelForSequenceClassification.from_config(config)
rows = Dataset.from_dict({"text": ["good", "bad"] * 8, "label": [1, 0] * 8})
data = mapping.tokenize(DatasetDict(train=rows, validation=rows), tokenizer)
tuned = training.fine_tune(model, tokenizer, data, epochs=1, show=True)
print(tuned, tuned.curves._repr_html_())
"""



def test_fine_tune_needs_no_course(without_course):
    "A training, and its curves as a table, in a package that was installed without extras."
    done = without_course(TUNE)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout and "<table" in done.stdout


def steps(path: Path) -> list[tuple[dict, dict]]:
    "Each step of a workflow, beside its job; a job that is another workflow is its own step."
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    return [(job, step) for job in jobs for step in job.get("steps", [job])]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_use_pinned_actions_and_make(path):
    "An action is named by a commit, its version beside it; a command is a target of the Makefile."
    text = path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for _, step in steps(path):
        if "uses" in step and not step["uses"].startswith("./"):
            line, = {line.strip() for line in text.splitlines() if step["uses"] in line}
            assert re.search(r"@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line), line
        if "run" in step:
            made = re.fullmatch(r"make ([a-z-]+)( PYTHON=python)?", step["run"])
            assert made and made[1] in targets, step["run"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_only_read(path):
    "A job has no right that it does not name; publishing alone has an identity, in an environment."
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        rights = job.get("permissions", {})
        assert not rights or (name == "publish" and job["environment"] and "contents" not in rights)
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_a_release_is_tested_built_and_published_on_a_tag():
    "Only a tag publishes, after tests and build; the job with the identity runs none of our code."
    path = ROOT / ".github" / "workflows" / "release.yml"
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML reads the word `on` as true
    jobs = workflow["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/test.yml"
    commands = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert commands == ["make dist PYTHON=python"]
    publish = jobs["publish"]
    assert sorted(publish["needs"]) == ["build", "test"] and publish["environment"] == "pypi"
    assert publish["permissions"] == {"id-token": "write"}
    *_, last = publish["steps"]
    assert last["uses"].startswith("pypa/gh-action-pypi-publish@") and "with" not in last
    assert not [step for step in publish["steps"] if "run" in step or "checkout" in step["uses"]]


@pytest.mark.parametrize(("schema", "files"), [
    ("dependabot", [ROOT / ".github" / "dependabot.yml"]),
    ("github-issue-forms", FORMS),
    ("github-issue-config", [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"]),
    ("citation-file-format", [ROOT / "CITATION.cff"]),
])
def test_cards_fit_their_schemas(schema, files):
    "Citation, Dependabot and the forms for issues are what GitHub reads."
    words = ["--builtin-schema", f"vendor.{schema}", *map(str, files)]
    done = CliRunner().invoke(check_jsonschema, words)
    assert files and done.exit_code == 0, done.output


def test_dependabot_watches_what_is_pinned():
    "Actions, Python packages, and the site's packages from npm."
    card = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    watched = {(update["package-ecosystem"], update["directory"]) for update in card["updates"]}
    assert watched == {("github-actions", "/"), ("pip", "/"), ("npm", "/docs")}
    assert (ROOT / "constraints.txt").exists() and (ROOT / "docs" / "package-lock.json").exists()


def test_one_version_and_one_licence():
    "settings.ini, the package and the citation name the same version, and the same licence."
    import hfcourse
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert hfcourse.__version__ == cited["version"] == config["DEFAULT"]["version"]
    assert cited["license"] == "Apache-2.0" and config["DEFAULT"]["license"] == "apache2"
    assert cited["repository-code"] == config["DEFAULT"]["git_url"]


@pytest.mark.parametrize(
    "name", ["SECURITY.md", "CODE_OF_CONDUCT.md", ".github/ISSUE_TEMPLATE/config.yml"])
def test_reports_go_to_the_private_form(name):
    "What is not for everybody's eyes goes to the repository's private form, not to an address."
    text = (ROOT / name).read_text(encoding="utf-8")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f"{cited['repository-code']}/security/advisories/new" in text
    assert not re.search(r"\w@\w", text)


def test_hooks_call_targets_that_exist():
    "Each hook before a commit is this project's own command: nothing is fetched to run it."
    card = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [repo["repo"] for repo in card["repos"]] == ["local"]
    for hook in card["repos"][0]["hooks"]:
        program, word, *_ = hook["entry"].split()
        assert program == ".venv/bin/ruff" or re.search(rf"^{word}:", makefile, re.M), hook["entry"]
