"""infragate: a telemetry gateway that accounts for every reading.

Read ``app.py`` first: it shows which rooms exist and how a message walks through them.
"""

__version__ = "0.1.0"
