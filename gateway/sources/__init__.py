"""Where messages come from, and the group commit they wait for."""
