"""What a node makes of the gateway's answer, the odd ones too."""

from fieldnode.core.question import SETTLE_MS, SETTLED, Question


def answered(missing: object, is_retained: int = 0) -> Question:
    """Return a question that has heard a receipt up to row 100."""
    question = Question()
    question.ask(is_needed=True)
    question.asked(1000)
    question.receipt(100, missing, is_retained, 1200)
    return question


def test_only_what_the_answer_names_goes_again() -> None:
    question = answered([[10, 12], [40, 40]])
    assert [question.wants(first, last) for first, last in ((1, 9), (12, 20), (41, 50))] == [
        False,
        True,
        False,
    ]
    assert question.review(1200 + SETTLE_MS, is_new=False) == SETTLED


def test_an_answer_that_is_none_asks_for_everything() -> None:
    for missing in (None, "10-12", [[10, 12], 7], [[10]], [["10", 12]], [[10, True]]):
        assert answered(missing).wants(1, 9)


def test_a_retained_receipt_is_no_answer() -> None:
    question = answered([[10, 12]], is_retained=1)
    assert question.is_open
    assert question.wants(1, 9)
