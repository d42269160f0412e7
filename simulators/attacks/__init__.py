"""Attacks on a gateway, each bounded in time and written down as truth, so alarms can be scored."""
