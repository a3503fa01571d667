"""What `final.repeats` does: `python benchmarks/strategies/repeats.py --other FOLDER [--cascade FOLDER]`.

The multiclass BDT of the final discriminant is trained three times, with other folds to stop it and other seeds. The
cascade, whose other parts are the same, takes the mean of the first one, two or three.
"""

from dataclasses import replace

from compare import edges_of, judge
from pair import Pair

from cascadebdt.config import Config
from cascadebdt.events import Events, in_order
from cascadebdt.training import likelihood
from cascadebdt.training.boosting import Runtime, resolve_device
from cascadebdt.training.context import Context
from cascadebdt.training.kept import NOTHING
from cascadebdt.training.survivors import Survivors

N_REPEATS = 3


def context_of(events: Events, config: Config, jobs: int) -> Context:
    """Return what a training of the cascade with all repetitions works with."""
    asked = config.cascade
    assert asked.final is not None
    final = asked.final.model_copy(update={"repeats": N_REPEATS})
    settings = asked.model_copy(update={"final": final})
    runtime = Runtime(config.seed, jobs, resolve_device(asked.device), asked.memory)
    simulation = in_order(events.take(events.is_nominal & ~events.is_data))
    return Context.of(simulation, settings, runtime, NOTHING)


def main() -> None:
    """Print a row per number of repetitions."""
    pair = Pair.of_command_line()
    config, cascade = pair.config, pair.cascade
    context = context_of(pair.trained, config, pair.jobs)
    ratios = likelihood.ratios(Survivors.of_no_stage(context.config, context.folds), context)
    assert cascade.discriminant is not None
    for n_repeats in range(1, N_REPEATS + 1):
        averaged = replace(cascade.discriminant, ratios=tuple(ratios[:n_repeats]))
        model = replace(cascade, discriminant=averaged)
        edges = edges_of("cascade", model.score(pair.trained, unblind=True, jobs=pair.jobs), pair.trained, config)
        judgement = judge(model.score(pair.judged, unblind=True, jobs=pair.jobs), pair.judged, config, edges)
        print(f"| {n_repeats} | {judgement.limit:.3f} | {judgement.sigma_mu:.3f} |", flush=True)


if __name__ == "__main__":
    main()
