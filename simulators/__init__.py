"""Simulators: fleets, load and faults. Never imports ``gateway``."""
