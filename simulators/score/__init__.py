"""Alarms against the truth: precision, recall, delay and false alarms for each kind."""
