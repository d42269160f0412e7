"""What a file of ``gateway/policies/incidents`` holds."""

from pydantic import Field

from gateway.policies import Part, Policy


class Slow(Part):
    """When traffic at a station is slow."""

    sigmas: float = Field(gt=0)
    share: float = Field(gt=0, lt=1)
    slots: int = Field(ge=1)
    urban_slots: int = Field(ge=1)
    standing_occupancy: float = Field(gt=0, le=1)
    free_share: float = Field(gt=0, lt=1)
    usual_half_life_s: float = Field(gt=0)


class Storage(Part):
    """When vehicles stay between two stations."""

    half_life_s: float = Field(gt=0)
    window_s: float = Field(gt=0)
    base_s: float = Field(gt=0)
    count_error: float = Field(ge=0)
    slack_sigmas: tuple[float, ...] = Field(min_length=1)
    ln_run_slots: float = Field(gt=0)
    edge_sigmas: float = Field(gt=0)
    min_vehicles: float = Field(gt=0)
    walk_dispersion: float = Field(gt=0)
    edge_dispersion: float = Field(gt=0)
    least_dispersion: float = Field(gt=0)
    prior_slots: float = Field(gt=0)
    longest_s: float = Field(gt=0)


class ClosedLane(Part):
    """When a lane is closed, and not its detector dead."""

    evidence: float = Field(gt=0)
    conserved_sigmas: float = Field(gt=0)
    longest_slots: int = Field(ge=2)
    warm_slots: float = Field(gt=0)


class California(Part):
    """The three tests of Payne and Tignor, and the pair of speeds that confirms them."""

    occupancy: float = Field(gt=0, lt=1)
    relative: float = Field(gt=0, lt=1)
    downstream: float = Field(gt=0, lt=1)
    slots: int = Field(ge=1)
    smooth_slots: int = Field(ge=1)
    speed_kmh: float = Field(gt=0)
    drop_kmh: float = Field(gt=0)


class Life(Part):
    """When an incident is over, and how long its waves are its own."""

    mean_share: float = Field(gt=0)
    urban_mean_share: float = Field(gt=0)
    witness_share: float = Field(gt=0, le=1)
    hint_share: float = Field(gt=0, le=1)
    clear_share: float = Field(gt=0, le=1)
    clear_slots: int = Field(ge=1)
    hold_s: float = Field(ge=0)
    unseen_s: float = Field(gt=0)


class WrongWay(Part):
    """When somebody drives against the traffic."""

    min_speed_kmh: float = Field(ge=0)
    min_known: int = Field(ge=1)
    two_way_share: float = Field(gt=0, lt=1)
    few: int = Field(ge=0)
    same_s: float = Field(ge=0)
    serious_kinds: tuple[int, ...]


class Advice(Part):
    """What drivers before a queue are told."""

    reach_km: float = Field(gt=0)
    deceleration_m_s2: float = Field(gt=0)
    step_kmh: float = Field(gt=0)
    least_kmh: float = Field(gt=0)
    below_usual_kmh: float = Field(ge=0)


class Deviation(Part):
    """When one series alone deviates."""

    history: int = Field(ge=4)
    deviations: float = Field(gt=0)
    values: int = Field(ge=1)
    alone: float = Field(gt=0)
    least_share: float = Field(ge=0)


class IncidentPolicy(Policy):
    """Thresholds of the incident room."""

    slow: Slow
    storage: Storage
    lane: ClosedLane
    california: California
    life: Life
    wrong_way: WrongWay
    advice: Advice
    deviation: Deviation
