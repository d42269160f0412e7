"""Scores of ``gateway/transport`` on the simulated city, whose truth is known."""
