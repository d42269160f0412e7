"""A simulated city through the real gateway, in one process and in virtual time.

::

    city ─▶ Network ─▶ decode ─▶ screen ─▶ ledger ─▶ validate ─▶ store ─▶ EnergyEngine ─▶ derived
            (nodes, wills,     the processor's pipeline and checkpoints      an analyst's steps
             backlog, delays)

What is not here is the wire: no MQTT, no journal file, no other process. A second of the city costs
what it computes; ``Setting`` says how finely the analyst looks.

    with TemporaryDirectory() as folder:
        played = play(Path(folder), Setting(Size(7, 120, 16), span, orders, fine=spans))
    played.score(slack_s=3600)      # the judge of ``simulators score``: precision, recall, delay
    played.told                     # every line as it was told: (when, Alarm), withdrawn ones too
    played.alarms()                 # the lines that stand in the end
    played.lines("balance")         # a derived series
    played.city, played.facts()     # the truth

Seeds from 70,000 on are for ``make score-energy``: nobody tunes on them, tune below 10,000.
"""

from tools.city_desk.gateway import InProcessGateway
from tools.city_desk.network import Network, Wear
from tools.city_desk.play import DAY_MS, HOUR_MS, START_MS, Played, Setting, near, play, span_of

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "START_MS",
    "InProcessGateway",
    "Network",
    "Played",
    "Setting",
    "Wear",
    "near",
    "play",
    "span_of",
]
