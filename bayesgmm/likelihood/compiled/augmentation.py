"""Labels of annotated rows, and the complete rows behind them, drawn given the parameters.

A row of weight w is w rows, each with a label of its own among those allowed. Given its label the
complete row behind one of them, z whitened, is drawn as if it had not been observed, and moved by
what the observed cells z_o say against that: with z* ~ N(0, I), e ~ N(0, V) and W' = A_o L_o. of
`.grouped`,

    z = z* + W (z_o - W' z* - A_o e)

has the mean W z_o and the covariance I - W W' that are asked for, and no other factor is needed.
Cells that are observed without error come out as they are.

A row of a component with the tails of t has its own u ~ Gamma((nu + d) / 2, (nu + q) / 2)
(`.tails`): what is drawn of it has covariances divided by u, and it enters the sums u times. A row
drawn as noise enters the noise's mass alone.

Beside a row that was picked for a label in A (`bayesgmm.likelihood.picked`) those are drawn that
came and were left before it: 1 / W_A is the sum of (1 - W_A)^t over their number t, so that t of n
picked rows is Poisson with mean g (1 - W_A) / W_A, g ~ Gamma(n). Only the weights see them.

References
----------
Tanner and Wong (1987), Journal of the American Statistical Association 82:528 (augmentation).
Hoffman and Ribak (1991), Astrophysical Journal 380:L5 (conditional draws by moving free ones).
Devroye (1986), Non-Uniform Random Variate Generation, X.4.3 (recursive binomial draws).
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.group_passes import Lens, group_responsibilities, observed_by
from bayesgmm.likelihood.compiled.grouped import (
    Components,
    as_seen,
    empty_memory,
    look_back,
    next_group,
)
from bayesgmm.likelihood.compiled.row_groups import Group
from bayesgmm.likelihood.compiled.whitening import set_of
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["add_completed_draws", "binomial"]

_FEW = 16
_MANY = 1e12  # of so many the deviation is a millionth
_LEAST = 1e-300


class _Drawn(NamedTuple):
    """Sums over rows as drawn, about the components' means, and room for one row."""

    mass: Array  # (part,)
    first: Array  # (cluster, feature)
    second: Array  # (cluster, feature, feature), lower triangle
    scaled: Array  # (cluster or 0,)
    logs: Array  # (cluster or 0,)
    gap: Array  # (feature,): a row less its component's mean
    free: Array  # (feature,): z*
    surprise: Array  # (feature,): of the observed cells, less what z* has of them
    noise: Array  # (feature,): e


@compiled
def add_completed_draws(
    annotated: Array,
    components: Components,
    mass: Array,
    first: Array,
    second: Array,
    scaled: Array,
    logs: Array,
    left: Array,
) -> bool:
    """Draw labels and complete rows; add these to the sums of their clusters.

    Parameters
    ----------
    annotated : array of shape (size,)
        The rows, `bayesgmm.likelihood.compiled.row_groups.flatten_parts`; weights are whole, and
        below 0 in a group of rows picked for their labels, of which nothing else is known.
    components : Components
    mass : array of shape (part,), written
        Numbers of rows.
    first, second : arrays of shapes (cluster, feature) and (cluster, feature, feature), written
        Sums of gap and gap gap' (lower triangle), a row's gap being its distance from the mean of
        its component.
    scaled, logs : arrays of shape (cluster or 0,), written
        Sums of u and log u of components with tails.
    left : array of shape (part,), written
        Numbers of rows that were left before picked ones came.

    Returns
    -------
    bool
        False where a component is singular; the sums are then worth nothing.
    """
    size = components.means.shape[1]
    drawn = _Drawn(
        mass,
        first,
        second,
        scaled,
        logs,
        np.empty(size),
        np.empty(size),
        np.empty(size),
        np.empty(size),
    )
    memory, o = empty_memory(components), 0
    while o < annotated.shape[0]:
        group, lens, regular = next_group(annotated, o, components, memory)
        o += int(annotated[o])
        if not regular:
            return False
        if group.columns[0] < 0.0 and group.penalties.shape[0] + group.background.shape[0] == 0:
            continue  # nothing is known of these rows
        if group.weights.shape[0] > 0 and group.weights[0, 0] < 0.0:
            _draw_left(group, components.log_weights, left)
            continue
        responsibility = np.empty((mass.shape[0], group.n_rows))
        group_responsibilities(group, lens, responsibility)
        if not group.whole:
            look_back(group, components, as_seen(memory, components, group.columns.shape[0]))
        _draw_group(group, responsibility, lens, components, memory, drawn)
    return True


@compiled
def _draw_left(group: Group, log_weights: Array, left: Array) -> None:
    """Draw the rows that came, each in a cluster outside a set, before the picked ones in it."""
    width = group.blocks.shape[2]
    for row in range(group.n_rows):
        i, t = row // width, row % width
        inside, n_clusters = 0.0, group.penalties.shape[1]
        for k in range(n_clusters):
            inside += math.exp(log_weights[k]) if group.penalties[i, k, t] == 0.0 else 0.0
        picked = -group.weights[i, t]
        if picked > 0.0:
            scale = np.random.standard_gamma(picked) / max(inside, _LEAST)  # noqa: NPY002
            for k in range(log_weights.shape[0]):
                if k >= n_clusters or group.penalties[i, k, t] != 0.0:
                    rate = scale * math.exp(log_weights[k])
                    left[k] += np.random.poisson(rate) if rate < _MANY else rate  # noqa: NPY002


@compiled
def _draw_group(
    group: Group,
    responsibility: Array,
    lens: Lens,
    components: Components,
    memory: Array,
    drawn: _Drawn,
) -> None:
    """Draw the rows of one group."""
    n_parts, n_clusters = responsibility.shape[0], components.means.shape[0]
    width, has_tails = group.blocks.shape[2], components.nu.shape[0] > 0
    for row in range(group.n_rows):
        i, t = row // width, row % width
        left = int(group.weights[i, t]) if group.weights.shape[0] > 0 else 1
        for k in range(n_parts):
            if left == 0:
                break
            others = 0.0
            for j in range(k + 1, n_parts):
                others += responsibility[j, row]
            share = responsibility[k, row]
            copies = left if others == 0.0 else binomial(left, share / (share + others))
            left -= copies
            drawn.mass[k] += copies
            if k == n_clusters or copies == 0:
                continue
            if group.whole:
                for d in range(drawn.gap.shape[0]):
                    drawn.gap[d] = group.blocks[i, d, t] - components.means[k, d]
            if group.whole and not has_tails:
                _add(drawn, k, copies)
                continue
            for _ in range(copies):
                u = _draw_scale(group, i, t, k, lens, drawn) if has_tails else 1.0
                if not group.whole:
                    _complete(group, i, t, k, u, components, memory, drawn)
                _add(drawn, k, u)


@compiled
def _draw_scale(group: Group, i: int, t: int, k: int, lens: Lens, drawn: _Drawn) -> float:
    """Draw u of row t of block i given that component k made it; add it to its sums."""
    q, distance = lens.shift.shape[1], 0.0
    for m in range(q):
        z = -lens.shift[k, m]
        for j in range(m + 1):
            z += lens.whitening[k, m, j] * group.blocks[i, j, t]
        distance += z * z
    shape = 0.5 * (lens.nu[k] + observed_by(group, q))
    u = np.random.standard_gamma(shape) / (0.5 * (lens.nu[k] + distance))  # noqa: NPY002
    u = max(u, _LEAST)
    drawn.scaled[k] += u
    drawn.logs[k] += math.log(u)
    return u


@compiled
def _complete(
    group: Group,
    i: int,
    t: int,
    k: int,
    u: float,
    components: Components,
    memory: Array,
    drawn: _Drawn,
) -> None:
    """Draw the complete row behind row t of block i, given that component k made it."""
    size, q = drawn.gap.shape[0], group.columns.shape[0]
    seen = as_seen(memory, components, q)
    g, root = set_of(k, seen.back), 1.0 / math.sqrt(u)
    for d in range(size):
        drawn.free[d] = root * np.random.normal()  # noqa: NPY002 (the compiled thread's own)
    for m in range(q):
        deviation = root * math.sqrt(group.variances[m])
        drawn.noise[m] = deviation * np.random.normal() if deviation > 0.0 else 0.0  # noqa: NPY002
    for m in range(q):
        s = -seen.shift[k, m]
        for j in range(m + 1):
            s += seen.whitening[k, m, j] * (group.blocks[i, j, t] - drawn.noise[j])
        for d in range(size):
            s -= seen.back[g, m, d] * drawn.free[d]
        drawn.surprise[m] = s
    for m in range(q):
        for d in range(size):
            drawn.free[d] += seen.back[g, m, d] * drawn.surprise[m]
    for d in range(size):
        s = 0.0
        for e in range(d + 1):
            s += components.factors[g, d, e] * drawn.free[e]
        drawn.gap[d] = s


@compiled
def _add(drawn: _Drawn, k: int, times: float) -> None:
    """Add a row, so many times, to the sums of cluster k."""
    for d in range(drawn.gap.shape[0]):
        drawn.first[k, d] += times * drawn.gap[d]
        for e in range(d + 1):
            drawn.second[k, d, e] += times * drawn.gap[d] * drawn.gap[e]


@compiled
def binomial(n: int, p: float) -> int:
    """Draw how many of n uniforms are below p: where a middle one falls says so of half of them."""
    count = 0
    while n > _FEW:
        middle = n // 2 + 1
        at = np.random.beta(middle, n + 1 - middle)  # noqa: NPY002
        if at <= p:
            count += middle
            n -= middle
            p = (p - at) / (1.0 - at)
        else:
            n = middle - 1
            p /= at
    for _ in range(n):
        count += 1 if np.random.random() < p else 0  # noqa: NPY002
    return count
