"""Alerts of roads, and of the gateway itself."""

from dashboards.alerts.spec import Alert
from dashboards.query import Both, Field
from dashboards.shapes import ask, last
from dashboards.spec import Text

T = Text
_HOUR = 3600

ROADS = (
    Alert(
        "congestion",
        T("Corridor takes twice its free time", "Trục đường chậm gấp đôi"),
        ask("corridor_live", last("travel_time_index", "max"), "place"),
        10 * 60,
        (None, 2.0),
        15 * 60,
        "warning",
        "corridor",
        "index",
        T(
            "1. Board 7, speed by station: where is the head of the queue? 2. An incident there: see"
            " below. None: demand; lengthen green, warn drivers before the last exit.",
            "1. Bảng 7, tốc độ theo trạm: đầu hàng chờ ở đâu? 2. Có sự cố: xem dưới. Không: nhu cầu"
            " cao; kéo dài đèn xanh, báo trước lối ra cuối.",
        ),
    ),
    Alert(
        "incident",
        T("Something stands in the way", "Có sự cố trên đường"),
        ask("alarm_standing", last("lasts", "max"), "place", kind="(incident|wrong_way)"),
        10 * 60,
        (None, 0.5),
        0,
        "critical",
        "corridor",
        "speeds",
        T(
            "1. Camera or patrol to the section named. 2. Warn before the tail of the queue, which"
            " runs back. 3. Wrong-way: close the entry at once.",
            "1. Camera hoặc tuần tra tới đoạn đường. 2. Cảnh báo trước đuôi hàng chờ đang lan. 3. Đi"
            " ngược chiều: đóng lối vào ngay.",
        ),
    ),
    Alert(
        "detectors",
        T("Detectors at fault", "Đầu dò lỗi"),
        ask("detector_state", Field("fault", "last", "count"), "area").keeping(1, 11),
        15 * 60,
        (None, 0.5),
        30 * 60,
        "warning",
        "detectors",
        "faults",
        T(
            "1. Board 8: one, or a whole cabinet? 2. A cabinet: power or modem, `cause` of the alarm"
            " says which. 3. One: its day's status (PeMS) names card, cable or loop.",
            "1. Bảng 8: một cái hay cả tủ? 2. Cả tủ: nguồn hoặc modem, `cause` của cảnh báo cho biết."
            " 3. Một cái: xếp loại trong ngày (PeMS) nêu thẻ, cáp hay vòng từ.",
        ),
    ),
    Alert(
        "toll-reader",
        T("Toll lane does not read", "Làn thu phí không đọc thẻ"),
        # not the share of an hour, which at night is that of a few vehicles: the sequential test
        ask("alarm_standing", last("lasts", "max"), "place", kind="toll_reader_failed"),
        10 * 60,
        (None, 0.5),
        0,
        "serious",
        "detectors",
        "reads",
        T(
            "1. Board 8: this lane only? Antenna, dirt, cable: close it and clean. 2. All lanes: the"
            " back office or the list of tags.",
            "1. Bảng 8: chỉ làn này? Ăng-ten, bẩn, cáp: đóng làn và vệ sinh. 2. Mọi làn: hệ thống"
            " trung tâm hoặc danh sách thẻ.",
        ),
    ),
)

GATEWAY = (
    Alert(
        "gateway-silent",
        T("The gateway says nothing", "Gateway không báo về"),
        ask("gateway_self", Field("messages_pending", "count", "sum")),
        5 * 60,
        (1, None),
        60,
        "critical",
        "gateway",
        "pending",
        T(
            "1. Is the database up and this page's data source right? 2. `systemctl status"
            " infragate`, then its log. Devices keep their readings meanwhile.",
            "1. Cơ sở dữ liệu có chạy, nguồn dữ liệu có đúng? 2. `systemctl status infragate`, rồi"
            " nhật ký. Thiết bị vẫn giữ số đo.",
        ),
        no_data="Alerting",
    ),
    Alert(
        "sink-lag",
        T("A database is ten minutes behind", "Cơ sở dữ liệu chậm mười phút"),
        ask("gateway_self", last("sink_lag_seconds", "max"), "sink"),
        5 * 60,
        (None, 600),
        60,
        "serious",
        "gateway",
        "lag",
        T(
            "1. Board 9: failed tries say why (unavailable, denied, disk). 2. Mend the database; what"
            " waits is sent by itself. 3. Skipped records: `infragate backfill`.",
            "1. Bảng 9: lần thử lỗi cho biết lý do (unavailable, denied, disk). 2. Khắc phục cơ sở"
            " dữ liệu; dữ liệu chờ tự được gửi. 3. Bản ghi bỏ qua: `infragate backfill`.",
        ),
    ),
    Alert(
        "sink-refuses",
        T("A database refuses lines", "Cơ sở dữ liệu từ chối dòng"),
        # not the largest less the smallest: after a restart the gateway counts from 0
        ask("gateway_self", Field("sink_refused_total", "rise", "sum"), "sink"),
        15 * 60,
        (None, 0.5),
        0,
        "warning",
        "gateway",
        "errors",
        T(
            "`quarantine/refused-<sink>.jsonl` has each line and the server's words: a type that"
            " changed, a time it does not keep. Mend it there, then `infragate backfill`.",
            "`quarantine/refused-<sink>.jsonl` có từng dòng và lời của máy chủ: kiểu đổi, thời gian"
            " ngoài hạn. Sửa tại đó rồi `infragate backfill`.",
        ),
    ),
    Alert(
        "disk",
        T("The disk fills up", "Đĩa sắp đầy"),
        ask(
            "gateway_disk",
            Both("/", last("free_bytes"), last("total_bytes")),
        ),
        10 * 60,
        (0.1, None),
        60,
        "serious",
        "gateway",
        "disk",
        T(
            "1. `infragate status`: which part is large? 2. Shorten `retention`, or move the data"
            " directory. At 100 % devices are not acknowledged: nothing is lost, nothing comes in.",
            "1. `infragate status`: phần nào lớn? 2. Rút ngắn `retention` hoặc chuyển thư mục dữ"
            " liệu. Ở 100 % thiết bị không được xác nhận: không mất, nhưng không nhận thêm.",
        ),
    ),
)
