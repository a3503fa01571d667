"""Single nodes of the plan, each for a process of its own; several may work in one folder at a time."""

from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, InputError, did_you_mean
from cascadebdt.events.loading import select_part as select_files
from cascadebdt.events.variations import samples_by_name
from cascadebdt.pipeline import steps
from cascadebdt.pipeline.plan import Plan
from cascadebdt.pipeline.portions import Portion
from cascadebdt.pipeline.selected import kept_parts, selected
from cascadebdt.products import Products
from cascadebdt.products.models import KeptModels
from cascadebdt.progress import Progress, silent
from cascadebdt.training.kept import Chosen, Unfinished, places


def part_name(part: int, of: int) -> str:
    """Return the name of a part of the files of a sample."""
    return f"{part}of{of}"


def select_part(
    config: Config,
    products: Products,
    *,
    sample: str,
    part: int,
    of: int,
    jobs: int = 1,
    progress: Progress = silent,
) -> None:
    """Select the events of a part of the files of a sample, unless that was done; training and `apply` take them.

    Parameters
    ----------
    sample : its name; an alternative one has that of its systematic's sample
    part, of : the part, from 1 to the number of parts; they have every `of`-th file each

    Raises
    ------
    ConfigError
        If there is no such sample or part.
    InputError
        If an input file is not usable.
    """
    portion = Portion(sample, part, of)
    portion.require(config)
    plan = Plan.of(config, products.directory, jobs=jobs)
    kept = kept_parts(config, products, plan)
    if kept.is_done(sample, part_name(part, of)):
        return
    files = portion.locations(config)
    select_files(config, samples_by_name(config)[sample], files, kept=kept, jobs=jobs, progress=progress)
    kept.done(sample, part_name(part, of))


def train_model(
    config: Config, products: Products, *, stage: str, fold: int, jobs: int = 1, progress: Progress = silent
) -> None:
    """Train the model of one fold of one stage, unless it is there, and leave it for `train`.

    Parameters
    ----------
    stage : name of a stage, or ``final``, ``likelihood``, ``final_1``, ... for the BDTs of the final discriminant and
        their repeats, or ``sorter``

    Raises
    ------
    ConfigError
        If there is no such model.
    InputError
        If models of the stages before it are missing.
    """
    _require_model(config, stage, fold)
    plan = Plan.of(config, products.directory, jobs=jobs)
    kept = KeptModels(plan.inventory, plan.models)
    if kept.has(place for place in places(config.cascade)[stage] if place.fold == fold):
        return
    with selected(config, products, plan, training_only=True, jobs=jobs, progress=progress) as events:
        try:
            steps.train_models(config, events.training(), kept=Chosen(kept, stage, fold), jobs=jobs)
        except Unfinished as end:
            names = list(places(config.cascade))
            if names.index(end.places[0].stage) < names.index(stage):
                raise InputError(
                    f"{products.directory}: the model of {end}, is missing, which chooses events of this one; "
                    f"train it first, with --stage {end.places[0].stage} --fold {end.places[0].fold}"
                ) from None


def _require_model(config: Config, stage: str, fold: int) -> None:
    known = places(config.cascade)
    if stage not in known:
        raise ConfigError(f"--stage: unknown stage '{stage}'{did_you_mean(stage, known)}")
    folds = sorted({place.fold for place in known[stage]})
    if fold not in folds:
        raise ConfigError(f"--fold: stage '{stage}' has no model of fold {fold}, expected {folds[0]} to {folds[-1]}")
