"""Sphinx's settings of the documentation site: `make docs`."""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from docs import host

# The docstrings of models can be read only where a site is set up.
host.set_up()

from django_verify import __version__ as release
from docs import site

project = "django-verify"
author = "the authors of django-verify"
version = release
extensions = ["myst_parser", "sphinx.ext.autodoc"]
# Samples with … in them, and procedures within SQL, are not of the language alone.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "django-verify"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence"]
# As deep as the pages have headings, with the anchors that a Git host gives them.
myst_heading_anchors = 4

# Our docstrings mark code by single backticks, as comments do.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
# Names in signatures that this site has no page about.
nitpick_ignore_regex = [("py:.*", r".*")]


def setup(app):
    """Add what `docs.site` does to pages, and the pages' sources beside the site."""
    app.connect("source-read", prepare)
    app.connect("build-finished", copy_sources)


def prepare(app, name, source):
    """Turn links out of this folder into links of the site, and the index's lists into menus."""
    if name in site.ELSEWHERE:
        app.env.note_dependency(str(site.ROOT / site.ELSEWHERE[name]), docname=name)
    source[0] = site.prepared(name, source[0])


def copy_sources(app, exception):
    """Put `llms.txt` and the pages that it names beside the site."""
    if exception is None and app.builder.format == "html":
        shutil.copy(HERE / "llms.txt", app.outdir)
        for page in HERE.glob("*.md"):
            text = page.read_text(encoding="utf-8")
            if page.stem in site.ELSEWHERE:
                text = site.prepared(page.stem, text)
            (Path(app.outdir) / page.name).write_text(text, encoding="utf-8")
