"""What the report says of components that are not Gaussian, and of noise beside them."""

import math

import numpy as np
from scipy.stats import gamma

from bayesgmm.model.components import Contamination, Noise, Tails
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.report.document import Block, Text
from bayesgmm.summary.numbers import percent, plain, significant

__all__ = ["distributions", "family_priors", "mixture_formula", "of_families", "tails_found"]


_OF_LAYERS = (
    "A component has good rows and wider rows. The good rows, a share a of its rows, are Normal "
    "with the covariance Σ above; the others are Normal with the same mean and a wider covariance, "
    "Σ^λ, which is λ times that of the good rows, except for the recording error. All components "
    "have the same a, at least 1/2, and the same λ, above 1. Scales, correlations and covariances "
    "in this report are those of the good rows."
)


def distributions(resolved: ResolvedSpec) -> str:
    """Name the distributions of the components."""
    names = {"t": "Student's t distributions", "contaminated": "contaminated Normal distributions"}
    return names.get(resolved.spec.family, "Normal distributions")


def mixture_formula(resolved: ResolvedSpec) -> str:
    """Name the formula of the density of a row."""
    family = {"t": "_t", "contaminated": "_contaminated"}.get(resolved.spec.family, "")
    return f"mixture{family}{'' if resolved.noise is None else '_noise'}"


def of_families(resolved: ResolvedSpec) -> list[Block]:
    """Say what tails, contamination and noise are."""
    blocks: list[Block] = []
    if resolved.tails is not None:
        blocks.append(Text(_of_tails(resolved.tails)))
    if resolved.contamination is not None:
        blocks.append(Text(_OF_LAYERS))
    if resolved.noise is not None:
        blocks.append(Text(_of_noise(resolved.noise, resolved.features)))
    return blocks


def _of_tails(tails: Tails) -> str:
    if tails.known:
        degrees = f"its degrees of freedom were given as {float(tails.nu):g}"
    elif tails.own:
        degrees = "each component has degrees of freedom of its own"
    else:
        degrees = "all components have the same degrees of freedom"
    return (
        "A component is a multivariate Student's t, whose heavy tails allow for distant rows; "
        f"{degrees}. Σ above is its scale matrix: scales, correlations and covariances in this "
        "report are those of the scale matrix. A component's variance is ν / (ν - 2) times as "
        "large where the degrees of freedom ν are above 2, and infinite otherwise. The recording "
        "error is added to the scale matrix, which is an approximation. The fewer degrees of "
        "freedom, the heavier the tails; above about 30 a component is nearly Normal."
    )


def _of_noise(noise: Noise, features: tuple[str, ...]) -> str:
    sides = "; ".join(
        f"{name} from {significant(low)} to {significant(high)}"
        for name, low, high in zip(features, noise.low, noise.high, strict=True)
    )
    return (
        "There is also noise: a row may belong to no component and lie anywhere in a box B, with "
        f"a uniform density ({sides}). The box is the range of the data, slightly widened, and the "
        "same for every K. K does not count the noise; the weights of the components and the noise "
        "sum to 1. A row whose component is known is not noise."
    )


def tails_found(draws: Draws, bounds: tuple[float, float]) -> str:
    """Say how heavy the tails of the components are, with intervals between two quantiles."""
    nu, tails = draws.parameters.nu, None if draws.resolved is None else draws.resolved.tails
    if nu is None or tails is None:
        return _layers_found(draws, bounds)
    if tails.known:
        return f"The degrees of freedom ν were given as {float(tails.nu):g}."
    low, high = np.quantile(nu, bounds, axis=0)
    told = [
        f"{significant(mean, 3)} ({significant(a, 3)} to {significant(b, 3)})"
        for mean, a, b in zip(nu.mean(axis=0), low, high, strict=True)
    ]
    if not tails.own:
        return f"The degrees of freedom ν are {told[0]}."
    each = (f"{one} in cluster {name}" for one, name in zip(told, draws.clusters, strict=True))
    return f"The degrees of freedom ν are {'; '.join(each)}."


def _layers_found(draws: Draws, bounds: tuple[float, float]) -> str:
    """Say how many rows of contaminated components are good, and how much wider the others lie."""
    good, times = draws.parameters.good_share, draws.parameters.inflation
    if good is None or times is None:
        return ""
    share, of_share = good.mean(), np.quantile(good, bounds)
    low, high = np.quantile(times, bounds)
    return (
        f"The share of good rows is {percent(share)} ({percent(of_share[0])} to "
        f"{percent(of_share[1])}); the covariance of the others is {significant(times.mean(), 3)} "
        f"({significant(low, 3)} to {significant(high, 3)}) times as large."
    )


def family_priors(resolved: ResolvedSpec) -> list[tuple[str, str, str]]:
    """Return the rows of the table of priors that tails, contamination and noise add."""
    rows = []
    tails, noise = resolved.tails, resolved.noise
    if noise is not None:
        concentration = float(resolved.concentration.sum())
        rows.append(
            (
                "weight of the noise",
                f"Beta({plain(noise.concentration)}, {plain(concentration)})",
                f"mean {noise.concentration / (noise.concentration + concentration):.2f}",
            )
        )
    if tails is not None and not tails.known:
        law, lowest = gamma(tails.shape, scale=1.0 / tails.rate), tails.lowest
        low, high = (significant(law.isf(law.sf(lowest) * above)) for above in (0.975, 0.025))
        words = f"Gamma({plain(tails.shape)}, rate {plain(tails.rate)}) above {plain(lowest)}"
        rows.append(("degrees of freedom ν", words, f"95 % between {low} and {high}"))
    if resolved.contamination is not None:
        rows += _priors_of_layers(resolved.contamination)
    return rows


def _priors_of_layers(contamination: Contamination) -> list[tuple[str, str, str]]:
    least, reach = contamination.least_share, math.exp(1.96 * contamination.sigma)
    low, high = (significant(1.0 + contamination.excess * by) for by in (1.0 / reach, reach))
    words = f"λ - 1 ~ LogNormal(log {plain(contamination.excess)}, {plain(contamination.sigma)})"
    return [
        ("share of good rows a", f"Uniform({plain(least)}, 1)", f"mean {0.5 * (1.0 + least):.2f}"),
        ("inflation λ", words, f"95 % between {low} and {high}"),
    ]
