"""1. Operations wall: is anything wrong now, and where?"""

from dashboards import words as w
from dashboards.query import ratio
from dashboards.shapes import ask, course, history, last, mean, stat, table, total
from dashboards.spec import Board, Column, Events, Line, Link, Look, Panel, Section, Text

T = Text
_COUNT = Look("none", 0, w.none_is_good())
_ALIVE = Look("percentunit", 1, w.good_above(0.90, 0.97), low=0, high=1)

_ALERTS = Panel(
    "alerts",
    "alertlist",
    T("Alerts that need somebody", "Cảnh báo cần người xử lý"),
    T(
        "What has to be done now? The most important first; each leads to its board and its runbook.",
        "Bây giờ phải làm gì? Việc quan trọng nhất ở trên; mỗi dòng dẫn tới bảng và hướng dẫn xử lý.",
    ),
    Look("none"),
    width=8,
    height=10,
)
_MAP = Panel(
    "map",
    "geomap",
    T("Where alarms are open", "Nơi đang có cảnh báo"),
    T(
        "Where is it? Each point is a place with an open alarm, its colour the severity.",
        "Ở đâu? Mỗi điểm là một nơi đang có cảnh báo, màu là mức độ.",
    ),
    Look("none", 0, names=w.SEVERITIES),
    width=8,
    height=10,
    columns=(
        Column("place", w.PLACE),
        Column("lat", w.LATITUDE, ask("site_info", last("lat"), "place"), Look("degree", 4)),
        Column("lon", w.LONGITUDE, ask("site_info", last("lon"), "place"), Look("degree", 4)),
        Column("lasts", T("Open", "Đang mở"), ask("alarm_standing", last("lasts", "max"), "place")),
        Column(
            "severity",
            w.SEVERITY,
            ask("alarm_standing", last("severity", "max"), "place"),
            Look("none", 0, names=w.SEVERITIES),
        ),
    ),
    keep=("lasts", "equal", 1),
)
_OPEN = table(
    "open",
    (
        T("Open alarms", "Cảnh báo đang mở"),
        T(
            "What is open, and since when is it known? Follow the place to its board.",
            "Cảnh báo nào còn mở? Bấm vào vị trí để sang bảng chi tiết.",
        ),
    ),
    (
        Column("kind", w.KIND),
        Column("place", w.PLACE),
        Column(
            "area",
            w.AREA,
            look=Look(
                "none",
                link=Link(
                    "load", T("Load of this feeder", "Phụ tải xuất tuyến"), (("feeder", "area"),)
                ),
            ),
        ),
        *(
            Column(key, title, ask("alarm_standing", last(key), "kind place area"), look)
            for key, title, look in (
                ("severity", w.SEVERITY, Look("none", 0, names=w.SEVERITIES)),
                ("confidence", T("Confidence", "Độ tin cậy"), Look("percentunit", 0)),
                ("lasts", T("Open", "Đang mở"), Look("none", 0)),
            )
        ),
    ),
    "severity",
    keep=("lasts", "equal", 1),
    width=8,
    height=10,
)

BOARD = Board(
    key="wall",
    title=T("1 · Operations wall", "1 · Màn hình vận hành"),
    question=T(
        "Is anything wrong now, and where? For the wall of the control room (add ?kiosk).",
        "Có gì bất thường, ở đâu? Dành cho màn hình lớn phòng điều hành (thêm ?kiosk).",
    ),
    tags=("QD749-5", "QD749-6"),
    since="now-6h",
    refresh="30s",
    links=("collection", "load", "corridor", "gateway"),
    events=((w.ALARMS, "red", Events("alarm_event", "severity", "kind", ("place", "domain"))),),
    sections=(
        Section(
            w.NOW,
            (
                *(
                    stat(
                        key,
                        (
                            title,
                            T(
                                f"How many {title.en.lower()} are open? More than none: see the list.",
                                f"Có bao nhiêu {title.vi.lower()} đang mở? Khác không: xem danh sách.",
                            ),
                        ),
                        ask("alarm_open", total(key, "last")),
                        look,
                    )
                    for key, title, look in (
                        ("critical", T("Critical alarms", "Cảnh báo khẩn cấp"), _COUNT),
                        ("serious", T("Serious alarms", "Cảnh báo nghiêm trọng"), _COUNT),
                        (
                            "warning",
                            T("Warnings", "Cảnh báo mức vừa"),
                            Look("none", 0, w.none_is_good(10)),
                        ),
                    )
                ),
                stat(
                    "alive",
                    (
                        T("Devices that report", "Thiết bị đang báo về"),
                        T(
                            "Do we still see the field, sector by sector? Below 97 % ask who is silent.",
                            "Còn thấy hiện trường không, theo từng ngành? Dưới 97 % thì tìm nơi im lặng.",
                        ),
                    ),
                    ask(
                        "fleet_state",
                        ratio(total("alive", "last"), total("devices", "last")),
                        "sector",
                    ),
                    _ALIVE,
                ),
                stat(
                    "dark",
                    (
                        T("Customers without power", "Khách hàng mất điện"),
                        T(
                            "How many customers are dark now? Any: the open alarms say where.",
                            "Bao nhiêu khách hàng đang mất điện? Nếu có: cảnh báo đang mở cho biết ở đâu.",
                        ),
                    ),
                    ask("grid_outage", last("dark", "sum"), level="grid"),
                    _COUNT,
                ),
                stat(
                    "age",
                    (
                        T("Age of data, 95 %", "Tuổi dữ liệu, 95 %"),
                        T(
                            "How old is what we see? Far above the interval: the radio, or the gateway.",
                            "Dữ liệu cũ bao lâu? Cao hơn nhiều so với chu kỳ: kiểm tra đường truyền hoặc gateway.",
                        ),
                    ),
                    ask("fleet_state", last("age_p95_s", "max"), "sector"),
                    Look("s", 0, w.good_below(3600, 7200)),
                ),
                _ALERTS,
                _MAP,
                _OPEN,
            ),
        ),
        Section(
            T("Roads and grid, last hours", "Đường và lưới, các giờ qua"),
            (
                history(
                    "corridors",
                    (
                        T(
                            "Corridors: travel time index",
                            "Trục đường: chỉ số thời gian hành trình",
                        ),
                        T(
                            "Which road is slow, since when? 2 means twice the free travel time.",
                            "Đường nào chậm, từ khi nào? 2 nghĩa là gấp đôi thời gian thông thoáng.",
                        ),
                    ),
                    ask("corridor_live", mean("travel_time_index"), "place"),
                    Look(
                        "none",
                        2,
                        w.good_below(1.5, 2),
                        link=Link(
                            "corridor",
                            T("This corridor", "Trục đường này"),
                            (("corridor", "place"),),
                        ),
                    ),
                    every="5m",
                ),
                history(
                    "feeders",
                    (
                        T("Feeders: load", "Xuất tuyến: mức tải"),
                        T(
                            "Which feeder is near its rating? From 100 % relieve it.",
                            "Xuất tuyến nào gần định mức? Từ 100 % phải san tải.",
                        ),
                    ),
                    ask("grid_load", mean("loading_pu"), "place", level="feeder"),
                    Look(
                        "percentunit",
                        0,
                        w.good_below(0.8, 1),
                        link=Link(
                            "load", T("This feeder", "Xuất tuyến này"), (("feeder", "place"),)
                        ),
                    ),
                    every="15m",
                ),
                course(
                    "energy",
                    (
                        T("Power into the feeders", "Công suất vào các xuất tuyến"),
                        T(
                            "Is the grid's course as on any day? A step means an outage or a switching.",
                            "Biểu đồ lưới có như ngày thường? Bước nhảy là mất điện hoặc chuyển mạch.",
                        ),
                    ),
                    (
                        Line(
                            ask("grid_load", mean("p_w", "sum"), level="feeder"), T("Grid", "Lưới")
                        ),
                    ),
                    Look("watt"),
                    width=8,
                    every="15m",
                ),
                course(
                    "vehicles",
                    (
                        T("Traffic of all stations", "Lưu lượng tất cả trạm"),
                        T(
                            "Do the roads carry what they usually do? A hole means detectors or a blockage.",
                            "Đường có lưu lượng như thường? Lỗ hổng là do đầu dò hoặc tắc đường.",
                        ),
                    ),
                    (Line(ask("road_state", mean("flow_veh_h", "sum")), T("Vehicles", "Xe")),),
                    Look("suffix: veh/h", 0),
                    width=8,
                    every="5m",
                ),
                course(
                    "messages",
                    (
                        T("Readings stored", "Số đo được lưu"),
                        T(
                            "Do readings come in? Zero for minutes: see the gateway's board.",
                            "Số đo có về đều? Bằng không nhiều phút: xem bảng gateway.",
                        ),
                    ),
                    (
                        Line(
                            ask("gateway_self", total("readings_stored_total", "rate")),
                            T("Readings", "Số đo"),
                        ),
                    ),
                    Look("cps", 1),
                    width=8,
                ),
            ),
        ),
    ),
)
