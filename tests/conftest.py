"""Data sets and small builders that many tests share."""

import os

# Two workers share the cores: BLAS threads that spin beside them triple the time of small products.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# PyTensor else keeps a stack trace of every node it makes, a sixth of the time of a small model.
os.environ.setdefault("PYTENSOR_FLAGS", "traceback__limit=0")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from bayesgmm.data import Dataset  # noqa: E402
from tests.support import warm_up
from tests.support.places import ROOT


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile before the workers start, where there are several."""
    several = session.config.getoption("numprocesses", None)
    if several and not hasattr(session.config, "workerinput") and warm_up.needed():
        warm_up.warm_up()


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
