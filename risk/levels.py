"""Levels of risk, for code that knows no tables."""

from django.db.models import IntegerChoices


class RiskLevel(IntegerChoices):
    """As CAEP names them (CAEP 1.0 §3.9, risk-level-change); NONE: not assessed."""

    NONE = 0, "not assessed"
    LOW = 1, "low"
    MEDIUM = 2, "medium"
    HIGH = 3, "high"
