"""Build the site: `python docs/build.py [FOLDER]`, by default `_build/site`.

Runs the notebooks that changed, writes the sources of all pages below `_build/docs`, and calls Sphinx. Warnings are errors.
"""
import logging
import re
import shutil
import sys
import warnings
from pathlib import Path

import nbformat
from fontTools import subset

sys.path.insert(0, str(Path(__file__).parent))
from lesson_pages import page, then_and_now
from outputs import INDEX, PACKAGE, ROOT, PageError, cores, every, executed, run
from reference import modules, reference, summary, table

from hfcourse.ground import running as course

HERE, SOURCE, DOCTREES = ROOT / "docs", ROOT / "_build" / "docs", ROOT / "_build" / "doctrees"
LEFT_OUT = ["_static/scripts/fontawesome.js*", "_static/vendor/fontawesome/webfonts/fa-regular*", "_static/**/*.map",
            "_static/images/logo_deepnote.svg", "_static/images/logo_jupyter*.svg", "_static/locales", "_sources"]


def write(path: Path, text: str) -> None:
    "Write a source; one that did not change keeps its time, so that Sphinx reads only what changed."
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def listing(caption: str, *entries: str) -> str:
    "A table of contents for the sidebar."
    return "```{toctree}\n:hidden:\n" + f":caption: {caption}\n" * bool(caption) + "\n" + "\n".join(entries) + "\n```"


def typed(text: str) -> str:
    "What a reader types, set as code; ordinary words stay words."
    looks = re.search(r"[(=]|\w_\w|\w\.\w", text) and not re.search(r"[;:] | and | or |\(lesson", text)
    return f"`` {text} ``" if looks and "`" not in text else re.sub(r"([\\`*_<>|\[\]$])", r"\\\1", text)


SESSION, HALF_DAY = 90, 180  # minutes: what a class holds in one go


def plan(what: str, lessons: list[course.Lesson], room: int) -> str:
    "The lessons in order, put together as long as their minutes fit, and their sum."
    parts: list[list[course.Lesson]] = [[]]
    for lesson in lessons:
        if parts[-1] and sum(one.minutes for one in parts[-1]) + lesson.minutes > room:
            parts.append([])
        parts[-1].append(lesson)
    rows = [[number, ", ".join(one.name[:2] for one in part), sum(one.minutes for one in part)]
            for number, part in enumerate(parts, 1)]
    return table([what, "lessons", "minutes"], [*rows, ["all", "", sum(one.minutes for one in lessons)]])


def sources() -> None:
    "Write everything that Sphinx reads."
    lessons = course.lessons()
    run(every())
    done = {lesson.name: executed(lesson) for lesson in every()}
    named = modules()
    taught = {lesson.name.split("_", 1)[1]: lesson for lesson in lessons if lesson.name.split("_", 1)[1] in named}
    doors = [name for name in named if name not in taught and not name.startswith("ground.")]
    ground = [name for name in named if name.startswith("ground.")]
    for lesson in [INDEX, *lessons]:
        made = page(lesson, done[lesson.name])
        if lesson is INDEX:
            contents = [listing("Lessons", *(f"{one.name[:2]} {one.title} <{one.name}>" for one in lessons)),
                        listing("Reference", "reference/index"),
                        listing("More", "then-and-now", "glossary", "teachers", "releases")]
            made.cells.append(nbformat.v4.new_markdown_cell("\n\n".join(contents), id="contents"))
        write(SOURCE / f"{lesson.name}.ipynb", nbformat.writes(made))
    for module in named:
        write(SOURCE / "reference" / f"{module}.md", reference(module, taught.get(module)))
    filled = {
        "modules": table(["module", "what it is for", "lesson"], [
            [f"[hfcourse.{name}]({name}.md)", summary(name), f"[{lesson.name[:2]}](../{lesson.name}.ipynb)"]
            for name, lesson in taught.items()]),
        "doors": table(["module", "what it is for"], [[f"[hfcourse.{name}]({name}.md)", summary(name)] for name in doors])
        + listing("What you import", *taught, *doors),
        "ground": table(["module", "what it is for"], [[f"[hfcourse.{name}]({name}.md)", summary(name)] for name in ground])
        + listing("The ground", *ground),
        "times": table(["lesson", "minutes to read", f"seconds to run on {cores()} CPU cores"], [
            [f"[{one.name[:2]}, {one.title}]({one.name}.ipynb)", one.minutes, f"{done[one.name].metadata.run.seconds:.0f}"]
            for one in lessons]),
        "sessions": plan("session", lessons, SESSION),
        "days": plan("half day", lessons, HALF_DAY),
        "rows": table(["lesson", "older notes", "now"], [
            [f"[{one.name[:2]}]({one.name}.ipynb)", typed(old), typed(now) + f"<br>the old form today: {typed(today)}" * bool(today)]
            for one in lessons for old, today, now in then_and_now(one, done[one.name])]),
    }
    for path in (HERE / "pages").glob("**/*.md"):
        text = re.sub(r"^% (\w+)$", lambda found: filled[found[1]], path.read_text(encoding="utf-8"), flags=re.M)
        write(SOURCE / path.relative_to(HERE / "pages"), text)
    write(SOURCE / "releases.md", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    for lesson in lessons:
        write(SOURCE / "extra" / "notebooks" / f"{lesson.name}.ipynb", lesson.path.read_text(encoding="utf-8"))


def vendor() -> None:
    "Copy KaTeX's style and fonts out of its npm package, in the one format that every browser of today reads."
    katex = HERE / "node_modules" / "katex" / "dist"
    if not katex.is_dir():
        raise PageError(f"{katex} is missing: run make docs, which installs it.")
    style = re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\([^)]*\)", "", (katex / "katex.min.css").read_text(encoding="utf-8"))
    write(ROOT / "_build" / "vendor" / "katex" / "katex.min.css", style)
    fonts = ROOT / "_build" / "vendor" / "katex" / "fonts"
    shutil.copytree(katex / "fonts", fonts, ignore=shutil.ignore_patterns("*.ttf", "*.woff"), dirs_exist_ok=True)


def icons(out: Path) -> None:
    "Cut the icon fonts down to the icons that the pages show: 230 kB become 3. The script that would draw them all goes."
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    texts = [path.read_text(encoding="utf-8") for path in [*out.rglob("*.html"), *out.glob("_static/scripts/*theme.js")]]
    names = {name for text in texts for name in re.findall(r"\bfa-([a-z-]+)", text)}
    style = (out / "_static/styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    rules = re.findall(r'([^{}]*)\{--fa:"\\([0-9a-f]+)', style)
    codes = [int(code, 16) for selectors, code in rules if names & set(re.findall(r"\.fa-([a-z-]+)", selectors))]
    for font in out.glob("_static/vendor/fontawesome/webfonts/*.woff2"):
        options = subset.Options(flavor="woff2", layout_features=[])
        cut = subset.load_font(str(font), options)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=codes)
        cutter.subset(cut)
        subset.save_font(cut, str(font), options)
    for path in out.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        bare = re.sub(r'\s*<script defer src="[^"]*fontawesome\.js[^"]*"></script>', "", text)
        if bare != text:
            path.write_text(bare, encoding="utf-8")


def backlinks(out: Path) -> None:
    "Let the links from sources lead to the page that describes a name: Sphinx knows one module for each source, names have their own."
    known = sorted(modules(), key=len, reverse=True)

    def mended(found: re.Match) -> str:
        "The link with the module of its page in its anchor."
        page, anchor = found[2], found[3]
        name = next((anchor.removeprefix(f"hfcourse.{module}.") for module in known if anchor.startswith(f"hfcourse.{module}.")), "")
        return f'{found[1]}{page}.html#hfcourse.{page}.{name}"' if name else found[0]

    for path in (out / "_modules").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        new = re.sub(r'(href="[./]*reference/)([\w.]+)\.html#([\w.]+)"', mended, text)
        if new != text:
            path.write_text(new, encoding="utf-8")


def main() -> int:
    "Build; the exit code says whether all went well."
    from sphinx.cmd.build import main as sphinx
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "site"
    warnings.filterwarnings("ignore", module="nbformat")
    try:
        vendor()
        sources()
    except PageError as error:
        print(f"The site was not built.\n{error}", file=sys.stderr)
        return 1
    began = max((path.stat().st_mtime for path in out.glob("*.html")), default=0)
    made = [*SOURCE.rglob("*"), *HERE.glob("*.py"), *PACKAGE.rglob("*.py"), *HERE.glob("static/*")]
    every = ["-a"] * any(path.is_file() and path.stat().st_mtime > began for path in made)  # each page carries the list of all
    strict = ["-W", "--keep-going", "-q"]
    code = sphinx(["-b", "html", *every, *strict, "-c", str(HERE), "-d", str(DOCTREES), str(SOURCE), str(out)])
    for pattern in LEFT_OUT:
        for path in out.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    icons(out)
    backlinks(out)
    if code == 0:
        print(f"The site is in {out}.")
    return code


if __name__ == "__main__":
    sys.exit(main())
