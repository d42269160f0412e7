"""Words that several boards share; colours and their meanings; names of codes."""

from dashboards.spec import Name, Step, Text

T = Text

DATABASE = T("Database", "Cơ sở dữ liệu")
PRICE = T("Price, VND/kWh", "Giá, VND/kWh")
ALL_BOARDS = T("All boards", "Tất cả bảng")
THRESHOLDS = T("Colours:", "Màu sắc:")

DEVICE, AREA = T("Device", "Thiết bị"), T("Area", "Khu vực")
FEEDER, TRANSFORMER = T("Feeder", "Xuất tuyến"), T("Transformer", "Máy biến áp")
CORRIDOR, STATION, SECTION = (
    T("Corridor", "Trục đường"),
    T("Station", "Trạm đo"),
    T("Section", "Đoạn đường"),
)
SECTOR, PLACE, KIND, LEVEL = (
    T("Sector", "Ngành"),
    T("Place", "Vị trí"),
    T("Kind", "Loại"),
    T("Level", "Cấp"),
)
LATITUDE, LONGITUDE, NAME = T("Latitude", "Vĩ độ"), T("Longitude", "Kinh độ"), T("Name", "Tên")
DETECTOR, TOLL_LANE = T("Detector", "Đầu dò"), T("Toll lane", "Làn thu phí")
SINK = T("Sink", "Đích ghi")
ALARMS = T("Alarms", "Cảnh báo")
DEVICE_EVENTS = T("Device events", "Sự kiện thiết bị")
NOW, TREND, WORST = T("Now", "Hiện tại"), T("Trend", "Diễn biến"), T("Worst places", "Nơi xấu nhất")
SEVERITY = T("Severity", "Mức độ")

GREEN, YELLOW, ORANGE, RED, GREY, BLUE = "green", "yellow", "orange", "red", "#808080", "blue"

FINE = T("as it should be", "bình thường")
WATCH = T("watch it", "cần theo dõi")
ACT = T("act now", "xử lý ngay")


def good_above(watch: float, good: float) -> tuple[Step, ...]:
    """Return the steps of a number that should be large."""
    return Step(None, RED, ACT), Step(watch, YELLOW, WATCH), Step(good, GREEN, FINE)


def good_below(watch: float, bad: float) -> tuple[Step, ...]:
    """Return the steps of a number that should be small."""
    return Step(None, GREEN, FINE), Step(watch, YELLOW, WATCH), Step(bad, RED, ACT)


def none_is_good(worse: float = 1) -> tuple[Step, ...]:
    """Return the steps of a count of what should not be."""
    return Step(None, GREEN, T("none", "không có")), Step(worse, RED, ACT)


# ±5 % of 230.94 V: 0.4 kV between phases, as policies/voltage/vn-39-2015.toml has it
VOLTAGE_BAND = (
    Step(None, RED, T("below 219.4 V, −5 %", "dưới 219,4 V, −5 %")),
    Step(219.4, GREEN, T("within ±5 %", "trong ±5 %")),
    Step(242.5, RED, T("above 242.5 V, +5 %", "trên 242,5 V, +5 %")),
)
SEVERITIES = (
    Name(1, T("note", "lưu ý"), BLUE),
    Name(2, T("warning", "cảnh báo"), YELLOW),
    Name(3, T("serious", "nghiêm trọng"), ORANGE),
    Name(4, T("critical", "khẩn cấp"), RED),
)
# TCVN and HCM name the six levels by letters
LEVELS_OF_SERVICE = tuple(
    Name(code, T(letter, letter), colour)
    for code, letter, colour in zip(
        range(1, 7), "ABCDEF", (GREEN, GREEN, "light-green", YELLOW, ORANGE, RED), strict=True
    )
)
VERDICTS = (
    Name(1, T("holds", "đạt"), GREEN),
    Name(0, T("does not hold", "không đạt"), RED),
    Name(-1, T("no verdict", "chưa kết luận"), GREY),
)
YES_NO = (Name(1, T("yes", "có"), GREEN), Name(0, T("no", "không"), RED))
QUALITIES = (
    Name(0, T("raw", "thô"), GREY),
    Name(1, T("valid", "hợp lệ"), GREEN),
    Name(2, T("recovered", "khôi phục"), GREEN),
    Name(3, T("verified", "đã xác minh"), GREEN),
    Name(4, T("estimated flat", "ước lượng đều"), YELLOW),
    Name(5, T("estimated like day", "ước lượng theo ngày"), YELLOW),
    Name(6, T("imputed", "nội suy"), YELLOW),
    Name(7, T("edited", "đã sửa"), BLUE),
    Name(8, T("suspect", "nghi ngờ"), ORANGE),
    Name(9, T("failed", "không đạt"), RED),
    Name(10, T("missing", "thiếu"), RED),
)
METHODS = (
    Name(0, T("measured", "đo được"), GREEN),
    Name(1, T("backlog", "gửi bù"), GREEN),
    Name(2, T("flat by register", "chia đều theo chỉ số"), YELLOW),
    Name(3, T("like day by register", "theo ngày mẫu, khớp chỉ số"), YELLOW),
    Name(4, T("check meter", "công tơ đối chứng"), YELLOW),
    Name(5, T("like day", "theo ngày mẫu"), ORANGE),
    Name(6, T("edited", "đã sửa"), BLUE),
    Name(7, T("unknown", "không rõ"), RED),
)
FAULTS = (
    Name(0, T("none", "không lỗi"), GREEN),
    Name(1, T("no data", "mất dữ liệu"), RED),
    Name(2, T("locked on", "kẹt mức chiếm"), RED),
    Name(3, T("chatter", "đếm loạn"), RED),
    Name(4, T("no hits", "không đếm"), ORANGE),
    Name(5, T("no change", "không đổi"), ORANGE),
    Name(6, T("occupancy spike", "nhảy mức chiếm"), ORANGE),
    Name(7, T("impossible", "giá trị vô lý"), ORANGE),
    Name(8, T("hanging", "treo"), ORANGE),
    Name(9, T("over count", "đếm thừa"), YELLOW),
    Name(10, T("under count", "đếm thiếu"), YELLOW),
    Name(11, T("cross-talk", "nhiễu làn bên"), YELLOW),
    Name(12, T("lane unused", "làn không có xe"), BLUE),
)
DETECTOR_DAYS = (
    Name(0, T("good", "tốt"), GREEN),
    Name(1, T("feed down", "mất nguồn tin"), RED),
    Name(2, T("line down", "mất đường truyền"), RED),
    Name(3, T("controller down", "hỏng bộ điều khiển"), RED),
    Name(4, T("station down", "hỏng trạm"), RED),
    Name(5, T("no data", "mất dữ liệu"), RED),
    Name(6, T("insufficient data", "thiếu dữ liệu"), ORANGE),
    Name(7, T("card off", "hỏng thẻ"), RED),
    Name(8, T("high value", "giá trị cao"), ORANGE),
    Name(9, T("intermittent", "chập chờn"), ORANGE),
    Name(10, T("constant", "không đổi"), ORANGE),
    Name(11, T("flow conservation", "lệch bảo toàn lưu lượng"), YELLOW),
    Name(12, T("lane share", "lệch tỉ lệ làn"), YELLOW),
)
STAGES = (
    Name(1, T("planned", "dự kiến"), BLUE),
    Name(2, T("commissioning", "chạy thử"), BLUE),
    Name(3, T("in service", "vận hành"), GREEN),
    Name(4, T("failed", "hỏng"), RED),
    Name(5, T("retired", "thôi dùng"), GREY),
)
