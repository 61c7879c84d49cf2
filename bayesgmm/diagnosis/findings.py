"""What is found wrong with a run, one sentence each."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.advice import Advice, Option
from bayesgmm.data.columns import in_percent
from bayesgmm.diagnosis.status import Finding, RunStatus
from bayesgmm.labels import Mode, Quantity
from bayesgmm.limits import (
    DEEPEST,
    DIVERGENT,
    E_FMI,
    ESS,
    IDENTIFIED,
    PARETO_K,
    R_HAT,
    R_HAT_APART,
    SWITCHED,
    VISIBLE,
)
from bayesgmm.posterior.mcmc_error import ChainStatistics
from bayesgmm.posterior.tree import attribute

if TYPE_CHECKING:
    from bayesgmm.evidence.missed_modes import LeftOut, MissedMode
    from bayesgmm.evidence.modes import WeighedModes

__all__ = [
    "beyond",
    "broken_chains",
    "completeness",
    "doubtful_clusters",
    "labels",
    "mixing",
    "modes_apart",
    "modes_missed",
    "notes",
    "sampler",
    "weights_of",
]

_EXAMPLES = 3
_TUNE, _DRAWS = Option("tune"), Option("draws")
_EXTEND = Option("extend", text="extend(posterior)")
_COMBINE = Option("combine_modes", text="combine_modes(posterior)")
_RELABEL = Option("relabel", text="relabel(posterior)")


def completeness(posterior: xr.DataTree, statistics: dict[str, Any]) -> Iterator[Finding]:
    """Say whether the run is whole, and whether it has chains to compare."""
    if attribute(posterior, "status") == "interrupted":
        yield Finding(
            RunStatus.INTERRUPTED,
            f"sampling was interrupted after {statistics['draws']} draws in {statistics['chains']} "
            "chains; sample again.",
        )
    if statistics["chains"] == 1:
        yield Finding(
            RunStatus.TOO_FEW_DRAWS,
            "one chain cannot show that it missed something; sample at least 2 chains, better 4.",
        )


def broken_chains(quantities: list[Quantity]) -> Iterator[Finding]:
    """Name chains that are not finite or in which something never moves."""
    finite = np.array([np.isfinite(q.values).all(axis=1) for q in quantities])
    for chain in np.flatnonzero(~finite.all(axis=0)):
        name = quantities[int(np.flatnonzero(~finite[:, chain])[0])].name
        yield Finding(
            RunStatus.SAMPLER_TROUBLE,
            f"chain {chain} is not finite: {name} is nan or inf in some of its draws; check the "
            "data for extreme rows and sample again.",
        )
    moves = np.array([np.ptp(q.values, axis=1) > 0.0 for q in quantities])
    stuck = finite & ~moves & moves.any(axis=1, keepdims=True)
    stuck[0] = finite[0] & ~moves[0]  # the log likelihood is no constant of any model
    for chain in np.flatnonzero(stuck.any(axis=0)):
        name = quantities[int(np.flatnonzero(stuck[:, chain])[0])].name
        yield Finding(
            RunStatus.SAMPLER_TROUBLE,
            Advice(
                f"chain {chain} is stuck: {name} has one value in all its draws; sample again with "
                "a longer warm-up (",
                _TUNE,
                ").",
            ),
        )


def modes_apart(
    modes: tuple[Mode, ...],
    weighed: "WeighedModes | None",
    refusal: str | None,
    *,
    own_model: bool = False,
    method: str | None = None,
) -> Iterator[Finding]:
    """List the modes that no chain leaves, and what each is worth."""
    if len(modes) < 2:
        return
    parts = [
        f"{_enumerated('chain', mode.chains)} at log likelihood {mode.log_likelihood:.2f} "
        f"(sd {mode.log_likelihood_sd:.2f})"
        for mode in modes
    ]
    cure: str
    if own_model:
        cure = (
            "Their weights are not known for a model of your own: tune longer, or give its "
            "variables start values (initval) or narrower priors."
        )
    elif weighed is None:
        cure = Advice("They cannot be weighed: ", refusal or "", " Or go on with ", _EXTEND, ".")
    else:
        parts = [
            f"{part}, log evidence {mode.log_evidence:.2f} (error {mode.error:.2g}), weight "
            f"{mode.weight:.3g} (error {mode.weight_error:.1g})"
            for part, mode in zip(parts, weighed.modes, strict=True)
        ]
        cure = Advice(
            _COMBINE,
            " draws from each with its weight; sample with ",
            _other(method),
            " to look for modes that no chain found.",
        )
    yield Finding(
        RunStatus.CHAINS_DISAGREE,
        f"the chains stay in {len(modes)} modes and never cross: {'; '.join(parts)}. " + cure,
    )


def modes_missed(
    left_out: "LeftOut | None", chains: int, method: str | None = None
) -> Iterator[Finding]:
    """Name the modes that hold too much together and that no draw of a sampler comes near."""
    if left_out is None or not left_out.grave:
        return
    modes = left_out.modes
    named = "; ".join(_mode_in_words(mode) for mode in modes[:_EXAMPLES])
    others = f"; and {len(modes) - _EXAMPLES} smaller ones" if len(modes) > _EXAMPLES else ""
    crowd = (
        f" {left_out.visible} modes hold at least {100 * VISIBLE:g} % each by Laplace's "
        f"approximation, and there are {chains} chains."
        if left_out.visible > chains
        else ""
    )
    yield Finding(
        RunStatus.MODES_LEFT_OUT,
        Advice(
            f"the draws never visit {len(modes)} known mode{'s' if len(modes) > 1 else ''} with "
            f"{_share(left_out.share, left_out.error)} of the posterior probability: "
            f"{named}{others}.{crowd} Continue with ",
            _EXTEND,
            ", which proposes jumps to these modes, or sample with ",
            _other(method),
            ".",
        ),
    )


def _other(method: str | None) -> Option:
    """Name the sampler that was not used."""
    return Option("method", "nuts" if method == "smc" else "smc")


def _mode_in_words(mode: "MissedMode") -> str:
    weights = ", ".join(f"{weight:.3g}" for weight in mode.weights)
    means = ", ".join(f"({', '.join(f'{m:.4g}' for m in row[:_EXAMPLES])})" for row in mode.means)
    first = " of the first features" if len(mode.means[0]) > _EXAMPLES else ""
    known = "" if mode.error is not None else " by Laplace's approximation alone"
    return (
        f"one with {_share(mode.share, mode.error)}{known}, log posterior density "
        f"{mode.log_posterior:.2f}, weights {weights} and means{first} {means}"
    )


def _share(share: float, error: float | None) -> str:
    digits = 1 if share < 0.995 else 2
    shown = f"{100.0 * share:.{digits}f} %"
    return shown if error is None else f"{shown} (error {100.0 * error:.2g} %)"


def mixing(judged: dict[str, ChainStatistics], *, own_model: bool = False) -> Iterator[Finding]:
    """Judge whether the chains agree, and whether their draws suffice."""
    r_hats = {name: p.r_hat for name, p in judged.items() if p.r_hat > R_HAT}
    if r_hats:
        apart = max(r_hats.values()) > R_HAT_APART
        yield Finding(
            RunStatus.CHAINS_DISAGREE if apart else RunStatus.TOO_FEW_DRAWS,
            Advice(
                f"R-hat is {_worst(r_hats, R_HAT, 3)} (at most {R_HAT}); ",
                *(
                    ("the chains have not mixed: ", _TUNE, " longer")
                    if apart
                    else ("sample more ", _DRAWS)
                ),
                ", or take fewer components.",
            ),
        )
    yield from _short(judged, own_model)


def _short(judged: dict[str, ChainStatistics], own_model: bool) -> Iterator[Finding]:
    sizes = {name: min(p.ess_bulk, p.ess_tail) for name, p in judged.items()}
    sizes = {name: size for name, size in sizes.items() if size < ESS}
    if sizes:
        times = math.ceil(1.5 * ESS / max(min(sizes.values()), 1.0))
        yield Finding(
            RunStatus.TOO_FEW_DRAWS,
            Advice(
                f"the effective sample size is {_worst(sizes, ESS, 0)} (at least "
                f"{ESS:.0f}); sample about {times} times as many ",
                _DRAWS,
                *(() if own_model else (", or go on with ", _EXTEND)),
                ".",
            ),
        )


def sampler(posterior: xr.DataTree, statistics: dict[str, Any]) -> Iterator[Finding]:
    """Judge what the sampler says of itself."""
    total = statistics["chains"] * statistics["draws"]
    divergences, deepest = statistics["divergences"], statistics["max_depth_share"]
    accept = (attribute(posterior, "sampler") or {}).get("target_accept")
    if divergences is not None and divergences > DIVERGENT * total:
        yield Finding(
            RunStatus.SAMPLER_TROUBLE,
            Advice(
                f"{divergences} of {total} draws diverged "
                f"({beyond(divergences / total, DIVERGENT, 2, '%')}, at most "
                f"{in_percent(DIVERGENT, 1)}); raise ",
                Option("target_accept"),
                f" above {accept}." if accept else ".",
            ),
        )
    if deepest is not None and deepest > DEEPEST:
        yield Finding(
            RunStatus.SAMPLER_TROUBLE,
            Advice(
                f"{beyond(deepest, DEEPEST, 1, '%')} of draws reached the largest tree depth (at "
                f"most {in_percent(DEEPEST)}); ",
                _TUNE,
                " longer, or give the scales a narrower prior.",
            ),
        )
    e_fmi = statistics["e_fmi"] or []
    low = [chain for chain, e in enumerate(e_fmi) if e is not None and e < E_FMI]
    if low:
        least = min(e_fmi[chain] for chain in low)
        yield Finding(
            RunStatus.SAMPLER_TROUBLE,
            Advice(
                f"E-FMI is {beyond(least, E_FMI, 2)} in {_enumerated('chain', low)} (at least "
                f"{E_FMI}): the tails are explored slowly; ",
                _TUNE,
                " longer, or give the scales a narrower prior.",
            ),
        )


def weights_of(weighted: dict[str, Any] | None) -> Iterator[Finding]:
    """Judge the weights of importance sampling, None for draws of another sampler."""
    if weighted is None:
        return
    k_hat = math.inf if weighted["k_hat"] is None else weighted["k_hat"]
    if not k_hat <= PARETO_K:
        yield Finding(
            RunStatus.MODES_LEFT_OUT,
            Advice(
                f"the Pareto k of the importance weights is {beyond(k_hat, PARETO_K, 2)} (at most "
                f"{PARETO_K}): the proposals at {weighted['modes']} known "
                f"mode{'s' if weighted['modes'] > 1 else ''} miss a part of the posterior, perhaps "
                "a mode. Sample with ",
                Option("method", "nuts"),
                " or ",
                Option("method", "smc"),
                ".",
            ),
        )
    if weighted["effective"] < ESS:
        yield Finding(
            RunStatus.TOO_FEW_DRAWS,
            Advice(
                f"{weighted['effective']:.0f} of {weighted['proposed']} proposals are effective "
                f"(at least {ESS:.0f}); sample more ",
                _DRAWS,
                ".",
            ),
        )


def doubtful_clusters(statistics: dict[str, Any]) -> set[int]:
    """Return places of the clusters whose label does not mean the same from draw to draw."""
    if _switched(statistics):
        return set(range(statistics["n_clusters"]))
    scores = statistics["identification"] or []
    return {k for k, score in enumerate(scores) if score < IDENTIFIED}


def _switched(statistics: dict[str, Any]) -> bool:
    return statistics["switched"] is not None and statistics["switched"] > SWITCHED


def labels(statistics: dict[str, Any], names: NDArray[Any]) -> Iterator[Finding]:
    """Judge the labels of several clusters, which have these names."""
    if _switched(statistics):
        yield Finding(
            RunStatus.LABELS_SWITCH,
            Advice(
                f"{beyond(statistics['switched'], SWITCHED, 1, '%')} of draws have other labels "
                "than the rest; ",
                _RELABEL,
                ".",
            ),
        )
        return
    vague = sorted(doubtful_clusters(statistics))
    if vague:
        named = _enumerated("cluster", names[vague])
        shares = ", ".join(
            beyond(statistics["identification"][k], IDENTIFIED, 0, "%") for k in vague
        )
        yield Finding(
            RunStatus.NOT_IDENTIFIED,
            f"{named} {'is' if len(vague) == 1 else 'are'} identified in "
            f"{shares} of draws (at least {in_percent(IDENTIFIED)}); read label-free summaries, or "
            "take fewer components.",
        )


def notes(statistics: dict[str, Any]) -> Iterator[str]:
    """Say what is within the limits and should be seen all the same."""
    total = statistics["chains"] * statistics["draws"]
    if statistics["divergences"] and statistics["divergences"] <= DIVERGENT * total:
        yield f"{statistics['divergences']} of {total} draws diverged, which is within the limit."
    apart = {name: s for name, s in (statistics["agreement"] or {}).items() if s < IDENTIFIED}
    if apart and not doubtful_clusters(statistics):
        shares = ", ".join(f"{in_percent(share, 1)} by {name}" for name, share in apart.items())
        yield f"other ways to relabel give the same labels to fewer draws than usual: {shares}."
    if (weighted := statistics["importance"]) is not None:
        k_hat = "none" if weighted["k_hat"] is None else f"{weighted['k_hat']:.2f}"
        yield (
            f"{weighted['effective']:.0f} of {weighted['proposed']} proposals at the modes are "
            f"effective, acceptance {in_percent(weighted['acceptance'])}, Pareto k {k_hat}."
        )


def beyond(value: float, limit: float, digits: int, kind: str = "f") -> str:
    """Return a number with as many digits more as it takes to tell it from its limit.

    Examples
    --------
    >>> beyond(1.0132, 1.01, 3), beyond(1.01002, 1.01, 3), beyond(0.00104, 0.001, 1, "%")
    ('1.013', '1.01002', '0.104 %')
    """
    enough = (d for d in range(digits, 17) if f"{value:.{d}{kind}}" != f"{limit:.{d}{kind}}")
    return f"{value:.{next(enough, 17)}{kind}}".replace("%", " %")


def _worst(values: dict[str, float], limit: float, digits: int) -> str:
    """Name the quantities farthest beyond their limit, at most three, and count the others."""
    ordered = sorted(values, key=lambda name: abs(values[name] - limit), reverse=True)
    named = ", ".join(
        f"{beyond(values[name], limit, digits)} for {name}" for name in ordered[:_EXAMPLES]
    )
    others = len(ordered) - _EXAMPLES
    return named if others <= 0 else f"{named} and beyond its limit for {others} more"


def _enumerated(noun: str, numbers: Sequence[Any] | NDArray[Any]) -> str:
    return f"{noun}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
