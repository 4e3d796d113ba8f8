"""A whole run by Azure's batches, against a small server with Azure's paths and its deployments."""

import email
import email.policy
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from outputs.answers import read_responses
from tests.harness.asking import write_manifest
from tests.harness.batch_runs import INPUT, OUTPUT, check_accounted, hasten, run_batches, write_priced_catalog
from tests.harness.scripted_openai import Asked, Says, Scripted

ROWS = 9
VERSION = "2024-10-21"
MODEL = "model-a"
PROVIDER = f"""api_version = "{VERSION}"
api_key_env = "AZURE_KEY_OF_A_TEST"
deployments = {{ "{MODEL}" = "for-calls" }}
"""


@dataclass(slots=True)
class Azure:
    """Files and batches of one resource, and one deployment for calls; the third row of each batch expires."""

    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: Counter[str] = field(default_factory=Counter)  # that have answered

    def __call__(self, asked: Asked) -> Says:
        if asked.query.get("api-version") != VERSION or asked.headers.get("api-key") != "a-key-of-a-test":
            return Says({"error": {"code": "401", "message": "Access denied"}}, 401)
        match asked.method, asked.path.split("/")[1:]:
            case "POST", ["openai", "files"]:
                return Says({"id": self._store(_uploaded(asked)), "status": "pending"}, 201)
            case "GET", ["openai", "files", id_, "content"]:
                return Says(b"".join(orjson.dumps(line) + b"\n" for line in self.files[id_]))
            case "POST", ["openai", "batches"]:
                return Says(self._create(orjson.loads(asked.body)), 200)
            case "GET", ["openai", "batches", id_]:
                return Says(self._look(self.batches[id_]))
            case "POST", ["openai", "deployments", name, "chat", "completions"]:
                return Says(self._answer(name))
        return Says({"error": {"code": "404", "message": "Resource not found"}}, 404)

    def _store(self, lines: list[dict[str, Any]]) -> str:
        id_ = f"file-{len(self.files)}"
        self.files[id_] = lines
        return id_

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        lines = self.files[asked["input_file_id"]]
        assert {line["url"] for line in lines} == {asked["endpoint"]} == {"/chat/completions"}
        counts = {"total": 0, "completed": 0, "failed": 0}
        told = {"status": "validating", "output_file_id": "", "error_file_id": "", "request_counts": counts}
        id_ = f"batch_{len(self.batches)}"
        self.batches[id_] = {"id": id_, "object": "batch", "created_at": 1, "looks": 0, **asked, **told}
        return self.batches[id_]

    def _look(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["looks"] += 1
        if batch["status"] == "validating":
            batch["status"] = "in_progress"
        elif batch["status"] == "in_progress" and batch["looks"] > 2:
            lines = self.files[batch["input_file_id"]]
            ran = [line for number, line in enumerate(lines) if number != 2]
            batch["output_file_id"] = self._store([self._line(line) for line in reversed(ran)])
            batch["error_file_id"] = self._store([_expired(line) for line in lines[2:3]])
            batch["request_counts"] = {"total": len(lines), "completed": len(ran), "failed": len(lines) - len(ran)}
            batch["status"] = "expired"
        return batch

    def _line(self, line: dict[str, Any]) -> dict[str, Any]:
        response = {"body": self._answer(line["body"]["model"]), "request_id": "r", "status_code": 200}
        return {"custom_id": line["custom_id"], "response": response, "error": None}

    def _answer(self, deployment: str) -> dict[str, Any]:
        self.deployments[deployment] += 1
        message = {"role": "assistant", "content": "Yes."}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "content_filter_results": {}}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        return {"id": "c", "object": "chat.completion", "model": "gpt", "choices": [choice], "usage": usage}


def _uploaded(asked: Asked) -> list[dict[str, Any]]:
    """The lines of the file in a form."""
    head = b"Content-Type: " + asked.headers["content-type"].encode() + b"\r\n\r\n"
    form = email.message_from_bytes(head + asked.body, policy=email.policy.HTTP)
    for part in form.iter_parts():
        file = part.get_payload(decode=True)
        if part.get_filename() is not None and isinstance(file, bytes):
            return [orjson.loads(line) for line in file.splitlines()]
    raise AssertionError("the form has no file")


def _expired(line: dict[str, Any]) -> dict[str, Any]:
    error = {"code": "batch_expired", "message": "This request could not be executed before the completion window."}
    return {"custom_id": line["custom_id"], "response": None, "error": error}


async def test_rows_go_to_the_deployment_for_batches_and_what_expired_to_that_for_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines name the deployment of the kind for batches; with `--via auto` a row that expired is answered online by
    the deployment for calls, each at its own price."""
    hasten(monkeypatch)
    monkeypatch.setenv("AZURE_KEY_OF_A_TEST", "a-key-of-a-test")
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with Scripted(azure := Azure()) as server:
        catalog = write_priced_catalog(tmp_path / "lab.toml", server.url, "azure", PROVIDER, max_rows=5)
        catalog.write_text(catalog.read_text() + f'deployments = {{ "{MODEL}" = "for-batches" }}\n')
        result = await run_batches(manifest.path, tmp_path / "run", catalog, via="auto")
    assert (result.exit_code, result.answered) == (0, ROWS), result.reason
    state = check_accounted(tmp_path / "run", ROWS)
    assert azure.deployments == {"for-batches": ROWS - 2, "for-calls": 2}
    assert [batch.told.lines for batch in state.batches.all] == [
        {"answered": 4, "expired": 1},
        {"answered": 3, "expired": 1},
    ]
    usd = (10 * INPUT + 5 * OUTPUT) / 1e6
    assert sum(lane.cost_usd for lane in state.lanes) == pytest.approx(usd * (ROWS - 2) / 2 + usd * 2)
    assert Counter(line.batch is None for line in read_responses(tmp_path / "run")) == {False: ROWS - 2, True: 2}
    assert {line.model for line in read_responses(tmp_path / "run")} == {MODEL}
