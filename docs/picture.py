"""Draw the picture of the README: ``python docs/picture.py`` writes docs/faithful.png."""

from pathlib import Path

import bayesgmm as bg

HERE = Path(__file__).parent

data = bg.Dataset.from_csv(HERE.parent / "models/data/faithful.csv")
posterior = bg.sample(data, 2, seed=20250101)
plot = bg.plots.density_2d(
    posterior, components=True, units={"eruptions": "minutes", "waiting": "minutes"}
)
plot.savefig(HERE / "faithful.png", dpi=110, metadata={"Software": None})
