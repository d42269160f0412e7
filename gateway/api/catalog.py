"""``GET /catalog``: what data there is, with the contents that Decision 1437 II.2.a asks for."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing
from gateway.api.documents import to_answer
from gateway.profiles import Kind, Profile
from gateway.views.sight import Sight

router = APIRouter(tags=["catalog"])

KIND_TEXT = {
    Kind.REGISTER: "cumulative register",
    Kind.GAUGE: "instantaneous or mean value",
    Kind.COUNT: "count of the interval",
    Kind.CODE: "code",
}
PURPOSE = {
    "energy": "Billing, outage detection, voltage quality and loss analysis of the grid",
    "transport": "Traffic state, incident detection, detector health and tolling of roads",
    "water": "Billing and leak detection of water supply",
    "env": "Environmental monitoring and early warning",
    "urban": "Operation of urban infrastructure",
}
# Load curves and single vehicles can point to a person (749.IV.5, personal data): shared under
# agreement. Totals of a lane, the weather and the street are nobody's.
OPEN_SECTORS = ("transport", "env", "urban")


class CatalogColumn(BaseModel):
    """One column."""

    name: str
    title: str
    unit: str
    scale: float
    kind: str
    obis: str | None
    quantity: str | None
    codes: dict[str, str]


class Access(BaseModel):
    """Whether data are open or shared, and why."""

    category: str
    reason: str


class Dataset(BaseModel):
    """One profile; the first fields are those of Decision 1437/QD-TTg, II.2.a."""

    name: str
    purpose: str
    scope: str
    content: str
    collection: str
    updating: str
    sources: list[str]
    access: Access
    profile: str
    sector: str
    interval_s: int
    devices: int
    columns: list[CatalogColumn]


class CatalogBody(BaseModel):
    """Every profile the gateway knows."""

    title: str
    datasets: list[Dataset]


def access_of(profile: Profile) -> dict[str, str]:
    """Return the category of a profile's data."""
    if profile.shape == "events":
        return {"category": "shared", "reason": "single events may point to a person"}
    if profile.sector in OPEN_SECTORS:
        return {"category": "open", "reason": "sums of many, nothing points to a person"}
    return {"category": "shared", "reason": "the use of one connection points to a household"}


def to_dataset(profile: Profile, devices: int, orgs: list[str]) -> dict[str, object]:
    """Return the entry of one profile."""
    every = f"every {profile.interval_s} s" if profile.interval_s else "when something happens"
    named = "; ".join(f"{column.title} [{column.unit}]" for column in profile.columns)
    return {
        "name": profile.title,
        "purpose": PURPOSE[profile.sector],
        "scope": f"{devices} devices" + (f" of {', '.join(orgs)}" if orgs else ""),
        "content": named,
        "collection": f"Devices measure {every} and publish over MQTT; the gateway validates "
        "and grades each reading and keeps what it replaces as lineage",
        "updating": "Continuous; readings kept back in an outage follow on the backlog lane",
        "sources": [f"tg/1/{org}/{profile.sector}/+/{{t,b}}" for org in orgs]
        or [f"tg/1/+/{profile.sector}/+/{{t,b}}"],
        "access": access_of(profile),
        "profile": profile.name,
        "sector": profile.sector,
        "interval_s": profile.interval_s,
        "devices": devices,
        "columns": [
            {
                "name": column.name,
                "title": column.title,
                "unit": column.unit,
                "scale": column.scale,
                "kind": KIND_TEXT[column.kind],
                "obis": column.obis,
                "quantity": column.quantity,
                "codes": column.codes,
            }
            for column in profile.columns
        ],
    }


def build_catalog(sight: Sight) -> list[dict[str, object]]:
    """Return an entry for each profile, with the devices that have sent it."""
    senders: dict[str, list[str]] = {}
    for device in sight.fleet().devices:
        for row in device.latest:
            senders.setdefault(row.profile, []).append(device.row.org)
    return [
        to_dataset(profile, len(senders.get(name, ())), sorted(set(senders.get(name, ()))))
        for name, profile in sight.profiles.items()
    ]


@router.get("/catalog", response_model=CatalogBody)
def read_catalog(sight: Seeing) -> Response:
    """Return what data there is: purpose, scope, content, collection, sources, openness."""
    return to_answer({"title": "infragate", "datasets": build_catalog(sight)})
