"""The command that looks for better working points, bins, orders and features."""

from typing import TYPE_CHECKING, Literal, Unpack

import click

from cascadebdt.cli.job import Job, Options, common

if TYPE_CHECKING:
    from cascadebdt.products.optimised import Optimised, Sensitivity


def _sets_of_features(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Parse ``stage=feature,feature``."""
    return tuple(_set_of_features(text) for text in texts)


def _set_of_features(text: str) -> tuple[str, tuple[str, ...]]:
    stage, _, names = text.partition("=")
    features = tuple(name.strip() for name in names.split(",") if name.strip())
    if not stage.strip() or not features:
        raise click.BadParameter(f"expected STAGE=FEATURE,FEATURE, got '{text}'")
    return stage.strip(), features


@click.command("optimise")
@common
@click.option(
    "--objective",
    type=click.Choice(["limit", "significance", "sigma_mu"]),
    default="limit",
    show_default=True,
    help="What the fits of the finalists are compared by.",
)
@click.option(
    "--trials", type=click.IntRange(min=1), default=3000, show_default=True, help="Settings that the surrogate judges."
)
@click.option(
    "--finalists", type=click.IntRange(min=1), default=8, show_default=True, help="Settings that are fitted, at most."
)
@click.option(
    "--orders",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Orders of the stages to train, by exchanging neighbours.",
)
@click.option(
    "--features",
    multiple=True,
    callback=_sets_of_features,
    metavar="STAGE=A,B,...",
    help="Other features to train a stage with (repeatable).",
)
@click.option(
    "--min-purity",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of its own background that every control region must have.",
)
def optimise_command(
    objective: Literal["limit", "significance", "sigma_mu"],
    trials: int,
    finalists: int,
    orders: int,
    features: tuple[tuple[str, tuple[str, ...]], ...],
    min_purity: float,
    **options: Unpack[Options],
) -> None:
    """Find working points, bins, order and features that measure the signal best, and write them as a configuration.

    Half of the simulation is searched, the other half tells how much of the gain is luck.
    """
    from cascadebdt.studies.optimise import CONFIGURATION, Asked, optimise

    job = Job.of(options)
    asked = Asked(objective, trials, finalists, orders, features, min_purity)
    optimised = optimise(job.config, job.products, asked, jobs=job.jobs, progress=job.progress)
    for line in _table(optimised):
        job.say(line)
    job.say(f"wrote {job.products.json('optimise')}")
    job.say(f"wrote {job.products.directory / CONFIGURATION}")


def _table(optimised: "Optimised") -> list[str]:
    best = optimised.best
    cuts = [f"{name} {best.efficiencies[name]:.3f}" for name in best.stages if best.thresholds[name] > 0]
    open_stages = [name for name in best.stages if best.thresholds[name] == 0]
    return [
        f"signal efficiencies: {', '.join(cuts) or 'no stage cuts'}",
        *([f"only score: {', '.join(open_stages)}"] if open_stages else []),
        f"bins: {best.n_signal} of the signal region, {best.n_control} of each control region, at most",
        f"{'':24s}{'sigma(mu)':>10s}{'limit':>10s}{'significance':>14s}",
        _row("configured, searched", optimised.start_claimed),
        _row("configured, held out", optimised.start_held_out),
        _row("proposed, claimed", optimised.claimed),
        _row("proposed, held out", optimised.held_out),
        _row("gain, claimed", optimised.gain_claimed),
        _row("gain, held out", optimised.gain_held_out),
    ]


def _row(what: str, numbers: "Sensitivity") -> str:
    return f"{what:24s}{numbers.sigma_mu:10.3f}{numbers.limit:10.3f}{numbers.significance:14.3f}"
