"""Alerts of the grid and of its meters."""

from dashboards.alerts.spec import Alert
from dashboards.query import Field, ratio
from dashboards.shapes import ask, last, total
from dashboards.spec import Text

T = Text
_HOUR = 3600
# DLMS: covers, magnetic field, fraud attempt, module removed (policies/loss has the same)
TAMPER_CODES = "(40|42|44|46|48|103|113|123|133)"

ENERGY = (
    Alert(
        "silent-area",
        T("Silent area", "Khu vực im lặng"),
        ask("fleet_state", ratio(total("alive", "last"), total("devices", "last")), "area"),
        10 * 60,
        (0.5, None),
        5 * 60,
        "serious",
        "wall",
        "alive",
        T(
            "1. Board 2: since when, all devices of the area or one concentrator? 2. Open alarms: an"
            " outage there explains it. 3. Without one: call the telecom operator, visit the"
            " concentrator. Devices keep their readings and send them later.",
            "1. Bảng 2: từ khi nào, cả khu vực hay một bộ tập trung? 2. Cảnh báo đang mở: có mất"
            " điện không? 3. Nếu không: gọi nhà mạng, kiểm tra bộ tập trung. Thiết bị giữ số đo và"
            " gửi bù sau.",
        ),
    ),
    Alert(
        "completeness",
        T("Readings incomplete", "Thiếu số đo"),
        ask("area_quality", ratio(total("received"), total("expected")), "area"),
        3 * _HOUR,
        (0.97, None),
        30 * 60,
        "warning",
        "collection",
        "map",
        T(
            "1. Board 2, completeness by area and hour: one area or all? 2. One: its concentrator."
            " All: the gateway's board. 3. Backlog fills gaps by itself within a day; what stays is"
            " estimated and marked.",
            "1. Bảng 2, độ đầy đủ theo khu vực và giờ: một khu vực hay tất cả? 2. Một: bộ tập trung."
            " Tất cả: bảng gateway. 3. Dữ liệu gửi bù tự lấp trong ngày; phần còn lại được ước lượng"
            " và đánh dấu.",
        ),
    ),
    Alert(
        "feeder-overload",
        T("Feeder over its rating", "Xuất tuyến quá tải"),
        ask("grid_load", last("loading_pu", "max"), "place", level="feeder"),
        _HOUR,
        (None, 1.0),
        15 * 60,
        "critical",
        "load",
        "feeders",
        T(
            "1. Board 3: growing or a step? 2. A step: a neighbour was switched over, agree its end"
            " with dispatch. 3. Growing: move load to the other feeder before the protection trips.",
            "1. Bảng 3: tăng dần hay bước nhảy? 2. Bước nhảy: nhận tải từ xuyến bên, thống nhất thời"
            " gian với điều độ. 3. Tăng dần: san tải trước khi bảo vệ tác động.",
        ),
    ),
    Alert(
        "transformer-overload",
        T("Transformer over its rating", "Máy biến áp quá tải"),
        ask("grid_load", last("loading_pu", "max"), "place", level="transformer"),
        _HOUR,
        (None, 1.0),
        30 * 60,
        "serious",
        "load",
        "transformers",
        T(
            "1. Board 3: how hot is the oil, how uneven are the phases? 2. Uneven: swap single-phase"
            " customers. 3. Else move customers or uprate; `advice` of the API ranks the measures.",
            "1. Bảng 3: dầu nóng bao nhiêu, các pha lệch không? 2. Lệch: đảo pha khách hàng. 3. Nếu"
            " không: chuyển khách hàng hoặc nâng công suất; `advice` của API xếp hạng biện pháp.",
        ),
    ),
    Alert(
        "voltage",
        T("Voltage outside ±5 %", "Điện áp ngoài ±5 %"),
        ask("grid_voltage", last("inside"), "place", level="feeder"),
        2 * _HOUR,
        (0.95, None),
        30 * 60,
        "serious",
        "voltage",
        "share",
        T(
            "1. Board 4: all of the feeder or one transformer, low or high? 2. All: tap of the"
            " substation. One: its tap, a neutral, a cable. 3. High at noon: roofs feeding in."
            " Circular 39/2015/TT-BCT owes customers ±5 %.",
            "1. Bảng 4: cả xuất tuyến hay một máy, thấp hay cao? 2. Cả: nấc phân áp trạm. Một: nấc"
            " phân áp, trung tính, dây dẫn. 3. Cao buổi trưa: điện mặt trời. Thông tư 39/2015/TT-BCT"
            " quy định ±5 %.",
        ),
    ),
    Alert(
        "frequency",
        T("Frequency outside 50 ± 0.2 Hz", "Tần số ngoài 50 ± 0,2 Hz"),
        ask("dtm", Field("f", "last", "p50")),
        _HOUR,
        (49.8, 50.2),
        0,
        "critical",
        "voltage",
        "hertz",
        T(
            "1. All transformers alike: a matter of the system, call dispatch and follow its load"
            " shedding. 2. A few only: an island; keep people off these lines.",
            "1. Mọi máy như nhau: sự cố hệ thống, gọi điều độ, thực hiện sa thải phụ tải. 2. Chỉ vài"
            " máy: vận hành cô lập; không cho người vào đường dây.",
        ),
    ),
    Alert(
        "loss",
        T("Energy vanishes", "Tổn thất bất thường"),
        ask("alarm_standing", last("lasts", "max"), "place", kind="loss"),
        10 * 60,
        (None, 0.5),
        0,
        "serious",
        "losses",
        "places",
        T(
            "1. Board 5: coverage above 90 %? Else mend collection first. 2. Suspects are ranked by"
            " how well their course fits: check their meters, at the time the evidence names."
            " 3. Wrong wiring shows as two transformers with opposite errors.",
            "1. Bảng 5: độ phủ trên 90 %? Nếu không: khắc phục thu thập trước. 2. Danh sách nghi ngờ"
            " xếp theo mức khớp: kiểm tra công tơ vào giờ trong chứng cứ. 3. Đấu sai: hai máy sai"
            " lệch ngược dấu.",
        ),
    ),
    Alert(
        "tamper",
        T("Meters tampered with", "Tác động vào công tơ"),
        ask("device_event", Field("code", "count", "sum"), "area", event=TAMPER_CODES),
        _HOUR,
        (None, 2.5),
        0,
        "serious",
        "losses",
        "who",
        T(
            "Three and more reports of covers or magnets of an area within an hour. 1. A crew at"
            " work? Ask. 2. Else send somebody now: events name the meters (API: events).",
            "Từ ba lần báo mở nắp hoặc từ trường trong khu vực trong một giờ. 1. Có đội công tác?"
            " Hỏi lại. 2. Nếu không: cử người ngay; sự kiện nêu rõ công tơ (API: events).",
        ),
    ),
    Alert(
        "outage",
        T("Customers without power", "Khách hàng mất điện"),
        ask("grid_outage", last("dark", "sum"), "place", level="feeder"),
        10 * 60,
        (None, 4.5),
        60,
        "critical",
        "wall",
        "dark",
        T(
            "1. Open alarms: transformer, feeder or substation? The evidence names devices and how"
            " sure it is. 2. Send the crew to that node, not to the single customers. 3. Nested"
            " outages stay open when the feeder is back.",
            "1. Cảnh báo đang mở: máy, xuất tuyến hay trạm? Chứng cứ nêu thiết bị và độ chắc chắn."
            " 2. Cử đội tới nút đó, không tới từng khách hàng. 3. Mất điện lồng nhau vẫn mở khi xuất"
            " tuyến có điện lại.",
        ),
    ),
)
