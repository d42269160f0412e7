"""Outages: what is heard of them, the watch with its memory, interruptions, indices of months."""
