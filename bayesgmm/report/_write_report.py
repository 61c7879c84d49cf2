"""Write a report: gather its sections, render them, put the file in place."""

import base64
import hashlib
import html
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bayesgmm.arguments import check_flag, check_instance, check_one_of, check_prob
from bayesgmm.comparison import Robustness
from bayesgmm.criterion import Criterion
from bayesgmm.limits import INTERVAL
from bayesgmm.posterior.files import check_writable, write_text
from bayesgmm.posterior.whole_files import make_folder
from bayesgmm.report.appendix import appendix
from bayesgmm.report.cautions import cautions
from bayesgmm.report.counting import components
from bayesgmm.report.data_checks import data_checks
from bayesgmm.report.document import Document, Picture
from bayesgmm.report.estimates import estimates
from bayesgmm.report.far_out import strays
from bayesgmm.report.first_page import first_page
from bayesgmm.report.hanging_on import hanging_on
from bayesgmm.report.limitations import limitations
from bayesgmm.report.methods import methods
from bayesgmm.report.model_words import model
from bayesgmm.report.overview import data, verdict
from bayesgmm.report.prior_checks import prior_checks
from bayesgmm.report.references import bibliography
from bayesgmm.report.reproduction import reproduction
from bayesgmm.report.sampler_checks import sampler_checks
from bayesgmm.report.separation import separation
from bayesgmm.report.subject import Subject, subject_of
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.summary.numbers import NO_BREAK

__all__ = ["write_report"]

Format = Literal["html", "md"]

_SECTIONS = (
    first_page, data, model, components, estimates, separation, strays, sampler_checks,
    data_checks, prior_checks, hanging_on, limitations, methods, reproduction, appendix,
)  # fmt: skip
_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]#|~$^])")


@keywords()
def write_report(
    comparison_or_posterior: Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    format: Format = "html",
    overwrite: bool = False,
    criterion: Criterion = "loo",
    about: Mapping[str, Any] | None = None,
    robustness: Robustness | None = None,
    prob: float = INTERVAL,
    references: str | os.PathLike[str] | None = None,
) -> Path:
    """Write a report that a reader can audit.

    Parameters
    ----------
    comparison_or_posterior : Comparison or xarray.DataTree
        A comparison is reported with the model that it chooses.
    path : path
        The file. Its folder must exist.
    title : str, optional
        By default the title in `about`, else the names of the columns.
    format : {"html", "md"}
        "html" is one file with everything in it; "md" writes its figures beside it, into a folder
        of the same name that ends in ``_figures``.
    overwrite : bool
        Whether existing files may be replaced.
    criterion : {"loo", "waic", "evidence", "aic", "bic", "sbic", "icl"}
        By which a comparison chooses.
    about : mapping, optional
        What the analysis is for, as text: title, question, source, known, command, author, date,
        aims, why_bayesian, design, priors, missing, interpretation, limitations, availability;
        and units (a mapping from column to unit). The report asks by name for what it needs and
        was not told. By default the result's own attribute ``about``.
    robustness : Robustness, optional
        What the comparison's answer depends on, as `bayesgmm.robustness` returns it: one more
        section.
    prob : float
        Probability of the intervals, equal-tailed.
    references : path, optional
        A file for the sources behind the report as BibTeX, usually "references.bib".

    Returns
    -------
    pathlib.Path
        The file of the report.

    Raises
    ------
    ConfigError
        For anything but a comparison or a posterior, or an unknown format.
    ResultFileError
        When the file exists or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from bayesgmm.sampling import sample
    >>> tree = sample([[0.0], [1.0], [2.0], [4.0]], 1, draws=100, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_report(tree, f"{folder}/report.html", title="Four rows")
    ...     page = path.read_text(encoding="utf-8")
    >>> "<title>Four rows" in page
    True
    """
    check_one_of("format", format, get_args(Format))
    check_one_of("criterion", criterion, get_args(Criterion))
    if about is not None:
        check_instance("about", about, Mapping, "a mapping")
    if robustness is not None:
        check_instance("robustness", robustness, Robustness, "what bayesgmm.robustness returns")
    if title is not None:
        check_instance("title", title, str, "text")
    prob = check_prob(prob)
    check_writable(path, check_flag("overwrite", overwrite))
    if references is not None:
        check_writable(references, overwrite)
    with one_blas_thread():
        subject = subject_of(comparison_or_posterior, criterion, about, robustness, prob)
        document = _document(subject, title)
        if references is not None:
            write_text(references, bibliography(subject), overwrite)
    if format == "html":
        return write_text(path, _html(document), overwrite)
    final = Path(path)
    folder = final.with_name(f"{final.stem}_figures")
    make_folder(folder)
    for picture in document.pictures:
        write_text(folder / f"{picture.name}.svg", picture.svg, overwrite)
    return write_text(final, _markdown(document, folder.name), overwrite)


def _document(subject: Subject, title: str | None) -> Document:
    named = title or str(subject.about.get("title") or "")
    sections = (section(subject) for section in _SECTIONS)
    by = [str(subject.about[name]) for name in ("author", "date") if subject.about.get(name)]
    subtitle = (
        f"{subject.n_obs} rows, {len(subject.features)} "
        f"{'feature' if len(subject.features) == 1 else 'features'}, K = {subject.number}"
    )
    subtitle = "; ".join([subtitle, *by])
    return Document(
        title=named or f"Gaussian mixture of {', '.join(subject.features[:4])}",
        subtitle=subtitle,
        verdict=verdict(subject),
        cautions=cautions(subject),
        sections=tuple(section for section in sections if section is not None),
    )


def _environment(**options: Any) -> Environment:
    return Environment(
        loader=PackageLoader("bayesgmm.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


def _html(document: Document) -> str:
    environment = _environment(autoescape=True, finalize=_visible)
    style = environment.loader.get_source(environment, "style.css")[0].strip()  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return environment.get_template("report.html.j2").render(
        document=document, style=Markup(style), digest=digest, address=_address
    )


def _markdown(document: Document, folder: str) -> str:
    environment = _environment(autoescape=False, finalize=_as_markdown)
    environment.filters |= {"indented": _indented, "link": quote, "anchor": _anchor}
    return environment.get_template("report.md.j2").render(document=document, folder=folder)


def _anchor(heading: str) -> Markup:
    """Return the address that a heading gets where Markdown is shown, as GitHub forms it."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    return Markup(f"#{quote(kept)}")


def _indented(text: str) -> Markup:
    """Return lines as an indented block, in which Markdown reads nothing but text."""
    return Markup("\n".join("    " + line for line in _visible(text).split("\n")))


def _address(picture: Picture) -> str:
    """Return the picture as a data address, in which nothing of it is part of the page."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture.svg.encode()).decode("ascii")


def _visible(value: Any) -> Any:
    """Make signs that do not print (controls, changes of direction) visible as escapes."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(
        c if c.isprintable() or c in ("\n", NO_BREAK) else f"\\u{ord(c):04x}" for c in value
    )


def _as_markdown(value: Any) -> Any:
    """Escape text so that Markdown, and the HTML in it, shows it as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    one_line = " ".join(_visible(value).split())
    return html.escape(_MARKDOWN_SIGNS.sub(r"\\\1", one_line), quote=False)
