"""``GET /devices``, ``/devices/{id}``, ``/latest``: who sends, and what it sent last."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from gateway.api.accounting import AccountingBody, to_accounting
from gateway.api.answers import Seeing, find_device, find_profile
from gateway.api.documents import to_answer
from gateway.api.params import Paging, from_token, to_token
from gateway.model import Quality
from gateway.ports import LatestRow, StreamRow
from gateway.profiles import Profile
from gateway.views.engineering import reason_names, time_text, to_number
from gateway.views.fleet import Device, values_of
from gateway.views.missing import gaps_of
from gateway.views.sight import Sight

router = APIRouter(tags=["devices"])

State = Literal["alive", "lost", "silent"]
Sector = Literal["energy", "transport", "water", "env", "urban"]  # topics.SECTORS


class DeviceLine(BaseModel):
    """A device in a list."""

    device: str
    org: str
    sector: str
    state: State
    registered: bool
    first_seen: str
    last_seen: str | None
    profiles: list[str]
    quality: int | None
    stored: int
    duplicate: int
    quarantined: int


class DevicesBody(BaseModel):
    """One page of devices, by id."""

    devices: list[DeviceLine]
    next: str | None


class LogBody(BaseModel):
    """What the ledger knows of one log: everything up to ``high_water`` is in the gateway."""

    log: int
    epoch: int
    boot: int | None
    first: int
    high_water: int
    last_time: str | None
    gaps: list[list[int]]


class LatestBody(BaseModel):
    """The newest good reading of a device and profile, values by column."""

    device: str
    profile: str
    time: str
    received: str
    log: int
    seq: int | None
    values: dict[str, float | int | None]
    units: dict[str, str]
    status: int
    quality: int
    grade: str
    reasons: list[str]


class DeviceBody(DeviceLine):
    """Everything known of a device."""

    registry: dict[str, Any] | None
    accounting: AccountingBody
    ledger: list[LogBody]
    latest: list[LatestBody]


class LatestsBody(BaseModel):
    """The newest reading of each device and profile."""

    latest: list[LatestBody]
    next: str | None


def to_log(stream: StreamRow) -> dict[str, object]:
    """Return one log of a device's ledger."""
    return {
        "log": stream.log,
        "epoch": stream.epoch,
        "boot": stream.boot if stream.boot >= 0 else None,
        "first": stream.first,
        "high_water": stream.high_water,
        "last_time": time_text(stream.last_time_ms) if stream.last_time_ms > 0 else None,
        "gaps": gaps_of(stream),
    }


def to_line(device: Device) -> dict[str, object]:
    """Return a device as a line of a list."""
    return {
        "device": device.name,
        "org": device.row.org,
        "sector": device.row.sector,
        "state": device.state,
        "registered": bool(device.row.is_registered),
        "first_seen": time_text(device.row.first_seen_ms),
        "last_seen": time_text(device.last_seen_ms) if device.last_seen_ms else None,
        "profiles": [one.profile for one in device.latest],
        "quality": device.latest[0].quality if device.latest else None,
        "stored": device.counts.stored,
        "duplicate": device.counts.duplicate,
        "quarantined": device.counts.quarantined,
    }


def to_latest(name: str, row: LatestRow, profile: Profile) -> dict[str, object]:
    """Return a newest reading in engineering units."""
    values = values_of(row).tolist()
    return {
        "device": name,
        "profile": row.profile,
        "time": time_text(row.time_ms),
        "received": time_text(row.received_ms),
        "log": row.log,
        "seq": row.seq if row.seq >= 0 else None,
        "values": {
            column.name: to_number(column, value)
            for column, value in zip(profile.columns, values, strict=False)
        },
        "units": {column.name: column.unit for column in profile.columns},
        "status": row.status,
        "quality": row.quality,
        "grade": Quality(row.quality).name.lower(),
        "reasons": reason_names(row.reasons),
    }


def to_latests(sight: Sight, devices: Iterable[Device], profile: str | None) -> list[Any]:
    """Return the newest readings of ``devices``, of one profile or of all."""
    return [
        to_latest(device.name, row, sight.profiles[row.profile])
        for device in devices
        for row in device.latest
        if row.profile in sight.profiles and profile in {None, row.profile}
    ]


def facts_of(sight: Sight, device: str) -> dict[str, object] | None:
    """Return what the registry says of a device now, None where it does not name it."""
    if sight.registry is None or sight.registry.device(device) is None:
        return None
    standing = sight.registry.at(device, sight.clock())
    facts = {
        name: fact.model_dump(exclude={"from_ms", "to_ms"}) if fact is not None else None
        for name, fact in (
            ("meter", standing.meter),
            ("place", standing.place),
            ("rating", standing.rating),
            ("lane", standing.lane),
        )
    }
    parents, supply = (
        [{"kind": node.kind, "id": node.id} for node in nodes]
        for nodes in (standing.parents, standing.supply)
    )
    if standing.meter is not None:  # what stood in its registers then is seldom noted
        facts["meter"] = standing.meter.model_dump(exclude={"from_ms", "to_ms"}, exclude_none=True)
    return {"parents": parents, "uplink": standing.uplink, "supply": supply, **facts}


def cut(found: Iterable[Device], limit: int) -> tuple[list[Device], str | None]:
    """Return the first devices, and the token of the page behind them."""
    devices = list(islice(found, limit + 1))
    return devices[:limit], to_token(devices[limit - 1].name) if len(devices) > limit else None


@router.get("/devices", response_model=DevicesBody)
def list_devices(
    sight: Seeing,
    page: Paging,
    org: Annotated[str, Query(max_length=64)] = "",
    sector: Annotated[Sector | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    q: Annotated[str, Query(max_length=64, description="part of the id")] = "",
) -> Response:
    """Return devices by id, those that every filter lets through."""
    begin = from_token(page.after) if page.after else ""
    found = sight.fleet().select(q=q, org=org, sector=sector or "", state=state or "", after=begin)
    lines, following = cut(found, page.limit)
    return to_answer({"devices": [to_line(one) for one in lines], "next": following})


@router.get("/devices/{device}", response_model=DeviceBody)
def read_device(sight: Seeing, device: Annotated[str, Path(max_length=64)]) -> Response:
    """Return everything known of a device: registry, state, accounts, ledger, newest values."""
    row = find_device(sight, device)
    found = sight.look_at(row)
    streams = sight.store.streams(row.device_index)
    return to_answer(
        {
            **to_line(found),
            "registry": facts_of(sight, device),
            "accounting": to_accounting(found.counts),
            "ledger": [to_log(stream) for stream in streams],
            "latest": to_latests(sight, [found], None),
        }
    )


@router.get("/latest", response_model=LatestsBody)
def read_latest(
    sight: Seeing,
    page: Paging,
    profile: Annotated[str | None, Query(max_length=32)] = None,
    device: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Return the newest good reading of each device and profile; ``limit`` counts devices."""
    if profile is not None:
        find_profile(sight, profile)
    if device is not None:
        found = sight.look_at(find_device(sight, device))
        return to_answer({"latest": to_latests(sight, [found], profile), "next": None})
    chosen = (
        one
        for one in sight.fleet().select(after=from_token(page.after) if page.after else "")
        if any(profile in {None, row.profile} for row in one.latest)
    )
    shown, following = cut(chosen, page.limit)
    return to_answer({"latest": to_latests(sight, shown, profile), "next": following})
