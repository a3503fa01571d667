"""The steps `fit`, with its pseudo-experiments, and `report` in a folder where the regions were filled."""

from pathlib import Path

from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, InputError
from cascadebdt.pipeline import answers
from cascadebdt.pipeline.plan import Plan
from cascadebdt.products import Products, figures
from cascadebdt.products.inventory import Inventory, sha256
from cascadebdt.products.lock import locked
from cascadebdt.products.results import Applied, Inferred
from cascadebdt.progress import Progress, silent


def fit(config: Config, products: Products, *, jobs: int = 1, progress: Progress = silent) -> Inferred:
    """Fit the filled regions.

    Parameters
    ----------
    jobs : processes of pseudo-experiments, if the configuration asks for them; they do not change the result
    progress : told of pseudo-experiments

    Raises
    ------
    InputError
        If the regions were not filled with this configuration, or a product is damaged.
    """
    with locked(products.directory):
        plan = _plan_of_what_was_applied(config, products)
        plan.require("apply")
        inferred = answers.fit(config, products, jobs=jobs, progress=progress)
        plan.done("fit", products.of_fit())
        return inferred


def toys(config: Config, products: Products, *, part: int, of: int, jobs: int = 1, progress: Progress = silent) -> None:
    """Make a part of the pseudo-experiments of `fit`, and leave them for it; several parts may be made at a time.

    Signal strengths of limits are chosen in rounds, each with what all parts made in those before: `inference.ROUNDS`
    calls for each part leave nothing for `fit`.

    Parameters
    ----------
    part, of : the part, from 1 to the number of parts; they have every `of`-th piece each
    jobs : processes; they do not change the result
    progress : told of pseudo-experiments

    Raises
    ------
    ConfigError
        If the configuration asks for none, or there is no such part.
    InputError
        As `fit`.
    """
    if not config.fit.toys:
        raise ConfigError("fit.toys: the configuration asks for no pseudo-experiments; give their number there")
    if not 1 <= part <= of:
        raise ConfigError(f"--part: expected 1 to {of}, got {part}")
    plan = _plan_of_what_was_applied(config, products)
    if plan.fault("fit") is None:
        return
    plan.require("apply")
    answers.toys(config, products, part=part, of=of, jobs=jobs, progress=progress)


def report(config: Config, products: Products, *, n_features: int | None = None) -> Path:
    """Draw the figures and write the page; return its path.

    Before there is a fit, after `train` alone or where a run stopped, it shows the figures that need none.

    Parameters
    ----------
    n_features : features drawn of every stage and region, the most important first; if not given a few of every stage

    Raises
    ------
    InputError
        If the products of the other steps do not belong to this configuration, or are damaged.
    """
    with locked(products.directory):
        plan = _plan_of_what_was_applied(config, products)
        if {"train", "apply"} & plan.inventory.steps.keys() and "fit" not in plan.inventory.steps:
            return _report_without_fit(config, products, plan)
        plan.require("fit")
        cascade = _cascade_that_was_applied(plan, products)
        path = answers.report(config, products, cascade=cascade, n_features=n_features)
        plan.done("report", [path, *figures.paths(products)])
        return path


def _report_without_fit(config: Config, products: Products, plan: Plan) -> Path:
    """Show what there is; the page is no product of the plan, so that `run` draws the whole one later."""
    from cascadebdt.pipeline.provenance import load_cascade

    is_applied = "apply" in plan.inventory.steps
    plan.require("apply" if is_applied else "train")
    cascade = _cascade_that_was_applied(plan, products) if is_applied else load_cascade(config, products.cascade)
    applied = Applied.read(products) if is_applied else None
    missing = str(plan.fault("fit"))
    return answers.report_without_fit(config, products, cascade=cascade, applied=applied, missing=missing)


def _plan_of_what_was_applied(config: Config, products: Products) -> Plan:
    """Return the plan with the cascade that was applied, which may have been trained elsewhere."""
    return Plan.of(config, products.directory, elsewhere=Inventory.read(products.directory).elsewhere)


def _cascade_that_was_applied(plan: Plan, products: Products) -> Cascade:
    folder = Path(plan.inventory.about.get("cascade") or products.cascade)
    expected = plan.steps["apply"].inputs.get("cascade")
    if expected not in (None, cascade_key(folder)):
        raise InputError(f"{folder / 'cascade.json'}: another cascade than was applied; do it with 'cascadebdt apply'")
    return Cascade.load(folder)


def cascade_key(folder: Path) -> str:
    """Return the hash of a saved cascade, with those of its models in it."""
    try:
        return sha256(folder / "cascade.json")
    except OSError as error:
        raise InputError(f"{folder / 'cascade.json'}: not a saved cascade: {error.strerror}") from error
