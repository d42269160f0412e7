"""Every word the board says, in each language it speaks."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.model import Quality


class Tone(NamedTuple):
    """How a grade is shown: a word of its own, and a colour that only repeats it."""

    word: str  # key of the table below
    colour: str  # CSS class


ENGLISH: Mapping[str, str] = {
    "title": "Board",
    "tagline": "every reading, accounted for",
    "received": "received",
    "stored": "stored",
    "duplicate": "duplicate",
    "quarantined": "quarantined",
    "pending": "pending",
    "readings": "readings",
    "messages": "messages",
    "balanced": "balanced: every reading has exactly one fate",
    "unbalanced": "does not balance: readings are missing or counted twice",
    "fleet": "Fleet",
    "devices": "Devices",
    "alive": "alive",
    "lost": "lost",
    "silent": "never heard",
    "all_alive": "all of them",
    "within": "alive = heard within two intervals",
    "energy": "Energy",
    "transport": "Transport",
    "water": "Water",
    "env": "Environment",
    "urban": "Urban",
    "all": "All sectors",
    "any": "Any state",
    "search": "Search device",
    "device": "Device",
    "sector": "Sector",
    "state": "State",
    "value": "Newest reading",
    "age": "Age",
    "grade": "Grade",
    "never": "never",
    "ago": "ago",
    "page": "{first}–{last} of {total}",
    "previous": "Previous",
    "next": "Next",
    "none_found": "No device matches. Clear the search or choose another sector.",
    "empty": "No device has reported yet.",
    "empty_how": "Start a simulated fleet with",
    "empty_or": "or point a device at the listener and publish to",
    "choose": "Choose a device in the list to see its values and its last hour.",
    "column": "Column",
    "hour": "Last hour",
    "no_hour": "No reading in the last hour.",
    "quarantine": "Quarantine",
    "quarantine_what": "Messages that could not be read; kept byte for byte",
    "clean": "Nothing is in quarantine.",
    "topic": "Topic",
    "reason": "Reason",
    "detail": "Detail",
    "size": "Size",
    "time": "Time",
    "payload": "Payload",
    "download": "download",
    "shown": "the newest {count}",
    "dark": "Dark",
    "light": "Light",
    "other_language": "Tiếng Việt",
    "raw": "raw",
    "valid": "valid",
    "recovered": "recovered",
    "verified": "verified",
    "estimated": "estimated",
    "imputed": "imputed",
    "edited": "edited",
    "suspect": "suspect",
    "failed": "failed",
    "missing": "missing",
    "stale": "The store does not answer; the last known state is shown.",
    "insecure": "This gateway is open to the network without protection (insecure = true).",
}

VIETNAMESE: Mapping[str, str] = {
    "title": "Bảng điều hành",
    "tagline": "mọi số đo đều được đối soát",
    "received": "đã nhận",
    "stored": "đã lưu",
    "duplicate": "trùng lặp",
    "quarantined": "cách ly",
    "pending": "đang chờ",
    "readings": "số đo",
    "messages": "bản tin",
    "balanced": "cân bằng: mỗi số đo có đúng một kết cục",
    "unbalanced": "không cân bằng: có số đo bị thiếu hoặc bị đếm hai lần",
    "fleet": "Thiết bị theo ngành",
    "devices": "Thiết bị",
    "alive": "hoạt động",
    "lost": "mất liên lạc",
    "silent": "chưa báo lần nào",
    "all_alive": "tất cả",
    "within": "hoạt động = có tin trong hai chu kỳ",
    "energy": "Điện",
    "transport": "Giao thông",
    "water": "Nước",
    "env": "Môi trường",
    "urban": "Đô thị",
    "all": "Mọi ngành",
    "any": "Mọi trạng thái",
    "search": "Tìm thiết bị",
    "device": "Thiết bị",
    "sector": "Ngành",
    "state": "Trạng thái",
    "value": "Số đo mới nhất",
    "age": "Tuổi",
    "grade": "Chất lượng",
    "never": "chưa có",
    "ago": "trước",
    "page": "{first}–{last} trên {total}",
    "previous": "Trước",
    "next": "Sau",
    "none_found": "Không có thiết bị phù hợp. Hãy xoá từ khoá hoặc chọn ngành khác.",
    "empty": "Chưa có thiết bị nào gửi tin.",
    "empty_how": "Chạy thiết bị mô phỏng bằng lệnh",
    "empty_or": "hoặc cho thiết bị kết nối và gửi tới",
    "choose": "Chọn một thiết bị trong danh sách để xem số đo và diễn biến một giờ qua.",
    "column": "Đại lượng",
    "hour": "Một giờ qua",
    "no_hour": "Không có số đo trong một giờ qua.",
    "quarantine": "Cách ly",
    "quarantine_what": "Các bản tin không đọc được, giữ nguyên từng byte",
    "clean": "Không có bản tin nào bị cách ly.",
    "topic": "Chủ đề",
    "reason": "Lý do",
    "detail": "Chi tiết",
    "size": "Kích thước",
    "time": "Thời gian",
    "payload": "Nội dung",
    "download": "tải về",
    "shown": "{count} bản tin mới nhất",
    "dark": "Nền tối",
    "light": "Nền sáng",
    "other_language": "English",
    "raw": "thô",
    "valid": "hợp lệ",
    "recovered": "khôi phục",
    "verified": "đã xác minh",
    "estimated": "ước tính",
    "imputed": "suy diễn",
    "edited": "đã sửa",
    "suspect": "nghi ngờ",
    "failed": "không đạt",
    "missing": "thiếu",
    "stale": "Kho dữ liệu không trả lời; đang hiển thị trạng thái gần nhất.",
    "insecure": "Cổng này đang mở ra mạng mà không được bảo vệ (insecure = true).",
}

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "vi": VIETNAMESE}
SECTORS = ("energy", "transport", "water", "env", "urban")

TONES: Mapping[Quality, Tone] = {
    Quality.RAW: Tone("raw", "plain"),
    Quality.VALID: Tone("valid", "good"),
    Quality.RECOVERED: Tone("recovered", "good"),
    Quality.VERIFIED: Tone("verified", "good"),
    Quality.ESTIMATED_FLAT: Tone("estimated", "warn"),
    Quality.ESTIMATED_LIKE_DAY: Tone("estimated", "warn"),
    Quality.IMPUTED: Tone("imputed", "warn"),
    Quality.EDITED: Tone("edited", "good"),
    Quality.SUSPECT: Tone("suspect", "warn"),
    Quality.FAILED: Tone("failed", "bad"),
    Quality.MISSING: Tone("missing", "bad"),
}


def words_of(language: str) -> Mapping[str, str]:
    """Return the words of a language; English for one the board does not speak."""
    return LANGUAGES.get(language, ENGLISH)


def age_text(age_ms: int, words: Mapping[str, str]) -> str:
    """Return an age in its largest unit: ``4 s``, ``12 min``, ``3 h``, ``9 d``, then ``ago``."""
    age_s = max(0, age_ms) // 1000
    for unit, length_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if age_s >= 2 * length_s:
            return f"{age_s // length_s} {unit} {words['ago']}"
    return f"{age_s} s {words['ago']}"


def grouped(number: int) -> str:
    """Return a number in groups of three, with a narrow space that no language misreads."""
    return f"{number:,}".replace(",", "\u202f")


def size_text(size_bytes: int) -> str:
    """Return a size in bytes or kilobytes."""
    kilo = 1024
    return f"{size_bytes} B" if size_bytes < kilo else f"{size_bytes / kilo:.1f} kB"
