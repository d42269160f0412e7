"""Under which names findings are kept."""

DOMAIN = "energy"
INTERVALS, LINEAGE, DAYS, DETERMINANTS = "intervals", "lineage", "days", "determinants"
INTERRUPTIONS = "interruptions"
