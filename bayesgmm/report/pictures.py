"""Figures as SVG text for a report."""

import io
import re
import warnings

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bayesgmm.plots.plot import Plot
from bayesgmm.report.document import Picture

__all__ = ["picture"]

_LONG_DECIMALS = re.compile(r"(-?\d+\.\d{3})\d+")


def picture(name: str, plot: Plot, caption: str, alt: str) -> Picture:
    """Turn a plot into a figure of the report, and close it.

    Text stays text, in the reader's own font where ours is not there; dense layers are an image
    inside the SVG; coordinates keep three decimals of a point.

    Parameters
    ----------
    name : str
    plot : Plot
    caption, alt : str
        Full sentences.
    """
    stream = io.StringIO()
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        _lay_out(plot.figure)
        metadata = {"Date": None, "Creator": None}
        plot.figure.savefig(stream, format="svg", dpi=170, metadata=metadata)
    plot.close()
    svg = stream.getvalue()
    start = svg.index("<svg")
    body = re.sub(r"<!--.*?-->\s*", "", svg[start:], flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    return Picture(name, caption, alt, _shortened(body))


def _lay_out(figure: Figure) -> None:
    """Place the axes once, by the text as SVG has it: saving would draw everything twice."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if not axis.get_label_text():
                axis.set_label_coords(0.5, 0.5)  # or its place is looked for beside all ticks
    engine = figure.get_layout_engine()
    if engine is not None:
        FigureCanvasSVG(figure)
        engine.execute(figure)
        figure.set_layout_engine("none")


def _shortened(svg: str) -> str:
    """Cut decimals in path data only: never inside an embedded image."""
    parts = re.split(r'(xlink:href="data:[^"]*")', svg)
    return "".join(
        part if part.startswith("xlink:href") else _LONG_DECIMALS.sub(r"\1", part) for part in parts
    )
