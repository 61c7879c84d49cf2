"""Data sets and small builders that many tests share."""

from pathlib import Path

import numpy as np
import pytest

from bayesgmm.data import Dataset

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def faithful() -> Dataset:
    return Dataset.from_csv(ROOT / "models/data/faithful.csv")


@pytest.fixture(scope="session")
def iris() -> Dataset:
    return Dataset.from_csv(ROOT / "models/data/iris.csv")


@pytest.fixture(scope="session")
def galaxies() -> Dataset:
    return Dataset.from_csv(ROOT / "models/data/galaxies.csv")


@pytest.fixture(scope="session")
def acidity() -> Dataset:
    return Dataset.from_csv(ROOT / "models/data/acidity.csv")


@pytest.fixture(scope="session")
def standardised_faithful(faithful: Dataset) -> np.ndarray:
    """The rows of the Stan reference: columns standardised by the n - 1 standard deviation."""
    return (faithful.values - faithful.centre()) / faithful.spread()
