"""Migrations close: their rows are the nominal yields, their columns the varied ones, whatever the order of events."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.cascade import Scores
from cascadebdt.config import Config, KinematicSystematic
from cascadebdt.events import Events, concatenate, loading
from cascadebdt.histograms import migration, yields
from cascadebdt.histograms.migration import NOT_SELECTED, MigrationFilling, Migrations, MigrationTable
from tiny_analysis import tiny_config

REGIONS = ("CR_a", "VR_a", "SR")
SCALE = KinematicSystematic(kind="kinematic", name="scale", up={"x": "x"}, down={"x": "x"}, processes=("signal", "b"))
SIDES = ("scale_up", "scale_down")


def toy(seed: int, n: int, *, copies: int = 1, reweight: bool = False) -> tuple[Events, Scores]:
    """Return events that are selected at random in each variation, in any order, and random regions."""
    rng = np.random.default_rng(seed)
    parts = []
    for code in range(3):
        chosen = np.flatnonzero(rng.random(n) < 0.8)
        process = (chosen % 3).astype(np.int16)  # signal, b, c
        kept = np.ones(len(chosen), np.bool_) if code == 0 else process < 2
        weight = np.where(chosen % 5 == 0, -1.0, 1.0 + chosen % 7) * (1.1 if reweight and code else 1.0)
        parts.append(
            Events(
                columns={"x": rng.random(len(chosen)).astype(np.float32)},
                weights={"nominal": weight},
                event_id=(chosen // (3 * copies)).astype(np.uint64) * np.uint64(2**60 + 7),
                process=process,
                sample=process,
                variation=np.full(len(chosen), code, np.int16),
                processes=("signal", "b", "c", "data"),
                samples=("signal", "b", "c", "data"),
                variations=("nominal", *SIDES),
            ).take(kept)
        )
    data = replace(parts[0], process=np.full(len(parts[0]), 3, np.int16), sample=np.full(len(parts[0]), 3, np.int16))
    events = concatenate([*parts, data])
    region = rng.integers(0, len(REGIONS), len(events)).astype(np.int8)
    margins = np.zeros((len(events), 1), np.float32)
    return events, Scores(margins, None, region, REGIONS, "signal")


def sums(events: Events, scores: Scores, process: str, variation: str) -> tuple[list[int], list[float]]:
    rows = events.of_process(process) & (events.variation == events.variations.index(variation))
    masks = [rows & (scores.region == code) for code in range(len(scores.regions))]
    return [int(mask.sum()) for mask in masks], [float(events.weights["nominal"][mask].sum()) for mask in masks]


def assert_closes(events: Events, scores: Scores, found: Migrations) -> None:
    for variation, processes in found.items():
        for process, moves in processes.items():
            assert moves.regions == (*scores.regions, NOT_SELECTED)
            before, weight_before = sums(events, scores, process, "nominal")
            after, weight_after = sums(events, scores, process, variation)
            assert moves.entries.sum(axis=1)[:-1].tolist() == before
            assert moves.entries.sum(axis=0)[:-1].tolist() == after
            assert moves.entries[-1, -1] == 0
            assert moves.sumw.sum(axis=1)[:-1] == pytest.approx(weight_before, rel=1e-12, abs=1e-9)
            columns = (moves.sumw.sum(axis=0) + moves.reweighted)[:-1]
            assert columns == pytest.approx(weight_after, rel=1e-12, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(1, 3), st.booleans())
def test_migrations_close(seed: int, n: int, copies: int, reweight: bool) -> None:
    events, scores = toy(seed, n, copies=copies, reweight=reweight)
    found = migration.table(events, scores, [SCALE])
    assert {name: set(processes) for name, processes in found.items()} == {name: {"signal", "b"} for name in SIDES}
    assert_closes(events, scores, found)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_every_event_is_found_again_by_its_identity(seed: int, n: int) -> None:
    events, scores = toy(seed, n)
    moves = migration.table(events, scores, [SCALE])["scale_up"]["b"]
    of = [
        {
            int(events.event_id[row]): int(scores.region[row])
            for row in np.flatnonzero(events.of_process("b") & (events.variation == code))
        }
        for code in (0, 1)
    ]
    expected = np.zeros((4, 4), int)
    for event in of[0].keys() | of[1].keys():
        expected[of[0].get(event, 3), of[1].get(event, 3)] += 1
    np.testing.assert_array_equal(moves.entries, expected)


def test_parts_of_the_events_add_up() -> None:
    events, scores = toy(4, 50)
    half = events.event_id % np.uint64(2) == 0
    whole = migration.table(events, scores, [SCALE])
    filling = MigrationFilling([SCALE])
    for mask in (~half, half):
        filling.add(events.take(mask), replace(scores, region=scores.region[mask]))
    assert list(filling.migrations) == list(whole)
    for name, processes in filling.migrations.items():
        for process, moves in processes.items():
            assert moves.to_json() == whole[name][process].to_json()


@pytest.fixture(scope="module")
def scored(tiny: Config, tiny_events: Events) -> Scores:
    return training.train(tiny_events, tiny.cascade).score(tiny_events)


def test_the_migrations_of_a_real_selection_close_with_its_yields(
    scored: Scores, tiny: Config, tiny_events: Events
) -> None:
    found = migration.table(tiny_events, scored, tiny.systematics)
    assert list(found) == ["photon_scale_up", "photon_scale_down"]
    assert_closes(tiny_events, scored, found)
    filled = yields.fill(tiny_events, scored, tiny.regions)
    moves = found["photon_scale_up"]["zee"]
    for row, region in enumerate(scored.regions):
        assert moves.sumw[row].sum() == pytest.approx(yields.total(filled[region], "zee")[0], rel=1e-12)
        varied = yields.total(filled[region], "zee", "photon_scale_up")[0]
        assert moves.sumw[:, row].sum() == pytest.approx(varied, rel=1e-12)
    assert moves.entries[-1, :-1].sum() > 0  # a larger pt lets events in,
    assert moves.entries[:-1, -1].sum() < moves.entries[-1, :-1].sum()  # and few out
    assert np.trace(moves.entries) > 0.8 * moves.entries.sum()


def test_data_are_in_no_migration(scored: Scores, tiny: Config, tiny_events: Events) -> None:
    content = MigrationTable(migration.table(tiny_events, scored, tiny.systematics)).to_json()
    assert all("data" not in processes for processes in content.values())
    assert content["photon_scale_up"]["zee"]["regions"] == ["CR_zee", "CR_wjets", "SR", NOT_SELECTED]


def test_a_variation_that_cuts_every_event_moves_all_out(write_config: Callable[[dict[str, Any]], Any]) -> None:
    raw = tiny_config()
    raw["systematics"] = [{"name": "off", "kind": "kinematic", "up": {"Photon_pt": "0"}, "processes": ["zee"]}]
    config = configuration.load(write_config(raw))
    events = loading.select(config)
    scores = training.train(events, config.cascade).score(events)
    moves = migration.table(events, scores, config.systematics)["off_up"]["zee"]
    assert moves.entries[:, :-1].sum() == 0
    assert moves.entries[:, -1].sum() == int((events.of_process("zee") & events.is_nominal).sum())
