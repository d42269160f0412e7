"""What the command line offers: one module each, with ``add_options`` and ``run``."""
