"""The rooms of foreign formats that are code, by the name that ``[foreign] families`` knows."""

from collections.abc import Callable, Collection, Mapping, Sequence

from gateway.decode import Foreign
from gateway.decode.foreign.anywhere import Anywhere, Knowing
from gateway.decode.foreign.iris import IrisLog
from gateway.decode.foreign.meters import MeterTelegrams
from gateway.decode.foreign.ngsi import Ngsi
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.senml_room import SenmlPacks
from gateway.decode.foreign.sparkplug import Sparkplug
from gateway.decode.foreign.wmbusmeters import Wmbusmeters

# with topics of their own
ROOMS: Mapping[str, Callable[[Options], Sequence[Foreign]]] = {
    "sparkplug": lambda options: [Sparkplug(options)],
    "senml": lambda options: [SenmlPacks(options)],
    "wmbusmeters": lambda options: [Wmbusmeters(options)],
    "ngsi": lambda options: [Ngsi(options)],
    "iris": lambda options: [IrisLog(options)],
}
# known by their payload, on any topic
ANYWHERE: Mapping[str, Callable[[Options], Knowing]] = {
    "meters": MeterTelegrams,
    "senml": SenmlPacks,
    "wmbusmeters": Wmbusmeters,
    "ngsi": Ngsi,
}


def last_resort(chosen: Collection[str], options: Options, *more: Knowing) -> list[Foreign]:
    """Return what is asked where nobody else takes a topic."""
    rooms = [build(options) for name, build in ANYWHERE.items() if name in chosen]
    return [Anywhere([*rooms, *more])]
