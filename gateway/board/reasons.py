"""What each reason bit of a grade means, in the words of the board's languages."""

from collections.abc import Mapping

from gateway.model import Reason

# in English and in Vietnamese
_MEANINGS: Mapping[Reason, tuple[str, str]] = {
    Reason.TIME_SYNC: ("clock out of step", "đồng hồ sai lệch"),
    Reason.DUPLICATE: ("sent twice", "gửi hai lần"),
    Reason.INTERVAL_SIZE: ("interval of unusual length", "chu kỳ có độ dài bất thường"),
    Reason.GAP: ("readings before it are missing", "thiếu số đo trước đó"),
    Reason.CONFLICT: (
        "another reading of this time says otherwise",
        "có số đo khác cùng thời điểm nhưng khác giá trị",
    ),
    Reason.REGISTER_BACKWARDS: ("register ran backwards", "chỉ số công tơ chạy lùi"),
    Reason.CAPABILITY: ("more than its rating allows", "vượt khả năng của thiết bị"),
    Reason.SUM_CHECK: ("registers do not add up", "tổng các chỉ số không khớp"),
    Reason.TOU_SUM: ("tariff registers do not add up", "tổng các biểu giá không khớp"),
    Reason.SPIKE: ("spike", "đột biến"),
    Reason.HIGH_LOW: ("unusually high or low", "cao hoặc thấp bất thường"),
    Reason.ZERO: ("zero where there is use", "bằng không dù đang có tải"),
    Reason.INACTIVE_USE: ("use where none is expected", "có tải ở nơi không dùng điện"),
    Reason.FLAT_LINE: ("does not change", "không thay đổi"),
    Reason.REVERSE: ("reverse energy", "điện năng ngược chiều"),
    Reason.PHASE_CONSISTENCY: ("phases do not agree", "các pha không khớp nhau"),
    Reason.POWER_FACTOR: ("power factor does not fit", "hệ số công suất không hợp lý"),
    Reason.OUTAGE_AGREE: ("disagrees with an outage", "không khớp với sự cố mất điện"),
    Reason.NEIGHBOUR_VOLTAGE: ("voltage unlike its neighbours", "điện áp khác các điểm lân cận"),
    Reason.PROLONGED_ESTIMATION: ("estimated for long", "ước tính kéo dài"),
    Reason.D1_NO_DATA: ("detector sends nothing", "máy dò không gửi số liệu"),
    Reason.D2_INSUFFICIENT: ("too few samples", "quá ít mẫu"),
    Reason.D3_CARD_OFF: ("detector card off", "thẻ máy dò đang tắt"),
    Reason.D4_HIGH_VALUE: ("implausibly high", "cao vô lý"),
    Reason.D5_INTERMITTENT: ("comes and goes", "chập chờn"),
    Reason.D6_CONSTANT: ("stuck at one value", "đứng yên ở một giá trị"),
    Reason.D7_FLOW_CONSERVATION: (
        "disagrees with the detectors around it",
        "không khớp với các máy dò xung quanh",
    ),
    Reason.D8_LANE_SHARE: ("unusual share of its lane", "tỷ lệ theo làn bất thường"),
    Reason.NO_CLOCK: ("stamped by the gateway", "do cổng ghi thời gian"),
    Reason.LATE: ("came late", "đến muộn"),
    Reason.UNREGISTERED: ("not in the registry", "chưa có trong danh bạ"),
    Reason.ROLLOVER: ("register rolled over", "chỉ số quay vòng"),
    Reason.REGISTER_RESET: ("register was reset", "chỉ số bị đặt lại"),
    Reason.METER_EXCHANGE: ("meter was exchanged", "công tơ đã được thay"),
    Reason.SEQ_GAP: ("numbers before it are missing", "thiếu số thứ tự trước đó"),
    Reason.SEQ_RESET: ("device began to count anew", "thiết bị đếm lại từ đầu"),
    Reason.DEVICE_STATUS: ("the device itself reports a fault", "chính thiết bị báo lỗi"),
    Reason.NULL_VALUE: ("some values were not measured", "một số giá trị không được đo"),
}
_LANGUAGES = ("en", "vi")


def meanings(reasons: int, language: str) -> list[str]:
    """Return what the bits of a grade's reasons mean, lowest bit first."""
    place = _LANGUAGES.index(language)
    return [_MEANINGS[one][place] for one in Reason if reasons & one]
