"""What a reader does: searches, switches to dark, follows links, copies code, goes on to the next lesson."""
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import nbformat
import pytest
from built import LESSONS, ROOT

pytestmark = pytest.mark.site

FOUND = {"ragged": "03_padding", "mask_effect": "reference/padding", "greedy": "02_tokenization",
         "AssetError": "reference/assets", "softmax": "01_pipeline"}

SEARCHED = "() => /found|did not match/.test(document.getElementById('search-results')?.innerText ?? '')"


def follow(page, link):
    "Click a link, and wait until the page that it leads to is there."
    with page.expect_navigation(wait_until="load"):
        link.click()


@pytest.mark.parametrize(("term", "name"), FOUND.items())
def test_search_finds(term, name, open_page):
    "Ctrl+K, a word, Enter: the page is among the first three, and shows the word."
    page = open_page("index")
    page.keyboard.press("Control+K")
    page.keyboard.type(term)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_function(SEARCHED)
    links = page.locator("#search-results ul.search > li > a")
    places = [urlsplit(links.nth(i).get_attribute("href")).path for i in range(min(3, links.count()))]
    assert f"{name}.html" in places
    follow(page, links.nth(places.index(f"{name}.html")))
    assert f"{name}.html" in page.url and term.lower() in page.locator("article").inner_text().lower()
    assert page.noted == []


def test_the_theme_is_kept(open_page):
    "Dark, chosen by keyboard, stays on the next page and after a reload."
    page = open_page("index")
    page.locator(".theme-switch-button:visible").focus()
    page.keyboard.press("Enter")
    page.locator(".theme-change-button[data-mode=dark]:visible").press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(urljoin(page.url, f"{LESSONS[0]}.html"))
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("[document.documentElement.dataset.theme, document.documentElement.dataset.mode]") == ["dark", "dark"]


class Page(HTMLParser):
    "Where a page's links lead, and the anchors it has."

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given.get("id"), given.get("name")} - {None}
        self.links += [given[one] for one in ("href", "src") if given.get(one)]


def test_every_link_leads_somewhere(site):
    "Each internal link has its file, each anchor its element; what leads out is https."
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if "_static" not in path.parts}
    wrong, seen = [], 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                wrong += [] if parts.scheme in ("https", "data") else [f"{path.name}: {link}"]
                continue
            seen += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file() or (target in pages and unquote(parts.fragment) not in pages[target].anchors):
                wrong.append(f"{path.relative_to(site)}: {link}")
    assert wrong == [] and seen > 1000


@pytest.mark.parametrize("name", LESSONS[1:])
def test_a_name_leads_to_its_reference_and_back(name, open_page):
    "From a lesson's text to the entry in the reference, which has its source, and from its page back to the lesson that teaches it."
    page = open_page(name)
    links = page.locator("article a.reference[href*='reference/'][href*='#hfcourse.']")
    target = urlsplit(links.first.get_attribute("href"))
    follow(page, links.first)
    entry = page.locator(f"dl:has(> dt[id='{target.fragment}'])")
    assert entry.is_visible() and entry.locator("a:has-text('[source]')").first.get_attribute("href")
    module = target.fragment.split(".")[1]
    taught = [lesson for lesson in LESSONS if lesson.split("_", 1)[1] == module]
    if taught:  # a door, such as assets, is every lesson's
        follow(page, page.locator("article a:has-text('Taught in') , article p:has-text('Taught in lesson') a").first)
        assert f"{taught[0]}.html" in page.url


@pytest.mark.parametrize("name", LESSONS)
def test_the_code_is_the_notebooks(name, open_page):
    "Every cell that is not hidden is on the page, as it is in the notebook, in order; and the button copies just that."
    notebook = nbformat.read(ROOT / "nbs" / f"{name}.ipynb", as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    seen = [source for source in sources if not re.search(r"^#\| *(hide|default_exp)", source, re.M)]
    expected = [re.sub(r"^#\|.*\n?", "", source, flags=re.M).strip("\n") for source in seen]
    page = open_page(name)
    shown = page.evaluate("[...document.querySelectorAll('.cell_input pre')].map(one => one.textContent.replace(/\\n$/, ''))")
    assert shown == [source for source in expected if source]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = page.locator(".cell_input:visible").first
    cell.hover()
    cell.locator("button.copybtn").click()
    page.wait_for_function("async text => (await navigator.clipboard.readText()).trim() === text",
                           arg=cell.locator("pre").inner_text().strip())


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_can_be_launched_and_taken_along(name, open_page, site):
    "Colab and Binder open this lesson's notebook; the download is the notebook of the repository; minutes and module stand at the head."
    page = open_page(name)
    links = page.evaluate("[...document.querySelectorAll('.dropdown-launch-buttons a')].map(one => one.href)")
    assert any(link.startswith("https://colab.research.google.com/github/") and link.endswith(f"/nbs/{name}.ipynb") for link in links)
    assert any("mybinder.org" in link and unquote(link).endswith(f"nbs/{name}.ipynb") for link in links)
    head = page.locator(".lesson-head").inner_text()
    module = f"hfcourse.{name.split('_', 1)[1]}"
    assert re.search(r"\d+ minutes", head) and (module in head or name == LESSONS[0])  # the first one teaches no module
    taken = site / page.locator(".lesson-head a[download]").get_attribute("href")
    assert taken.read_text(encoding="utf-8") == (ROOT / "nbs" / f"{name}.ipynb").read_text(encoding="utf-8")


def test_the_lessons_follow_each_other(open_page):
    "Next and previous go through the lessons in order."
    page = open_page("index")
    for name in LESSONS:
        follow(page, page.locator("a.right-next"))
        assert f"{name}.html" in page.url
    follow(page, page.locator("a.left-prev"))
    assert (LESSONS[-2] if len(LESSONS) > 1 else "index") in page.url


def test_old_forms_can_be_looked_up(open_page):
    "The list of old and present forms narrows as one types, and says how many are left."
    page = open_page("then-and-now")
    rows = page.locator("#then-and-now tbody tr")
    assert rows.count() > 10
    page.get_by_label("Find a call").fill("return_tensors TF")
    left = page.locator("#then-and-now tbody tr:visible").all_inner_texts()
    assert 0 < len(left) < rows.count() and all("return_tensors" in text for text in left)
    assert page.locator("output").inner_text() == f"{len(left)} of {rows.count()}"


def test_the_site_opens_from_a_folder(browser, site):
    "Without a server too: pages, style and search."
    page = browser.new_context().new_page()
    page.goto((site / "search.html").as_uri() + "?q=ragged")
    page.wait_for_function(SEARCHED)
    assert page.locator("#search-results .search a").count() > 0
    page.context.close()
