"""Filled portions -> the products of `apply`: merged as a tree, in any order with the same bits."""

from collections.abc import Sequence
from dataclasses import dataclass

from cascadebdt.config import Config
from cascadebdt.corrections import Corrections
from cascadebdt.errors import ConfigError, InputError
from cascadebdt.events import Events
from cascadebdt.events.loading import account
from cascadebdt.pipeline import portions, steps
from cascadebdt.pipeline.plan import Plan
from cascadebdt.pipeline.portions import Workplace
from cascadebdt.pipeline.selected import kept_parts
from cascadebdt.pipeline.totals import Block
from cascadebdt.products import Products
from cascadebdt.products.keys import digest
from cascadebdt.products.lock import locked
from cascadebdt.products.partials import Bins, FilledParts, Partial, merged
from cascadebdt.progress import Progress, silent


@dataclass(frozen=True)
class Piece:
    """A file of what was filled, of one portion or of several.

    Attributes
    ----------
    name : of the file
    arguments : of the command line that makes it
    inputs : pieces that it is merged from
    """

    name: str
    arguments: tuple[str, ...]
    inputs: tuple["Piece", ...] = ()


def tree(config: Config) -> tuple[tuple[Piece, ...], ...]:
    """Return the pieces level by level, those of portions first; `batch.merge_width` of them make one of the next.

    The last level is merged by `merge`.
    """
    width = config.batch.merge_width
    leaves = [Piece(part.name, portions.arguments_of_filled(part)) for part in portions.portions(config)]
    levels = [tuple(leaves)]
    while len(levels[-1]) > width:
        groups = [levels[-1][first : first + width] for first in range(0, len(levels[-1]), width)]
        levels.append(tuple(_node(len(levels), part, group) for part, group in enumerate(groups, start=1)))
    return tuple(levels)


def _node(level: int, part: int, inputs: Sequence[Piece]) -> Piece:
    # The name tells of what it is made, so that with another width or other parts no file is mistaken for another.
    inside = digest([piece.name for piece in inputs])[:12]
    arguments = ("merge", "--level", str(level), "--part", str(part))
    return Piece(f"merged_{level}_{part}_{inside}", arguments, tuple(inputs))


def merge_level(config: Config, products: Products, *, level: int, part: int, jobs: int = 1) -> None:
    """Merge the pieces of one node of the tree, unless that was done.

    Raises
    ------
    ConfigError
        If there is no such node.
    InputError
        If a piece is missing or damaged, or an input file is not there.
    """
    portions.require_divisible(config)
    plan = Plan.of(config, products.directory, jobs=jobs)
    filled = FilledParts(products.directory, plan.steps["apply"])
    levels = tree(config)
    if not 1 <= level < len(levels):
        raise ConfigError(f"--level: expected 1 to {len(levels) - 1}, got {level}: batch.merge_width says how many")
    if not 1 <= part <= len(levels[level]):
        raise ConfigError(f"--part: expected 1 to {len(levels[level])}, got {part}")
    piece = levels[level][part - 1]
    if not filled.has(piece.name):
        filled.write(piece.name, _merged(piece.inputs, filled))


def merge(config: Config, products: Products, *, jobs: int = 1, progress: Progress = silent) -> None:
    """Merge what all portions have filled, and write the products of `apply`.

    Raises
    ------
    InputError
        If a piece is missing or damaged, if files of a sample count now that did not when it was filled, or as
        `steps.apply`.
    """
    with locked(products.directory):
        work = Workplace.of(config, products, jobs=jobs)
        levels = tree(config)
        partial = _merged(levels[-1], work.filled)
        kept = kept_parts(config, products, work.plan)
        events = account(config, kept=kept, jobs=jobs, progress=progress)
        bins = work.bins()
        _require_all(partial, [piece.name for piece in levels[0]], bins, work.filled)
        _require_files(partial, bins, events, work.filled, config)
        totals = work.totals(bins.edges)
        totals.add(Block.of(events, work.cascade, config))
        totals.take(partial.sums, partial.ranges)
        applied = steps.applied(config, products, events, work.cascade, totals, Corrections({}))
        work.plan.done("apply", products.of_apply(), about=applied.manifest.to_json())
        kept.forget()
        work.filled.forget()


def _merged(pieces: Sequence[Piece], filled: FilledParts) -> Partial:
    commands = {piece.name: f"cascadebdt {' '.join(piece.arguments)}" for piece in pieces}
    return merged((filled.read(name, command=command) for name, command in commands.items()), where=filled.folder)


def _require_all(partial: Partial, parts: Sequence[str], bins: Bins, filled: FilledParts) -> None:
    """Require that every part of every sample is there, filled into these bins."""
    missing = sorted(set(parts) - set(partial.parts))
    if missing:
        raise InputError(f"{filled.folder}: part '{missing[0]}' is missing; remove the folder and submit again")
    if partial.bins != portions.hash_of(bins.edges):
        raise InputError(f"{filled.folder}: parts were filled into other bins; remove the folder and submit again")


def _require_files(partial: Partial, bins: Bins, events: Events, filled: FilledParts, config: Config) -> None:
    """Require that every part was normalised over the files that count now."""
    for sample, files in events.files.items():
        now = portions.files_of(tuple(file.location for file in files), config)
        if {partial.files[sample], bins.files.get(sample, now)} != {now}:
            raise InputError(
                f"{filled.folder}: sample '{sample}' had other files when it was filled, because some could not be "
                "read; remove the folder and submit again"
            )
