"""Real processes and clients for the tests."""
