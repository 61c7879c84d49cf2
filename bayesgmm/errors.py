"""Exceptions and warnings that carry data: each says what is wrong and holds it as attributes."""

from typing import Any

from bayesgmm.advice import Advice, Option

__all__ = [
    "ArgumentError",
    "BayesGMMError",
    "ConfigError",
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "DegeneracyWarning",
    "DegenerateFitError",
    "NotFittedError",
    "ResourceError",
    "ResultFileError",
    "SamplingError",
    "SamplingInterrupted",
]


class BayesGMMError(Exception):
    """Base of all errors raised on purpose by bayesgmm.

    Parameters
    ----------
    message : str
        What is wrong, the value got, what is allowed and what to do next. An `Advice` holds the
        options that it names as data: see ``advised``.
    **details
        The same facts as data; each becomes an attribute (``err.column``, ``err.rows``).
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details
        self.__dict__.update(details)

    @property
    def advised(self) -> tuple[Option, ...]:
        """Options that the message names, with what to give them."""
        message = self.args[0]
        return message.options if isinstance(message, Advice) else ()

    def __getattr__(self, name: str) -> Any:
        """Name the details that the error does carry when another is asked for."""
        raise AttributeError(f"{type(self).__name__} carries no {name!r}; it has {self.__dict__}")


class DataError(BayesGMMError, ValueError):
    """The data cannot be used as they are."""


class ConfigError(BayesGMMError, ValueError):
    """A specification, an option or a model file is wrong."""


class ArgumentError(ConfigError, TypeError):
    """A function was called with an argument that it does not have."""


class NotFittedError(BayesGMMError, ValueError, AttributeError):
    """A result was asked of an estimator that has not been fitted."""


class DegenerateFitError(BayesGMMError, RuntimeError):
    """Every start of a fit collapsed onto a few rows."""


class SamplingError(BayesGMMError, RuntimeError):
    """The sampler could not produce draws."""


class SamplingInterrupted(SamplingError):
    """Sampling was interrupted; ``partial`` holds the finished draws (a DataTree) or None."""


class ResultFileError(BayesGMMError, OSError):
    """A result file is damaged, foreign, from a newer version, or cannot be written."""


class ResourceError(BayesGMMError, MemoryError):
    """What is asked would not fit in memory."""


class ConvergenceWarning(UserWarning):
    """An optimiser or a sampler stopped before it converged."""


class DegeneracyWarning(UserWarning):
    """A component shrinks onto a few rows."""


class DataWarning(UserWarning):
    """The data are usable, but the reader should know something about them."""
