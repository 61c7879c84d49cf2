"""Keywords of public functions: old names serve for a release, and unknown ones name ours."""

import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterable
from difflib import get_close_matches

from bayesgmm.errors import ArgumentError
from bayesgmm.runtime.renaming import OLD_NAME

__all__ = ["keywords", "suggestion"]

_PACKAGE = os.path.dirname(os.path.dirname(__file__))

# What other packages call it, and our names for it: the first that a function has is named.
_ELSEWHERE = {
    ("random_state", "random_seed", "rng", "rng_seed"): ("seed",),
    ("covariance_type", "modelnames", "modelname", "structure"): ("covariance",),
    ("n_clusters", "n_component", "k", "g"): ("n_components", "spec"),
    ("n_components",): ("n_components", "spec"),
    ("n_chains", "num_chains"): ("chains",),
    ("n_jobs", "n_cores", "parallel_chains", "num_threads"): ("cores",),
    ("n_draws", "n_samples", "num_samples", "iter_sampling", "samples", "iter"): ("draws", "n"),
    ("n_tune", "warmup", "num_warmup", "iter_warmup", "burn", "burnin", "burn_in"): ("tune",),
    ("n_init", "n_restarts", "num_starts"): ("n_starts",),
    ("hdi_prob", "ci_prob", "cred_mass", "credible_interval", "alpha", "level"): ("prob",),
    ("kind", "interval", "ci"): ("ci_kind",),
    ("variables", "pars", "params", "filter_vars"): ("var_names",),
    ("progressbar", "progress_bar", "verbose", "show_progress"): ("progress",),
    ("max_treedepth", "adapt_delta", "target_accept_prob"): ("target_accept",),
    ("idata", "trace", "dt", "draws", "fit", "source", "result"): ("posterior",),
    ("x", "df", "frame", "y", "observed"): ("data", "rows"),
    ("features", "feature_names", "names", "usecols"): ("columns",),
    ("names", "labels", "cluster_labels"): ("cluster_names",),
    ("filename", "file", "fname", "filepath"): ("path",),
    ("force", "exist_ok", "replace"): ("overwrite",),
    ("palette", "color", "colours", "cmap", "c"): ("colors",),
    ("axes", "axis"): ("ax",),
    ("size", "fig_size"): ("figsize",),
    ("prior",): ("priors",),
}


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """Return the argument that is meant by a name that is none, as far as one can tell.

    Parameters
    ----------
    name : str
    known : iterable of str
        The arguments that there are.

    Examples
    --------
    >>> suggestion("random_state", ["data", "seed"]), suggestion("covarance", ["covariance"])
    ('seed', 'covariance')
    """
    there = list(known)
    for names, ours in _ELSEWHERE.items():
        for each in ours if name.lower() in names else ():
            if each in there:
                return each
    return next(iter(get_close_matches(name, there, 1)), None)


def keywords[**P, R](**renamed: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function name its own argument where it is called with one that it does not have.

    Parameters
    ----------
    **renamed : str
        The present name of each argument by its old one, which serves with a warning.

    Examples
    --------
    >>> @keywords(random="seed")
    ... def drawn(n, seed=None):
    ...     return n, seed
    >>> drawn(2, random_state=1)
    Traceback (most recent call last):
    bayesgmm.errors.ArgumentError: drawn has no argument 'random_state': use seed=.
    """

    def dressed(function: Callable[P, R]) -> Callable[P, R]:
        there = frozenset(inspect.signature(function).parameters)
        name = function.__name__

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            for given in kwargs.keys() - there:
                if given not in renamed:
                    raise _unknown(name, given, there, function)
                now = renamed[given]
                if now in kwargs:
                    raise ArgumentError(
                        f"{given} of {name} is now {now}, and both are given; leave {given} out.",
                        key=given,
                    )
                warnings.warn(
                    f"{given} of {name} is now {now}; {OLD_NAME}.",
                    FutureWarning,
                    skip_file_prefixes=(_PACKAGE,),
                )
                kwargs[now] = kwargs.pop(given)
            return function(*args, **kwargs)

        return called

    return dressed


def _unknown(
    name: str, given: str, there: Iterable[str], function: Callable[..., object]
) -> ArgumentError:
    meant = suggestion(given, there)
    known = ", ".join(inspect.signature(function).parameters)
    cure = f"use {meant}=." if meant else f"it has {known}."
    return ArgumentError(f"{name} has no argument {given!r}: {cure}", key=given, meant=meant)
