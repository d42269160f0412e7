"""2. Collection quality: do readings come whole and in time, and will bills be ready?"""

from dashboards import words as w
from dashboards.query import Ask, Expression, ratio
from dashboards.shapes import ask, course, gauges, history, last, mean, say, stat, table, total
from dashboards.spec import Board, Column, Line, Link, Look, Section, Text, Variable

T = Text
# 99 % of intervals: what contracts for reading services ask for (AMI practice)
_COMPLETE = Look("percentunit", 1, w.good_above(0.95, 0.99), low=0, high=1)
_NONE = Look("none", 0, w.none_is_good())
_TO_DEVICE = Link("device", T("This device", "Thiết bị này"), (("device", "device"),))


def _quality(what: Expression, by: str = "") -> Ask:
    return ask("area_quality", what, by, area="$area", sector="$sector")


def _fleet(what: Expression, by: str = "") -> Ask:
    return ask("fleet_state", what, by, area="$area", sector="$sector")


_RECEIVED = ratio(total("received"), total("expected"))
_AREA = Variable("area", w.AREA, ("area_quality",), "completeness", "area")

BOARD = Board(
    key="collection",
    title=T("2 · Collection quality", "2 · Chất lượng thu thập"),
    question=T(
        "Are readings complete and in time, and how many meters can be billed?",
        "Số đo có đầy đủ, kịp thời không, và bao nhiêu công tơ sẵn sàng lập hóa đơn?",
    ),
    tags=("749.VIII.6", "749.IV.3"),
    since="now-7d",
    refresh="5m",
    links=("device", "losses"),
    variables=(Variable("sector", w.SECTOR, ("area_quality",), "completeness", "sector"), _AREA),
    sections=(
        Section(
            w.NOW,
            (
                stat(
                    "completeness",
                    say(
                        "Intervals received",
                        "Chu kỳ đã nhận",
                        "Which share of the expected intervals is here? Target 99 %.",
                        "Tỉ lệ chu kỳ đã nhận trên số phải có? Mục tiêu 99 %.",
                    ),
                    _quality(_RECEIVED),
                    _COMPLETE,
                ),
                stat(
                    "good",
                    say(
                        "Values of good quality",
                        "Giá trị đạt chất lượng",
                        "Which share of what came is good? Falling: look for one meter type or firmware.",
                        "Tỉ lệ giá trị đạt? Nếu giảm: tìm một loại công tơ hoặc phiên bản phần mềm.",
                    ),
                    _quality(mean("good")),
                    _COMPLETE,
                ),
                stat(
                    "silent",
                    say(
                        "Silent devices",
                        "Thiết bị im lặng",
                        "How many say nothing any more? Many in one area: its concentrator or power.",
                        "Bao nhiêu thiết bị không còn báo về? Nhiều trong một khu vực: bộ tập trung hoặc nguồn.",
                    ),
                    _fleet(total("silent", "last")),
                    _NONE,
                ),
                stat(
                    "late",
                    say(
                        "Delay of readings, 95 %",
                        "Độ trễ số đo, 95 %",
                        "How late do readings come? An hour and more: backlog after an outage of the link.",
                        "Số đo đến trễ bao lâu? Từ một giờ: đang gửi bù sau khi mất đường truyền.",
                    ),
                    _fleet(last("delay_p95_s", "max")),
                    Look("s", 0, w.good_below(900, 3600)),
                ),
                stat(
                    "ready",
                    say(
                        "Meters ready for billing",
                        "Công tơ sẵn sàng lập hóa đơn",
                        "Which share could be billed now, this month so far? Below 98 % send somebody.",
                        "Tỉ lệ có thể lập hóa đơn tính đến nay? Dưới 98 %: cử người kiểm tra.",
                    ),
                    ask("billing_ready", last("share"), level="grid"),
                    Look("percentunit", 1, w.good_above(0.95, 0.98), low=0, high=1),
                ),
                stat(
                    "held",
                    say(
                        "Slots held for a decision",
                        "Chu kỳ chờ quyết định",
                        "How many half hours wait for a person's word? Edit or verify them.",
                        "Bao nhiêu nửa giờ chờ người quyết định? Hãy sửa hoặc xác minh.",
                    ),
                    ask("billing_ready", last("held_slots"), level="grid"),
                    _NONE,
                ),
            ),
        ),
        Section(
            T("Completeness", "Độ đầy đủ"),
            (
                history(
                    "map",
                    say(
                        "Completeness by area and hour",
                        "Độ đầy đủ theo khu vực và giờ",
                        "Where and when are readings missing? A column is one cause for all, a row one area.",
                        "Thiếu ở đâu, khi nào? Cột dọc là nguyên nhân chung, hàng ngang là một khu vực.",
                    ),
                    _quality(_RECEIVED, "area"),
                    _COMPLETE,
                    every="1h",
                ),
                course(
                    "delay",
                    say(
                        "Delay of readings",
                        "Độ trễ của số đo",
                        "Is delay growing? The median tells of all, the 95 % of the slow ones.",
                        "Độ trễ có tăng? Trung vị cho số đông, 95 % cho nhóm chậm.",
                    ),
                    (
                        Line(_fleet(mean("delay_p50_s", "max")), T("median", "trung vị")),
                        Line(_fleet(mean("delay_p95_s", "max")), T("95 %", "95 %")),
                    ),
                    Look("s"),
                    every="5m",
                ),
                course(
                    "alive",
                    say(
                        "Devices that report",
                        "Thiết bị đang báo về",
                        "Does the fleet hold? Every step down is a concentrator, a feeder or a rollout.",
                        "Số thiết bị có giữ vững? Mỗi bước giảm là bộ tập trung, xuất tuyến hoặc đợt cập nhật.",
                    ),
                    (
                        Line(_fleet(mean("alive", "sum")), T("reporting", "đang báo")),
                        Line(_fleet(mean("devices", "sum")), T("registered", "đã đăng ký")),
                    ),
                    Look("none", 0),
                    every="5m",
                ),
                gauges(
                    "areas",
                    say(
                        "Completeness by area",
                        "Độ đầy đủ theo khu vực",
                        "Which area is worst over this time? Begin there.",
                        "Khu vực nào kém nhất trong khoảng này? Bắt đầu từ đó.",
                    ),
                    _quality(_RECEIVED, "area"),
                    _COMPLETE,
                    width=12,
                    every="30m",
                ),
            ),
        ),
        Section(
            T("Bills", "Hóa đơn"),
            (
                course(
                    "readiness",
                    say(
                        "Meters ready, running month",
                        "Công tơ sẵn sàng, tháng này",
                        "Does readiness recover after each gap? It falls with open slots, rises with late data.",
                        "Độ sẵn sàng có hồi phục sau mỗi lần thiếu? Giảm khi còn chu kỳ trống, tăng khi có dữ liệu bù.",
                    ),
                    (
                        Line(
                            ask(
                                "billing_ready",
                                mean("share"),
                                "place",
                                level="feeder",
                                area="$area",
                            )
                        ),
                    ),
                    _COMPLETE,
                    every="1h",
                ),
                table(
                    "not_ready",
                    say(
                        "Meters with open or held slots",
                        "Công tơ còn chu kỳ trống hoặc chờ",
                        "Which meters hold up bills? Follow one to see what is missing.",
                        "Công tơ nào làm chậm hóa đơn? Bấm để xem thiếu gì.",
                    ),
                    (
                        Column("device", w.DEVICE, look=Look("none", link=_TO_DEVICE)),
                        Column(
                            "open",
                            T("Open slots", "Chu kỳ trống"),
                            ask("meter_day", total("open_slots"), "device", area="$area"),
                            Look("none", 0, w.none_is_good()),
                        ),
                        Column(
                            "held",
                            T("Held slots", "Chu kỳ chờ"),
                            ask("meter_day", total("held_slots"), "device", area="$area"),
                            Look("none", 0, w.none_is_good()),
                        ),
                    ),
                    "open",
                    every="1d",
                ),
            ),
        ),
        Section(
            T("What was refused", "Dữ liệu bị từ chối"),
            (
                course(
                    "quarantine",
                    say(
                        "Quarantined by reason",
                        "Cách ly theo lý do",
                        "What is refused, and why? One device: its mapping. Many: a wrong firmware, or an attack.",
                        "Cái gì bị từ chối, vì sao? Một thiết bị: cấu hình. Nhiều: phần mềm lỗi hoặc tấn công.",
                    ),
                    (Line(ask("gateway_self", total("quarantined_total", "rate"), "reason")),),
                    Look("cps", 2),
                    width=24,
                ),
            ),
        ),
    ),
)
