"""Calls of C functions at an address, from compiled code."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing import Signature
from numba.extending import intrinsic

__all__ = ["call_at"]


def call_at(signature: Signature) -> Callable[..., Any]:
    """Return a function for compiled code that calls the C function of a signature.

    Parameters
    ----------
    signature : numba signature
        Of numbers alone; arrays are handed on by their addresses.

    Returns
    -------
    callable of (address, arguments: tuple)
    """

    def generate(context: Any, builder: Any, _: Any, values: Any) -> Any:
        address, arguments = values
        kinds = [context.get_value_type(each) for each in signature.args]
        result = context.get_value_type(signature.return_type)
        function = builder.inttoptr(address, ir.FunctionType(result, kinds).as_pointer())
        each = [builder.extract_value(arguments, i) for i in range(len(kinds))]
        return builder.call(function, each)

    @intrinsic
    def call(_: Any, address: Any, arguments: Any) -> Any:
        return signature.return_type(types.intp, types.Tuple(signature.args)), generate

    return call
