"""The plan as a list of nodes for machines that share no memory: each is one command line and has a key.

`run` does the same in one process, where the events stay in memory from one step to the next.
"""

from collections.abc import Iterable

from cascadebdt.cascade.stage import FINAL, repeated
from cascadebdt.config import Config
from cascadebdt.inference.toys import ROUNDS
from cascadebdt.pipeline.filling_nodes import filling_nodes
from cascadebdt.pipeline.node import Node
from cascadebdt.pipeline.plan import Plan
from cascadebdt.pipeline.portions import portions
from cascadebdt.pipeline.selected import kept_parts
from cascadebdt.pipeline.single import part_name
from cascadebdt.products import Products
from cascadebdt.products.lock import locked
from cascadebdt.products.models import KeptModels
from cascadebdt.products.parts import FOLDER
from cascadebdt.training.kept import Place, places


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
    trains = [sample.name for sample in config.samples if not sample.is_data]
    training = tuple(node.name for sample in trains for node in selections[sample])
    kept = kept_parts(config, products, plan)
    models = _models(config, plan, training, reads=tuple(map(kept.place, trains)))
    last = tuple(node.name for node in models if node.after == models[-1].after)
    train = _step("train", plan, last, reads=models[-1].reads)
    rest = tuple(node.name for sample, of_sample in selections.items() if sample not in trains for node in of_sample)
    if config.corrections:
        apply: tuple[Node, ...] = (_step("apply", plan, ("train", *rest), reads=(FOLDER,)),)
    else:
        apply = filling_nodes(config, products, plan, {sample: _names(of) for sample, of in selections.items()})
    toys = _toys(config, plan)
    ready = tuple(node.name for node in toys if node.after == toys[-1].after) or ("apply",)
    later = (*toys, _step("fit", plan, ready), _step("report", plan, ("fit",)))
    return (*(node for of_sample in selections.values() for node in of_sample), *models, train, *apply, *later)


def _names(nodes: Iterable[Node]) -> tuple[str, ...]:
    return tuple(node.name for node in nodes)


def note_inputs(config: Config, products: Products, *, jobs: int = 1) -> None:
    """Write into the manifest what tells the input files from others, so that jobs need not read all of them for that.

    Raises
    ------
    InputError
        As `nodes`, or if another process is at work in the folder.
    """
    with locked(products.directory):
        Plan.of(config, products.directory, jobs=jobs).inventory.write()


def _step(step: str, plan: Plan, after: tuple[str, ...], *, reads: tuple[str, ...] = ()) -> Node:
    return Node(step, step, (step,), plan.steps[step].key, after, plan.fault(step) is None, reads)


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
    for portion in portions(config):
        node = Node(
            name=f"select_{portion.sample}_{portion.part}",
            category="select",
            arguments=("select", *portion.options),
            key=plan.selections[portion.sample].key,
            after=(),
            is_done=is_applied or kept.is_done(portion.sample, part_name(portion.part, portion.of)),
        )
        nodes_of.setdefault(portion.sample, []).append(node)
    return nodes_of


def _models(config: Config, plan: Plan, before: tuple[str, ...], *, reads: tuple[str, ...]) -> list[Node]:
    """Return a node for each fold of each BDT; all models of those before choose its events, or are trained before.

    Folds that train on all workers at once do so one after the other.

    Parameters
    ----------
    before : nodes that read what is trained on
    reads : what each reads
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
                reads=reads,
            )
            own.append(node)
        models += own
        before = tuple(node.name for node in own)
    return models
