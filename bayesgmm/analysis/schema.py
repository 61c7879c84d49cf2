"""The model file: what it may hold, checked before any work, with a way out of each fault.

Data, not code: a model file names a data file, a model, a sampler's settings, and what is expected
of the answer; nothing in it is executed.
"""

import dataclasses
import hashlib
import json
import os
import shlex
import tomllib
from dataclasses import field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bayesgmm.analysis.beginning import bytes_of
from bayesgmm.analysis.choices import (
    Components,
    FactorCounts,
    Families,
    Noises,
    Scanned,
    Structures,
)
from bayesgmm.analysis.complaints import explained, sections_of, unknown_name
from bayesgmm.analysis.data_section import DataSection
from bayesgmm.analysis.values import (
    CONFIG,
    AtLeastOne,
    Count,
    EvidenceRoutes,
    Flag,
    ModelName,
    NotNegative,
    Number,
    Share,
    Step,
)
from bayesgmm.arguments import path_of
from bayesgmm.criterion import Criterion
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError
from bayesgmm.limits import INTERVAL, MOST_SCANNED
from bayesgmm.model.numbering import checked_names
from bayesgmm.model.several import covariances_in, families_in, structures_in
from bayesgmm.model.spec import Degrees, Priors, our_name
from bayesgmm.typing import Engine

__all__ = [
    "About",
    "AnalysisSpec",
    "DataSection",
    "Expectation",
    "ModelSection",
    "ReportSection",
    "SamplerSection",
    "model_named",
    "read_model_file",
]


@dataclass(frozen=True, config=CONFIG)
class About:
    """[about]: what the analysis is for, shown in the report, which asks by name for the rest.

    ``clusters`` names the clusters of a K in the order of their numbers: ``2 = ["short", "long"]``.
    """

    title: str = ""
    question: str = ""
    source: str = ""
    known: str = ""
    author: str = ""
    date: str = ""
    aims: str = ""
    why_bayesian: str = ""
    design: str = ""
    priors: str = ""
    missing: str = ""
    interpretation: str = ""
    limitations: str = ""
    availability: str = ""
    clusters: dict[Count, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, config=CONFIG)
class ModelSection:
    """[model]: the numbers of components and the structures to compare, the priors."""

    n_components: Scanned = (1, 2, 3, 4, 5, 6)
    covariance: Structures = "full"
    n_factors: FactorCounts | None = None
    resolution: Literal["auto"] | Step | tuple[Step, ...] = "auto"
    labels_inform_weights: Flag = True
    family: Families = "normal"
    nu: Degrees = "shared"
    noise: Noises = "none"
    priors: Priors = field(default_factory=Priors)

    @property
    def noises(self) -> list[str | None]:
        """Kinds of noise to compare, None for none."""
        given = [self.noise] if isinstance(self.noise, str) else self.noise
        return [None if name == "none" else name for name in given]

    @property
    def families(self) -> list[dict[str, Any]]:
        """Families and noise to compare, as `families_in` returns them."""
        return families_in(self.family, self.noises, self.nu)

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of components that may be compared."""
        growing = self.n_components == "auto"
        return tuple(range(1, MOST_SCANNED + 1)) if growing else self.n_components  # type: ignore[return-value]

    @property
    def needed(self) -> tuple[int, ...]:
        """Those of `counts` that must be possible: a scan that grows ends before the others."""
        return self.counts[:1] if self.n_components == "auto" else self.counts

    @property
    def numbers(self) -> str:
        """The numbers of components in words."""
        if self.n_components == "auto":
            return f"1, 2, ... (auto, at most {MOST_SCANNED})"
        return ", ".join(map(str, self.counts))

    @property
    def structures(self) -> tuple[str, ...]:
        """The covariance structures."""
        return covariances_in(self.covariance)

    @property
    def kinds(self) -> list[dict[str, Any]]:
        """The structures with their numbers of factors, as `structures_in` returns them."""
        return structures_in(self.covariance, self.n_factors)


@dataclass(frozen=True, config=CONFIG)
class SamplerSection:
    """[sampler]: how long to sample, and from which seed (drawn and stored when there is none).

    A run that did not pass the convergence checks gets more draws, up to ``max_draws`` a chain, 0
    for never; ``evidence`` says by which routes it is computed, ``log_likelihood`` whether that of
    each row is kept, as in `compare`.
    """

    draws: AtLeastOne = 1000
    tune: AtLeastOne = 1000
    chains: AtLeastOne = 4
    target_accept: Share = 0.9
    method: Literal["auto", "nuts", "smc", "importance"] = "auto"
    max_draws: NotNegative | None = None
    evidence: EvidenceRoutes = "both"
    log_likelihood: Flag = True
    seed: NotNegative | None = None


@dataclass(frozen=True, config=CONFIG)
class ReportSection:
    """[report]: how the report looks, and the criterion that chooses the reported K.

    ``prob`` is the probability of the intervals in report and summary.
    """

    title: str = ""
    format: Literal["html", "md"] = "html"
    criterion: Criterion = "loo"
    prob: Share = INTERVAL


@dataclass(frozen=True, config=CONFIG)
class Expectation:
    """[expect]: what a right answer holds; each entry by model, "2" or "2 tied", is a check.

    ``log_likelihood`` is the best likelihood known, to be reached within 0.01 nats;
    ``elpd_loo`` an interval; ``best_bic`` the K of the smallest BIC; ``chosen`` the K, or those
    allowed, that the report may choose.
    """

    best_bic: AtLeastOne | None = None
    chosen: Components | None = None
    log_likelihood: dict[ModelName, Number] = field(default_factory=dict)
    elpd_loo: dict[ModelName, tuple[Number, Number]] = field(default_factory=dict)


@dataclass(frozen=True, config=CONFIG)
class ComputeSection:
    """[compute]: where passes over the rows are computed.

    ``dask`` is the address of a scheduler of Dask, or "local"; None is this process. ``engine`` is
    what goes through the rows, as in `compare`.
    """

    dask: str | None = None
    engine: Engine = "compiled"


@dataclass(frozen=True, config=CONFIG)
class AnalysisSpec:
    """A whole analysis: the content of a model file.

    Parameters
    ----------
    name : str
        Names the folder of the results; the file's name without its ending.
    command : str
        The command that runs the analysis, for the report.
    data, model, sampler, report, about, expect, compute
        The sections.
    """

    name: str
    data: DataSection
    model: ModelSection = field(default_factory=ModelSection)
    sampler: SamplerSection = field(default_factory=SamplerSection)
    report: ReportSection = field(default_factory=ReportSection)
    about: About = field(default_factory=About)
    expect: Expectation = field(default_factory=Expectation)
    compute: ComputeSection = field(default_factory=ComputeSection)
    command: str = ""

    def read(self, kind: type[Dataset] = Dataset) -> Dataset:
        """Read the data where the analysis says that passes over them are computed."""
        return self.data.read(kind, self.compute.dask)

    @property
    def title(self) -> str:
        """Title of the report; empty when there is none."""
        return self.report.title or self.about.title

    @property
    def subject(self) -> dict[str, Any]:
        """What the report says about the analysis itself."""
        told = dataclasses.asdict(self.about) | {"command": self.command}
        return {name: value for name, value in told.items() if name != "clusters"}

    @property
    def config(self) -> dict[str, Any]:
        """What determines the answer beside the data, as plain JSON types."""
        values = TypeAdapter(AnalysisSpec).dump_python(self, mode="json")
        return {
            "model": values["model"],
            "sampler": values["sampler"],
            "criterion": self.report.criterion,
        }

    @property
    def config_hash(self) -> str:
        """SHA-256 of `config`."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str = "the analysis") -> "AnalysisSpec":
        """Build from nested mappings, as a model file holds them, with a ``name``.

        Raises
        ------
        ConfigError
            For an unknown or missing section or key, or a value out of range.
        """
        try:
            spec = TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            raise explained(error, values, cls, where) from None
        for key in ("log_likelihood", "elpd_loo"):
            for name in getattr(spec.expect, key):
                _check_expected(name, key, spec.model, where)
        for count, names in spec.about.clusters.items():
            _check_named(int(count), names, spec.model, f"[about.clusters] of {where}")
        return spec


def model_named(name: str, structures: tuple[str, ...]) -> tuple[int, str]:
    """Return K and the structure of a key of [expect]; the structure may be left out beside one."""
    count, _, structure = name.partition(" ")
    return int(count), our_name(structure) if structure else structures[0]


def _check_compared(count: int, place: str, key: str, model: ModelSection) -> None:
    if count not in model.counts:
        raise ConfigError(
            f"{place} K = {count}, which n_components in [model] does not hold: {model.numbers}.",
            key=key,
            value=count,
        )


def _check_named(count: int, names: tuple[str, ...], model: ModelSection, where: str) -> None:
    """Raise where names of clusters are none, or of a K that is not compared."""
    _check_compared(count, f"{where} speaks of", "clusters", model)
    try:
        checked_names(names, count)
    except ConfigError as error:
        text = str(error).replace("cluster_names must", "must")
        raise ConfigError(f"{where}, K = {count}, {text}", key="clusters", value=names) from None


def _check_expected(name: str, key: str, model: ModelSection, where: str) -> None:
    """Raise where [expect] speaks of a model that is not compared, or not of one alone."""
    count, structure = model_named(name, model.structures)
    place = f"[expect.{key}] of {where} speaks of"
    _check_compared(count, place, key, model)
    if structure not in model.structures:
        raise ConfigError(
            f"{place} {structure!r}, which covariance in [model] does not hold: "
            f"{', '.join(model.structures)}.",
            key=key,
            value=name,
        )
    if " " not in name and len(model.structures) > 1:
        raise ConfigError(
            f"{place} K = {count}, which several structures have; write "
            f"'{count} {model.structures[0]}', for one.",
            key=key,
            value=name,
        )


def read_model_file(path: str | os.PathLike[str]) -> AnalysisSpec:
    """Read a model file and check every section; the data file is not opened.

    Raises
    ------
    ConfigError
        When the file cannot be read, is not TOML, or holds a wrong section, key or value.
    """
    file = path_of(path)
    try:
        values = tomllib.loads(bytes_of(file).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"cannot read the model file {str(file)!r}: {error.strerror}.", path=str(file)
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{str(file)!r} is not UTF-8 text (byte {error.start}); a model file is TOML in UTF-8.",
            path=str(file),
        ) from error
    except (ValueError, RecursionError) as error:
        hint = "; put text in quotes" if str(error).startswith("Invalid value") else ""
        raise ConfigError(
            f"{str(file)!r} is not valid TOML: {error!s:.200}{hint}.", path=str(file)
        ) from error
    for key in values.keys() - set(sections_of(AnalysisSpec)):
        raise unknown_name(key, (), values[key], AnalysisSpec, str(file))
    own = {"name": file.stem, "command": shlex.join(["bayesgmm", "run", str(file)])}
    spec = AnalysisSpec.from_dict({**values, **own}, str(file))
    data = dataclasses.replace(spec.data, file=os.path.join(file.parent, spec.data.file))
    return dataclasses.replace(spec, data=data)
