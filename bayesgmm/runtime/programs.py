"""Compile what Python calls, together with all that it calls, as one program.

numba makes of each function a library of its own: optimised, turned into machine code, given an
entry for Python, and optimised once more within each function that calls it. Here a function that
compiled code calls is a part: only translated, then linked into the programs that use it, where
nothing else sees it. Each program is optimised once, and no other copy of a part can take the place
of its own, whose last bits may differ. All that touches the insides of numba's compiler is here.
"""

from typing import Any

from llvmlite import binding
from numba import _dynfunc
from numba.core import ir
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import AnalysisPass, LoweringPass, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import AnnotateTypes, NativeLowering
from numba.core.types import NamedTupleClass

__all__ = ["Program", "ProgramCompiler"]


class Program(CPUDispatcher):
    """A function that Python calls; to compiled code it is a part of the caller's program.

    Parameters
    ----------
    function : function
        What is compiled.
    options : dict
        Options of `numba.njit`; a part takes "forceinline", which a program has no use for.
    """

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        options = {"nopython": True, "boundscheck": None, "no_cfunc_wrapper": True, **options}
        whole = {name: value for name, value in options.items() if name != "forceinline"}
        super().__init__(function, {}, whole, ProgramCompiler)
        self._part = CPUDispatcher(
            function, {}, {**options, "no_cpython_wrapper": True}, _PartCompiler
        )

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Return how compiled code calls it."""
        return self._part.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """Return what stands for the part of a signature."""
        return self._part.get_overload(sig)


class _PartLibrary(JITCodeLibrary):
    """One function as it was translated, and the libraries that hold what it calls."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.below: dict[Any, None] = {}

    def add_linking_library(self, library: Any) -> None:
        """Note a library and all below it."""
        library._ensure_finalized()
        self.below[library] = None
        self.below.update(getattr(library, "below", {}))

    def finalize(self) -> None:
        """Leave the function as it is."""
        self._raise_if_finalized()
        self._finalized = True


class _ProgramLibrary(_PartLibrary):
    """All of a program, of which only the function itself and its entries are seen from outside."""

    def finalize(self) -> None:
        """Link, optimise and load the program."""
        JITCodeLibrary.finalize(self)

    def _optimize_final_module(self) -> None:
        module = self._final_module
        own = {function.name for function in module.functions if not function.is_declaration}
        _link(module, self.below)
        for library in self.below:
            self._reload_init.update(library._reload_init)
        for function in module.functions:
            if not function.is_declaration and function.name not in own:
                function.linkage = "internal"
        super()._optimize_final_module()

    def _get_module_for_linking(self) -> Any:
        """Return the names alone, which are all that is read of a program that was kept."""
        seen = [f for f in self.get_defined_functions() if f.linkage.name == "external"]
        lines = [f'define void @"{function.name}"() {{ ret void }}' for function in seen]
        lines += [
            f'@"{variable.name}" = common global ptr null'
            for variable in self._final_module.global_variables
            if not variable.is_declaration and variable.linkage.name == "common"
        ]
        return binding.parse_assembly("\n".join(lines))


def _link(module: Any, libraries: Any) -> None:
    """Add what is called and not there, until nothing is missing."""
    modules = [library._get_module_for_linking() for library in libraries]
    holds = {f.name: m for m in modules for f in m.functions if not f.is_declaration}
    while missing := [f.name for f in module.functions if f.is_declaration and f.name in holds]:
        for name in missing:
            if module.get_function(name).is_declaration:
                module.link_in(holds[name], preserve=True)


@register_pass(mutates_CFG=False, analysis_only=True)
class _LendArrays(AnalysisPass):
    """Leave out the counting of references where no array is made: the caller holds all there are.

    A count is an atomic sum, and tuples of arrays have one for each array whenever one is read.
    """

    _name = "bayesgmm_lend_arrays"

    def __init__(self) -> None:
        AnalysisPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        if not _makes_arrays(state):
            usual = state.targetctx
            lent = {"enable_nrt": False, "nrt": usual.nrt, "cached_internal_func": {}}
            state.targetctx = usual.subtarget(**lent)
        return False


_VIEWS = ("build_tuple", "cast", "getattr", "getitem", "phi", "static_getitem", "typed_getitem")


def _makes_arrays(state: Any) -> bool:
    """Whether a translated function may make an array, or hand one on to its caller."""
    types, models = state.typemap, state.targetctx.data_model_manager

    def counted(kind: Any) -> bool:
        return bool(models[kind].contains_nrt_meminfo())

    def is_view(value: Any) -> bool:
        if not isinstance(value, ir.Expr):
            return True
        if value.op == "call":
            return isinstance(types[value.func.name], NamedTupleClass)
        gathers = value.op == "getitem" and counted(types[value.index.name])
        return value.op in _VIEWS and not gathers

    made = (
        statement
        for block in state.func_ir.blocks.values()
        for statement in block.body
        if isinstance(statement, ir.Assign) and counted(types[statement.target.name])
    )
    return counted(state.return_type) or not all(is_view(each.value) for each in made)


@register_pass(mutates_CFG=False, analysis_only=False)
class _OfferPart(LoweringPass):
    """Have a part be found by compiled code that calls it; Python never can."""

    _name = "bayesgmm_offer_part"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        described, library = state["cr"].fndesc, state.library
        stand_in = _dynfunc.make_function(
            described.lookup_module(), described.qualname, "", 0, state["cr"].env, (library,)
        )
        state.targetctx.insert_user_function(stand_in, described, [library])
        state["cr"] = state["cr"]._replace(cfunc=stand_in)
        return True


class ProgramCompiler(CompilerBase):
    """numba's passes, into one library for a program."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes."""
        state = self.state
        state.library = _ProgramLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return [DefaultPassBuilder.define_nopython_pipeline(state)]


class _PartCompiler(CompilerBase):
    """numba's passes up to the translation."""

    def define_pipelines(self) -> list[Any]:
        state = self.state
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        passes = DefaultPassBuilder.define_nopython_pipeline(state)
        passes.add_pass_after(_LendArrays, AnnotateTypes)
        passes.add_pass_after(_OfferPart, NativeLowering)
        passes.finalize()
        return [passes]
