"""Configuration of the documentation: `sphinx-build -W docs site`."""

import shutil
from pathlib import Path

import bayesgmm

HERE = Path(__file__).parent
NOTEBOOKS = HERE / "notebooks"

# Sphinx reads below its own folder only; the executed notebooks lie beside it. What it generates is
# made anew, so that no page of a name that is gone stays.
for generated in (NOTEBOOKS, HERE / "reference/api"):
    shutil.rmtree(generated, ignore_errors=True)
shutil.copytree(HERE.parent / "notebooks", NOTEBOOKS, ignore=shutil.ignore_patterns("*.py", ".*"))

project = "bayesgmm"
author = "The bayesgmm developers"
copyright = "the bayesgmm developers"  # noqa: A001  Sphinx's name
version = release = bayesgmm.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb"]
exclude_patterns = ["*.py"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"

autosummary_generate = True
# A class and the verb that returns it need two pages where file names ignore case.
autosummary_filename_map = {
    f"bayesgmm.{name}": f"bayesgmm.{name}-class"
    for name in bayesgmm.__all__
    if name.lower() != name and name.lower() in bayesgmm.__all__
}
autodoc_typehints = "none"
add_module_names = False
numpydoc_show_class_members = True
numpydoc_show_inherited_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = "bayesgmm"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 5,
    "navbar_persistent": ["search-field"],  # a box, seen on every page and at every width
}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
