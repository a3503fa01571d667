"""A chunk, the entries of a file in a range -> the selected `Events` of every variation, and their counts."""

from collections.abc import Mapping
from dataclasses import replace

import awkward as ak
import numpy as np

from cascadebdt.arrays import CODE, AnyArray, FloatArray, IdArray, IntArray
from cascadebdt.config import NOMINAL, Config
from cascadebdt.errors import FileError, InputError
from cascadebdt.events import ledger, selection
from cascadebdt.events.events import Events
from cascadebdt.events.marks import marks_of
from cascadebdt.events.parts import Names, Part
from cascadebdt.events.selection import Counts
from cascadebdt.events.sources import Source
from cascadebdt.events.variations import weight_factors
from cascadebdt.features import FeatureTable
from cascadebdt.ntuple import EntryRange, Reader


def read(source: Source, part: EntryRange, config: Config, reader: Reader) -> ak.Array | FileError:
    """Read what the plans of a source need of a range of entries."""
    try:
        return reader.read(part, source.branches | set(config.ntuples.event_id), exact=source.exact)
    except FileError as error:
        if config.ntuples.on_bad_file == "error":
            raise
        return error


def selected(source: Source, part: EntryRange, chunk: ak.Array, config: Config, names: Names) -> Part:
    """Select the events of a range of entries in every variation."""
    event_id = ledger.identity(chunk, part, source, config)
    of_variations: list[Events] = []
    counted: list[Counts] = []
    (first, plan), *others = source.plans.items()
    branches = source.flat(chunk, part.stop - part.start)
    for name in plan.bits:
        branches.require_bits(name)
    nominal, varied = plan.apply_with(dict(others), branches)
    for variation, table in {first: nominal, **{name: _varied(table) for name, table in varied.items()}}.items():
        weights = _weights(table, source, part, list(weight_factors(config)))
        _, counts = selection.apply(table.passed, weights[NOMINAL])
        _require_finite(table, part)
        of_variations.append(_events(table, weights, event_id, source, variation, names))
        counted.append(counts)
    marks = marks_of(of_variations[0], event_id, is_data=source.is_recorded)
    flags = {
        f"{what}: branch '{name}' is true or false and used as a number, 1 or 0"
        for what, name in plan.numbers
        if branches.is_flag(name)
    }
    return Part(part, of_variations, counted[0], marks, frozenset(flags))


def again(config: Config, names: Names, reader: Reader) -> ledger.Again:
    """Return a function that selects a range of entries again: its chunk, the selected rows and their marks."""

    def select_again(source: Source, part: EntryRange) -> tuple[ak.Array, IntArray, IdArray]:
        chunk = reader.read(part, source.branches | set(config.ntuples.event_id), exact=source.exact)
        plan = next(iter(source.plans.values()))
        rows = plan.apply(source.flat(chunk, part.stop - part.start), passing_only=True).rows
        return chunk, rows, selected(source, part, chunk, config, names).marks.rows

    return select_again


def _varied(table: FeatureTable) -> FeatureTable:
    """Return a table without weight variations: these are of the nominal events."""
    return replace(table, weights={name: weight for name, weight in table.weights.items() if name == NOMINAL})


def _weights(table: FeatureTable, source: Source, part: EntryRange, factors: list[str]) -> dict[str, FloatArray]:
    """Return the normalised nominal weights and, for every weight variation of the analysis, the varied ones."""
    for name, values in table.weights.items():
        bad = ~np.isfinite(values)
        if bad.any():
            entry = part.start + int(np.argmax(bad))
            raise InputError(
                f"{part.file.location}: weight '{name}' is {values[bad][0]} at entry {entry} ({int(bad.sum())} such "
                "entries in this chunk), expected finite numbers"
            )
    nominal = source.scale * table.weights.get(NOMINAL, np.ones(part.stop - part.start))
    varied = {name: nominal * table.weights[name] if name in table.weights else nominal for name in factors}
    return {NOMINAL: nominal, **varied}


def _require_finite(table: FeatureTable, part: EntryRange) -> None:
    for name, column in table.columns.items():
        bad = np.isinf(column)
        if bad.any():
            entry = part.start + int(table.rows[np.argmax(bad)])
            raise InputError(
                f"{part.file.location}: feature '{name}' is infinite at entry {entry}; check its expression"
            )


def _events(
    table: FeatureTable,
    weights: Mapping[str, FloatArray],
    event_id: IdArray,
    source: Source,
    variation: str,
    names: Names,
) -> Events:
    rows = table.rows

    def code(known: tuple[str, ...], name: str) -> AnyArray:
        return np.full(len(rows), known.index(name), CODE)

    return Events(
        columns=table.columns,
        weights={name: weight[rows] for name, weight in weights.items()},
        event_id=event_id[rows],
        process=code(names.processes, source.process),
        sample=code(names.samples, source.name),
        variation=code(names.variations, variation),
        processes=names.processes,
        samples=names.samples,
        variations=names.variations,
    )
