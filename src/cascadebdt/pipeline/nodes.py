"""The plan as a list of nodes for machines that share no memory: each is one command line and has a key.

`run` does the same in one process, where the events stay in memory from one step to the next.
"""

from dataclasses import dataclass

from cascadebdt.config import Config
from cascadebdt.pipeline.plan import STEPS, Plan
from cascadebdt.products import Products
from cascadebdt.products.models import KeptModels
from cascadebdt.training.kept import Place, places


@dataclass(frozen=True)
class Node:
    """A step of the plan, or the training of one model.

    Attributes
    ----------
    name : unique in the plan
    category : ``model`` or the name of the step: of nodes that need about the same time and memory
    arguments : of the command line, before the configuration
    key : of what its products are made from
    after : names of the nodes whose products it reads
    is_done : whether its products are there and can be used
    """

    name: str
    category: str
    arguments: tuple[str, ...]
    key: str
    after: tuple[str, ...]
    is_done: bool


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
    models = _models(config, plan)
    steps: list[Node] = []
    after = tuple(node.name for node in models if node.key == models[-1].key)
    for step in STEPS:
        steps.append(Node(step, step, (step,), plan.steps[step].key, after, plan.fault(step) is None))
        after = (step,)
    return (*models, *steps)


def _models(config: Config, plan: Plan) -> list[Node]:
    """Return a node for each fold of each stage; all models of the stages before choose its events."""
    kept = KeptModels(plan.inventory, plan.models)
    is_trained = plan.fault("train") is None
    models: list[Node] = []
    before: tuple[str, ...] = ()
    for stage, of_stage in places(config.cascade).items():
        folds: dict[int, list[Place]] = {}
        for place in of_stage:
            folds.setdefault(place.fold, []).append(place)
        key = (plan.models.get(stage) or plan.models["final"]).key
        own = [
            Node(
                name=f"train_{stage}_{fold}",
                category="model",
                arguments=("train", "--stage", stage, "--fold", str(fold)),
                key=key,
                after=before,
                is_done=is_trained or kept.has(of_fold),
            )
            for fold, of_fold in sorted(folds.items())
        ]
        models += own
        before = tuple(node.name for node in own)
    return models
