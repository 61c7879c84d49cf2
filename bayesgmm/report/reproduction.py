"""The section on how to obtain the same result again."""

import os
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesgmm.data import Annotations, is_parquet
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.limits import IMPORTANCE_ROWS
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.tree import attribute
from bayesgmm.report.asked_for import asked_for
from bayesgmm.report.document import Block, Code, Facts, Section, Text
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import significant

__all__ = ["reproduction"]

_SAMPLED = (
    "The same data, versions and seed give the same draws on one machine for any number of cores; "
    "on another machine they agree within Monte Carlo error."
)
_ADOPTED = (
    "Another program made the draws; its seed and settings are not known here. The same draws and "
    "data give the same result."
)


def reproduction(subject: Subject) -> Section:
    """State command, seed, versions and hash."""
    versions = attribute(subject.posterior, "versions") or {}
    sampler = attribute(subject.posterior, "sampler") or {}
    blocks: list[Block] = [Text(_ADOPTED if _is_adopted(sampler) else _SAMPLED)]
    if subject.about.get("command"):
        blocks.append(Code(str(subject.about["command"])))
    if subject.resolved is not None:
        blocks.append(Code(_script(subject, subject.resolved.spec, sampler)))
    items = [
        ("Author", asked_for(subject, "author")),
        ("Date", asked_for(subject, "date")),
        ("Data and code", asked_for(subject, "availability")),
        ("Run time", _run_time(subject)),
        ("Report written on", _platform()),
        ("Seed", "not stored" if subject.seed is None else str(subject.seed)),
        ("Sampler", ", ".join(f"{name} {value}" for name, value in sampler.items())),
        ("Status", str(attribute(subject.posterior, "status"))),
        ("SHA-256 of the data", str(subject.data.get("hash", "not stored"))),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
    ]
    blocks.append(Facts(tuple(items)))
    return Section("reproduction", "Reproduction", tuple(blocks))


def _run_time(subject: Subject) -> str:
    """Return how long each model took, where that is stored."""
    comparison = subject.comparison
    if comparison is None:
        return "not stored"
    seconds = comparison.named_table["seconds"].dropna()
    each = ", ".join(f"K = {k} {significant(value, 2)} s" for k, value in seconds.items())
    return f"sampling and what follows it: {each}"


def _platform() -> str:
    return (
        f"{platform.system()} {platform.machine()}, {platform.python_implementation()} "
        f"{platform.python_version()}, {os.cpu_count()} processors"
    )


def _is_adopted(sampler: dict[str, Any]) -> bool:
    return sampler.get("method") == "adopted"


def _script(subject: Subject, spec: MixtureSpec, sampler: dict[str, Any]) -> str:
    """Write the lines of Python that make this result from its file."""
    source = str(subject.data.get("source", ""))
    if source in ("", "array", "frame"):
        beside = ", ".join(["frame", *_beside(subject)])
        read = f"data = bayesgmm.Dataset.from_frame({beside})  # the rows with the hash below"
    else:
        reader = "from_parquet" if is_parquet(source) else "from_csv"
        arguments = [repr(source), f"columns={list(subject.features)!r}", *_reading(subject)]
        arguments += ["in_memory=False"] if subject.some_rows else []
        read = f"data = bayesgmm.Dataset.{reader}({', '.join(arguments)})"
    options = [
        *([f"priors=bayesgmm.{spec.priors!r}"] if spec.priors != Priors() else []),
        *([f"resolution={spec.resolution!r}"] if spec.resolution != "auto" else []),
        *([] if spec.labels_inform_weights else ["labels_inform_weights=False"]),
    ]
    if subject.comparison is None:
        options += _families(spec)
    run = {name: sampler[name] for name in ("draws", "tune", "chains") if name in sampler}
    settings = [*(f"{name}={value}" for name, value in run.items()), *_method(subject, sampler)]
    settings.append(f"seed={subject.seed}")
    if subject.comparison is None:
        arguments = [str(spec.n_components), f"{spec.covariance!r}", *options]
        model = f"bayesgmm.MixtureSpec({', '.join(arguments)})"
        call = f"sample(data, {model}, {', '.join(settings)})"
        if _is_adopted(sampler):
            call = f"adopt(draws, data, {model})  # the draws as ArviZ holds them"
        return f"import bayesgmm\n\n{read}\nposterior = bayesgmm.{call}"
    models = [*subject.comparison.models, *subject.comparison.same]
    ks = sorted({model.n_components for model in models})
    names = list(dict.fromkeys(str(model.covariance) for model in models))
    covariance = names[0] if len(names) == 1 else names
    draws = subject.comparison.table["draws"]
    settings[0] = f"draws={int(draws[draws > 0].min())}"
    options = [*_compared_families(models), *options]
    arguments = [f"n_components={ks}", f"covariance={covariance!r}", *options, *settings]
    return f"import bayesgmm\n\n{read}\ncomparison = bayesgmm.compare(data, {', '.join(arguments)})"


def _method(subject: Subject, sampler: dict[str, Any]) -> list[str]:
    """Return the method where the one that is taken unasked might be another."""
    method, few = sampler.get("method"), subject.n_obs < IMPORTANCE_ROWS
    if _is_adopted(sampler) or "chosen" in sampler or (method == "nuts" and few):
        return []
    return [f"method={method!r}"]


def _families(spec: MixtureSpec) -> list[str]:
    """Return what a spec says of family and noise that differs from the defaults."""
    usual = MixtureSpec(1)
    names = ("family", "nu", "noise", "noise_concentration")
    given = {name: getattr(spec, name) for name in names}
    return [f"{n}={value!r}" for n, value in given.items() if value != getattr(usual, n)]


def _compared_families(models: Sequence[MixtureSpec]) -> list[str]:
    """Return the families and noises that were compared, where they are not the defaults."""
    arguments = []
    for name in ("family", "noise"):
        values = list(dict.fromkeys(getattr(model, name) for model in models))
        if values != [getattr(MixtureSpec(1), name)]:
            arguments.append(f"{name}={(values[0] if len(values) == 1 else values)!r}")
    nu = next((model.nu for model in models if model.nu != "shared"), None)
    return arguments if nu is None else [*arguments, f"nu={nu!r}"]


def _reading(subject: Subject) -> list[str]:
    """Return the options of reading that differ from the defaults."""
    given = subject.data.get("reading") or {}
    return [f"{name}={value!r}" for name, value in given.items()]


def _beside(subject: Subject) -> list[str]:
    """Return the options for what is known of rows; names stand for the arrays."""
    known = subject.known or Annotations()
    weights = ["weights=weights", f"weights_kind={known.weights_kind!r}"]
    return [
        *(["missing='mar'"] if np.isnan(values_of(subject.draws.table)).any() else []),
        *(weights if known.weights is not None else []),
        *(["labels=labels"] if known.possible is not None else []),
        *(["errors=errors"] if known.errors is not None else []),
    ]
