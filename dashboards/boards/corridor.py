"""7. Corridor traffic: where is it slow, since when, and what stands in the way?"""

from dashboards import words as w
from dashboards.boards.corridor_course import INDEX, RELIABILITY, TREND, live, road
from dashboards.query import Match
from dashboards.shapes import (
    ask,
    gauges,
    history,
    last,
    mean,
    peak,
    say,
    table,
)
from dashboards.spec import Board, Column, Events, Link, Look, Panel, Section, Text, Variable

T = Text
_LEVEL = Look("none", 0, names=w.LEVELS_OF_SERVICE)
_SPEED = Look("velocitykmh", 0, w.good_above(20, 40), low=0)
_TO_STATION = Link("corridor", T("Only this station", "Chỉ trạm này"), (("station", "place"),))
_TO_DETECTORS = Link("detectors", T("Its detectors", "Đầu dò"), (("corridor", "area"),))


_MAP = Panel(
    "map",
    "geomap",
    T("Level of service on the map", "Mức phục vụ trên bản đồ"),
    T(
        "Where is it slow now? Each point is a station, A flows, F stands.",
        "Bây giờ chậm ở đâu? Mỗi điểm là một trạm, A thông thoáng, F ùn tắc.",
    ),
    Look("none", 0, names=w.LEVELS_OF_SERVICE),
    width=12,
    height=10,
    every="30s",
    columns=(
        Column("place", w.STATION),
        Column(
            "lat",
            w.LATITUDE,
            ask("site_info", last("lat"), "place", level="station"),
            Look("degree", 4),
        ),
        Column(
            "lon",
            w.LONGITUDE,
            ask("site_info", last("lon"), "place", level="station"),
            Look("degree", 4),
        ),
        Column(
            "level_of_service",
            T("Level", "Mức"),
            road(last("level_of_service"), measurement="road_live"),
            _LEVEL,
        ),
    ),
    keep=("level_of_service", "greater", 0),
)

BOARD = Board(
    key="corridor",
    title=T("7 · Corridor traffic", "7 · Giao thông trục đường"),
    question=T(
        "Where is it slow, since when, what stands in the way, and how reliable is the trip?",
        "Chậm ở đâu, từ khi nào, vướng gì, và hành trình có ổn định?",
    ),
    tags=("749.VIII.5",),
    since="now-6h",
    refresh="30s",
    links=("detectors",),
    variables=(
        Variable("corridor", w.CORRIDOR, ("corridor_live",), "length_km", "place"),
        Variable(
            "station",
            w.STATION,
            ("road_state",),
            "observed",
            "place",
            (Match("area", "$corridor"),),
        ),
    ),
    events=(
        (
            T("Incidents", "Sự cố"),
            "red",
            Events(
                "alarm_event",
                "severity",
                "kind",
                ("place", "area"),
                (Match("kind", "(incident|lane_closed|wrong_way|.*flood.*|.*rain.*)"),),
            ),
        ),
    ),
    sections=(
        Section(
            w.NOW,
            (
                gauges(
                    "index",
                    say(
                        "Travel time index now",
                        "Chỉ số thời gian hành trình hiện tại",
                        "How many times the free travel time does each corridor take? From 2 warn drivers.",
                        "Hành trình gấp mấy lần lúc thông thoáng? Từ 2: báo cho lái xe.",
                    ),
                    live(last("travel_time_index")),
                    INDEX,
                    height=10,
                    width=6,
                ),
                table(
                    "corridors",
                    say(
                        "Corridors now",
                        "Các trục đường hiện tại",
                        "What does it cost a driver, and how much of the road stands?",
                        "Lái xe mất thêm bao lâu, bao nhiêu km đang ùn?",
                    ),
                    (
                        Column("place", w.CORRIDOR),
                        *(
                            Column(key, title, live(last(name)), look)
                            for key, name, title, look in (
                                (
                                    "travel_time",
                                    "travel_time_s",
                                    T("Travel time", "Thời gian"),
                                    Look("s", 0),
                                ),
                                (
                                    "delay",
                                    "delay_s",
                                    T("Delay", "Chậm thêm"),
                                    Look("s", 0, w.good_below(120, 600)),
                                ),
                                (
                                    "jam",
                                    "congested_km",
                                    T("Jammed", "Ùn tắc"),
                                    Look("lengthkm", 1, w.good_below(0.5, 2)),
                                ),
                                (
                                    "mute",
                                    "silent_stations",
                                    T("Silent", "Im lặng"),
                                    Look("none", 0, w.none_is_good()),
                                ),
                            )
                        ),
                    ),
                    "delay",
                    width=6,
                    height=10,
                ),
                _MAP,
            ),
        ),
        Section(
            T("Space and time", "Không gian và thời gian"),
            (
                history(
                    "speeds",
                    say(
                        "Speed by station and time",
                        "Tốc độ theo trạm và thời gian",
                        "Where did a queue begin, how far back did it grow? Rows are stations.",
                        "Hàng chờ bắt đầu ở đâu, lan tới đâu? Mỗi hàng là một trạm.",
                    ),
                    road(mean("speed_kmh")),
                    Look("velocitykmh", 0, w.good_above(20, 40), link=_TO_STATION),
                    width=24,
                    height=10,
                    every="5m",
                ),
                history(
                    "levels",
                    say(
                        "Level of service by station and time",
                        "Mức phục vụ theo trạm và thời gian",
                        "Which stations were worse than D, at which hours? They need signals or lanes.",
                        "Trạm nào kém hơn D, vào giờ nào? Cần chỉnh đèn hoặc phân làn.",
                    ),
                    road(peak("level_of_service")),
                    Look("none", 0, names=w.LEVELS_OF_SERVICE, link=_TO_DETECTORS),
                    width=24,
                    height=10,
                    every="15m",
                ),
            ),
        ),
        TREND,
        RELIABILITY,
    ),
)
