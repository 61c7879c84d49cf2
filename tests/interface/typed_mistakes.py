"""A user's mistakes, each an error of type checkers: one that they accept is an ignore too many."""

import bayesgmm as bg

print(bg.comparee)  # type: ignore[attr-defined]
print(bg.plots.forrest)  # type: ignore[attr-defined]
bg.fit_em([[1.0]], 2, n_start=3)  # type: ignore[call-arg]
bg.MixtureSpec("two")  # type: ignore[arg-type]
print(bg.PointFit.weigths)  # type: ignore[attr-defined]
