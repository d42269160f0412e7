"""3. Load of feeders and transformers: what is near its rating, and what shall be done?"""

from dashboards import words as w
from dashboards.query import Ask, Expression, Match
from dashboards.shapes import ask, course, gauges, history, last, mean, peak, say, table
from dashboards.spec import Board, Column, Events, Line, Link, Look, Section, Text, Variable

T = Text
# IEC 60076-7: cyclic loading above rating costs life; the registry's rating is 1
_LOADING = Look("percentunit", 0, w.good_below(0.8, 1.0), low=0, high=1.5)
_IMBALANCE = Look("percentunit", 0, w.good_below(0.1, 0.2))


def _feeder(what: Expression, by: str = "", measurement: str = "grid_load") -> Ask:
    return ask(measurement, what, by, level="feeder", place="$feeder")


def _transformer(what: Expression, by: str = "", measurement: str = "grid_load") -> Ask:
    return ask(measurement, what, by, level="transformer", place="$transformer", area="$feeder")


_TO_SELF = Link("load", T("Only this one", "Chỉ máy này"), (("transformer", "place"),))
_TO_LOSSES = Link("losses", T("Its losses", "Tổn thất"), (("place", "place"),))

BOARD = Board(
    key="load",
    title=T("3 · Feeder and transformer load", "3 · Phụ tải xuất tuyến và máy biến áp"),
    question=T(
        "What is loaded near its rating, when, and is it imbalance, power factor or growth?",
        "Thiết bị nào gần định mức, khi nào, do lệch pha, hệ số công suất hay tăng trưởng?",
    ),
    tags=("749.VIII.6",),
    since="now-24h",
    refresh="5m",
    links=("voltage", "losses"),
    variables=(
        Variable("feeder", w.FEEDER, ("grid_load",), "p_w", "area"),
        Variable(
            "transformer",
            w.TRANSFORMER,
            ("grid_load",),
            "p_w",
            "place",
            (Match("level", "transformer"), Match("area", "$feeder")),
        ),
    ),
    events=(
        (
            w.ALARMS,
            "red",
            Events("alarm_event", "severity", "kind", ("place",), (Match("domain", "energy"),)),
        ),
    ),
    sections=(
        Section(
            w.NOW,
            (
                gauges(
                    "feeders",
                    say(
                        "Feeders now",
                        "Xuất tuyến hiện tại",
                        "How much of its rating does each feeder carry? From 100 % relieve it.",
                        "Mỗi xuất tuyến đang mang bao nhiêu định mức? Từ 100 % phải san tải.",
                    ),
                    _feeder(last("loading_pu"), "place"),
                    _LOADING,
                    width=8,
                    every="15m",
                ),
                table(
                    "transformers",
                    say(
                        "Transformers now",
                        "Máy biến áp hiện tại",
                        "Which transformer is above 80 or 100 %? Follow one to its course.",
                        "Máy nào trên 80 hoặc 100 %? Bấm để xem diễn biến.",
                    ),
                    (
                        Column("place", w.TRANSFORMER, look=Look("none", link=_TO_SELF)),
                        Column("area", w.FEEDER),
                        Column(
                            "loading",
                            T("Load", "Mức tải"),
                            _transformer(last("loading_pu"), "place area"),
                            _LOADING,
                        ),
                        Column(
                            "power",
                            T("Power", "Công suất"),
                            _transformer(last("p_w"), "place area"),
                            Look("watt", 1),
                        ),
                        Column(
                            "rating",
                            T("Rating", "Định mức"),
                            _transformer(last("rating_va"), "place area"),
                            Look("voltamp", 0),
                        ),
                        Column(
                            "factor",
                            T("Power factor", "Hệ số công suất"),
                            _transformer(last("power_factor"), "place area"),
                            Look("none", 2, w.good_above(0.85, 0.9)),
                        ),
                        Column(
                            "imbalance",
                            T("Imbalance", "Lệch pha"),
                            _transformer(last("imbalance"), "place area"),
                            _IMBALANCE,
                        ),
                    ),
                    "loading",
                    width=16,
                    every="15m",
                ),
            ),
        ),
        Section(
            w.TREND,
            (
                course(
                    "course",
                    say(
                        "Load of the feeders",
                        "Phụ tải các xuất tuyến",
                        "When is the peak, and does it grow? Compare with the day and week before.",
                        "Cao điểm khi nào, có tăng không? So với hôm trước và tuần trước.",
                    ),
                    (Line(_feeder(mean("p_w"), "place")),),
                    Look("watt"),
                    every="15m",
                ),
                history(
                    "heat",
                    say(
                        "Load of the transformers",
                        "Mức tải máy biến áp",
                        "Which transformer is hot, at which hours? Red cells: move customers or uprate.",
                        "Máy nào quá tải, vào giờ nào? Ô đỏ: chuyển khách hàng hoặc nâng công suất.",
                    ),
                    _transformer(mean("loading_pu"), "place"),
                    _LOADING,
                    every="15m",
                ),
                course(
                    "imbalance",
                    say(
                        "Phase imbalance",
                        "Lệch pha",
                        "Are the phases loaded alike? Above 20 % swap single-phase customers.",
                        "Các pha có đều tải? Trên 20 %: đảo pha khách hàng một pha.",
                    ),
                    (Line(_transformer(mean("imbalance"), "place")),),
                    _IMBALANCE,
                    width=8,
                    every="15m",
                ),
                course(
                    "factor",
                    say(
                        "Power factor",
                        "Hệ số công suất",
                        "Is reactive power compensated? Below 0.9 a capacitor pays.",
                        "Công suất phản kháng đã bù? Dưới 0,9 nên đặt tụ.",
                    ),
                    (Line(_transformer(mean("power_factor"), "place")),),
                    Look("none", 2, w.good_above(0.85, 0.9), high=1),
                    width=8,
                    every="15m",
                ),
                course(
                    "oil",
                    say(
                        "Top-oil temperature",
                        "Nhiệt độ dầu lớp trên",
                        "Do transformers run hot? Hot at low load: cooling or oil, not the load.",
                        "Máy có nóng không? Nóng khi tải thấp: làm mát hoặc dầu, không phải tải.",
                    ),
                    (Line(ask("dtm", mean("t_oil"), "device")),),
                    # IEC 60076-7: 105 °C is the limit of normal cyclic loading
                    Look("celsius", 0, w.good_below(90, 105)),
                    width=8,
                    every="15m",
                ),
            ),
        ),
        Section(
            T("Days", "Các ngày"),
            (
                table(
                    "days",
                    say(
                        "Transformers over these days",
                        "Máy biến áp trong các ngày này",
                        "Which ones were how long over 80, 100, 120 % of rating? These are uprated first.",
                        "Máy nào vượt 80, 100, 120 % định mức bao lâu? Ưu tiên nâng công suất.",
                    ),
                    (
                        Column("place", w.TRANSFORMER, look=Look("none", link=_TO_LOSSES)),
                        *(
                            Column(key, title, _transformer(what, "place", "grid_load_day"), look)
                            for key, title, what, look in (
                                (
                                    "peak",
                                    T("Highest peak", "Đỉnh cao nhất"),
                                    peak("peak_pu"),
                                    _LOADING,
                                ),
                                (
                                    "above_80",
                                    T("Over 80 %", "Trên 80 %"),
                                    mean("above_80"),
                                    Look("percentunit", 1),
                                ),
                                (
                                    "above_100",
                                    T("Over 100 %", "Trên 100 %"),
                                    mean("above_100"),
                                    Look("percentunit", 1, w.none_is_good(0.001)),
                                ),
                                (
                                    "above_120",
                                    T("Over 120 %", "Trên 120 %"),
                                    mean("above_120"),
                                    Look("percentunit", 1, w.none_is_good(0.001)),
                                ),
                                (
                                    "load_factor",
                                    T("Load factor", "Hệ số phụ tải"),
                                    mean("load_factor"),
                                    Look("none", 2),
                                ),
                            )
                        ),
                    ),
                    "peak",
                    every="1d",
                ),
                course(
                    "reverse",
                    say(
                        "Energy fed back, by day",
                        "Điện năng phát ngược theo ngày",
                        "Do roofs feed through the transformer? Growing: check voltage at noon.",
                        "Điện mặt trời có phát ngược qua máy? Nếu tăng: kiểm tra điện áp buổi trưa.",
                    ),
                    (Line(_transformer(peak("export_wh"), "place", "grid_load_day")),),
                    Look("watth"),
                    every="1d",
                    is_bars=True,
                ),
            ),
        ),
    ),
)
