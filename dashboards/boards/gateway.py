"""9. Gateway and pipeline: does the gateway itself keep its promises?"""

from dashboards import words as w
from dashboards.query import Ask, Both, Expression, Field
from dashboards.shapes import ask, course, last, peak, say, stat, table, total
from dashboards.spec import Board, Column, Events, Line, Look, Section, Text

T = Text
_SECONDS = Look("s", 3)


def _self(what: Expression, by: str = "") -> Ask:
    return ask("gateway_self", what, by)


def _rate(name: str, by: str = "") -> Ask:
    return _self(total(name, "rate"), by)


_USED = Both("/", Both("-", last("total_bytes"), last("free_bytes")), last("total_bytes"))

BOARD = Board(
    key="gateway",
    title=T("9 · Gateway and pipeline", "9 · Gateway và đường ống dữ liệu"),
    question=T(
        "Does the gateway keep up, lose nothing, and reach its databases?",
        "Gateway có theo kịp, không mất gì, và ghi được vào cơ sở dữ liệu?",
    ),
    tags=("749.IV.3", "749.IV.5"),
    since="now-6h",
    refresh="30s",
    links=("collection", "wall"),
    events=(
        (
            T("Device events", "Sự kiện thiết bị"),
            "purple",
            Events("device_event", "code", "device", ("area",)),
        ),
    ),
    sections=(
        Section(
            w.NOW,
            (
                stat(
                    "pending",
                    say(
                        "Messages waiting",
                        "Bản tin đang chờ",
                        "Does the pipeline keep up? Growing for minutes: see the step's duration below.",
                        "Đường ống có theo kịp? Tăng nhiều phút: xem thời gian mỗi bước bên dưới.",
                    ),
                    _self(last("messages_pending", "sum")),
                    Look("none", 0, w.good_below(10_000, 100_000)),
                ),
                stat(
                    "delay",
                    say(
                        "From receipt to readable, 99 %",
                        "Từ nhận đến đọc được, 99 %",
                        "How soon can anybody see a reading? Above 2 s the machine is too small or busy.",
                        "Bao lâu thì xem được số đo? Trên 2 s: máy yếu hoặc bận.",
                    ),
                    _self(last("end_to_end_seconds_p99", "max")),
                    Look("s", 2, w.good_below(2, 10)),
                ),
                stat(
                    "sinks",
                    say(
                        "Databases reached",
                        "Cơ sở dữ liệu kết nối được",
                        "Is each database there? 0: its readings wait in the outbox, nothing is lost.",
                        "Từng cơ sở dữ liệu có sẵn sàng? 0: số đo chờ trong hộp gửi, không mất.",
                    ),
                    _self(last("sink_up", "min"), "sink"),
                    Look("none", 0, names=w.YES_NO),
                ),
                stat(
                    "disk",
                    say(
                        "Disk used",
                        "Đĩa đã dùng",
                        "How full is the disk? At 100 % devices are not acknowledged and keep their data.",
                        "Đĩa đầy bao nhiêu? Ở 100 % gateway ngừng xác nhận, thiết bị tự giữ dữ liệu.",
                    ),
                    ask("gateway_disk", _USED),
                    Look("percentunit", 1, w.good_below(0.8, 0.9), low=0, high=1),
                ),
                stat(
                    "connections",
                    say(
                        "Devices connected",
                        "Thiết bị đang kết nối",
                        "How many clients has the listener? A fall of all at once: network or certificate.",
                        "Bộ nghe có bao nhiêu kết nối? Giảm đồng loạt: mạng hoặc chứng thư.",
                    ),
                    _self(last("listener_connections", "sum"), "source"),
                    Look("none", 0),
                ),
                stat(
                    "restarts",
                    say(
                        "Processes restarted",
                        "Tiến trình khởi động lại",
                        "Did a part of the gateway die and come back? Any: see the log, it lost nothing.",
                        "Có tiến trình nào chết và chạy lại? Nếu có: xem nhật ký, không mất dữ liệu.",
                    ),
                    _self(
                        Both(
                            "-",
                            Field("child_restarts_total", "max", "max"),
                            Field("child_restarts_total", "min", "max"),
                        ),
                        "child",
                    ),
                    Look("none", 0, w.none_is_good()),
                ),
            ),
        ),
        Section(
            T("Accounts", "Đối soát"),
            (
                course(
                    "messages",
                    say(
                        "Messages: where each one ended",
                        "Bản tin: kết cục từng loại",
                        "Is received = stored + duplicate + quarantined? Lines that part are pending ones.",
                        "Nhận = lưu + trùng + cách ly? Chênh lệch là số đang chờ.",
                    ),
                    tuple(
                        Line(_rate(f"messages_{key}_total"), title)
                        for key, title in (
                            ("received", T("received", "nhận")),
                            ("stored", T("stored", "lưu")),
                            ("duplicate", T("duplicate", "trùng")),
                            ("quarantined", T("quarantined", "cách ly")),
                        )
                    ),
                    Look("cps", 1),
                ),
                course(
                    "reasons",
                    say(
                        "Quarantined by reason",
                        "Cách ly theo lý do",
                        "What is refused? List it with: infragate quarantine list.",
                        "Cái gì bị từ chối? Liệt kê bằng: infragate quarantine list.",
                    ),
                    (Line(_rate("quarantined_total", "reason")),),
                    Look("cps", 2),
                ),
                course(
                    "durations",
                    say(
                        "Durations, 99 %",
                        "Thời gian xử lý, 99 %",
                        "What is slow: the disk (commit), the pipeline (step), or all of the way?",
                        "Chậm ở đâu: đĩa (ghi), đường ống (bước), hay toàn tuyến?",
                    ),
                    (
                        Line(_self(peak("commit_seconds_p99")), T("commit", "ghi đĩa")),
                        Line(_self(peak("step_seconds_p99")), T("step", "bước")),
                        Line(_self(peak("end_to_end_seconds_p99")), T("end to end", "toàn tuyến")),
                    ),
                    _SECONDS,
                ),
                course(
                    "journal",
                    say(
                        "Journal on disk",
                        "Nhật ký trên đĩa",
                        "Does the journal empty? Growing: pipeline or disk is behind.",
                        "Nhật ký có vơi? Tăng mãi: đường ống hoặc đĩa chậm.",
                    ),
                    (Line(_self(peak("journal_bytes")), T("journal", "nhật ký")),),
                    Look("bytes", 1),
                ),
            ),
        ),
        Section(
            T("Databases", "Cơ sở dữ liệu"),
            (
                course(
                    "lag",
                    say(
                        "Age of the oldest record that waits",
                        "Tuổi bản ghi chờ lâu nhất",
                        "Is a database behind? From 10 minutes boards show old data.",
                        "Cơ sở dữ liệu nào chậm? Từ 10 phút bảng hiển thị dữ liệu cũ.",
                    ),
                    (Line(_self(peak("sink_lag_seconds"), "sink")),),
                    Look("s", 0, w.good_below(60, 600)),
                    width=8,
                ),
                course(
                    "written",
                    say(
                        "Lines written",
                        "Dòng đã ghi",
                        "Does each database take what comes? Zero with waiting records: it is down.",
                        "Từng cơ sở dữ liệu có nhận? Bằng không mà còn chờ: đang hỏng.",
                    ),
                    (Line(_rate("sink_written_total", "sink")),),
                    Look("cps", 0),
                    width=8,
                ),
                course(
                    "errors",
                    say(
                        "Failed tries and refused lines",
                        "Lần thử lỗi và dòng bị từ chối",
                        "Why does a database not take it? denied: token or database; disk: ours is full.",
                        "Vì sao không ghi được? denied: mã truy cập; disk: đĩa của ta đầy.",
                    ),
                    (
                        Line(_rate("sink_errors_total", "sink kind")),
                        Line(_rate("sink_refused_total", "sink"), T("refused", "từ chối")),
                    ),
                    Look("cps", 2),
                    width=8,
                ),
                table(
                    "outbox",
                    say(
                        "Databases in figures",
                        "Cơ sở dữ liệu bằng số",
                        "Which one waits, refused or was skipped? Skipped records need a backfill.",
                        "Nơi nào đang chờ, từ chối hoặc bỏ qua? Bản ghi bỏ qua cần chạy backfill.",
                    ),
                    (
                        Column("sink", w.SINK),
                        *(
                            Column(key, title, _self(last(name), "sink"), look)
                            for key, name, title, look in (
                                (
                                    "waiting",
                                    "sink_pending_records",
                                    T("Waiting", "Đang chờ"),
                                    Look("none", 0),
                                ),
                                (
                                    "lag",
                                    "sink_lag_seconds",
                                    T("Oldest", "Cũ nhất"),
                                    Look("s", 0, w.good_below(60, 600)),
                                ),
                                (
                                    "refused",
                                    "sink_refused_total",
                                    T("Refused", "Từ chối"),
                                    Look("none", 0, w.none_is_good()),
                                ),
                                (
                                    "skipped",
                                    "sink_skipped_records_total",
                                    T("Skipped", "Bỏ qua"),
                                    Look("none", 0, w.none_is_good()),
                                ),
                            )
                        ),
                    ),
                    "waiting",
                ),
                course(
                    "analyst",
                    say(
                        "Analyst",
                        "Bộ phân tích",
                        "Are bills, outages and states of roads up to date? Much pending: late data by the day.",
                        "Hóa đơn, mất điện, trạng thái đường có kịp? Tồn nhiều: dữ liệu đến muộn.",
                    ),
                    (
                        Line(_self(peak("analysis_pending"), "domain")),
                        Line(_self(peak("analysis_step_seconds_p99")), T("step, s", "bước, s")),
                    ),
                    Look("none", 1),
                ),
            ),
        ),
    ),
)
