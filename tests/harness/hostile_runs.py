"""Runs all of whose texts are hostile: names, ids, answers, failures, tokens. The command itself makes them."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.harness.loopback import Call, Loopback, Reply, chat_answer
from tests.harness.payloads import LONG, NAMES, PAYLOADS
from tests.harness.workplace import jsonl, line

_HALF = "\x00half a character\x00"  # stands for an escape that is no character
_RATINGS = "Response Style: [[4]]\nLogical Structure: [[3]]\nContent Detail: [[2]]\nOverall: [[3]]"
_TEMPLATE = "You are in a game. " + PAYLOADS["end of a script"] + " {query}"


def hostile_runs(folder: Path) -> list[Path]:
    """A plain manifest, an RSE, a G-VEval and an imported ICE, side by side in `folder`."""
    with Loopback() as provider:
        provider.reply = _reply
        _write_catalog(folder, provider)
        made = [
            _started(folder, _manifest(folder), 'plain "><img src=x onerror=pwned=20>', "run"),
            _started(folder, _rse(folder), "rse {{7*7}} '-pwned-'", "run"),
            _started(folder, _captions(folder), "captions <b>&amp;", "run"),
            _started(folder, _identity(folder), "ice $`x`", "import", "ice"),
        ]
        return [_ended(process, out) for process, out in made]


def _started(folder: Path, sources: Iterable[str], name: str, *command: str) -> tuple[subprocess.Popen[str], Path]:
    out = folder / "runs" / name
    arguments = [sys.executable, "-m", "orchestrator.cli", *command, *sources, "--out", str(out)]
    environment = {**os.environ, "NO_COLOR": "1"}
    process = subprocess.Popen(
        arguments, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return process, out


def _ended(process: subprocess.Popen[str], out: Path) -> Path:
    with process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 3), said
    return out


def _write_catalog(folder: Path, provider: Loopback) -> None:
    entry = f'protocol = "openai"\nbase_url = "{provider.base_url}"\nmodels = ["lab-*"]\nfree = true\n'
    (folder / "overnight.toml").write_text(f"[providers.lab]\n{entry}")


def _manifest(folder: Path) -> list[str]:
    """A row for each payload, which stands in every place; some fail, in each way a row can."""
    texts = [*PAYLOADS.values(), LONG]
    rows = [line(f"{place} {text[:200]}", f"say {place}", **_told(place, text)) for place, text in enumerate(texts)]
    rows += [line(f"fail {place} {text}", f"fail {place}", **_told(place, text)) for place, text in enumerate(NAMES)]
    rows += [line("half", "half", **_told(0, "half"))]
    (folder / "m.jsonl").write_bytes(jsonl(rows))
    return ["m.jsonl", "--quiet"]


def _told(place: int, text: str) -> dict[str, Any]:
    told = {
        "item": text[:300],
        "dataset": text[:300],
        "field": text[:300],
        "language": text[:300],
        "operator": text[:99],
    }
    model = {"model": f"lab-{NAMES[place % len(NAMES)]}"}
    return {"metadata": {**told, "stage": "answer", text[:50]: text[:300]}, "body": model}


def _rse(folder: Path) -> list[str]:
    prompts = [{"id": f"{place} {text}", "prompt": f"say {place}"} for place, text in enumerate(PAYLOADS.values())]
    (folder / "prompts.jsonl").write_bytes(jsonl(prompts))
    models = [f"lab-{name}" for name in NAMES]
    datasets = [{"name": name, "path": "prompts.jsonl", "first": 4} for name in NAMES[:3]]
    said = {"job": "rse", "reference": models[0], "models": models[1:4], "judges": models[4:6]}
    return [_spec(folder, "rse.toml", said, datasets), "--quiet"]


def _captions(folder: Path) -> list[str]:
    rows = [
        {"id": f"{place} {text}", "candidate": text, "references": [text, "a dog"], "ratings.a.overall": place % 5,
         "ratings.b.overall": place % 4, "system": NAMES[place % 3]}
        for place, text in enumerate(PAYLOADS.values())
    ]  # fmt: skip
    (folder / "captions.jsonl").write_bytes(jsonl(rows))
    said = {"job": "gveval", "model": f"lab-{NAMES[0]}", "prompt": "gveval_ref_only"}
    dataset = {"path": "captions.jsonl", "reader": "caption-table", "name": NAMES[1]}
    return [_spec(folder, "captions.toml", {**said, "dataset": dataset}), "--quiet"]


def _identity(folder: Path) -> list[str]:
    """The released form: all answers, and a table of those that conflict."""
    rows = [
        {"jailbreak_prompt": f"{_TEMPLATE} {place % 3}", "query": PAYLOADS["picture"] + str(place),
         "target_responses": [text], "eval_results": place % 2 == 0}
        for place, text in enumerate(PAYLOADS.values())
    ]  # fmt: skip
    (folder / "raw.jsonl").write_bytes(jsonl(rows))
    found = io.StringIO(newline="")
    table = csv.writer(found)
    table.writerow(["jailbreak_prompt", "query", "target_responses", "eval_results"])
    for row in rows:
        if row["eval_results"]:
            cells = (row["jailbreak_prompt"], row["query"], repr(row["target_responses"]), "True")
            table.writerow(cells)
    (folder / "loose.csv").write_text(found.getvalue(), newline="")
    return ["raw.jsonl", "loose.csv", "--target", "</script><script>alert(3)</script>=raw.jsonl"]


def _spec(folder: Path, name: str, said: Mapping[str, Any], datasets: Iterable[Mapping[str, Any]] = ()) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in said.items()]
    for dataset in datasets:
        lines += ["[[datasets]]", *(f"{key} = {_toml(value)}" for key, value in dataset.items())]
    (folder / name).write_text("\n".join(lines))
    return name


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def _reply(call: Call) -> Reply:
    """What was asked for by its place: an answer that is a payload, a refusal with one, a judgement around one."""
    text, body = call.text, json.loads(call.body)
    if "logprobs" in body:
        return _as_reply(_graded(body))
    if text.startswith("Two assistants"):
        return _as_reply(chat_answer(f"{PAYLOADS['script']} {PAYLOADS['end of a script']}\n{_RATINGS}"))
    word, _, place = text.partition(" ")
    if word == "fail":
        return _refused(int(place))
    if word == "half":
        return _as_reply(chat_answer(_HALF))
    return _as_reply(_said(int(place), body["model"]))


def _said(place: int, model: str) -> dict[str, Any]:
    texts = [*PAYLOADS.values(), LONG]
    answer = chat_answer(f"{texts[place]} {model if texts[place] != LONG else ''}")
    answer["model"] = answer["id"] = answer["system_fingerprint"] = texts[place][:500]
    answer["choices"][0]["finish_reason"] = texts[place][:100] if place % 3 == 0 else "stop"
    if place % 7 == 6:
        answer["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": texts[place]}
    return answer


def _refused(place: int) -> Reply:
    error = {"message": NAMES[place], "code": NAMES[place], "type": NAMES[place], "param": NAMES[place]}
    return Reply(json.dumps({"error": error}).encode(), status=(400, 404, 413, 422)[place % 4])


def _graded(body: Mapping[str, Any]) -> dict[str, Any]:
    """A grade of 80 whose alternatives are payloads beside two numbers."""
    others = [("80", 0.4), ("60", 0.3), *((f"{name}", 0.01) for name in list(PAYLOADS.values())[:18])]
    listed = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in others]
    pieces = [PAYLOADS["picture"], "\n", PAYLOADS["end of a script"], "\nOverall: [[", "80", "]]"]
    tokens: list[dict[str, Any]] = [
        {"token": piece, "logprob": -0.1, "bytes": None, "top_logprobs": []} for piece in pieces
    ]
    tokens[4] = {**listed[0], "top_logprobs": listed}
    answer = chat_answer("".join(pieces))
    answer["choices"][0]["logprobs"] = {"content": tokens, "refusal": None}
    return answer


def _as_reply(answer: Mapping[str, Any]) -> Reply:
    """The answer as a provider sends it; halves of characters as escapes, which JSON has no other way to write."""
    return Reply(json.dumps(answer).replace(json.dumps(_HALF)[1:-1], "\\ud800 half \\udfff").encode())
