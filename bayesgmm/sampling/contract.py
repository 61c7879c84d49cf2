"""What a PyMC model of the user's own must hold, each lack with its cure."""

from typing import Any

import numpy as np

from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError

__all__ = ["PART_DIMS", "check_contract"]

PART_DIMS = {
    "weights": ("cluster",),
    "means": ("cluster", "feature"),
    "covariances": ("cluster", "feature", "feature_bis"),
}
_EXAMPLES = {
    "weights": "row_weights.mean(axis=0)",
    "means": "mu[:, None]",
    "covariances": "(sigma**2)[:, None, None]",
}


def check_contract(model: Any, data: Dataset) -> None:
    """Raise unless a model has weights, means and covariances, and observes the data as x.

    Parameters
    ----------
    model : pymc.Model
        Axes of a variable may stand in any order; x may lack the feature's where there is one.
    data : Dataset

    Raises
    ------
    ConfigError
        Naming the variable and the cure.
    """
    if not hasattr(model, "named_vars_to_dims"):
        raise ConfigError(f"model must be a pymc.Model, got {type(model).__name__}.", key="model")
    for name, dims in PART_DIMS.items():
        _check_part(model, name, dims)
    _check_rows(model, data)
    _refuse_row_labels(model, data)


def _check_part(model: Any, name: str, dims: tuple[str, ...]) -> None:
    got = model.named_vars_to_dims.get(name)
    if got is not None and len(got) == len(dims) and set(got) == set(dims):
        return
    known = name in model.named_vars
    found = f"dims {tuple(got)}" if got is not None else "no dims" if known else "no such variable"
    other = "another name and add " if known else ""
    raise ConfigError(
        f"the model needs a variable {name!r} with dims {dims}, got {found}; give "
        f"{'it ' if known else 'it by '}{other}pm.Deterministic({name!r}, {_EXAMPLES[name]}, "
        f"dims={dims}), or the like.",
        variable=name,
    )


def _check_rows(model: Any, data: Dataset) -> None:
    observed = {variable.name: variable for variable in model.observed_RVs}
    if "x" not in observed:
        raise ConfigError(
            "the model needs an observed variable 'x' that holds the rows, got "
            f"{', '.join(map(repr, observed)) or 'none'}; name the mixture 'x' and pass "
            "observed=rows.",
            variable="x",
        )
    rows = np.asarray(model.rvs_to_values[observed["x"]].eval(), dtype=float)
    shape = (*rows.shape, 1) if rows.ndim == 1 else rows.shape
    if shape != data.values.shape or not np.array_equal(rows.reshape(shape), data.values):
        raise ConfigError(
            f"the model observes other rows {rows.shape} than data {data.values.shape}; "
            "pass the data that x observes.",
            variable="x",
        )


def _refuse_row_labels(model: Any, data: Dataset) -> None:
    for variable in model.free_RVs:
        if variable.dtype.startswith(("int", "uint", "bool")) and data.n_obs in tuple(
            np.asarray(variable.shape.eval())
        ):
            raise ConfigError(
                f"{variable.name!r} draws a discrete value for each row, so that the log "
                "likelihood of a row is not summed over its clusters; marginalise the labels out: "
                'pm.Mixture("x", w=weights, comp_dists=..., observed=rows) in place of '
                f"{variable.name!r}.",
                variable=variable.name,
            )
