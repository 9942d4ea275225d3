"""Each page in a real browser: it asks nobody else, logs no error, fits a phone, and reads well for everyone."""
import gzip
import re
from statistics import median

import pytest
from built import LESSONS, LOOKED_AT, PAGES, ROOT, SOURCES, sampled

pytestmark = pytest.mark.site

AXE = ROOT / "docs" / "node_modules" / "axe-core" / "axe.min.js"
AUDIT = """async () => (await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"]}))
    .violations.flatMap(one => one.nodes.map(node => `${one.id}: ${node.target} ${node.failureSummary.replace(/\\s+/g, " ")}`))"""
FOCUSABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter(one =>
    one.tabIndex >= 0 && !one.disabled && one.checkVisibility({visibilityProperty: true}) && one.getClientRects().length)"""
CHARACTERS = """() => [...document.querySelectorAll(".bd-article section > p")].flatMap(p => {
    const lines = Math.round(p.getBoundingClientRect().height / parseFloat(getComputedStyle(p).lineHeight));
    return lines > 2 ? [p.innerText.length / (lines - .5)] : [];  // the last line is half full, on the average
})"""


def test_no_page_is_forgotten(site):
    "What is built is what is looked at."
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert {path for path in built if not path.startswith("_static/")} == {*PAGES, *SOURCES}


@pytest.mark.parametrize("name", [*LOOKED_AT, *sampled(SOURCES, 3)])
def test_a_page_is_sound(name, open_page):
    "No request outside the site, no error in the console, no sideways scroll, no violation of WCAG 2.1 AA, in both themes and widths."
    page = open_page(name)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for theme, width in (("light", 1280), ("light", 390), ("dark", 390), ("dark", 1280)):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (theme, width)
        assert page.evaluate(AUDIT) == [], (theme, width)
    assert page.noted == []


@pytest.mark.parametrize(("theme", "width"), [("dark", 1280), ("light", 390), ("dark", 390)])
def test_a_page_opens_in_a_theme_and_a_width(theme, width, open_page):
    "What a reader's system asks for is there from the start, without a script error or a request outside."
    page = open_page(LESSONS[0], width=width, theme=theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.noted == []


@pytest.mark.parametrize("name", [*LOOKED_AT, SOURCES[1]])
def test_a_page_is_used_by_keyboard_alone(name, open_page):
    "The Tab key reaches whatever a mouse can press, leaves each again, and one sees where it is."
    page = open_page(name)
    page.evaluate("""() => { window.reached = []; window.bare = []; document.addEventListener("focusin", event => {
        const style = getComputedStyle(event.target);
        window.reached.push(event.target);
        if (style.outlineStyle === "none" && style.boxShadow === "none") window.bare.push(event.target.outerHTML.slice(0, 99));
    }); }""")
    count = page.evaluate(f"({FOCUSABLE})().length")
    for _ in range(count + 3):
        page.keyboard.press("Tab")
    assert count > 5
    assert page.evaluate(f"({FOCUSABLE})().filter(one => !reached.includes(one)).map(one => one.outerHTML.slice(0, 99))") == []
    assert page.evaluate("bare") == []


@pytest.mark.parametrize("name", [*LOOKED_AT, SOURCES[1]])
def test_a_page_says_what_it_shows(name, open_page):
    "One main heading; a language; pictures have alternative text, tables headers, and lines a length that one can read."
    page = open_page(name)
    assert page.locator("h1:visible").count() == 1 and page.evaluate("document.documentElement.lang") == "en"
    pictures = page.evaluate("[...document.images].map(one => [one.alt, one.hasAttribute('alt'), !!one.closest('article')])")
    assert all(alt or (given and not inside) for alt, given, inside in pictures)
    assert page.evaluate("[...document.querySelectorAll('article table:not(.indextable)')].every(one => one.querySelector('th'))")
    lengths = page.evaluate(CHARACTERS)
    assert len(lengths) < 3 or 60 <= median(lengths) <= 80, lengths


CUT = """() => [...document.querySelectorAll(".cell_input pre")].filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth)
    .map(one => one.innerText.split("\\n").sort((a, b) => b.length - a.length)[0])"""


@pytest.mark.parametrize("name", LESSONS)
def test_no_line_of_code_is_cut(name, open_page):
    "At 1280 pixels, where 88 columns fit, and on a phone, where long lines are broken."
    for width in (1280, 390):
        page = open_page(name, width=width)
        assert page.locator(".cell_input pre:visible").count() > 3
        assert page.evaluate(CUT) == [], width


def test_home_opens_with_a_picture(open_page):
    "Before any table: a text on its way through the model, and for whom this is."
    page = open_page("index")
    kinds = page.evaluate("[...document.querySelectorAll('article img, article table')].map(one => one.tagName)")
    assert kinds[0] == "IMG" and "you know Python" in page.locator("article").inner_text()[:600]


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_light(name, open_page):
    "A first visit takes at most 400 kB, compressed."
    page = open_page(name)
    page.wait_for_load_state("networkidle")
    answers = dict(page.weight)  # a copy: while a body is read, further answers may arrive
    bodies = {url: answer.body() for url, answer in answers.items()}
    sizes = {url: len(body) if url.endswith("woff2") else len(gzip.compress(body)) for url, body in bodies.items()}
    assert len(sizes) > 5 and sum(sizes.values()) <= 400_000, sorted(sizes.items(), key=lambda item: -item[1])[:6]


@pytest.mark.parametrize("name", ["index", *LESSONS[:1], "reference/padding"])
def test_a_page_shows_itself_to_others(name, open_page, site):
    "A description, a card with its picture and alternative text, an icon."
    page = open_page(name)
    what = ("title", "url", "image", "image:alt", "description")
    card = {one: page.locator(f"meta[property='og:{one}']").get_attribute("content") for one in what}
    assert all(card.values()) and card["url"].endswith(("/", f"{name}.html") if name == "index" else f"{name}.html")
    assert (site / re.sub(r"^https://[^/]+/[^/]+/", "", card["image"])).read_bytes()[:4] == b"\x89PNG"
    assert page.locator("link[rel~='icon']").count() == 1
