"""One row with all that the log has of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outputs.browsing.making import browse_table
from outputs.browsing.one_row import read_row
from outputs.items import Item
from outputs.journal import Log
from outputs.tables.loading import load_run
from prompts.input_error import InputError
from tests.harness.log_writing import LogWriter, chat

JUDGED = "Response Style: [[2]]\nLogical Structure: [[3]]\nContent Detail: [[4]]\nOverall: [[{}]]"
TOKENS = ["Overall", ": [[", "4", "]]"]
REFERENCE, TESTED, OTHER = "p/ref", "p/m", "p/o"


def put_item(log: LogWriter, item: str, **fields: Any) -> None:
    """An item's line."""
    log.raw(Log.ITEMS, msgspec.json.encode(Item(item=item, **fields))[1:])


def answered(log: LogWriter, told: dict[str, Any], text: str) -> int:
    """A request with its answer."""
    request = log.request("", told)
    log.attempt(request)
    log.answer(request, chat(text))
    return request


def paired(log: LogWriter, told: dict[str, Any], *, swapped: bool = False) -> tuple[list[int], int]:
    """Answers of two turns of two models and of a third, and the judgement of the first two."""
    put_item(log, "i")
    answers = [
        answered(log, {"stage": "answer", "item": "i", "model": model, "turn": turn}, f"{model} {turn}")
        for model in (REFERENCE, TESTED, OTHER)
        for turn in (1, 2)
    ]
    pair = {"item": "i", "model": TESTED, "reference": REFERENCE, "turns": [1, 2], "swapped": swapped}
    return answers, answered(log, told | pair, JUDGED.format(4))


@pytest.mark.parametrize("swapped", [False, True])
def test_a_judgement_shows_both_sides_as_the_judge_saw_them(tmp_path: Path, swapped: bool) -> None:
    """The reference's answers first, and second where the order was exchanged; each turn with its request."""
    log, told = LogWriter(tmp_path / "run").judged("rse_judge")
    answers, judgement = paired(log, told, swapped=swapped)
    detail = read_row(load_run(log.folder), judgement)
    sides = [(side.model, side.requests, side.texts, side.is_reference) for side in detail.sides]
    wanted = [
        (REFERENCE, tuple(answers[:2]), (f"{REFERENCE} 1", f"{REFERENCE} 2"), True),
        (TESTED, tuple(answers[2:4]), (f"{TESTED} 1", f"{TESTED} 2"), False),
    ]
    assert sides == (wanted[::-1] if swapped else wanted)
    assert detail.told.swapped is swapped
    assert detail.judgements == ()
    assert detail.item is not None
    assert detail.item.item == "i"


def test_an_answer_shows_its_judgements(tmp_path: Path) -> None:
    """Of a tested model, and of the reference that it was held against; an answer nobody judged has none."""
    log, told = LogWriter(tmp_path / "run").judged("rse_judge")
    answers, judgement = paired(log, told)
    run = load_run(log.folder)
    details = [read_row(run, request) for request in (answers[0], answers[3], answers[4])]
    found = [
        [(one.request, one.outcome, one.scores["overall"], one.as_reference) for one in x.judgements] for x in details
    ]
    assert found == [[(judgement, "ok", 4.0, True)], [(judgement, "ok", 4.0, False)], []]
    assert all(detail.sides == () for detail in details)


def test_a_row_has_everything_that_came_of_it(tmp_path: Path) -> None:
    """Attempts, final failures, and all answers with which of them counts; another row's failure is not its."""
    log = LogWriter(tmp_path / "run").record()
    other, request = log.request("other"), log.request("mine", {"stage": "s"})
    log.attempt(other)
    log.fail(other, "another's")
    log.attempt(request)
    log.settle(request)
    log.attempt(request, 2)
    log.fail(request, "first end")
    log.event("retry")
    log.attempt(request, 3)
    first = log.answer(request, chat("one"), number=3)
    second = log.answer(request, chat("two"), number=4)
    log.fail(other, "another's again")
    detail = read_row(load_run(log.folder), request)
    assert [one["attempt"] for one in detail.attempts] == [1, 2, 3]
    assert [(one.code, one.message) for one in detail.failures] == [("row_refused", "first end")]
    assert [(one.line.seq, one.completion.text) for one in detail.answers] == [(first, "one"), (second, "two")]
    assert detail.answer is not None
    assert detail.answer.line.seq == second
    assert (detail.state, detail.failure, detail.line.custom_id) == ("answered", None, "mine")
    assert detail.line.seq == request
    failed = read_row(load_run(log.folder), other)
    assert failed.failure is not None
    assert [one.message for one in failed.failures] == ["another's", "another's again"]


def test_the_failures_of_a_row_are_found_without_reading_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among many lines just its own are decoded, wherever they stand."""
    log = LogWriter(tmp_path / "run").record()
    requests = [log.request() for _ in range(300)]
    for turn in ("first", "second"):
        for request in requests:
            log.fail(request, f"{turn} of {request}")
    run = load_run(log.folder)
    browse_table(run)
    monkeypatch.setattr("outputs.log_reader._CHUNK", None)  # no file can be read line by line
    found = read_row(run, requests[7]).failures
    assert [one.message for one in found] == [f"first of {requests[7]}", f"second of {requests[7]}"]


ELSEWHERE = {
    "source": "raw.jsonl",
    "line": 7,
    "conflict": True,
    "claim": None,
    "strict": {"source": "s.csv", "line": 2},
}


@pytest.mark.parametrize(
    ("told", "places", "judged"),
    [
        (ELSEWHERE, [("", "raw.jsonl", 7, None), ("strict", "s.csv", 2, None)], {"conflict": True, "claim": None}),
        ({"source": "m.json", "key": "vid1"}, [("", "m.json", None, "vid1")], {}),
        ({"source": 7, "line": "x", "conflict": "<b>", "a": [1]}, [], {"conflict": None}),
        ("x", None, None),
    ],
    ids=["ice", "json", "odd", "none"],
)
def test_an_imported_row_says_where_it_is_from(tmp_path: Path, told: Any, places: Any, judged: Any) -> None:
    """File and line, those of its judgements too, and what those found; odd metadata are no crash."""
    log = LogWriter(tmp_path / "run").record()
    request = log.request("", {"imported": told})
    origin = read_row(load_run(log.folder), request).origin
    if places is None:
        assert origin is None
        return
    assert origin is not None
    assert [(one.of, one.file, one.line, one.key) for one in origin.places] == places
    assert origin.judged == judged


def test_where_an_answer_was_imported_from_may_stand_in_its_line_alone(tmp_path: Path) -> None:
    """As of a batch that was imported with its manifest: the request does not say it, what came of it does."""
    log = LogWriter(tmp_path / "run").record()
    answered, failed = log.request(), log.request()
    for request, settle in ((answered, log.answer), (failed, log.fail)):
        told = msgspec.Raw(b'{"imported":{"source":"out.jsonl","line":%d}}' % request)
        log.requests[request] = msgspec.structs.replace(log.requests[request], metadata=told)
        settle(request)
    run = load_run(log.folder)
    for request in (answered, failed):
        origin = read_row(run, request).origin
        assert origin is not None
        assert origin.places[0].line == request


def test_the_scores_are_those_of_the_table(tmp_path: Path) -> None:
    """Value, mass and mode by dimension, and the score's own token with its alternatives."""
    log, told = LogWriter(tmp_path / "run").judged("gveval_ref_free")
    listed = [{"token": token, "logprob": -1.5} for token in ("4", "90", "x")]
    tokens = [{"token": one, "logprob": -0.5, "top_logprobs": listed if one == "4" else []} for one in TOKENS]
    request = log.request("", told)
    log.attempt(request)
    log.answer(request, chat("".join(TOKENS), logprobs={"content": tokens}))
    run = load_run(log.folder)
    answer = read_row(run, request).answer
    assert answer is not None
    table = {row["dimension"]: row for row in run.scan("scores").collect().to_dicts()}
    assert {(x.dimension, x.value, x.sampled, x.mass, x.mode) for x in answer.scores} == {
        (name, row["value"], row["sampled"], row["mass"], row["mode"]) for name, row in table.items()
    }
    token = answer.scores[0].token
    assert token is not None
    assert (token.place, token.token) == (2, "4")
    assert {(one.token, one.integer) for one in token.alternatives} == {("4", 4), ("90", 90), ("x", None)}
    assert answer.scores[0].value == pytest.approx(47)


def test_a_template_has_its_chain_from_the_seed(tmp_path: Path) -> None:
    """Each step with its operator and its text, proved by its digest; another tree's templates play no part."""
    log = LogWriter(tmp_path / "run").record()
    put_item(log, "question/q", fields={"kind": "question", "text": "Who made you?"})
    put_item(log, "seed/s1", fields={"kind": "seed", "seed": "s1", "template": "Seed: [QUESTION]"})

    def ask(iteration: int, node: str, parent: str, level: int, template: str, tree: int = 1) -> int:
        told = {"stage": "ask", "item": "question/q", "target": "p/t", "tree": tree, "iteration": iteration,
                "question": "q", "node": node, "parent": parent, "level": level, "seed": "s1", "operator": f"op{level}",
                "template_sha256": hashlib.sha256(template.encode()).hexdigest()[:16]}  # fmt: skip
        said = json.dumps([{"role": "user", "content": template.replace("[QUESTION]", "Who made you?")}])
        rest = f'"custom_id":"r{log.seq}","url":"/v1/chat/completions","provider":"p","model":"t","fingerprint":"f",'
        return log.raw(Log.REQUESTS, f'{rest}"body":{{"messages":{said}}},"metadata":{json.dumps(told)}}}'.encode())

    first = ask(1, "n1", "s1", 1, "One: [QUESTION]")
    ask(1, "n1", "s1", 1, "Other: [QUESTION]", tree=2)
    second = ask(2, "n2", "n1", 2, "Two: [QUESTION]")
    chain = read_row(load_run(log.folder), second).ancestry
    assert [(one.node, one.operator, one.level, one.request, one.text) for one in chain] == [
        ("s1", None, 0, None, "Seed: [QUESTION]"),
        ("n1", "op1", 1, first, "One: [QUESTION]"),
        ("n2", "op2", 2, second, "Two: [QUESTION]"),
    ]


def test_a_chain_that_bites_its_tail_ends(tmp_path: Path) -> None:
    """A hostile import whose templates are their own ancestors is shown once round."""
    log = LogWriter(tmp_path / "run").record()
    place = {"stage": "ask", "target": "t", "tree": 1, "question": "q"}
    for iteration, (node, parent) in enumerate((("a", "b"), ("b", "a")), 1):
        last = log.request(
            "", place | {"iteration": iteration, "node": node, "parent": parent, "template_sha256": node}
        )
    assert [one.node for one in read_row(load_run(log.folder), last).ancestry] == ["a", "b"]


def test_an_imported_template_is_not_called_a_seed(tmp_path: Path) -> None:
    """Where nobody said what it was made of, it has no level either."""
    log = LogWriter(tmp_path / "run").record()
    place = {"stage": "ask", "target": "t", "tree": 0, "iteration": 1, "question": "q", "node": "n1"}
    unknown = log.request("", place | {"parent": None, "seed": None, "level": None, "operator": None})
    seed = log.request("", place | {"node": "s1", "seed": "s1", "iteration": 2})
    run = load_run(log.folder)
    levels = [one.level for request in (unknown, seed) for one in read_row(run, request).ancestry]
    assert levels == [None, 0]


def test_an_item_of_a_run_without_requests_is_a_row(tmp_path: Path) -> None:
    """Imported scores have items only."""
    log = LogWriter(tmp_path / "run").record()
    put_item(log, "x", candidate="c", scores={"CIDEr": {"overall": 1.0}})
    detail = read_row(load_run(log.folder), 1)
    assert detail.item is not None
    assert (detail.item.candidate, detail.answers, detail.state) == ("c", (), "answered")


@pytest.mark.parametrize("request_seq", [0, 2, -5, 10**15])
def test_no_such_row_is_said(tmp_path: Path, request_seq: int) -> None:
    """A number that no request has, also that of another line, leads nowhere."""
    log = LogWriter(tmp_path / "run").record()
    log.attempt(log.request())
    with pytest.raises(InputError, match="no request"):
        read_row(load_run(log.folder), request_seq)


def test_items_are_found_by_their_ids_whatever_they_are(tmp_path: Path) -> None:
    """Each row has its own item, the last line of it; an item that is not there is None."""
    log = LogWriter(tmp_path / "run").record()
    names = ["", "a", "b\n", "日本", "a", '"', "</script>", *(f"i{number}" for number in range(40))]
    for number, name in enumerate(names):
        put_item(log, name, candidate=f"c{number}")
    requests = {name: log.request("", {"item": name}) for name in [*names, "absent"]}
    run = load_run(log.folder)
    found = {name: read_row(run, request).item for name, request in requests.items()}
    assert {name: item and item.candidate for name, item in found.items()} == {
        **{name: f"c{number}" for number, name in enumerate(names)}, "absent": None,
    }  # fmt: skip
