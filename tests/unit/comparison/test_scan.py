"""Where a scan over K goes, and when it stops by itself."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from bayesgmm.comparison.parts import Parts
from bayesgmm.comparison.scan import Scan, mass_beyond, scan_of
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError, ResourceError
from bayesgmm.evidence import Evidence, Evidences
from bayesgmm.limits import MOST_SCANNED
from bayesgmm.model.several import families_in
from bayesgmm.model.spec import MixtureSpec, Priors

ROWS = as_dataset([[0.0], [0.2], [0.5], [5.0], [5.1], [5.4]])
FAMILIES = families_in("normal", None, "shared")
LENGTHS = {"draws": 100, "tune": 100, "chains": 4}


def finished(log_evidences, elpds):
    """Parts with these log evidences (None: none is trusted) and elpds at K = 1, 2, ..."""
    specs, parts = [MixtureSpec(k + 1) for k in range(len(elpds))], Parts()
    for spec, value, elpd in zip(specs, log_evidences, elpds, strict=True):
        error = math.inf if value is None else 0.01
        bridge = Evidence(value or 0.0, error, "bridge", 1000, 1)
        parts.evidences[spec] = Evidences(bridge, bridge, bridge)
        parts.elpds["loo"][spec] = SimpleNamespace(elpd=elpd)
    return specs, parts


def test_mass_beyond_is_the_sum_of_the_geometric_tail():
    tail = 0.08 * 0.5 ** np.arange(1, 200)
    assert mass_beyond([0.7, 0.16, 0.08]) == pytest.approx(tail.sum())
    assert mass_beyond([0.5, 0.5]) == mass_beyond([1.0]) == math.inf
    assert mass_beyond([0.5, math.nan]) == mass_beyond([math.nan, 0.5]) == math.inf
    assert mass_beyond([1.0, 0.0]) == 0.0


@pytest.mark.parametrize(
    ("log_evidences", "elpds", "ended"),
    [
        ([0.0, 5.0, 4.5], [-9.0, -5.0, -4.0], False),  # falls by a factor of 0.6 only
        ([0.0, 5.0, 0.0], [-9.0, -5.0, -4.0], True),
        ([0.0, 5.0, None], [-9.0, -5.0, -4.0], False),  # nothing is known of the last
        ([0.0, 1.0, 2.0], [-5.0, -5.5, -6.0], True),  # LOO has fallen twice
        ([0.0, 1.0, 2.0], [-6.0, -5.0, -5.5], False),
    ],
)
def test_a_scan_ends_where_little_is_left_or_loo_has_fallen_twice(log_evidences, elpds, ended):
    specs, parts = finished(log_evidences, elpds)
    assert Scan(ROWS, specs, growing=True).ended(specs, parts) is ended
    assert not Scan(ROWS, specs, growing=False).ended(specs, parts)


def test_auto_ends_before_a_k_that_cannot_be_had(monkeypatch):
    structures = [{"covariance": "full"}, {"covariance": "tied"}]
    scan = scan_of(ROWS, "auto", structures, FAMILIES, Priors(), {}, **LENGTHS)
    counts = sorted({spec.n_components for spec in scan.specs})
    assert scan.growing and counts == list(range(1, counts[-1] + 1))
    assert 1 < counts[-1] < MOST_SCANNED  # six rows bear no twelve components

    def no_room(data, k, **lengths):
        if k > 2:
            raise ResourceError("too large")

    monkeypatch.setattr("bayesgmm.comparison.scan.require_room", no_room)
    specs = scan_of(ROWS, "auto", [{"covariance": "full"}], FAMILIES, Priors(), {}, **LENGTHS).specs
    assert [spec.n_components for spec in specs] == [1, 2]
    with pytest.raises(ResourceError):
        scan_of(ROWS, [1, 3], [{"covariance": "full"}], FAMILIES, Priors(), {}, **LENGTHS)


def test_other_words_are_refused():
    with pytest.raises(ConfigError, match="one K, several, or \"auto\", got 'all'"):
        scan_of(ROWS, "all", [{"covariance": "full"}], FAMILIES, Priors(), {}, **LENGTHS)
