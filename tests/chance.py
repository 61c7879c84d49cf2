"""What is set aside as chance: real narrow groups, and pure noise. `python -m tests.chance`.

Real groups: three groups of normal rows, the smallest narrow along a feature, along a slanted
direction, or in all directions but one; D = 2, 3, 5; its at least 12 (D = 2) or 20 rows lie at
least 2 standard deviations apart from the others in some direction. Counted are the sets in which
EM from the true labels leads every optimum of regular width by 20 nats, and in how many of those
its optimum is set aside. Noise: one Gaussian or uniform cloud, n = 50 to 300, D = 1 to 5. Counted
are the sets whose fit with K = 2 or 3 has a smallest component that is a slab of D + 1 or D + 2
rows.
"""

import sys
import warnings

import numpy as np

from bayesgmm.data import as_dataset
from bayesgmm.fit import fit_em
from bayesgmm.fit.degeneracy import narrowest
from bayesgmm.model.components import STRUCTURES
from bayesgmm.model.parameters import Parameters

SHAPES = ("feature", "slanted", "needle")
LEAD = 20.0  # nats
NARROW = 0.01


def real_groups(seed):
    """Rows with their labels; group 2 is the small and narrow one."""
    rng = np.random.default_rng([1, seed])
    d, shape = (2, 3, 5)[seed % 3], SHAPES[seed // 3 % 3]
    small = int(rng.integers(12 if d == 2 else 20, 50))
    sizes = (150, int(rng.integers(25, 60)), small)
    width = rng.uniform(0.02, 0.08)
    groups = []
    for k, size in enumerate(sizes):
        turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
        scales = rng.uniform(0.5, 2.0, d)
        if k == 2 and shape == "needle":
            scales[1:] = width
        elif k == 2:
            scales[0] = width
        if k == 2 and shape == "feature":
            turn = np.eye(d)
        direction = rng.normal(size=d)
        centre = rng.uniform(2.0, 4.0) * k * direction / np.linalg.norm(direction)
        groups.append(centre + (rng.normal(size=(size, d)) * scales) @ turn.T)
    return np.concatenate(groups), np.repeat(np.arange(3), sizes)


def apart(rows, labels):
    """Whether the small group lies 2 of the pooled standard deviations apart in some direction."""
    means = np.array([rows[labels == k].mean(axis=0) for k in range(3)])
    gaps = []
    for k in (0, 1):
        pooled = np.cov(rows[labels == k].T) + np.cov(rows[labels == 2].T)
        gap = means[k] - means[2]
        gaps.append(np.sqrt(gap @ np.linalg.solve(pooled / 2.0, gap)))
    return min(gaps) >= 2.0


def labelled_start(rows, labels):
    """EM's start from labels."""
    covariances = np.array([np.cov(rows[labels == k].T, bias=True) for k in range(3)])
    return Parameters(
        weights=np.bincount(labels) / len(labels),
        means=np.array([rows[labels == k].mean(axis=0) for k in range(3)]),
        scales=np.sqrt(np.einsum("kdd->kd", covariances)),
        correlations=covariances,
        covariances=covariances,
    )


def real_set(seed):
    """Whether EM from the true labels leads by 20 nats, and whether its optimum is set aside."""
    rows, labels = real_groups(seed)
    if not apart(rows, labels):
        return False, False
    data = as_dataset(rows)
    (truth,) = fit_em(data, 3, starts=[labelled_start(rows, labels)]).optima
    others = fit_em(data, 3, seed=seed).optima
    full = STRUCTURES["full"]
    regular = [o.objective for o in others if narrowest(o.parameters, full).min() >= NARROW]
    leads = truth.objective - max(regular, default=-np.inf) >= LEAD
    return bool(leads), bool(leads and truth.flagged)


def noise_set(seed):
    """Whether a fit of noise with K = 2 or 3 rests on a slab of D + 1 or D + 2 rows."""
    rng = np.random.default_rng([2, seed])
    n, d = int(rng.integers(50, 301)), 1 + seed % 5
    draw = rng.normal if seed // 5 % 2 else rng.uniform
    data = as_dataset(draw(size=(n, d)))
    for k in (2, 3):
        fit = fit_em(data, k, seed=seed)
        smallest = fit.weights.argmin()
        few = fit.weights[smallest] * n < d + 2.5
        if few and narrowest(fit.parameters, STRUCTURES["full"])[smallest] < NARROW:
            return True
    return False


def main(n_sets):
    """Print both counts."""
    warnings.simplefilter("ignore")
    leading, lost = np.sum([real_set(seed) for seed in range(n_sets)], axis=0)
    print(f"real groups: {n_sets} sets, EM from the truth leads in {leading}, set aside in {lost}")
    print(f"noise: {n_sets} sets, a chance slab in {sum(map(noise_set, range(n_sets)))}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
