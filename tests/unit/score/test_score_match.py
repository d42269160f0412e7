"""Scoring: what counts as right, wrong, missed and late."""

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.score.match import Claim, Fact, match, percentile_95, score
from simulators.score.source import Api, claims_of

HOUR_MS = 3_600_000
SLACK_MS = 600_000


def fact(kind: str = "theft", where: str = "em-1", begin_h: float = 10, **magnitude: float) -> Fact:
    begin_ms = round(begin_h * HOUR_MS)
    return Fact(kind, frozenset({where, "tba-1"}), begin_ms, begin_ms + HOUR_MS, magnitude)


def claim(at_h: float, kind: str = "theft", where: str = "em-1", **estimate: float) -> Claim:
    return Claim((kind,), where, round(at_h * HOUR_MS), estimate)


def test_found_missed_and_made_up() -> None:
    facts = [fact(), fact(where="em-2", begin_h=30), fact("bypass", "em-3")]
    claims = [claim(10.5), claim(10.6), claim(10.5, where="em-9"), claim(20.0)]
    report = score(facts, claims, {"theft"}, SLACK_MS)
    assert report["theft"] == {
        "true_positive": 1,
        "false_positive": 2,
        "false_negative": 1,
        "precision": 0.3333,
        "recall": 0.5,
        "delay_p50_s": 1800.0,
        "delay_p95_s": 1800.0,
        "estimate_errors": {},
        "reported": True,
    }
    bypass = report["bypass"]
    assert (bypass["true_positive"], bypass["false_negative"], bypass["reported"]) == (0, 1, False)
    assert bypass["delay_p50_s"] is None


def test_the_place_may_be_any_that_the_truth_touches() -> None:
    for where, hits in (("em-1", 1), ("tba-1", 1), ("tba-2", 0)):
        report = score([fact()], [claim(10.5, where=where)], (), SLACK_MS)
        assert report["theft"]["true_positive"] == hits


@pytest.mark.parametrize(
    ("at_h", "hits"), [(9.8, 0), (9.84, 1), (10, 1), (11, 1), (11.16, 1), (11.2, 0)]
)
def test_the_time_has_a_slack_on_both_sides(at_h: float, hits: int) -> None:
    report = score([fact()], [claim(at_h)], (), SLACK_MS)["theft"]
    assert (report["true_positive"], report["false_positive"]) == (hits, 1 - hits)
    if hits:
        assert report["delay_p50_s"] == pytest.approx(max(0, at_h - 10) * 3600)


def test_the_same_false_alarm_again_is_one_alarm() -> None:
    claims = [claim(20 + k / 10) for k in range(5)] + [claim(22)]
    assert score([], claims, (), SLACK_MS)["theft"]["false_positive"] == 2


def test_one_claim_may_mean_several_kinds_and_counts_once_where_it_is_wrong() -> None:
    gasp = Claim(("transformer_outage", "feeder_outage"), "em-1", 10 * HOUR_MS)
    report = score([fact("feeder_outage")], [gasp], (), SLACK_MS)
    assert report["feeder_outage"]["true_positive"] == 1
    assert "transformer_outage" not in report
    assert list(score([], [gasp], (), SLACK_MS)) == ["transformer_outage"]


def test_estimates_are_compared_with_the_truth_by_their_names() -> None:
    facts = [fact(share=0.5, hidden_wh=1000), fact(where="em-2", share=0.2)]
    claims = [
        claim(10.2, share=0.1), claim(10.5, share=0.4, other=3),
        claim(10.5, where="em-2", share=0.22),
    ]  # fmt: skip
    errors = score(facts, claims, (), SLACK_MS)["theft"]["estimate_errors"]
    assert errors == {"share": {"n": 2, "median": pytest.approx(-0.05), "worst": -0.2}}


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 40))),
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 40))),
)
def test_every_fact_is_found_or_missed_and_every_claim_right_or_wrong(
    true: list[tuple[str, str, int]], said: list[tuple[str, str, int]]
) -> None:
    facts = [fact(kind, where, hour) for kind, where, hour in true]
    claims = [claim(hour, kind, where) for kind, where, hour in said]
    hits, wrong = match(facts, claims, SLACK_MS)
    assert [hit.fact for hit in hits] == facts
    right = {id(claim) for hit in hits for claim in hit.claims}
    assert len(right) + len(wrong) == len(claims)
    report = score(facts, claims, (), SLACK_MS)
    found = sum(
        int(str(e["true_positive"])) + int(str(e["false_negative"])) for e in report.values()
    )
    assert found == len(facts)


def test_the_ninety_fifth_percentile_is_that_of_numpy() -> None:
    assert percentile_95([float(k) for k in range(101)]) == pytest.approx(95)
    assert percentile_95([7.0]) == 7


def test_what_the_api_says_becomes_claims() -> None:
    base = {"time": "2026-06-01T00:00:01.500Z", "received": "", "record": 1, "detail": {}}
    said = [
        base | {"device": "em-1", "kind": "event", "code": 99},
        base | {"device": "em-1", "kind": "event", "code": 9},
        base | {"device": "em-1", "kind": "state", "code": 0},
        base | {"device": None, "kind": "theft", "code": 0,
                "detail": {"where": "tba-7", "share": 0.3, "text": "x"}},
    ]  # fmt: skip
    claims = [claim for event in said for claim in claims_of(event)]
    assert [one.place for one in claims] == ["em-1", "tba-7"]
    power = ("transformer_outage", "feeder_outage", "phase_loss", "service_outage")
    assert claims[0].kinds == power
    assert claims[1] == Claim(("theft",), "tba-7", 1_780_272_001_500, {"share": 0.3})


def test_who_does_not_speak_http_is_no_gateway() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"\x20\x02\0\0\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        api = Api(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(OSError, match="BadStatusLine"):
            api.get("events")
        api.close()
        thread.join()
