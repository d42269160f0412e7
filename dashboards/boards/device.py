"""6. One device: where every other board leads to."""

from dashboards import words as w
from dashboards.query import Ask, Expression, Field, Match
from dashboards.shapes import ask, course, history, last, mean, say, stat, table, total
from dashboards.spec import Board, Column, Events, Line, Look, Section, Text, Variable

T = Text
_VOLTS = Look("volt", 1, w.VOLTAGE_BAND)
_QUALITY = Look("none", 0, names=w.QUALITIES)
PROFILES = ("em1", "em3", "dtm", "pq3", "tl1")


def _of(measurement: str, what: Expression) -> Ask:
    return ask(measurement, what, "device", device="$device")


def _lines(*fields: tuple[str, Expression, Text]) -> tuple[Line, ...]:
    return tuple(Line(_of(measurement, what), title) for measurement, what, title in fields)


BOARD = Board(
    key="device",
    title=T("6 · Device detail", "6 · Chi tiết thiết bị"),
    question=T(
        "What did this device say, how good is it, and what happened to it?",
        "Thiết bị này báo gì, chất lượng ra sao, đã xảy ra chuyện gì?",
    ),
    tags=("749.IV.3",),
    since="now-24h",
    refresh="1m",
    links=("collection", "voltage", "losses"),
    variables=(Variable("device", w.DEVICE, PROFILES, "quality", "device"),),
    events=(
        (
            w.DEVICE_EVENTS,
            "purple",
            Events("device_event", "code", "device", ("area",), (Match("device", "$device"),)),
        ),
        (
            w.ALARMS,
            "red",
            Events("alarm_event", "severity", "kind", ("place",), (Match("place", "$device"),)),
        ),
    ),
    sections=(
        Section(
            w.NOW,
            (
                stat(
                    "register",
                    say(
                        "Register, import",
                        "Chỉ số điện nhận",
                        "What does the meter show? Compare with the display at a visit.",
                        "Công tơ đang chỉ bao nhiêu? So với màn hình khi đến kiểm tra.",
                    ),
                    _of("em1", last("ea_imp")),
                    Look("watth", 1),
                    width=6,
                ),
                stat(
                    "used",
                    say(
                        "Energy used in this time",
                        "Điện năng dùng trong khoảng này",
                        "How much was used, by validated intervals, estimates included?",
                        "Đã dùng bao nhiêu, theo chu kỳ đã kiểm tra, gồm cả ước lượng?",
                    ),
                    ask("meter_interval", total("import_wh"), "device", device="$device"),
                    Look("watth", 1),
                    width=6,
                ),
                stat(
                    "grade",
                    say(
                        "Grade of the newest reading",
                        "Hạng của số đo mới nhất",
                        "Can the newest value be believed?",
                        "Giá trị mới nhất có tin được không?",
                    ),
                    _of("em1", last("quality")),
                    _QUALITY,
                    width=6,
                ),
                stat(
                    "events",
                    say(
                        "Events",
                        "Số sự kiện",
                        "How many events did it send? See when as lines in the courses below.",
                        "Đã gửi bao nhiêu sự kiện? Xem thời điểm trên các biểu đồ bên dưới.",
                    ),
                    ask("device_event", Field("code", "count", "sum"), "device", device="$device"),
                    Look("none", 0),
                    width=6,
                ),
            ),
        ),
        Section(
            T("What it measures", "Số đo"),
            (
                course(
                    "power",
                    say(
                        "Active power",
                        "Công suất tác dụng",
                        "How is it used? Negative is feeding in. A flat line is a stopped meter.",
                        "Sử dụng thế nào? Âm là phát ngược. Đường phẳng là công tơ dừng.",
                    ),
                    _lines(
                        *(
                            (one, mean("p"), T("power", "công suất"))
                            for one in ("em1", "em3", "dtm")
                        )
                    ),
                    Look("watt"),
                    every="15m",
                ),
                course(
                    "voltage",
                    say(
                        "Voltage",
                        "Điện áp",
                        "Is it within ±5 %? Compare phases: one low is a neutral or a loose clamp.",
                        "Có trong ±5 %? So các pha: một pha thấp do trung tính hoặc kẹp lỏng.",
                    ),
                    _lines(
                        ("em1", mean("u"), T("U", "U")),
                        *(
                            (one, mean(f"u_l{phase}"), T(f"U L{phase}", f"U L{phase}"))
                            for one in ("em3", "dtm")
                            for phase in (1, 2, 3)
                        ),
                    ),
                    _VOLTS,
                    every="15m",
                ),
                course(
                    "intervals",
                    say(
                        "Energy by half hour",
                        "Điện năng từng nửa giờ",
                        "What goes into the bill? Estimated slots show in the row of methods below.",
                        "Cái gì vào hóa đơn? Chu kỳ ước lượng hiện ở hàng phương pháp bên dưới.",
                    ),
                    (
                        Line(
                            ask("meter_interval", total("import_wh"), "device", device="$device"),
                            T("import", "nhận"),
                        ),
                        Line(
                            ask("meter_interval", total("export_wh"), "device", device="$device"),
                            T("export", "phát"),
                        ),
                    ),
                    Look("watth"),
                    every="30m",
                    is_bars=True,
                ),
                course(
                    "days",
                    say(
                        "Energy by day",
                        "Điện năng từng ngày",
                        "Is a day unlike the others? Compare with the weekday before.",
                        "Ngày nào khác thường? So với cùng thứ tuần trước.",
                    ),
                    (Line(_of("em1_1d", total("ea_imp_increase")), T("import", "nhận")),),
                    Look("watth"),
                    every="1d",
                    is_bars=True,
                ),
                course(
                    "traffic",
                    say(
                        "Vehicles in each interval",
                        "Số xe mỗi chu kỳ",
                        "For a detector: does it count as it should? Flat or zero: see its health.",
                        "Với đầu dò: đếm có đúng không? Phẳng hoặc không: xem tình trạng.",
                    ),
                    _lines(("tl1", total("count"), T("vehicles", "xe"))),
                    Look("none", 0),
                    every="5m",
                    is_bars=True,
                ),
                course(
                    "speed",
                    say(
                        "Mean speed",
                        "Tốc độ trung bình",
                        "For a detector: how fast do they drive? Slow is a queue, jumping about a fault.",
                        "Với đầu dò: xe chạy nhanh chậm ra sao? Chậm là ùn tắc, nhảy lung tung là lỗi.",
                    ),
                    _lines(("tl1", mean("v_mean"), T("speed", "tốc độ"))),
                    Look("velocitykmh", 0),
                    every="5m",
                ),
            ),
        ),
        Section(
            T("How good it is", "Chất lượng"),
            (
                history(
                    "method",
                    say(
                        "Where each half hour comes from",
                        "Nguồn gốc từng nửa giờ",
                        "What was measured, what estimated? Yellow and orange: a gap, and how it was filled.",
                        "Cái gì đo được, cái gì ước lượng? Vàng và cam: khoảng trống và cách bù.",
                    ),
                    ask("meter_interval", Field("method", "max"), "device", device="$device"),
                    Look("none", 0, names=w.METHODS),
                    every="30m",
                ),
                history(
                    "quality",
                    say(
                        "Grade of each reading",
                        "Hạng từng số đo",
                        "Since when is something wrong? A reading's reasons are in the API.",
                        "Có vấn đề từ khi nào? Lý do của từng số đo có trong API.",
                    ),
                    _of("em1", Field("quality", "max")),
                    _QUALITY,
                    every="30m",
                ),
                course(
                    "count",
                    say(
                        "Readings in each hour",
                        "Số đo mỗi giờ",
                        "Does it report as often as it should? Gaps are lost readings or a dead link.",
                        "Có báo đủ nhịp? Lỗ hổng là mất số đo hoặc mất đường truyền.",
                    ),
                    _lines(
                        *((one, Field("quality", "count", "sum"), T(one, one)) for one in PROFILES)
                    ),
                    Look("none", 0),
                    every="1h",
                    is_bars=True,
                ),
                table(
                    "bills",
                    say(
                        "Days as they go into the bill",
                        "Các ngày vào hóa đơn",
                        "Is every day ready? Open slots wait for data, held ones for a person.",
                        "Ngày nào cũng sẵn sàng chưa? Chu kỳ trống chờ dữ liệu, chờ duyệt cần người.",
                    ),
                    (
                        Column("device", w.DEVICE),
                        *(
                            Column(key, title, _of("meter_day", what), look)
                            for key, title, what, look in (
                                (
                                    "energy",
                                    T("Import", "Nhận"),
                                    total("import_wh"),
                                    Look("watth", 1),
                                ),
                                (
                                    "peak",
                                    T("Highest half hour", "Nửa giờ cao nhất"),
                                    Field("demand_w", "max"),
                                    Look("watt", 1),
                                ),
                                (
                                    "open",
                                    T("Open", "Trống"),
                                    total("open_slots"),
                                    Look("none", 0, w.none_is_good()),
                                ),
                                (
                                    "held",
                                    T("Held", "Chờ duyệt"),
                                    total("held_slots"),
                                    Look("none", 0, w.none_is_good()),
                                ),
                            )
                        ),
                    ),
                    "energy",
                    every="1d",
                ),
            ),
        ),
    ),
)
