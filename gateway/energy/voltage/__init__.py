"""Voltage and power quality against dated norms: weekly compliance, and violations as they begin.

A day's ``tally`` counts, ``joined`` adds days up, ``compliance`` judges a week of meters and
``of_nodes`` of transformers and feeders; for late data, tally that day again. ``runs`` and
``node_runs`` find violations; ``dips`` counts sags and swells of the recorders' registers.
"""

from gateway.energy.voltage.compliance import (
    Compliance,
    Measures,
    Tally,
    compliance,
    joined,
    long_flicker,
    measures_of,
    of_nodes,
    tally,
    unbalance,
)
from gateway.energy.voltage.policy import Rule, VoltagePolicy
from gateway.energy.voltage.runs import (
    Census,
    Run,
    bridged,
    counted,
    dips,
    node_runs,
    out_of_band,
    runs,
    seamless,
)

__all__ = [
    "Census",
    "Compliance",
    "Measures",
    "Rule",
    "Run",
    "Tally",
    "VoltagePolicy",
    "bridged",
    "compliance",
    "counted",
    "dips",
    "joined",
    "long_flicker",
    "measures_of",
    "node_runs",
    "of_nodes",
    "out_of_band",
    "runs",
    "seamless",
    "tally",
    "unbalance",
]
