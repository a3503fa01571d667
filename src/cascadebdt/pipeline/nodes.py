"""The plan as a list of nodes for machines that share no memory: each is one command line and has a key.

`run` does the same in one process, where the events stay in memory from one step to the next.
"""

from dataclasses import dataclass

from cascadebdt.cascade.stage import FINAL, repeated
from cascadebdt.config import Config
from cascadebdt.inference.toys import ROUNDS
from cascadebdt.pipeline.plan import Plan, configured
from cascadebdt.pipeline.selected import kept_parts
from cascadebdt.pipeline.single import part_name
from cascadebdt.products import Products
from cascadebdt.products.lock import locked
from cascadebdt.products.models import KeptModels
from cascadebdt.training.kept import Place, places


@dataclass(frozen=True)
class Node:
    """A step of the plan, the reading of some files, or the training of one model.

    Attributes
    ----------
    name : unique in the plan
    category : ``select``, ``model`` or the name of the step: of nodes that need about the same time and memory
    arguments : of the command line, before the configuration
    key : of what its products are made from
    after : names of the nodes whose products it reads
    is_done : whether its products are there and can be used
    is_distributed : whether it trains on all workers of a Dask scheduler
    """

    name: str
    category: str
    arguments: tuple[str, ...]
    key: str
    after: tuple[str, ...]
    is_done: bool
    is_distributed: bool = False


def nodes(config: Config, products: Products, *, jobs: int = 1) -> tuple[Node, ...]:
    """Return the nodes of an analysis in an order in which they can be done.

    Parameters
    ----------
    config : the analysis
    products : of which those that are there, and still right, need not be made
    jobs : input files looked at at a time

    Raises
    ------
    InputError
        If an input file is not there, or the manifest cannot be understood.
    """
    plan = Plan.of(config, products.directory, jobs=jobs)
    selections = _selections(config, products, plan)
    trains = {sample.name for sample in config.samples if not sample.is_data}
    training = tuple(node.name for sample, of_sample in selections.items() if sample in trains for node in of_sample)
    models = _models(config, plan, training)
    rest = tuple(node.name for sample, of_sample in selections.items() if sample not in trains for node in of_sample)
    last = tuple(node.name for node in models if node.after == models[-1].after)
    steps = [_step("train", plan, last), _step("apply", plan, ("train", *rest))]
    toys = _toys(config, plan)
    ready = tuple(node.name for node in toys if node.after == toys[-1].after) or ("apply",)
    steps += [*toys, _step("fit", plan, ready), _step("report", plan, ("fit",))]
    return (*(node for of_sample in selections.values() for node in of_sample), *models, *steps)


def note_inputs(config: Config, products: Products, *, jobs: int = 1) -> None:
    """Write into the manifest what tells the input files from others, so that jobs need not read all of them for that.

    Raises
    ------
    InputError
        As `nodes`, or if another process is at work in the folder.
    """
    with locked(products.directory):
        Plan.of(config, products.directory, jobs=jobs).inventory.write()


def _step(step: str, plan: Plan, after: tuple[str, ...]) -> Node:
    return Node(step, step, (step,), plan.steps[step].key, after, plan.fault(step) is None)


def _toys(config: Config, plan: Plan) -> list[Node]:
    """Return nodes that make pseudo-experiments for the fit: all parts in every round of the search for limits.

    None where one job makes them all: it is the fit.
    """
    of = -(-config.fit.toys // config.batch.toys_per_job)
    nodes: list[Node] = []
    before: tuple[str, ...] = ("apply",)
    for round_ in range(1, ROUNDS + 1 if of > 1 else 1):
        own = [
            Node(
                name=f"toys_{round_}_{part}",
                category="toys",
                arguments=("toys", "--part", str(part), "--of", str(of)),
                key=plan.steps["fit"].key,
                after=before,
                is_done=plan.fault("fit") is None,
            )
            for part in range(1, of + 1)
        ]
        nodes += own
        before = tuple(node.name for node in own)
    return nodes


def _selections(config: Config, products: Products, plan: Plan) -> dict[str, list[Node]]:
    """Return sample -> nodes that read its files, some each."""
    kept = kept_parts(config, products, plan)
    is_applied = plan.fault("apply") is None
    nodes_of: dict[str, list[Node]] = {}
    for sample, files in configured(config).items():
        of = -(-len(files) // config.batch.files_per_job)
        nodes_of[sample] = [
            Node(
                name=f"select_{sample}_{part}",
                category="select",
                arguments=("select", "--sample", sample, "--part", str(part), "--of", str(of)),
                key=plan.selections[sample].key,
                after=(),
                is_done=is_applied or kept.is_done(sample, part_name(part, of)),
            )
            for part in range(1, of + 1)
        ]
    return nodes_of


def _models(config: Config, plan: Plan, before: tuple[str, ...]) -> list[Node]:
    """Return a node for each fold of each BDT; all models of those before choose its events, or are trained before.

    Folds that train on all workers at once do so one after the other.

    Parameters
    ----------
    before : nodes that read what is trained on
    """
    kept = KeptModels(plan.inventory, plan.models)
    is_trained = plan.fault("train") is None
    distributed = {stage.name for stage in config.cascade.stages if stage.distributed}
    if (final := config.cascade.final) and final.distributed:
        distributed |= {repeated(FINAL, repeat) for repeat in range(final.repeats)}
    models: list[Node] = []
    for stage, of_stage in places(config.cascade).items():
        folds: dict[int, list[Place]] = {}
        for place in of_stage:
            folds.setdefault(place.fold, []).append(place)
        own: list[Node] = []
        for fold, of_fold in sorted(folds.items()):
            node = Node(
                name=f"train_{stage}_{fold}",
                category="model",
                arguments=("train", "--stage", stage, "--fold", str(fold)),
                key=plan.models[stage].key,
                after=(*before, own[-1].name) if own and stage in distributed else before,
                is_done=is_trained or kept.has(of_fold),
                is_distributed=stage in distributed,
            )
            own.append(node)
        models += own
        before = tuple(node.name for node in own)
    return models
