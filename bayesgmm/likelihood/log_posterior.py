"""The log posterior of a mixture as an object: evaluation, and the way to and from parameters."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, log_softmax

from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, log_unit_of, with_noise
from bayesgmm.likelihood.batches import densities_of_points
from bayesgmm.likelihood.compiled.allocations import empty_probabilities
from bayesgmm.likelihood.compiled.coordinates import flatten, without_rows
from bayesgmm.likelihood.compiled.draws import constrain_draws, terms_without_rows
from bayesgmm.likelihood.compiled.fused import PRIORS, TERMS, expected_log_posterior
from bayesgmm.likelihood.compiled.shared_density import density_at, density_of
from bayesgmm.likelihood.em_steps import EMSteps
from bayesgmm.likelihood.factor_coordinates import (
    covariances_in,
    free_loadings,
    log_unit_of_loadings,
    unconstrained_factors,
    units_of_loadings,
)
from bayesgmm.likelihood.layout import Layout, lay_out, pass_weights
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.picked import picked_in
from bayesgmm.likelihood.problem import problem_of
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.model.parameters import Parameters, log_odds, log_of_weights
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array, Engine, IntArray

__all__ = ["Evaluation", "LogPosterior"]


@dataclass(frozen=True)
class Evaluation:
    """Value, gradient and parts of the log posterior at one point, nats, fitting units."""

    value: float
    gradient: Array
    terms: dict[str, float]

    @property
    def log_prior(self) -> float:
        """The log density of all priors, each on its natural scale."""
        return float(np.sum([self.terms[name] for name in PRIORS]))


@dataclass(frozen=True)
class LogPosterior(EMSteps):
    """The log posterior of a resolved mixture given rows, on unconstrained coordinates.

    Parameters
    ----------
    resolved : ResolvedSpec
    rows : AnnotatedRows or array of shape (obs, feature), data units
        Rows of the full data or a part of them (centre, units and priors stay as resolved).
    """

    resolved: ResolvedSpec
    rows: RowTable

    engine: ClassVar[Engine] = "compiled"

    def __post_init__(self) -> None:
        """Let rows belong to the noise where there is one."""
        object.__setattr__(self, "rows", with_noise(self.rows, self.resolved.noise))

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""
        return self.resolved.n_coordinates

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def prior(self) -> "LogPosterior":
        """The same without its rows."""
        return LogPosterior(self.resolved, self.rows[:0])

    def rows_at(self, places: IntArray) -> RowTable:
        """Return the rows at some places, ascending."""
        return self.rows[places]

    @property
    def n_counted(self) -> float:
        """Number of rows, counted by their weights."""
        return self.rows.n_counted if isinstance(self.rows, AnnotatedRows) else self.n_rows

    @cached_property
    def flat(self) -> Array:
        """The problem as compiled code reads it."""
        return self._compiled[0]

    @cached_property
    def annotated(self) -> Array | None:
        """The rows that are not in `flat`, as compiled code reads them; None where all are."""
        return self._compiled[1]

    @property
    def program(self) -> tuple[int, Array, Array | None]:
        """What `density_at` takes: the density, `flat` and `annotated`."""
        return density_of(annotated=self.annotated is not None), self.flat, self.annotated

    @cached_property
    def _compiled(self) -> tuple[Array, Array | None]:
        picked, annotated = picked_in(self.rows, self.resolved), self._layout.annotated
        if picked is not None and annotated is not None:
            sizes = self.resolved.n_components, self.resolved.n_layers
            annotated = np.concatenate([annotated, picked.laid_out(*sizes)])
        if annotated is None and self.resolved.n_tails + self.resolved.n_noises > 0:
            annotated = np.empty(0)  # no rows, for code that knows more than Gaussians
        return flatten(problem_of(self.resolved, self._layout)), annotated

    @cached_property
    def _layout(self) -> Layout:
        resolved = self.resolved
        return lay_out(
            self.rows,
            resolved.centre,
            resolved.unit,
            resolved.n_components,
            n_layers=resolved.n_layers,
            gaussian=resolved.tails is None,
        )

    def evaluate(
        self, x: Array, *, inverse_temperature: float = 1.0, jacobian: bool = True
    ) -> Evaluation:
        """Evaluate at x (dim,), fitting units; see `compiled.fused.log_posterior`."""
        terms, gradient = np.empty(len(TERMS)), np.empty(self.dim)
        density, flat, annotated = self.program
        how = inverse_temperature, float(jacobian)
        value = density_at(density, np.ascontiguousarray(x), flat, annotated, *how, terms, gradient)
        return Evaluation(value, gradient, dict(zip(TERMS, terms.tolist(), strict=True)))

    def log_densities(
        self,
        points: Array,
        *,
        cores: int | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> Array:
        """Return the log posterior density in x at points (..., dim), nats, fitting units.

        Many rows are shared out among threads, on whose number nothing depends; plain ones of
        Gaussians are read once for many points. `tell` hears which share of the rows is done.
        """
        flat_points = np.ascontiguousarray(points.reshape(-1, self.dim))
        resolved = self.resolved
        size = resolved.n_layers * resolved.n_components, resolved.n_features
        found = densities_of_points(flat_points, *self.program, self.n_rows, size, cores)
        if tell is not None:
            tell(1.0)
        return found.reshape(points.shape[:-1])

    def rowwise(self, points: Array, rows: RowTable) -> Array:
        """Return log p(row | point) at points (..., dim): (..., row), nats, data units."""
        parameters = self.constrain(points.reshape(-1, self.dim))
        frame = self.resolved.centre, self.resolved.unit
        picked = not self.resolved.spec.labels_inform_weights
        found = pointwise_log_likelihood(parameters, rows, *frame, picked=picked)
        return found.reshape(*points.shape[:-1], len(rows))

    def empty_probabilities(self, draws: Array) -> Array:
        """Return P(no row belongs to the cluster | draw): (..., cluster), draws (..., dim)."""
        out = np.empty((*draws.shape[:-1], self.resolved.n_components))
        points = np.ascontiguousarray(draws.reshape(-1, self.dim))
        weights = pass_weights(self.rows, gaussian=self.resolved.tails is None)
        empty_probabilities(
            points, self.flat, self.annotated, weights, out.reshape(len(points), -1)
        )
        return out

    def evaluate_expected(self, x: Array, moments: Moments) -> Evaluation:
        """Evaluate the M-step's objective at x, given the sums over rows, fitting units."""
        shares = moments.shares
        terms, gradient, flat = np.empty(len(TERMS)), np.empty(self.dim), self.flat
        if shares.size:  # rows that only weights see enter as the concentration does
            problem = problem_of(self.resolved, self._layout)
            further = shares - moments.rows(self.resolved.n_components)
            flat = flatten(problem._replace(concentration=problem.concentration + further))
        value = expected_log_posterior(x, flat, *moments[1:6], terms, gradient)
        if shares.size:
            moved = float(further @ self._log_weights(x))
            terms[0] += moved
            terms[TERMS.index("weights")] -= moved
        return Evaluation(value, gradient, dict(zip(TERMS, terms.tolist(), strict=True)))

    def _log_weights(self, x: Array) -> Array:
        free = x[self.slices["weights"]]
        return log_softmax(np.append(free, -free.sum()))

    def terms(self, draws: Array, values: Array) -> dict[str, Array]:
        """Return the log likelihood and the log prior of each free variable at each draw.

        The rows are not gone through again: the likelihood is what the priors leave of the value.

        Parameters
        ----------
        draws : array of shape (draw, dim), fitting units
        values : array of shape (draw,), nats, fitting units
            The log posterior density in x at each draw, as `evaluate` gives it.

        Returns
        -------
        dict of str to array of shape (draw,), nats, data units
            Keys log_likelihood, weights, means, scales, pairs, nu, contamination; priors on their
            natural scale, without Jacobian.
        """
        log_unit = self.resolved.log_unit
        n_scales = self.slices["scales"].stop - self.slices["scales"].start
        of_loadings = log_unit_of_loadings(self.resolved, diagonal=True)
        shifts = {
            "log_likelihood": self.log_unit_of_rows,
            "means": self.resolved.n_components * log_unit,
            "scales": n_scales / self.resolved.n_features * log_unit,
            "pairs": of_loadings,
        }
        terms = self.terms_of_priors(draws)
        terms[:, 0] = values - terms[:, 1:].sum(axis=1)
        return {name: terms[:, i] - shifts.get(name, 0.0) for i, name in enumerate(TERMS[:-1])}

    def terms_of_priors(self, draws: Array) -> Array:
        """Return what `TERMS` names at draws (draw, dim), fitting units, without any rows."""
        density, flat, annotated = self.program
        none = None if annotated is None else np.empty(0)
        return terms_without_rows(np.ascontiguousarray(draws), density, without_rows(flat), none)

    @property
    def value_shift(self) -> float:
        """Log density in data units less that in fitting units (the density in x, which moves)."""
        resolved = self.resolved
        of_loadings = log_unit_of_loadings(resolved, diagonal=False)
        return -log_unit_of(self.rows, resolved, resolved.n_components) - of_loadings

    @property
    def log_unit_of_rows(self) -> float:
        """What the log likelihood of all rows loses on the way to data units, nats."""
        return log_unit_of(self.rows, self.resolved)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where weights, means, scales, and what else there is, lie in x."""
        k, d = self.resolved.n_components, self.resolved.n_features
        structure = self.resolved.structure
        sizes = {
            "weights": self.resolved.n_parts - 1,
            "means": k * d,
            "scales": math.prod(structure.scales_shape(k, d)),
            "pairs": math.prod(structure.pairs_shape(k, d)),
            "diagonals": math.prod(structure.loadings_shapes(k, d)[0]),
            "loadings": math.prod(structure.loadings_shapes(k, d)[1]),
            "nu": self.resolved.n_free_nu,
            "contamination": self.resolved.n_in_tail - self.resolved.n_tails,
        }
        ends = np.cumsum(list(sizes.values())).tolist()
        return {
            name: slice(end - size, end)
            for (name, size), end in zip(sizes.items(), ends, strict=True)
            if size or name == "weights"
        }

    def free(self, draws: Array) -> dict[str, Array]:
        """Return scales_free, and partial_correlations_beta and nu_free if any, in their shapes."""
        k, d = self.resolved.n_components, self.resolved.n_features
        structure = self.resolved.structure
        unit = structure.free_unit(self.resolved.unit)
        scales = np.exp(draws[:, self.slices["scales"]])
        values = {structure.scale_name: scales.reshape(-1, *structure.scales_shape(k, d)) * unit}
        if structure.has_loadings:
            moved = self.to_data_units(draws)
            diagonals, below = (moved[:, self.slices[name]] for name in ("diagonals", "loadings"))
            values |= free_loadings(diagonals, below, structure.loadings_shapes(k, d))
        if "pairs" in self.slices:
            pairs = expit(draws[:, self.slices["pairs"]])
            values["partial_correlations_beta"] = pairs.reshape(-1, *structure.pairs_shape(k, d))
        if "nu" in self.slices:
            nu, own = 1.0 + np.exp(draws[:, self.slices["nu"]]), "nu" in self.resolved.own_blocks
            values["nu_free"] = nu if own else nu[:, 0]
        if "contamination" in self.slices:
            values["excess"] = np.exp(draws[:, self.slices["contamination"].start])
        return values

    def to_data_units(self, x: Array) -> Array:
        """Move coordinates (..., dim) from fitting units to those of `build_model`."""
        return self._moved(x, self.resolved.unit, self.resolved.centre)

    def to_fitting_units(self, x: Array) -> Array:
        """Undo `to_data_units`."""
        unit = self.resolved.unit
        return self._moved(x, 1.0 / unit, -self.resolved.centre / unit)

    def _moved(self, x: Array, factor: Array, offset: Array) -> Array:
        moved = np.array(x, dtype=float)
        k, structure = self.resolved.n_components, self.resolved.structure
        moved[..., self.slices["means"]] *= np.tile(factor, k)
        moved[..., self.slices["means"]] += np.tile(offset, k)
        step = np.log(factor[: structure.scale_width(len(factor))])
        moved[..., self.slices["scales"]] += np.tile(step, structure.n_scale_sets(k))
        if structure.has_loadings:
            on, below = units_of_loadings(self.resolved, factor)
            moved[..., self.slices["diagonals"]] += np.log(on)
            moved[..., self.slices["loadings"]] *= below
        return moved

    def constrain(self, draws: Array) -> Parameters:
        """Return the parameters, data units, at draws of shape (draw, dim), fitting units."""
        parts, means, scales, factors, nu, layers, loadings = constrain_draws(
            np.ascontiguousarray(draws), self.flat
        )
        resolved, k = self.resolved, self.resolved.n_components
        return Parameters(
            weights=parts[:, :k],
            means=resolved.centre + resolved.unit * means,
            **covariances_in(scales, factors, loadings, resolved),
            noise=None if resolved.noise is None else parts[:, k],
            nu=None if resolved.tails is None else nu,
            inflation=None if resolved.n_layers == 1 else layers[:, 0],
            good_share=None if resolved.n_layers == 1 else np.exp(layers[:, 1]),
        )

    def unconstrain(self, parameters: Parameters) -> Array:
        """Return the coordinates (..., dim), fitting units, of parameters in data units."""
        resolved, structure = self.resolved, self.resolved.structure
        lead = parameters.weights.shape[:-1]
        log_weights = log_of_weights(parameters.parts)
        centred = log_weights - log_weights.mean(axis=-1, keepdims=True)
        means = (parameters.means - resolved.centre) / resolved.unit
        k, d = resolved.n_components, resolved.n_features
        parts = [centred[..., :-1], means]
        if structure.has_loadings:
            parts += unconstrained_factors(parameters, resolved)
        else:
            log_scales = np.log(parameters.scales / resolved.unit)
            parts.append(log_scales[..., : structure.n_scale_sets(k), : structure.scale_width(d)])
        if structure.has_free_correlations and d > 1:
            sets = structure.n_pair_sets(k)
            parts.append(log_odds(parameters.correlations[..., :sets, :, :]))
        if resolved.tails is not None and parameters.nu is not None:
            parts.append(resolved.tails.free(parameters.nu))
        if resolved.contamination is not None:
            layers: Any = parameters.inflation, parameters.good_share
            parts.append(resolved.contamination.free(*layers))
        return np.concatenate([part.reshape(*lead, -1) for part in parts], axis=-1)
