"""Sphinx configuration."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import skvideo_gru

project = "skvideo_gru"
author = "The skvideo_gru developers"
copyright = author
version = release = skvideo_gru.__version__

templates_path = ["_templates"]
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"skvideo_gru {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False

# Headings get anchors, so that links can refer to sections.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

autodoc_typehints = "none"  # the docstrings contain the types
# Single backticks link to documented names and set other names in italics.
default_role = "autolink"
autosummary_generate = True
# Methods, also of base classes, are documented on the page of their class; attributes in the
# docstring of the class.
numpydoc_show_class_members = False


def _skip_inherited(app, what, name, obj, skip, options):
    """Skip what scikit-learn defines, and generates for metadata routing."""
    generated = name.startswith("set_") and name.endswith("_request")
    inherited = str(getattr(obj, "__module__", "")).startswith("sklearn.")
    return True if generated or inherited or name == "get_metadata_routing" else skip


def setup(app):
    """Connect the event handlers."""
    app.connect("autodoc-skip-member", _skip_inherited)
