"""4. Voltage quality: who is outside the band of circular 39/2015, and since when?"""

from dashboards import words as w
from dashboards.query import Ask, Expression, Match
from dashboards.shapes import ask, course, history, last, least, mean, peak, say, stat, table, total
from dashboards.spec import Board, Column, Events, Line, Link, Look, Section, Step, Text, Variable

T = Text
# Circular 39/2015/TT-BCT: ±5 % at the customer's connection, 50 Hz ± 0.2
_VOLTS = Look("volt", 1, w.VOLTAGE_BAND)
_HERTZ = Look(
    "hertz",
    2,
    (
        Step(None, w.RED, T("below 49.8 Hz", "dưới 49,8 Hz")),
        Step(49.8, w.GREEN, T("50 ± 0.2 Hz", "50 ± 0,2 Hz")),
        Step(50.2, w.RED, T("above 50.2 Hz", "trên 50,2 Hz")),
    ),
)
_INSIDE = Look("percentunit", 1, w.good_above(0.9, 0.95), low=0, high=1)
_TO_DEVICE = Link("device", T("This device", "Thiết bị này"), (("device", "device"),))


def _feeder(what: Expression, by: str = "place") -> Ask:
    return ask("grid_voltage", what, by, level="feeder", place="$feeder")


def _transformer(what: Expression, by: str = "place") -> Ask:
    return ask("grid_voltage", what, by, level="transformer", place="$transformer", area="$feeder")


BOARD = Board(
    key="voltage",
    title=T("4 · Voltage quality", "4 · Chất lượng điện áp"),
    question=T(
        "Who is outside ±5 % (circular 39/2015/TT-BCT), where, since when?",
        "Ai ngoài ±5 % (Thông tư 39/2015/TT-BCT), ở đâu, từ khi nào?",
    ),
    tags=("749.VIII.6",),
    since="now-24h",
    refresh="5m",
    links=("load", "device"),
    variables=(
        Variable("feeder", w.FEEDER, ("grid_voltage",), "meters", "area"),
        Variable(
            "transformer",
            w.TRANSFORMER,
            ("grid_voltage",),
            "meters",
            "place",
            (Match("level", "transformer"), Match("area", "$feeder")),
        ),
    ),
    events=(
        (
            T("Voltage alarms", "Cảnh báo điện áp"),
            "orange",
            Events(
                "alarm_event",
                "severity",
                "kind",
                ("place",),
                (Match("kind", "(undervoltage|overvoltage)"),),
            ),
        ),
    ),
    sections=(
        Section(
            w.NOW,
            (
                stat(
                    "inside",
                    say(
                        "Meters inside the band",
                        "Công tơ trong dải cho phép",
                        "Which share of the meters has its voltage within ±5 %? Below 95 % find the place.",
                        "Tỉ lệ công tơ có điện áp trong ±5 %? Dưới 95 %: tìm vị trí.",
                    ),
                    _feeder(last("inside"), ""),
                    _INSIDE,
                    width=6,
                ),
                stat(
                    "lowest",
                    say(
                        "Lowest voltage",
                        "Điện áp thấp nhất",
                        "How low is the worst meter in this time? Low at the end of a line: tap or cable.",
                        "Công tơ thấp nhất bao nhiêu? Thấp cuối đường dây: nấc phân áp hoặc dây dẫn.",
                    ),
                    _feeder(least("low_v"), ""),
                    _VOLTS,
                    width=6,
                ),
                stat(
                    "highest",
                    say(
                        "Highest voltage",
                        "Điện áp cao nhất",
                        "How high is the worst one? High at noon: roofs feeding in; at night: the tap.",
                        "Cao nhất bao nhiêu? Cao buổi trưa: điện mặt trời; ban đêm: nấc phân áp.",
                    ),
                    _feeder(peak("high_v"), ""),
                    _VOLTS,
                    width=6,
                ),
                stat(
                    "frequency",
                    say(
                        "Frequency now",
                        "Tần số hiện tại",
                        "Is the system within 50 ± 0.2 Hz? Outside: a matter of the dispatch centre.",
                        "Hệ thống trong 50 ± 0,2 Hz? Ngoài dải: báo trung tâm điều độ.",
                    ),
                    ask("dtm", last("f")),
                    _HERTZ,
                    width=6,
                ),
            ),
        ),
        Section(
            w.TREND,
            (
                course(
                    "share",
                    say(
                        "Meters inside the band, by feeder",
                        "Công tơ trong dải, theo xuất tuyến",
                        "Since when is a feeder outside? A step: switching or a tap; slow: load.",
                        "Xuất tuyến ra ngoài dải từ khi nào? Bước nhảy: chuyển mạch; từ từ: phụ tải.",
                    ),
                    (Line(_feeder(mean("inside"))),),
                    _INSIDE,
                    every="30m",
                ),
                course(
                    "spread",
                    say(
                        "Voltage of the meters: 5 %, median, 95 %",
                        "Điện áp các công tơ: 5 %, trung vị, 95 %",
                        "Is all of it low, or are the ends of lines? A wide band: long or unbalanced lines.",
                        "Thấp toàn bộ hay chỉ cuối đường dây? Dải rộng: dây dài hoặc lệch pha.",
                    ),
                    (
                        Line(_feeder(mean("p5_v"), ""), T("5 %", "5 %")),
                        Line(_feeder(mean("p50_v"), ""), T("median", "trung vị")),
                        Line(_feeder(mean("p95_v"), ""), T("95 %", "95 %")),
                    ),
                    _VOLTS,
                    every="30m",
                ),
                history(
                    "heat",
                    say(
                        "Transformers outside the band",
                        "Máy biến áp ngoài dải",
                        "Which transformer has meters outside, at which hours?",
                        "Máy nào có công tơ ngoài dải, vào giờ nào?",
                    ),
                    _transformer(mean("inside")),
                    _INSIDE,
                    every="30m",
                ),
                course(
                    "hertz",
                    say(
                        "Frequency",
                        "Tần số",
                        "Did the system leave 50 ± 0.2 Hz? All transformers show the same one.",
                        "Hệ thống có ra khỏi 50 ± 0,2 Hz? Mọi máy cho cùng giá trị.",
                    ),
                    (
                        Line(ask("dtm", least("f")), T("lowest", "thấp nhất")),
                        Line(ask("dtm", peak("f")), T("highest", "cao nhất")),
                    ),
                    _HERTZ,
                    every="15m",
                ),
            ),
        ),
        Section(
            w.WORST,
            (
                table(
                    "worst",
                    say(
                        "Twenty meters with the lowest mean voltage",
                        "Hai mươi công tơ có điện áp trung bình thấp nhất",
                        "Whom to visit first? Follow one to its course.",
                        "Đến ai trước? Bấm để xem diễn biến.",
                    ),
                    (
                        Column("device", w.DEVICE, look=Look("none", link=_TO_DEVICE)),
                        Column(
                            "voltage",
                            T("Mean voltage", "Điện áp trung bình"),
                            ask("em1", mean("u"), "device").lowest(20),
                            _VOLTS,
                        ),
                    ),
                    "voltage",
                    falls=False,
                    width=8,
                    every="30m",
                ),
                table(
                    "violations",
                    say(
                        "Times outside the band",
                        "Các lần ra ngoài dải",
                        "Which meters were out, how far, for how long? These are owed an answer.",
                        "Công tơ nào ra ngoài, bao xa, bao lâu? Phải trả lời khách hàng.",
                    ),
                    (
                        Column("device", w.DEVICE, look=Look("none", link=_TO_DEVICE)),
                        Column("kind", w.KIND),
                        Column(
                            "worst",
                            T("Worst", "Xấu nhất"),
                            ask(
                                "voltage_violation", last("worst_pu"), "device kind", area="$feeder"
                            ),
                            Look("percentunit", 1),
                        ),
                        Column(
                            "lasted",
                            T("In all", "Tổng cộng"),
                            ask(
                                "voltage_violation",
                                total("duration_s"),
                                "device kind",
                                area="$feeder",
                            ),
                            Look("s", 0),
                        ),
                    ),
                    "lasted",
                    width=8,
                ),
                table(
                    "verdict",
                    say(
                        "Verdict of the norm, by place",
                        "Kết luận theo quy định, từng nơi",
                        "Does the week hold under each rule of the norm? Without coverage there is no verdict.",
                        "Tuần này có đạt từng quy tắc? Thiếu dữ liệu thì chưa kết luận.",
                    ),
                    (
                        Column("place", w.PLACE),
                        Column("rule", T("Rule", "Quy tắc")),
                        *(
                            Column(
                                key,
                                title,
                                ask("grid_compliance", last(key), "place rule", area="$feeder"),
                                look,
                            )
                            for key, title, look in (
                                ("share", T("Inside", "Trong dải"), Look("percentunit", 1)),
                                ("coverage", T("Coverage", "Độ phủ"), Look("percentunit", 0)),
                                (
                                    "verdict",
                                    T("Verdict", "Kết luận"),
                                    Look("none", 0, names=w.VERDICTS),
                                ),
                            )
                        ),
                    ),
                    "share",
                    falls=False,
                    width=8,
                    every="1d",
                ),
            ),
        ),
    ),
)
