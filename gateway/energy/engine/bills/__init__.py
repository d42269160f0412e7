"""From a day of meters to a bill: VEE, determinants, readiness, insight, exports."""
