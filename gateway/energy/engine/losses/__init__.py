"""Losses: balances, models, alarms, suspects, meters at the wrong transformer."""
