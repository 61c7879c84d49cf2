"""The evidence of one K by two independent routes: what is quoted, and what is said of it."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bayesgmm.advice import Advice, Option
from bayesgmm.errors import BayesGMMError, SamplingInterrupted
from bayesgmm.evidence._posterior_over_k import posterior_over_k
from bayesgmm.evidence._smc_evidence import smc_evidence
from bayesgmm.evidence.bridge import Evidence, log_evidence
from bayesgmm.limits import AGREEMENT, LEFT_OUT_FACTOR, NEGLIGIBLE
from bayesgmm.model.several import kinds_in
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EvidenceRoutes",
    "Evidences",
    "evidence_note",
    "evidences_of",
    "no_evidences",
    "probabilities_of",
    "probability_heading",
    "probability_symbol",
    "reconciled",
    "shown_probability",
    "undecided",
    "unserved_of",
]

logger = logging.getLogger(__name__)

EvidenceRoutes = Literal["both", "bridge", "none"]
_LEFT_OUT = math.log(LEFT_OUT_FACTOR)  # nats


class Evidences(NamedTuple):
    """What is quoted, and the estimates of which it is one."""

    quoted: Evidence
    bridge: Evidence
    smc: Evidence

    @property
    def contradiction(self) -> str | None:
        """A sentence where both routes have an error and still do not agree; else None."""
        if math.isfinite(self.quoted.error) or not (
            math.isfinite(self.bridge.error) and math.isfinite(self.smc.error)
        ):
            return None
        apart = abs(self.bridge.value - self.smc.value)
        errors = apart / math.hypot(self.bridge.error, self.smc.error)
        fewer = "draws" if self.bridge.value < self.smc.value else "particles"
        return Advice(
            f"two independent estimates of the log evidence differ by {apart:.2f} nats, "
            f"{errors:.0f} errors: bridge sampling from the draws {self.bridge.value:.2f} (error "
            f"{self.bridge.error:.2g}), sequential Monte Carlo from the prior {self.smc.value:.2f} "
            f"(error {self.smc.error:.2g}). The {fewer} seem to leave a mode out; sample with ",
            Option("method", "smc"),
            " and more ",
            Option("draws"),
            ", or with more chains, and see whether the evidence moves.",
        )

    def columns(self) -> dict[str, float | str]:
        """Return the columns of the K table, nats."""
        return {
            "log_evidence": self.quoted.value,
            "log_evidence_error": self.quoted.error,
            "evidence_method": self.quoted.method,
            "log_evidence_bridge": self.bridge.value,
            "log_evidence_bridge_error": self.bridge.error,
            "log_evidence_smc": self.smc.value,
            "log_evidence_smc_error": self.smc.error,
        }


def evidences_of(
    draws: Draws,
    routes: EvidenceRoutes,
    *,
    converged: bool,
    seed: int,
    cores: int | None = None,
) -> Evidences:
    """Estimate the evidence by the routes asked for.

    Parameters
    ----------
    draws : Draws
    routes : {"both", "bridge", "none"}
    converged : bool
        Whether the draws have a good verdict: the bridge has no finite error where they have not,
        since the chains may have missed modes, but bounds the other estimate from below.
    seed : int
    cores : int, optional
    """
    bridge = smc = _missing("not asked for", seed)
    if routes != "none":
        bridge = _attempt(lambda: log_evidence(draws, seed=seed), seed)
    if routes == "both":
        smc = _attempt(lambda: smc_evidence(draws, seed=seed, cores=cores), seed)
    quoted = reconciled(bridge, smc, converged=converged)
    return Evidences(quoted, bridge if converged else bridge.with_error(math.inf), smc)


def reconciled(bridge: Evidence, tempered: Evidence, *, converged: bool = True) -> Evidence:
    """Return what to quote of two independent estimates.

    Of chains with a good verdict the bridge, where both agree within 3 errors of their difference.
    Of others the second estimate: a bridge over the modes that such chains have met is at most the
    evidence, up to its error, so that a second estimate more than 3 errors below it has missed a
    mode itself. Where one has no finite error it is the other. Where they contradict one another by
    at most 0.1 nats, their distance is the error; by more, the bridge has an infinite error, so
    that this K gets no probability.

    Parameters
    ----------
    bridge, tempered : Evidence
        As `log_evidence` and `smc_evidence` return them.
    converged : bool
        Whether the draws behind the bridge have a good verdict.
    """
    if not math.isfinite(tempered.error):
        return bridge if converged else bridge.with_error(math.inf)
    if not math.isfinite(bridge.error):
        return tempered
    below = bridge.value - tempered.value
    quoted, apart = (bridge, abs(below)) if converged else (tempered, below)
    if apart <= AGREEMENT * math.hypot(bridge.error, tempered.error):
        return quoted
    if apart <= NEGLIGIBLE:
        return quoted.with_error(apart)
    method = f"{bridge.method}; {tempered.method} differs by {apart:.2f} nats"
    return replace(bridge.with_error(math.inf), method=method)


def _attempt(estimate: Callable[[], Evidence], seed: int) -> Evidence:
    try:
        return estimate()
    except SamplingInterrupted:
        raise
    except BayesGMMError as error:
        logger.info("no evidence: %s", error)
        return _missing(str(error), seed)


def no_evidences(why: str) -> Evidences:
    """Return what stands for the evidences of a K that has none."""
    missing = _missing(why, 0)
    return Evidences(missing, missing, missing)


def _missing(why: str, seed: int) -> Evidence:
    return Evidence(math.nan, math.inf, f"none: {why}", 0, seed)


def probabilities_of(
    evidences: Mapping[MixtureSpec, Evidences],
) -> dict[MixtureSpec, tuple[float, float]]:
    """Return the probability of each model and its error, uniform prior; NaN where none is."""
    quoted = {spec: each.quoted for spec, each in evidences.items()}
    if all(math.isinf(evidence.error) for evidence in quoted.values()):
        return dict.fromkeys(quoted, (math.nan, math.nan))
    found = posterior_over_k(quoted)
    columns = zip(found.table["probability"], found.table["error"], strict=True)
    return dict(zip(found.models, columns, strict=True))


def evidence_note(table: "pd.DataFrame") -> str:
    """Say which K the probabilities leave out and why, and where chains are not behind them.

    Parameters
    ----------
    table : pandas.DataFrame
        That of a comparison, its index what stands after "K = " for each model; empty is returned
        where nothing need be said.
    """
    if table["log_evidence"].isna().all():
        return f"{probability_symbol(table)} is not given: there is no evidence."
    without, sentences = table["probability"].isna(), []
    if without.any():
        reasons = (f"K = {k}, {_reason(row)}" for k, row in table[without].iterrows())
        sentences.append(f"{probability_symbol(table)} leaves out {'; '.join(reasons)}.")
    bridge = table["log_evidence_bridge"]
    alone = ~without & ~_finite(table["log_evidence_bridge_error"])
    for which, why in (
        (
            alone & bridge.notna(),
            "the chains did not pass the convergence checks, and a bridge estimate from them "
            "covers only the modes they visited",
        ),
        (alone & bridge.isna(), "bridge sampling gave no value"),
    ):
        if which.any():
            listed = ", ".join(map(str, table.index[which]))
            sentences.append(
                f"At K = {listed} the evidence is that of sequential Monte Carlo alone: {why}."
            )
    return " ".join(sentences)


def unserved_of(table: "pd.DataFrame") -> tuple[Any, ...]:
    """Return the labels of rows that no evidence serves, where evidences were asked for at all."""
    if table["log_evidence"].isna().all():
        return ()
    return tuple(table.index[table["probability"].isna()])


def undecided(table: "pd.DataFrame") -> tuple[Any, ...]:
    """Return the labels of rows that no evidence serves and that may hold the largest.

    An estimate that serves no p(K) still bounds the evidence: three errors above it, or a factor of
    100 where it comes from draws that may have left modes out.
    """
    served = table["log_evidence"][table["probability"].notna()]
    best = served.max() if len(served) else -math.inf
    rows = table.to_dict("index")
    return tuple(k for k in unserved_of(table) if not _highest(rows[k]) < best)


def _highest(row: Mapping[Any, Any]) -> float:
    """Return how large the evidence of a K may be; inf where nothing is known."""
    bounds = []
    for route in ("log_evidence_bridge", "log_evidence_smc"):
        value, error = float(row[route]), float(row[f"{route}_error"])
        if not math.isnan(value):
            bounds.append(value + (AGREEMENT * error if math.isfinite(error) else _LEFT_OUT))
    return max(bounds, default=math.inf)


def probability_heading(table: "pd.DataFrame") -> str:
    """Return the heading of the column of p(K), which says on what it is conditional."""
    without = unserved_of(table)
    symbol = probability_symbol(table)
    if not without:
        return symbol
    return f"{symbol}, given K not in {{{', '.join(map(str, without))}}}"


def probability_symbol(table: "pd.DataFrame") -> str:
    """Return what the probabilities of the rows of a comparison are called."""
    return "p(K)" if len(set(kinds_in(table))) == 1 else "p(model)"


def shown_probability(value: float, error: float | None = None) -> str:
    """Return a probability as text: never as 1.000 or 0.000, which no posterior over K is."""
    if math.isnan(value):
        return "-"
    if value >= 0.9995:
        return "> 0.999"
    if value < 0.0005:
        return "< 0.001"
    return f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"


def _reason(row: "pd.Series") -> str:
    by_bridge, by_smc = row["log_evidence_bridge_error"], row["log_evidence_smc_error"]
    if math.isfinite(by_bridge) and math.isfinite(by_smc):
        apart = abs(row["log_evidence_bridge"] - row["log_evidence_smc"])
        return (
            f"where bridge sampling and sequential Monte Carlo differ by {apart:.2f} nats, more "
            f"than {AGREEMENT:g} errors"
        )
    if math.isnan(row["log_evidence"]):
        return "which has no evidence"
    if math.isfinite(by_smc):
        below = row["log_evidence_bridge"] - row["log_evidence_smc"]
        return (
            f"where sequential Monte Carlo seems to have missed a mode: it lies {below:.2f} nats, "
            f"more than {AGREEMENT:g} errors, below the bridge over the modes that the chains met"
        )
    return "whose chains did not pass the convergence checks"


def _finite(errors: "pd.Series") -> "pd.Series":
    return errors.abs() < math.inf
