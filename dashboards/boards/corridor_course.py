"""7. Corridor traffic, its courses: travel times, flow, classes, reliability."""

from dashboards import words as w
from dashboards.query import Ask, Expression, ratio
from dashboards.shapes import ask, course, mean, say, table, total
from dashboards.spec import Column, Line, Look, Panel, Section, Text

T = Text
# FHWA-HOP-15-028: index of travel time over the free one; 1.5 congested, 2 severe
INDEX = Look("none", 2, w.good_below(1.5, 2.0), low=1, high=3)


def road(what: Expression, by: str = "place", measurement: str = "road_state") -> Ask:
    """Return a question about stations."""
    return ask(measurement, what, by, place="$station", area="$corridor")


def live(what: Expression, by: str = "place") -> Ask:
    """Return a question about corridors, as they are."""
    return ask("corridor_live", what, by, place="$corridor")


def day(what: Expression) -> Ask:
    """Return a question about the days of corridors."""
    return ask("corridor_day", what, "place", place="$corridor")


TREND = Section(
    w.TREND,
    (
        course(
            "times",
            say(
                "Travel time",
                "Thời gian hành trình",
                "How long does the trip take, and when is it over?",
                "Đi hết bao lâu, khi nào hết chậm?",
            ),
            (Line(live(mean("travel_time_s"))),),
            Look("s", 0),
            every="1m",
        ),
        course(
            "flow",
            say(
                "Flow of the stations",
                "Lưu lượng các trạm",
                "Does what passes one station pass the next? A difference is stored, or miscounted.",
                "Xe qua trạm này có qua trạm sau? Chênh lệch là dồn ứ hoặc đếm sai.",
            ),
            (Line(road(mean("flow_veh_h"))),),
            Look("suffix: veh/h", 0),
            every="5m",
        ),
        course(
            "classes",
            say(
                "Who drives",
                "Thành phần xe",
                "How many motorcycles, cars and heavy vehicles? Heavy ones wear the road.",
                "Bao nhiêu xe máy, ô tô, xe nặng? Xe nặng làm hỏng đường.",
            ),
            tuple(
                Line(road(mean(f"flow_{key}_veh_h", "sum"), ""), title)
                for key, title in (
                    ("moto", T("motorcycles", "xe máy")),
                    ("car", T("cars", "ô tô")),
                    ("bus", T("buses", "xe buýt")),
                    ("truck", T("trucks", "xe tải")),
                    ("long", T("long vehicles", "xe dài")),
                )
            ),
            Look("suffix: veh/h", 0),
            every="5m",
            is_stacked=True,
        ),
        Panel(
            "diagram",
            "xychart",
            T("Flow over occupancy", "Lưu lượng theo độ chiếm dụng"),
            T(
                "Is the road at capacity? Left branch free, right branch queues; the top is capacity.",
                "Đường đã tới năng lực? Nhánh trái thông thoáng, nhánh phải ùn; đỉnh là năng lực.",
            ),
            Look("none", 0),
            width=12,
            every="5m",
            lines=(
                Line(road(mean("occupancy"), ""), T("occupancy", "độ chiếm dụng")),
                Line(road(mean("flow_veh_h"), ""), T("flow, veh/h", "lưu lượng, xe/h")),
            ),
        ),
    ),
)
RELIABILITY = Section(
    T("Reliability", "Độ tin cậy"),
    (
        table(
            "reliability",
            say(
                "Reliability of the trip",
                "Độ ổn định của hành trình",
                "How much time must a driver plan to be in time on 19 days of 20?",
                "Phải dự trù bao lâu để đúng giờ 19 trên 20 ngày?",
            ),
            (
                Column("place", w.CORRIDOR),
                *(
                    Column(key, title, day(mean(key)), look)
                    for key, title, look in (
                        ("travel_time_index", T("TTI", "TTI"), INDEX),
                        (
                            "planning_time_index",
                            T("Planning index", "Chỉ số dự trù"),
                            Look("none", 2),
                        ),
                        (
                            "buffer_index",
                            T("Buffer index", "Chỉ số đệm"),
                            Look("percentunit", 0),
                        ),
                        ("delay_veh_h", T("Delay", "Tổng chậm"), Look("h", 1)),
                        ("jams", T("Jams", "Số lần ùn"), Look("none", 1)),
                    )
                ),
            ),
            "travel_time_index",
            every="1d",
        ),
        course(
            "heavy",
            say(
                "Share of heavy vehicles",
                "Tỉ lệ xe nặng",
                "Is heavy traffic growing, or driving where it must not?",
                "Xe nặng có tăng, hoặc đi vào nơi cấm?",
            ),
            (
                Line(
                    road(
                        ratio(mean("flow_truck_veh_h", "sum"), mean("flow_veh_h", "sum")),
                        "area",
                    )
                ),
            ),
            Look("percentunit", 1),
            every="15m",
        ),
        course(
            "daily",
            say(
                "Vehicles by day",
                "Số xe mỗi ngày",
                "Does a day differ from the same weekday before?",
                "Ngày nào khác cùng thứ tuần trước?",
            ),
            (
                Line(
                    ask(
                        "station_day",
                        total("vehicles"),
                        "place",
                        place="$station",
                        area="$corridor",
                    )
                ),
            ),
            Look("none", 0),
            width=24,
            every="1d",
            is_bars=True,
        ),
    ),
)
