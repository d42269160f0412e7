"""The energy side of the city: substations, feeders, transformers, homes, shops, solar."""
