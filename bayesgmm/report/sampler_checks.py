"""The section on the sampler: whether the draws can be relied on, and how precise they are."""

import math
from collections.abc import Mapping
from typing import Any

from bayesgmm.data.columns import in_percent
from bayesgmm.limits import ESS, R_HAT
from bayesgmm.plots import ranks, traces
from bayesgmm.report.document import Beside, Block, Facts, Section, Table, Text
from bayesgmm.report.pictures import picture
from bayesgmm.report.precision import derived_quantities, half_way, precision_table
from bayesgmm.report.subject import Subject
from bayesgmm.report.tables import estimate_table
from bayesgmm.summary import label_free
from bayesgmm.summary.numbers import by_error, fixed, percent, significant

__all__ = ["sampler_checks"]

_MOST_CLUSTERS = 6
_SIZE = (4.6, 4.2)  # inches


def _continued(extension: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say that the draws are not those of the sampler named, where a run was continued."""
    if "accepted" not in extension:
        return []
    words = (
        "These draws continue the sampler's run, by proposals between modes, "
        f"{percent(extension['accepted'])} of them accepted, and Gibbs sweeps; the run itself is "
        "not kept"
    )
    return [("Continued", words)]


def sampler_checks(subject: Subject) -> Section:
    """Show whether the draws can be relied on."""
    statistics = subject.verdict.statistics
    items = [
        ("Chains and draws", f"{statistics['chains']} chains of {statistics['draws']} draws"),
        *_continued(subject.extension),
        ("Divergent draws", _shown(statistics.get("divergences"))),
        ("Draws at the largest tree depth", _share(statistics.get("max_depth_share"))),
        ("E-FMI of each chain", _listed(statistics.get("e_fmi"), 2)),
        ("Mean log likelihood of each chain", _listed(statistics.get("log_likelihood"), 6)),
        ("Identification of each cluster", _listed(statistics.get("identification"), 3)),
        ("Agreement with other relabelling methods", _agreement(statistics.get("agreement"))),
        ("Importance weights", _weights(statistics.get("importance"))),
        ("Largest R-hat, labels as sampled", _shown(statistics.get("r_hat_max_as_sampled"))),
    ]
    caption = (
        "Label-invariant quantities, from which the verdict is taken: R-hat must be at "
        f"most {R_HAT} and each effective sample size at least {ESS:.0f}. The log likelihood is "
        "that of all rows, in nats. With two or more components there are also the weights from "
        "the largest to the smallest, the entropy of the memberships summed over rows, in nats, "
        "and the number of occupied components."
    )
    table = estimate_table(caption, label_free(subject.draws, subject.prob))
    blocks: list[Block] = [Facts(tuple(items)), *_modes(subject), table]
    blocks += [*_derived(subject), *_stability(subject)]
    if 1 < subject.n_clusters <= _MOST_CLUSTERS:
        blocks.append(_chain_pictures(subject))
    return Section("sampler", "Checks of the sampler", tuple(blocks))


def _weights(weighted: dict[str, Any] | None) -> str:
    """Say how many proposals are effective, and how far they agree with the posterior."""
    if weighted is None:
        return _shown(None)
    return (
        f"{weighted['effective']:.0f} effective of {weighted['proposed']} proposals at "
        f"{weighted['modes']} known modes, acceptance {in_percent(weighted['acceptance'])}, "
        f"Pareto k {_shown(weighted['k_hat'])}"
    )


def _agreement(shares: Mapping[str, float] | None) -> str:
    if not shares:
        return "not recorded"
    return ", ".join(f"{method} {percent(share)}" for method, share in shares.items())


def _modes(subject: Subject) -> list[Block]:
    """Set the modes side by side where the chains stay in several."""
    modes = subject.verdict.to_dict()["modes"]
    if len(modes) < 2:
        return []
    caption = (
        "The modes in which the chains stayed. The weight of a mode is its share of the evidence "
        "of all of them, each with its standard error; the number of its chains says nothing."
    )
    header = (
        "chains", "log likelihood", "sd", "log evidence", "error", "weight", "error of weight",
    )  # fmt: skip
    rows = []
    for mode in modes:
        evidence, error, weight, its_error = (
            _number(mode[name]) for name in ("log_evidence", "error", "weight", "weight_error")
        )
        rows.append(
            (
                ", ".join(map(str, mode["chains"])),
                fixed(mode["log_likelihood"], 2),
                fixed(mode["log_likelihood_sd"], 2),
                *(by_error(evidence, error), significant(error, 2)),
                *(by_error(weight, its_error), significant(its_error, 2)),
            )
        )
    return [Table(caption, header, tuple(rows))]


def _chain_pictures(subject: Subject) -> Beside:
    pictures = (
        picture(
            "traces",
            traces(subject.posterior, units=subject.units, figsize=_SIZE),
            "Traces of the means of the first feature, in the labels as sampled and, where draws "
            "were relabelled, afterwards. A colour that changes place is a label that switched.",
            "Trace of each cluster's mean over the draws of all chains.",
        ),
        picture(
            "ranks",
            ranks(subject.posterior, figsize=_SIZE),
            "Ranks of the draws of each chain among all draws. Chains that agree have even counts; "
            "the grey bands hold 95 % of the counts of independent draws. R-hat in the titles.",
            "Rank histograms of each cluster's mean, one below another for the chains.",
        ),
    )
    return Beside(pictures)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _shown(value: Any) -> str:
    return "not recorded" if value is None else significant(float(value))


def _share(value: Any) -> str:
    return "not recorded" if value is None else percent(float(value))


def _listed(values: Any, digits: int) -> str:
    if not values:
        return "not recorded"
    return ", ".join(significant(_number(value), digits) for value in values)


def _derived(subject: Subject) -> list[Block]:
    """Judge what follows from the parameters as they are judged."""
    if not (subject.named and subject.gaussian):
        return []
    quantities = derived_quantities(subject)
    if not quantities:
        return []
    caption = (
        "Precision of derived quantities: overlap (Bhattacharyya coefficient) and confusion of "
        "pairs of clusters, where it is not 0, and membership of the most ambiguous rows. MCSE is "
        "the Monte Carlo standard error, of the mean and of each bound of the interval. The error "
        "of p(K) is given where p(K) is reported."
    )
    return [precision_table(caption, quantities, subject)]


def _stability(subject: Subject) -> list[Block]:
    """Say how far estimates from the first half of the draws are from those of all."""
    found = half_way(subject)
    if found is None:
        return []
    name, moved, expected, r_hat = found
    return [
        Text(
            "Stability: with the first half of each chain alone, no mean or interval bound of a "
            f"parameter or label-invariant quantity moves by more than {moved:.2f} posterior "
            f"standard deviations ({name}); Monte Carlo error alone explains moves up to about "
            f"{expected:.2f}. The largest R-hat of the first half is {r_hat:.3f}."
        )
    ]
