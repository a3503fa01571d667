"""The commands of the chain: everything at once, or step by step."""

from pathlib import Path
from typing import Unpack

import click

from cascadebdt.cli.answers import DATA_LINES, headline
from cascadebdt.cli.job import Job, Options, common, for_every_step


@click.command("run")
@common
@click.option(
    "--executor", type=click.Choice(["here", "dask"]), default="here", show_default=True, help="Where to run."
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="With --executor dask, such as tcp://host:8786 [one on this machine]."
)
def run_command(executor: str, scheduler: str | None, **options: Unpack[Options]) -> None:
    """Do everything: select, train, apply, fit, report."""
    from cascadebdt import pipeline

    if scheduler is not None and executor != "dask":
        raise click.UsageError("--scheduler goes with --executor dask")
    job = Job.of(options)
    if executor == "dask":
        from cascadebdt.scaleout import dask

        dask.run(
            job.config,
            options["config_path"],
            job.products,
            scheduler=scheduler,
            options=for_every_step(options),
            jobs=job.jobs,
            progress=job.progress,
        )
    inferred = pipeline.run(job.config, job.products, jobs=job.jobs, progress=job.progress)
    job.say(headline(inferred.answers, inferred.summary.data))
    job.say(f"wrote {job.products.directory}")


@click.command("check")
@common
def check_command(**options: Unpack[Options]) -> None:
    """Find what is wrong with a configuration and its files, without training."""
    from cascadebdt.events import loading
    from cascadebdt.pipeline import checking
    from cascadebdt.training.inputs import effective_events

    job = Job.of(options)
    events = loading.select(job.config, jobs=job.jobs, progress=job.progress)
    loading.require_trainable(events, job.config)
    cutflow = events.cutflow
    data = {sample.name for sample in job.config.samples if sample.is_data}
    for sample, entries in zip(cutflow.samples, cutflow.entries.tolist(), strict=True):
        # How many events of data are selected is not told: those of the signal region are among them.
        shown, what = (entries[0], "read") if sample in data else (entries[-1], f"selected of {entries[0]}")
        job.say(f"{sample:16s} {shown:>9d} events {what}")
    for process, number in effective_events(events).items():
        job.say(f"{process:16s} {number:>9.0f} effective events before the first stage")
    for sentence in checking.doubts(job.config, events):
        job.say(f"warning: {sentence}")
    for line in filter(None, [DATA_LINES.get(job.config.data)]):
        job.say(line)
    job.say(f"{options['config_path']}: no errors found")


@click.command("select")
@common
@click.option("--sample", required=True, help="Sample whose files are read.")
@click.option("--part", type=int, default=1, show_default=True, help="Which part of the files.")
@click.option("--of", "n_parts", type=click.IntRange(min=1), default=1, show_default=True, help="Number of parts.")
def select_command(sample: str, part: int, n_parts: int, **options: Unpack[Options]) -> None:
    """Select the events of some files, and keep them in OUTPUT until `apply` has used them."""
    from cascadebdt import pipeline

    job = Job.of(options)
    pipeline.select_part(
        job.config, job.products, sample=sample, part=part, of=n_parts, jobs=job.jobs, progress=job.progress
    )
    job.say(f"selected part {part} of {n_parts} of '{sample}'")


@click.command("train")
@common
@click.option("--stage", metavar="NAME", help="With --fold, train one model alone, for the command without it to take.")
@click.option("--fold", type=click.IntRange(min=0), help="Whose events the model will score.")
def train_command(stage: str | None, fold: int | None, **options: Unpack[Options]) -> None:
    """Select events and train the cascade."""
    from cascadebdt import pipeline

    if (stage is None) != (fold is None):
        raise click.UsageError("--stage and --fold go together")
    job = Job.of(options)
    if stage is not None and fold is not None:
        pipeline.train_model(job.config, job.products, stage=stage, fold=fold, jobs=job.jobs, progress=job.progress)
        job.say(f"trained stage '{stage}', fold {fold}")
        return
    pipeline.train(job.config, job.products, jobs=job.jobs, progress=job.progress)
    job.say(f"wrote {job.products.cascade}")


@click.command("apply")
@common
@click.option("--files", multiple=True, help="Stream only these files (names, globs; repeatable) into OUTPUT/applied.")
@click.option("--sample", help="With --part, the sample; with --files, that which they belong to [found by name].")
@click.option("--part", type=int, help="Fill with this part of the files of --sample alone, for `merge` to take.")
@click.option("--of", "n_parts", type=click.IntRange(min=1), default=1, show_default=True, help="Number of parts.")
@click.option("--observables", is_flag=True, help="With --part, leave what the bins are chosen by.")
@click.option("--bins", is_flag=True, help="Choose the bins by what all parts have left, for --part to fill.")
@click.option("--cascade", type=click.Path(path_type=Path), help="Folder of the trained cascade [OUTPUT/cascade].")
@click.option("--scores", is_flag=True, help="With --files, write the scores of every event, too.")
def apply_command(
    files: tuple[str, ...],
    sample: str | None,
    part: int | None,
    n_parts: int,
    observables: bool,
    bins: bool,
    cascade: Path | None,
    scores: bool,
    **options: Unpack[Options],
) -> None:
    """Score events with the trained cascade and fill the regions."""
    from cascadebdt import pipeline

    job = Job.of(options)
    if bins or part is not None:
        if files or cascade or scores or (bins and part is not None):
            raise click.UsageError("--part and --bins go alone, without --files, --cascade and --scores")
        _apply_in_parts(job, None if part is None else (sample, part, n_parts), observables=observables)
        return
    if files:
        request = pipeline.Request(files, sample, (cascade or job.products.cascade).parent, scores)
        pipeline.apply_files(job.config, job.products, request, cascade=cascade, jobs=job.jobs, progress=job.progress)
        job.say(f"wrote {job.products.applied.json('histograms')}")
        return
    if sample or scores:
        raise click.UsageError("--sample and --scores go with --files")
    pipeline.apply(job.config, job.products, cascade=cascade, jobs=job.jobs, progress=job.progress)
    job.say(f"wrote {job.products.json('histograms')}")


@click.command("toys")
@common
@click.option("--part", type=int, default=1, show_default=True, help="Which part of the pseudo-experiments.")
@click.option("--of", "n_parts", type=click.IntRange(min=1), default=1, show_default=True, help="Number of parts.")
def toys_command(part: int, n_parts: int, **options: Unpack[Options]) -> None:
    """Make a part of the pseudo-experiments that `fit` is asked for, and keep them in OUTPUT until it joins them."""
    from cascadebdt import pipeline

    job = Job.of(options)
    pipeline.toys(job.config, job.products, part=part, of=n_parts, jobs=job.jobs, progress=job.progress)
    job.say(f"made part {part} of {n_parts} of the pseudo-experiments")


def _apply_in_parts(job: Job, part: tuple[str | None, int, int] | None, *, observables: bool) -> None:
    """Do one node of the step `apply`; without a part, choose the bins."""
    from cascadebdt import pipeline

    if part is None:
        pipeline.choose_bins(job.config, job.products, jobs=job.jobs)
        job.say("chose the bins")
        return
    sample, number, of = part
    if sample is None:
        raise click.UsageError("--part and --sample go together")
    do = pipeline.observe if observables else pipeline.fill
    do(job.config, job.products, pipeline.Portion(sample, number, of), jobs=job.jobs, progress=job.progress)
    job.say(f"scored part {number} of {of} of '{sample}'")


@click.command("merge")
@common
@click.option("--level", type=int, help="With --part, merge the parts of one node of the tree alone.")
@click.option("--part", type=int, help="Which node of the level.")
def merge_command(level: int | None, part: int | None, **options: Unpack[Options]) -> None:
    """Merge what `apply --part` has filled, and write what `apply` writes."""
    from cascadebdt import pipeline

    if (level is None) != (part is None):
        raise click.UsageError("--level and --part go together")
    job = Job.of(options)
    if level is not None and part is not None:
        pipeline.merge_level(job.config, job.products, level=level, part=part, jobs=job.jobs)
        job.say(f"merged part {part} of level {level}")
        return
    pipeline.merge(job.config, job.products, jobs=job.jobs, progress=job.progress)
    job.say(f"wrote {job.products.json('histograms')}")


@click.command("report")
@common
@click.option(
    "--features", type=click.IntRange(min=1), help="Features to draw of every stage and region [4 of every stage]."
)
def report_command(features: int | None, **options: Unpack[Options]) -> None:
    """Draw the figures and write the HTML page."""
    from cascadebdt import pipeline

    job = Job.of(options)
    pipeline.report(job.config, job.products, n_features=features)
    job.say(f"wrote {job.products.report}")
