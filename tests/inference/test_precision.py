"""Digits: constraints and counts over many orders of magnitude, against closed forms with 60 digits."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest

from cascadebdt import inference
from cascadebdt.inference import histfactory
from small_models import counting, workspace

DIGITS = 80


def constrained(kind: str, relative: float, *, observed: float = 25.0) -> dict[str, Any]:
    """Return a counting experiment, signal 5 and background 20, whose background has a relative uncertainty."""
    data: Any = {"hi": 1 + relative, "lo": 1 - relative} if kind == "normsys" else [20.0 * relative]
    samples = [
        {"name": "s", "data": [5.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [20.0], "modifiers": [{"name": "own", "type": kind, "data": data}]},
    ]
    return workspace([{"name": "SR", "samples": samples}], {"SR": [observed]})


def poisson(events: Decimal, rate: Decimal) -> Decimal:
    """Return the deviance of a count."""
    return 2 * (rate - events + events * (events / rate).ln())


def with_shapesys(relative: Decimal) -> Decimal:
    """Return sqrt(q_0) of 25 events above 20 that an auxiliary count of 1 / relative^2 measures."""
    on, off = Decimal(25), 1 / relative**2
    gamma = (on + off) / (20 + off)
    return (poisson(on, 20 * gamma) + poisson(off, off * gamma)).sqrt()


def with_staterror(relative: Decimal) -> Decimal:
    """Return sqrt(q_0) of 25 events above 20 with a Gaussian relative uncertainty."""
    on, variance = Decimal(25), relative**2
    # the derivative, 20 - on / gamma + (gamma - 1) / variance, is zero
    half = (20 * variance - 1) / 2
    gamma = -half + (half**2 + on * variance).sqrt()
    return (poisson(on, 20 * gamma) + (gamma - 1) ** 2 / variance).sqrt()


@pytest.mark.parametrize("relative", [10.0**-power for power in range(1, 13)] + [3e-7])
@pytest.mark.parametrize(("kind", "expected"), [("shapesys", with_shapesys), ("staterror", with_staterror)])
def test_the_significance_is_exact_however_well_the_background_is_known(
    kind: str, expected: Callable[[Decimal], Decimal], relative: float
) -> None:
    result = inference.significance(constrained(kind, relative))
    with localcontext() as context:
        context.prec = DIGITS
        exact = float(expected(Decimal(relative)))
    # the expectation has 25 events, too
    assert (result.observed, result.expected) == pytest.approx((exact, exact), rel=1e-7)


@pytest.mark.parametrize("relative", [1e-1, 1e-4, 1e-7, 1e-12])
def test_a_limit_does_not_lose_the_constraint(relative: float) -> None:
    limit = inference.limit(constrained("shapesys", relative))
    reference = inference.limit(constrained("normsys", 1e-9) if relative < 0.01 else constrained("staterror", relative))
    assert limit.expected == pytest.approx(reference.expected, rel=1e-6 if relative < 1e-3 else 0.02)


@pytest.mark.parametrize("power", range(-9, 13, 3))
def test_a_counting_experiment_is_exact_from_1e_minus_9_to_1e12_events(power: int) -> None:
    scale = 10.0**power
    background, signal = 20 * scale, 5 * max(scale, np.sqrt(scale) if scale > 1 else scale)
    expected = float(poisson(Decimal(background + signal), Decimal(background)).sqrt())
    result = inference.significance(counting(observed=[0], signal=[signal], background=[background]))
    assert result.expected == pytest.approx(expected, rel=1e-6)
    fitted = inference.fit(counting(observed=[background + signal], signal=[signal], background=[background]))
    if scale >= 1:
        assert fitted.mu == pytest.approx((1, np.sqrt(background + signal) / signal), rel=1e-6)


@pytest.mark.parametrize("events", [1e-9, 1e-3, 1.0, 30.0, 1e6, 1e12, 1e24])
@pytest.mark.parametrize("excess", [1e-15, -1e-12, 1e-6, -1e-3, 0.1, -0.19, 0.25, 3.0, -0.9, 1e9])
def test_the_deviance_has_all_its_digits(events: float, excess: float) -> None:
    with localcontext() as context:
        context.prec = DIGITS
        exact = float(2 * Decimal(events) * (Decimal(excess) - (1 + Decimal(excess)).ln()))
    assert histfactory.deviance(events, excess) == pytest.approx(exact, rel=1e-14)
