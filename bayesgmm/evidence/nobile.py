"""Nobile's identity: the evidence of K from that of K - 1 by how often a component is empty."""

import math
from dataclasses import dataclass

from scipy.special import gammaln

from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.picked import picked_in
from bayesgmm.limits import EMPTY_DRAWS
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.mcmc_error import effective_size

__all__ = ["NobileStep", "nobile_step"]


@dataclass(frozen=True)
class NobileStep:
    """The step from K - 1 to K components by Nobile's identity.

    Parameters
    ----------
    value : float
        log p(y | K) - log p(y | K - 1), nats; -inf .. inf, and inf only where no draw shows an
        empty component.
    error : float
        Monte Carlo standard error, nats; inf where the step is not usable.
    empty_probability : float
        Posterior probability that a given component holds no row.
    usable : bool
        Whether that probability exceeds 20 / ESS.
    """

    value: float
    error: float
    empty_probability: float
    usable: bool


def nobile_step(draws: Draws) -> NobileStep:
    """Estimate log p(y | K) - log p(y | K - 1) from the draws with K components.

    With A_m the sum of the first m concentrations the step is lgamma(A_K) + lgamma(n + A_(K-1))
    - lgamma(A_(K-1)) - lgamma(n + A_K) - log P(component K is empty | y, K), and the probability
    is the mean over draws of prod_i (1 - r_iK), over all components exchangeable with the last.
    It holds when neither the priors of the components nor the first K - 1 concentrations depend
    on K, and says something only about a superfluous component: see `NobileStep.usable`. A row that
    counts w times is w rows, and cells that are missing change nothing.

    Parameters
    ----------
    draws : Draws
        Of a posterior with K >= 2.

    Raises
    ------
    ConfigError
        For one component, where labels name a class for each or rows were picked for them, or for
        the draws of a user's own model.

    References
    ----------
    Nobile (2004), Annals of Statistics 32:2044.
    """
    target = draws.target
    resolved = target.resolved
    if resolved.n_components < 2:
        raise ConfigError(
            "Nobile's identity needs at least 2 components, got 1.",
            n_components=resolved.n_components,
        )
    if resolved.n_components <= len(resolved.classes):
        raise ConfigError(
            "Nobile's identity compares with one component fewer, and there is no such mixture: "
            f"the labels name {len(resolved.classes)} classes, and each has a component.",
            n_components=resolved.n_components,
        )
    if picked_in(target.rows, resolved) is not None:
        raise ConfigError(
            "Nobile's identity needs weights that are Dirichlet given the labels; where rows were "
            "selected for their labels they are not.",
            labels_inform_weights=False,
        )
    empty = target.empty_probabilities(draws.coordinates)
    alike = resolved.groups.group_of(resolved.n_components - 1)
    values = empty[:, :, alike].mean(axis=2)
    probability = float(values.mean())
    size = effective_size(values)
    usable = probability > EMPTY_DRAWS / size
    before, last = resolved.concentration[:-1].sum(), resolved.concentration[-1]
    n_obs = target.n_counted
    step = gammaln(before + last) + gammaln(n_obs + before)
    step -= gammaln(before) + gammaln(n_obs + before + last)
    return NobileStep(
        value=float(step) - (math.log(probability) if probability > 0.0 else -math.inf),
        error=float(values.std(ddof=1)) / (probability * math.sqrt(size)) if usable else math.inf,
        empty_probability=probability,
        usable=usable,
    )
