"""What results show in a notebook: well-formed, escaped, short, and with the facts in it."""

from xml.etree import ElementTree

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.cards import card
from bayesgmm.comparison import Choice
from bayesgmm.data import as_dataset
from bayesgmm.diagnosis import Diagnosis, RunStatus

ROWS = np.random.default_rng(1).normal(size=(60, 2)) + [[0.0, 0.0], [6.0, 3.0], [6.0, 3.0]] * 20
SHORT = 4_000  # signs: less than a screen
FIT = bg.fit_em(ROWS, 2, seed=1, n_starts=4)


def texts(html: str) -> list[str]:
    return [text.strip() for text in ElementTree.fromstring(html).itertext() if text.strip()]


def verdict(status: RunStatus) -> Diagnosis:
    return Diagnosis(status, ("R-hat is 1.2 <here>.",), ("a note",), {"chains": 4}, ())


@pytest.mark.parametrize(
    ("thing", "holds"),
    [
        (as_dataset(ROWS), ["x1", "x2"]),
        (bg.MixtureSpec(3, "tied"), ["n_components", "3", "'tied'"]),
        (bg.Priors(), ["concentration", "eta"]),
        (FIT, ["converged", "0.333"]),
        (bg.Evidence(-1142.336, 0.021, "bridge sampling", 4000, 1), ["nats"]),
        (verdict(RunStatus.CONVERGED), ["converged", "R-hat is 1.2 <here>.", "a note"]),
        (Choice(bg.MixtureSpec(2), "K = 2 is best by BIC."), ["K = 2 is best by BIC."]),
        (bg.hard_comparison(ROWS, FIT, seed=1), ["k-means 1"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_result_shows_its_facts_and_no_page(thing: object, holds: list[str]) -> None:
    html = thing._repr_html_()  # type: ignore[attr-defined]
    found = texts(html)
    assert len(html) < SHORT and len(repr(thing)) < 1_000
    assert all(any(fact in text for text in found) for fact in holds), found


def test_a_badge_tells_good_from_bad() -> None:
    good, bad = (verdict(s)._repr_html_() for s in (RunStatus.CONVERGED, RunStatus.CHAINS_DISAGREE))
    colours = [html.split("background:")[1][:7] for html in (good, bad)]
    assert colours[0] != colours[1]


def test_a_long_table_is_cut_and_counted() -> None:
    html = card("many", columns=("a", "b"), rows=[(f"row {i}", i) for i in range(40)])
    assert html.count("<tr>") == 13 and "and 28 more" in html


def test_a_prior_shows_what_its_family_has() -> None:
    assert "scale_rate" not in bg.Priors()._repr_html_()
    shown = texts(bg.Priors(scale_family="inverse_gamma", scale_rate=2.0)._repr_html_())
    assert "scale_rate" in shown and "scale" not in shown and "hyper_rate" not in shown


def test_a_fit_as_a_frame_has_the_figures_by_name() -> None:
    frame = FIT.to_dataframe()
    assert frame.index.tolist() == [1, 2]
    assert frame["mean_x2"].tolist() == FIT.means[:, 1].tolist()
    assert frame["correlation_x1_x2"].tolist() == FIT.correlations[:, 0, 1].tolist()
    alone = bg.fit_em(ROWS, bg.MixtureSpec(2, "diag"), seed=1, n_starts=4).to_dataframe()
    assert not [name for name in alone.columns if name.startswith("correlation")]
