"""One module a page; here is which address each has, and whether the span of time matters."""

from collections.abc import Callable, Mapping

from gateway.board.frame import Frame
from gateway.board.pages import (
    alarm,
    alarms,
    devices,
    energy_billing,
    energy_load,
    energy_losses,
    energy_outages,
    energy_voltage,
    health,
    home,
    maintenance,
    place,
    quality,
    quarantine,
    search,
    transport_corridors,
    transport_detectors,
    transport_incidents,
    transport_service,
    transport_tolls,
)

Draw = Callable[[Frame, dict[str, str]], None]

PAGES: Mapping[str, tuple[Draw, bool]] = {
    "/": (home.draw, False),
    "/alarms": (alarms.draw, True),
    "/alarms/maintenance": (maintenance.draw, False),
    "/alarm": (alarm.draw, False),
    "/devices": (devices.draw, False),
    "/place": (place.draw, True),
    "/search": (search.draw, False),
    "/energy/load": (energy_load.draw, True),
    "/energy/voltage": (energy_voltage.draw, True),
    "/energy/outages": (energy_outages.draw, True),
    "/energy/losses": (energy_losses.draw, True),
    "/energy/billing": (energy_billing.draw, False),
    "/transport/corridors": (transport_corridors.draw, True),
    "/transport/service": (transport_service.draw, False),
    "/transport/detectors": (transport_detectors.draw, False),
    "/transport/incidents": (transport_incidents.draw, True),
    "/transport/tolls": (transport_tolls.draw, True),
    "/quality": (quality.draw, True),
    "/quarantine": (quarantine.draw, False),
    "/gateway": (health.draw, False),
}
