"""8. Detectors and tolls: which count can be believed, which lane loses passages?"""

from dashboards import words as w
from dashboards.query import Ask, Expression, Field, Match
from dashboards.shapes import ask, course, gauges, history, last, mean, say, stat, table, total
from dashboards.spec import Board, Column, Events, Line, Link, Look, Section, Text, Variable

T = Text
_FAULT = Look("none", 0, names=w.FAULTS)
_COMPLETE = Look("percentunit", 1, w.good_above(0.9, 0.98), low=0, high=1)
_READ = Look("percentunit", 2, w.good_above(0.98, 0.995), high=1)
_TO_DEVICE = Link("device", T("This device", "Thiết bị này"), (("device", "device"),))


def _state(what: Expression, by: str = "") -> Ask:
    return ask("detector_state", what, by, device="$device", area="$corridor")


def _daily(what: Expression) -> Ask:
    return ask("detector_day", what, "device", device="$device", area="$corridor")


def _toll(what: Expression, by: str = "") -> Ask:
    return ask("toll_hour", what, by)


BOARD = Board(
    key="detectors",
    title=T("8 · Detectors and tolls", "8 · Đầu dò và thu phí"),
    question=T(
        "Which detectors cannot be believed, why, and who shall go there? Do toll lanes read?",
        "Đầu dò nào không tin được, vì sao, ai đến sửa? Làn thu phí có đọc thẻ?",
    ),
    tags=("749.VIII.5", "749.IV.3"),
    since="now-24h",
    refresh="5m",
    links=("corridor", "device"),
    variables=(
        Variable("corridor", w.CORRIDOR, ("detector_state",), "fault", "area"),
        Variable(
            "device",
            w.DETECTOR,
            ("detector_state",),
            "fault",
            "device",
            (Match("area", "$corridor"),),
        ),
    ),
    events=(
        (
            T("Detector alarms", "Cảnh báo đầu dò"),
            "orange",
            Events(
                "alarm_event",
                "severity",
                "kind",
                ("place",),
                (Match("kind", "(detector|toll)_.*"),),
            ),
        ),
    ),
    sections=(
        Section(
            w.NOW,
            (
                stat(
                    "faulty",
                    say(
                        "Detectors at fault",
                        "Đầu dò lỗi",
                        "How many cannot be believed now? Their rows count for nothing until mended.",
                        "Bao nhiêu đầu dò không tin được? Số liệu bị loại cho tới khi sửa.",
                    ),
                    _state(Field("fault", "last", "count")).keeping(1, 11),
                    Look("none", 0, w.none_is_good()),
                    width=6,
                ),
                stat(
                    "all",
                    say(
                        "Detectors watched",
                        "Đầu dò được giám sát",
                        "Of how many? Fewer than the registry has: some never reported.",
                        "Trên tổng số bao nhiêu? Ít hơn danh bạ: có thiết bị chưa từng báo.",
                    ),
                    _state(Field("fault", "last", "count")),
                    Look("none", 0),
                    width=6,
                ),
                stat(
                    "read_rate",
                    say(
                        "Read rate of toll lanes",
                        "Tỉ lệ đọc thẻ làn thu phí",
                        "Which share of the passages was read? Below 99.5 % look at the worst lane.",
                        "Tỉ lệ lượt đọc được? Dưới 99,5 % xem làn kém nhất.",
                    ),
                    _toll(last("read_rate")),
                    _READ,
                    width=6,
                ),
                stat(
                    "work",
                    say(
                        "Work to be done",
                        "Việc cần làm",
                        "How many devices of the road wait for somebody? The list is in the API: work.",
                        "Bao nhiêu thiết bị chờ xử lý? Danh sách trong API: work.",
                    ),
                    ask("work_open", last("open")),
                    Look("none", 0, w.none_is_good()),
                    width=6,
                ),
            ),
        ),
        Section(
            T("Detectors", "Đầu dò"),
            (
                history(
                    "faults",
                    say(
                        "Faults over time",
                        "Lỗi theo thời gian",
                        "What is wrong with which detector, since when? A column is power or a modem.",
                        "Đầu dò nào lỗi gì, từ khi nào? Cả cột: nguồn hoặc đường truyền.",
                    ),
                    _state(Field("fault", "max"), "device"),
                    Look("none", 0, names=w.FAULTS, link=_TO_DEVICE),
                    width=24,
                    height=10,
                    every="5m",
                ),
                table(
                    "list",
                    say(
                        "Detectors now",
                        "Tình trạng đầu dò hiện tại",
                        "Which one is at fault, and how? Follow it to its counts.",
                        "Cái nào lỗi, lỗi gì? Bấm để xem số đếm.",
                    ),
                    (
                        Column("device", w.DETECTOR, look=Look("none", link=_TO_DEVICE)),
                        Column("area", w.CORRIDOR),
                        Column(
                            "fault", T("Fault", "Lỗi"), _state(last("fault"), "device area"), _FAULT
                        ),
                    ),
                    "fault",
                    width=8,
                ),
                table(
                    "day",
                    say(
                        "Detectors by day",
                        "Đầu dò theo ngày",
                        "What would the day be called (PeMS), and how complete is it?",
                        "Ngày được xếp loại gì (PeMS), đầy đủ bao nhiêu?",
                    ),
                    (
                        Column("device", w.DETECTOR, look=Look("none", link=_TO_DEVICE)),
                        Column(
                            "status",
                            T("Last day", "Ngày gần nhất"),
                            _daily(last("status")),
                            Look("none", 0, names=w.DETECTOR_DAYS),
                        ),
                        Column(
                            "completeness",
                            T("Complete", "Đầy đủ"),
                            _daily(mean("completeness")),
                            _COMPLETE,
                        ),
                    ),
                    "completeness",
                    falls=False,
                    width=8,
                    every="1d",
                ),
                table(
                    "impossible",
                    say(
                        "Impossible pairs",
                        "Cặp giá trị vô lý",
                        "Who is covered and counts nobody, or counts without being covered?",
                        "Ai bị chiếm mà không đếm, hoặc đếm mà không bị chiếm?",
                    ),
                    (
                        Column("device", w.DETECTOR, look=Look("none", link=_TO_DEVICE)),
                        Column(
                            "covered",
                            T("Covered, no count", "Chiếm, không đếm"),
                            _daily(mean("covered_without_count")),
                            Look("percentunit", 2, w.good_below(0.005, 0.02)),
                        ),
                        Column(
                            "counted",
                            T("Count, not covered", "Đếm, không chiếm"),
                            _daily(mean("count_without_occupancy")),
                            Look("percentunit", 2, w.good_below(0.005, 0.02)),
                        ),
                    ),
                    "covered",
                    width=8,
                    every="1d",
                ),
                gauges(
                    "availability",
                    say(
                        "Availability by corridor",
                        "Độ sẵn sàng theo trục đường",
                        "Did the road's devices serve as promised over these days?",
                        "Thiết bị có phục vụ như cam kết trong các ngày này?",
                    ),
                    ask("asset_day", mean("availability"), "area", area="$corridor"),
                    _COMPLETE,
                    width=12,
                    every="1d",
                ),
                course(
                    "balance",
                    say(
                        "Vehicles counted, by corridor",
                        "Số xe đếm được theo trục đường",
                        "Do counts follow the usual day? A dent in one corridor only: its detectors.",
                        "Số đếm có như ngày thường? Chỉ một trục bị lõm: do đầu dò.",
                    ),
                    (Line(ask("road_state", mean("flow_veh_h", "sum"), "area", area="$corridor")),),
                    Look("suffix: veh/h", 0),
                    every="15m",
                ),
            ),
        ),
        Section(
            T("Tolls", "Thu phí"),
            (
                course(
                    "passages",
                    say(
                        "Passages by lane and hour",
                        "Lượt qua theo làn và giờ",
                        "Which lane carries what? Zero in a rush: closed, or its reader failed.",
                        "Làn nào thông bao nhiêu? Bằng không giờ cao điểm: đóng hoặc đầu đọc hỏng.",
                    ),
                    (Line(_toll(total("passages"), "device")),),
                    Look("none", 0),
                    width=8,
                    every="1h",
                    is_bars=True,
                ),
                course(
                    "reads",
                    say(
                        "Read rate by lane",
                        "Tỉ lệ đọc theo làn",
                        "Which reader is getting worse? A slow fall is dirt or an antenna.",
                        "Đầu đọc nào kém đi? Giảm dần: bẩn hoặc ăng-ten.",
                    ),
                    (Line(_toll(mean("read_rate"), "device")),),
                    _READ,
                    width=8,
                    every="1h",
                ),
                course(
                    "transaction",
                    say(
                        "Duration of transactions, 95 %",
                        "Thời gian giao dịch, 95 %",
                        "Do vehicles wait at the barrier? Rising in all lanes: the back office.",
                        "Xe có phải chờ ở barie? Tăng ở mọi làn: hệ thống trung tâm.",
                    ),
                    (Line(_toll(mean("transaction_p95_ms"), "device")),),
                    Look("ms", 0, w.good_below(1000, 3000)),
                    width=8,
                    every="1h",
                ),
            ),
        ),
    ),
)
