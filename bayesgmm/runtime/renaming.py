"""Names that changed: the old ones serve for one release more, with a warning."""

import warnings
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

__all__ = ["OLD_NAME", "names_before"]

OLD_NAME = "the old name will be removed in the next release"


def names_before(
    module: str,
    now: Mapping[str, str],
    *,
    public: Collection[str] = (),
    find: Callable[[str], Any] | None = None,
) -> Callable[[str], Any]:
    """Return a module's `__getattr__` that knows its old names.

    Parameters
    ----------
    module : str
    now : mapping of str to str
        The dotted name that each old name has now.
    public : collection of str
        The other names that the module has beside those in it.
    find : callable, optional
        Finds a public name.

    Examples
    --------
    >>> old = names_before("bayesgmm.plots", {"colour": "bayesgmm.cluster_colour"})
    >>> old("color")
    Traceback (most recent call last):
    AttributeError: module 'bayesgmm.plots' has no attribute 'color'
    """

    def attribute(name: str) -> Any:
        if find is not None and name in public:
            return find(name)
        if name not in now:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, new = now[name].rpartition(".")
        warnings.warn(
            f"{module}.{name} is now {now[name]}; {OLD_NAME}.",
            FutureWarning,
            stacklevel=2,
        )
        return getattr(import_module(home), new)

    return attribute
