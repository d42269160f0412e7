"""``python -m gateway`` is the command ``infragate``."""

import sys

from gateway.cli import main

sys.exit(main())
