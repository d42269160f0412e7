"""Who is watched and what hangs where: devices, transformers, feeders, heads, at any time."""
