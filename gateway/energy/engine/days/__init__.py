"""Local days of groups of devices: which wait, their readings in hand, what is kept of each."""
