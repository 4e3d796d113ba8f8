"""A script as people write it for a batch API: the baseline of `batches.py`. No log, no budget, no resume.

It uploads the manifest as it stands, creates the batch, looks once a second, downloads, matches the lines by custom_id,
adds up what they cost, and writes them in the manifest's order. Usage: plain_batch.py BASE_URL MANIFEST OUTPUT
"""

import json
import sys
import time
from pathlib import Path

from openai import OpenAI


def main(base_url: str, manifest: Path, output: Path) -> None:
    """Have a manifest answered."""
    client = OpenAI(base_url=base_url, api_key="none", max_retries=0)
    asked = [json.loads(line)["custom_id"] for line in manifest.read_text("utf-8").splitlines()]
    with manifest.open("rb") as file:
        uploaded = client.files.create(file=file, purpose="batch")
    batch = client.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h")
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(1)
        batch = client.batches.retrieve(batch.id)
    assert batch.output_file_id is not None, batch
    lines = client.files.content(batch.output_file_id).text.splitlines()
    answers = {line["custom_id"]: line for line in map(json.loads, lines)}
    tokens = sum(answer["response"]["body"]["usage"]["total_tokens"] for answer in answers.values())
    with output.open("w", encoding="utf-8") as file_out:
        file_out.writelines(json.dumps(answers[custom_id]) + "\n" for custom_id in asked)
    print(len(answers), tokens)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
