"""What a sum of log-odds means: a logistic curve, and where medium and high begin."""

from collections.abc import Sequence
from math import exp

from bench.risk.measure import threshold

STEPS = 100
TINY = 1e-10
CAUGHT_AS_MEDIUM = 0.99
PEOPLE_AS_HIGH = 0.01


def logistic(people: Sequence[float], attacks: Sequence[float]) -> tuple[float, float]:
    """(intercept, slope) of the likeliest curve, both sides weighing the same; Newton's method.

    Platt's targets instead of 0 and 1 keep it finite where the two sides do not overlap.
    """
    sure = (len(attacks) + 1) / (len(attacks) + 2)
    data = [(total, 1 / (len(people) + 2), 1 / len(people)) for total in people]
    data += [(total, sure, 1 / len(attacks)) for total in attacks]
    intercept = slope = 0.0
    for _ in range(STEPS):
        down = across = curve_a = curve_ab = curve_b = 0.0
        for total, target, weight in data:
            chance = 1 / (1 + exp(-max(-500.0, min(500.0, intercept + slope * total))))
            off, bend = weight * (chance - target), weight * chance * (1 - chance)
            down, across = down + off, across + off * total
            curve_a, curve_ab = curve_a + bend, curve_ab + bend * total
            curve_b += bend * total * total
        determinant = curve_a * curve_b - curve_ab * curve_ab
        if abs(determinant) < TINY:
            break
        step_a = (curve_b * down - curve_ab * across) / determinant
        step_b = (curve_a * across - curve_ab * down) / determinant
        intercept, slope = intercept - step_a, slope - step_b
        if abs(step_a) + abs(step_b) < TINY:
            break
    return intercept, slope


def levels(people: Sequence[float], attacks: Sequence[float]) -> tuple[float, float]:
    """Where medium begins: 99 attacks of 100 are there. Where high does: one sign-in of 100 is."""
    medium = threshold(attacks, CAUGHT_AS_MEDIUM)
    return medium, max(threshold(people, PEOPLE_AS_HIGH), medium)
