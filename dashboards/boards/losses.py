"""5. Losses and revenue protection: where does energy vanish, and who may know?"""

from dashboards import words as w
from dashboards.query import Ask, Both, Expression, Field, Match, Number, ratio
from dashboards.shapes import ask, course, last, mean, say, stat, table, total
from dashboards.spec import Board, Column, Events, Line, Link, Look, Section, Text, Variable

T = Text
_LOSS = Look("percentunit", 1, w.good_below(0.06, 0.1))
# a balance without nearly all meters says nothing: docs/energy.md, "Losses"
_COVERAGE = Look("percentunit", 0, w.good_above(0.8, 0.9), low=0, high=1)
_TO_DEVICE = Link("device", T("This device", "Thiết bị này"), (("device", "device"),))
_TO_SELF = Link("losses", T("Only this place", "Chỉ nơi này"), (("place", "place"),))


def _balance(what: Expression, by: str = "") -> Ask:
    return ask("grid_balance", what, by, level="transformer", place="$place", area="$feeder")


_SHARE = ratio(total("loss_wh"), total("in_wh"))
_RESIDUAL = ratio(total("residual_wh"), total("in_wh"))
_LOST_VND = Both("*", ratio(total("residual_wh"), Number(1000)), Number("$price"))

BOARD = Board(
    key="losses",
    title=T("5 · Losses and revenue protection", "5 · Tổn thất và chống thất thu"),
    question=T(
        "Where is more lost than iron and copper take, what does it cost, and who is suspect?",
        "Nơi nào tổn thất vượt kỹ thuật, tốn bao nhiêu, và nghi ngờ ai?",
    ),
    tags=("749.VIII.6",),
    since="now-30d",
    refresh="15m",
    links=("load", "device"),
    price=True,
    variables=(
        Variable("feeder", w.FEEDER, ("grid_balance",), "in_wh", "area"),
        Variable(
            "place",
            w.TRANSFORMER,
            ("grid_balance",),
            "in_wh",
            "place",
            (Match("level", "transformer"), Match("area", "$feeder")),
        ),
    ),
    events=(
        (
            T("Loss alarms", "Cảnh báo tổn thất"),
            "red",
            Events(
                "alarm_event",
                "severity",
                "kind",
                ("place",),
                (Match("kind", "(loss|wrong_transformer)"),),
            ),
        ),
        # 65-78: covers, magnets, terminals (docs/protocol.md)
        (w.DEVICE_EVENTS, "purple", Events("device_event", "code", "device", ("area",))),
    ),
    sections=(
        Section(
            w.NOW,
            (
                stat(
                    "loss",
                    say(
                        "Loss",
                        "Tổn thất",
                        "Which share of what came in did not reach a meter? Read it with the coverage beside it.",
                        "Tỉ lệ điện vào không tới công tơ? Luôn xem cùng độ phủ bên cạnh.",
                    ),
                    _balance(_SHARE),
                    _LOSS,
                ),
                stat(
                    "coverage",
                    say(
                        "Coverage of the balance",
                        "Độ phủ của cân bằng",
                        "How much of it was measured? Below 90 % a loss is no loss: mend collection first.",
                        "Đo được bao nhiêu? Dưới 90 % chưa kết luận: khắc phục thu thập trước.",
                    ),
                    _balance(mean("coverage")),
                    _COVERAGE,
                ),
                stat(
                    "residual",
                    say(
                        "Unexplained",
                        "Không giải thích được",
                        "What is left after the technical loss? More than 1 % for days: theft or wrong wiring.",
                        "Còn lại sau tổn thất kỹ thuật? Trên 1 % nhiều ngày: trộm điện hoặc đấu sai.",
                    ),
                    _balance(_RESIDUAL),
                    Look("percentunit", 2, w.good_below(0.005, 0.01)),
                ),
                stat(
                    "lost_energy",
                    say(
                        "Unexplained energy",
                        "Điện năng không giải thích được",
                        "How much is it in this time? Worth a crew, or a calibration?",
                        "Trong khoảng này là bao nhiêu? Có đáng cử đội kiểm tra?",
                    ),
                    _balance(total("residual_wh")),
                    Look("watth", 1),
                ),
                stat(
                    "lost_money",
                    say(
                        "Its price",
                        "Quy ra tiền",
                        "What is it worth at the mean price above? Negative: meters show more than came in.",
                        "Đáng bao nhiêu theo giá bình quân ở trên? Âm: công tơ ghi nhiều hơn điện vào.",
                    ),
                    _balance(_LOST_VND),
                    Look("currencyVND", 0),
                ),
                stat(
                    "suspects",
                    say(
                        "Suspects",
                        "Đối tượng nghi ngờ",
                        "How many meters are named? See the list, and its evidence by the API.",
                        "Bao nhiêu công tơ bị nêu? Xem danh sách và chứng cứ qua API.",
                    ),
                    ask("loss_suspect", Field("rank", "last", "count"), area="$feeder"),
                    Look("none", 0, w.none_is_good()),
                ),
            ),
        ),
        Section(
            w.TREND,
            (
                course(
                    "share",
                    say(
                        "Loss by transformer",
                        "Tổn thất theo máy biến áp",
                        "Which one rose, on which day? A step that stays: look what changed there.",
                        "Máy nào tăng, từ ngày nào? Bước nhảy kéo dài: xem có gì thay đổi.",
                    ),
                    (Line(_balance(_SHARE, "place")),),
                    _LOSS,
                    every="1d",
                ),
                course(
                    "cover",
                    say(
                        "Coverage by transformer",
                        "Độ phủ theo máy biến áp",
                        "On which days can the loss be believed? Below 90 % it cannot.",
                        "Ngày nào tin được? Dưới 90 % thì không.",
                    ),
                    (Line(_balance(mean("coverage"), "place")),),
                    _COVERAGE,
                    every="1d",
                ),
                course(
                    "energy",
                    say(
                        "In, delivered, lost by nature, unexplained",
                        "Điện vào, giao, tổn thất kỹ thuật, không giải thích",
                        "How large is what we cannot explain against the whole?",
                        "Phần không giải thích được lớn cỡ nào so với tổng?",
                    ),
                    tuple(
                        Line(_balance(total(key)), title)
                        for key, title in (
                            ("in_wh", T("in", "vào")),
                            ("out_wh", T("delivered", "giao")),
                            ("technical_wh", T("technical", "kỹ thuật")),
                            ("residual_wh", T("unexplained", "không giải thích")),
                        )
                    ),
                    Look("watth"),
                    every="1d",
                    is_bars=True,
                ),
                course(
                    "zero",
                    say(
                        "Meters without use",
                        "Công tơ không tiêu thụ",
                        "How many meters stand still? A rise after a storm is an outage, without one a stop.",
                        "Bao nhiêu công tơ đứng yên? Tăng không do mất điện: công tơ dừng hoặc bị tác động.",
                    ),
                    (
                        Line(
                            ask(
                                "meter_day", Field("import_wh", "sum", "count"), area="$feeder"
                            ).keeping(high=0),
                            T("meters", "công tơ"),
                        ),
                    ),
                    Look("none", 0),
                    every="1d",
                    is_bars=True,
                ),
            ),
        ),
        Section(
            w.WORST,
            (
                table(
                    "places",
                    say(
                        "Transformers by unexplained energy",
                        "Máy biến áp theo phần không giải thích",
                        "Where to go first? Only rows with coverage above 90 % count.",
                        "Đi đâu trước? Chỉ tính dòng có độ phủ trên 90 %.",
                    ),
                    (
                        Column("place", w.TRANSFORMER, look=Look("none", link=_TO_SELF)),
                        *(
                            Column(key, title, _balance(what, "place"), look)
                            for key, title, what, look in (
                                (
                                    "residual",
                                    T("Unexplained", "Không giải thích"),
                                    total("residual_wh"),
                                    Look("watth", 1),
                                ),
                                (
                                    "share",
                                    T("Share", "Tỉ lệ"),
                                    _RESIDUAL,
                                    Look("percentunit", 2, w.good_below(0.005, 0.01)),
                                ),
                                ("loss", T("Loss", "Tổn thất"), _SHARE, _LOSS),
                                ("covered", T("Coverage", "Độ phủ"), mean("coverage"), _COVERAGE),
                            )
                        ),
                    ),
                    "residual",
                    every="1d",
                ),
                table(
                    "who",
                    say(
                        "Suspects, ranked",
                        "Xếp hạng nghi ngờ",
                        "Whose course fits what is missing? Check the meter, never accuse by this alone.",
                        "Ai khớp với phần thiếu? Hãy kiểm tra công tơ, không kết luận chỉ từ đây.",
                    ),
                    (
                        Column("device", w.DEVICE, look=Look("none", link=_TO_DEVICE)),
                        Column("area", w.FEEDER),
                        *(
                            Column(
                                key,
                                title,
                                ask("loss_suspect", last(key), "device area", area="$feeder"),
                                look,
                            )
                            for key, title, look in (
                                ("rank", T("Rank", "Hạng"), Look("none", 0)),
                                (
                                    "confidence_sigmas",
                                    T("Certainty, sigmas", "Độ chắc, sigma"),
                                    Look("none", 1),
                                ),
                                ("hidden_wh", T("Hidden", "Bị giấu"), Look("watth", 1)),
                            )
                        ),
                    ),
                    "confidence_sigmas",
                    every="1h",
                ),
            ),
        ),
    ),
)
