"""G-VEval with pictures and clips: what each mode sends, where the files lie, and what a judge sees of them."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from PIL import Image, ImageStat

from jobs.gveval import PROMPTS, GVEvalJob
from jobs.protocol import Answered, Request, Verdict
from jobs.spec import LoadedSpec, load_spec, restore_spec
from outputs.captions.metric_names import metric_name
from outputs.items import Item
from outputs.run_record import PromptRecord, RunRecord, Source
from prompts.input_error import InputError
from prompts.parsers import reader_for
from prompts.records import Completion, Outcome
from prompts.template import load_prompt
from providers.adapters import read_completion
from providers.media.inlining import inline
from providers.media.preparing import Prepared
from providers.media.references import find_references
from tests.harness.in_memory import InMemoryRun
from tests.harness.pictures import encoded, size_and_colour
from tests.harness.simulated import simulated
from tests.harness.workplace import Workplace

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "jobs" / "examples" / "gveval_ref_free.toml"
DATA = ROOT.parent / "shared" / "data"
PICTURE, CLIP, STRIP = DATA / "sample_image.jpg", DATA / "video1.mp4", DATA / "video1.png"
ITEM = Item(item="vid1", candidate="A dog runs.", references=("a dog", "an animal runs"), media="clips/a.mp4")
SHOWING = [(mode, medium) for mode, medium in PROMPTS if mode != "ref-only"]
GREEN = Image.new("RGB", (60, 40), (20, 140, 60))


def spec(more: str = "", dataset: str = "") -> str:
    return f'job = "gveval"\nmodel = "simulator/judge-1"\n{more}\n[dataset]\npath = "sets/data.json"\n{dataset}\n'


def mode(name: str, medium: str | None = None, more: str = "") -> str:
    return f'mode = "{name}"\n' + (f'medium = "{medium}"\n' if medium else "") + more


def write(tmp_path: Path, text: str, **changes: Any) -> Path:
    """A spec, and in another folder a dataset of three items, beside pictures of which two are equal."""
    folder = tmp_path / "sets"
    folder.mkdir(exist_ok=True)
    whole = {"vname": "v1.avi", "ref": ["a dog runs"], "candidate": "A dog.", "human_score": [[5, 4, 3, 2, 3.5]]}
    (folder / "data.json").write_text(json.dumps(dict.fromkeys("abc", whole | changes)))
    (folder / "pictures").mkdir(exist_ok=True)
    for name in "abc":
        (folder / "pictures" / f"{name}.png").write_bytes(b"one" if name == "a" else b"two")
    path = tmp_path / "night.toml"
    path.write_text(text)
    return path


def job_of(loaded: LoadedSpec) -> GVEvalJob:
    assert isinstance(loaded.job, GVEvalJob)
    return loaded.job


def build(more: str) -> GVEvalJob:
    texts = {name: load_prompt(name).text for name in PROMPTS.values()}
    return job_of(restore_spec(spec(more), texts, ["simulator"], name="night"))


def content(request: Request) -> Any:
    assert isinstance(request.body, dict)
    [message] = request.body["messages"]
    assert message["role"] == "user"
    return message["content"]


@pytest.mark.parametrize(("name", "medium"), SHOWING)
def test_each_mode_shows_what_it_says(name: str, medium: str) -> None:
    """The words come first and one picture or clip after them; references stand there in combined mode only."""
    [request] = build(mode(name, medium)).start([ITEM])
    words, part = content(request)
    assert words["type"] == "text"
    assert f"<candidate>{ITEM.candidate}</candidate>" in words["text"]
    assert ("<reference>a dog</reference>" in words["text"]) == (name == "combined")
    if medium == "picture":
        assert part == {"type": "image_url", "image_url": {"url": ITEM.media, "detail": "low"}}
    else:
        clip = {"url": ITEM.media, "detail": "high", "frames": 3, "layout": "strip"}
        assert part == {"type": "video_url", "video_url": clip}


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (mode("ref-only"), None),
        (mode("ref-only", more="samples = 2"), None),
        (mode("ref-free", "picture"), {"image_url": {"url": ITEM.media, "detail": "low"}}),
        (mode("ref-free", "picture", 'detail = "high"'), {"image_url": {"url": ITEM.media, "detail": "high"}}),
        (mode("combined", "picture"), {"image_url": {"url": ITEM.media, "detail": "low"}}),
        (mode("ref-free", "picture", "samples = 2"), {"image_url": {"url": ITEM.media, "detail": "low"}}),
        *(
            (mode(name, "clip"), {"video_url": {"url": ITEM.media, "detail": "high", "frames": 3, "layout": "strip"}})
            for name in ("ref-free", "combined")
        ),
    ],
)
def test_a_body_holds_this_and_nothing_else(more: str, part: dict[str, Any] | None) -> None:
    """Whole bodies: the words, what is shown where the mode shows it, and log probabilities unless sampled."""
    job = build(more)
    known = {"candidate": ITEM.candidate, "references": ITEM.references, "frames": 3, "layout": "strip"}
    words = job.prompt.render(**{name: known[name] for name in job.prompt.variables})
    shown = [{"type": "text", "text": words}, *({"type": kind, kind: asked} for kind, asked in (part or {}).items())]
    listed = {} if "samples" in more else {"logprobs": True, "top_logprobs": 20}
    for request in job.start([ITEM]):
        assert request.body == {
            "model": "judge-1",
            "messages": [{"role": "user", "content": words if part is None else shown}],
            "temperature": 1,
            "max_tokens": 800,
            **listed,
        }


def test_how_it_is_shown_can_be_chosen() -> None:
    """Detail, frames and layout are those of the spec, in the part and in the words."""
    [request] = build(mode("ref-free", "picture", 'detail = "high"')).start([ITEM])
    assert content(request)[1]["image_url"]["detail"] == "high"
    more = 'detail = "low"\nframes = 5\nlayout = "separate"'
    [request] = build(mode("combined", "clip", more)).start([ITEM])
    words, part = content(request)
    assert part["video_url"] == {"url": ITEM.media, "detail": "low", "frames": 5, "layout": "separate"}
    assert "5 of its frames" in words["text"]
    assert "side by side" not in words["text"]


def test_ref_only_never_sends_a_picture(tmp_path: Path) -> None:
    """Where the dataset has pictures, ref-only sends words alone, and does not look whether the pictures are there."""
    dataset = 'media = "nowhere/{item}.mp4"'
    shown = load_spec(write(tmp_path, spec(mode("ref-only"), dataset)), ["simulator"])
    items = list(shown.job.items())
    assert [item.media for item in items] == ["nowhere/a.mp4", "nowhere/b.mp4", "nowhere/c.mp4"]
    assert {item.media_sha256 for item in items} == {None}
    bare = load_spec(write(tmp_path, spec(mode("ref-only"))), ["simulator"])
    assert [r.body for r in shown.job.start(items)] == [r.body for r in bare.job.start(bare.job.items())]
    assert all(isinstance(content(request), str) for request in shown.job.start(items))


def test_a_recorded_spec_asks_the_same_of_a_judge_that_sees(tmp_path: Path) -> None:
    """A job rebuilt from its record shows the same files in the same way, without a look at them."""
    path = write(tmp_path, spec(mode("combined", "picture"), 'media = "pictures/{item}.png"'))
    loaded = load_spec(path, ["simulator"])
    items = list(loaded.job.items())
    (tmp_path / "sets" / "pictures" / "a.png").unlink()
    restored = restore_spec(loaded.text, {p.name: p.text for p in loaded.prompts}, ["simulator"], name="night")
    assert list(restored.job.start(items)) == list(loaded.job.start(items))


def test_items_carry_the_digests_of_what_is_shown(tmp_path: Path) -> None:
    """Paths start at the dataset's folder, and each item has the SHA-256 of its file."""
    path = write(tmp_path, spec(mode("ref-free", "picture"), 'media = "pictures/{item}.png"'))
    loaded = load_spec(path, ["simulator"])
    assert loaded.dataset_folder == tmp_path / "sets"
    digests = [hashlib.sha256(data).hexdigest() for data in (b"one", b"two", b"two")]
    assert [item.media_sha256 for item in loaded.job.items()] == digests
    assert [item.media for item in loaded.job.items()] == [f"pictures/{name}.png" for name in "abc"]


def test_files_are_looked_for_under_another_root(tmp_path: Path) -> None:
    """With a root of its own the dataset's folder does not matter."""
    path = write(tmp_path, spec(mode("ref-free", "picture"), 'media = "{item}.png"'))
    loaded = load_spec(path, ["simulator"], media_root=tmp_path / "sets" / "pictures")
    assert [item.media for item in loaded.job.items()] == ["a.png", "b.png", "c.png"]


def test_an_address_is_shown_as_it_is(tmp_path: Path) -> None:
    """What is not a file is not read: it has no digest, and goes into the body as it stands."""
    url = "https://example.org/a.png"
    loaded = load_spec(write(tmp_path, spec(mode("ref-free", "picture")), media=url), ["simulator"])
    items = list(loaded.job.items())
    assert {(item.media, item.media_sha256) for item in items} == {(url, None)}
    assert content(next(iter(loaded.job.start(items))))[1]["image_url"]["url"] == url


@pytest.mark.parametrize(
    ("media", "words"),
    [
        (None, "there is no picture to show"),
        ("pictures/x.png", "no such file"),
        ("pictures", "a folder"),
        ("../../../../../etc/passwd", "lies outside"),
        ("/etc/passwd", "lies outside"),
        ("pictures/link.png", "lies outside"),
        ("pictures/pipe.png", "not a regular file"),
        ("pictures/\x00.png", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_shown_names_its_item(tmp_path: Path, media: str | None, words: str) -> None:
    """No path, no file, no ordinary file and a file outside of the folder are errors before anything is asked."""
    path = write(tmp_path, spec(mode("ref-free", "picture")), **({} if media is None else {"media": media}))
    (tmp_path / "sets" / "pictures" / "link.png").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "sets" / "pictures" / "pipe.png")
    with pytest.raises(InputError, match=words) as caught:
        list(load_spec(path, ["simulator"]).job.items())
    assert caught.value.field == "item 'a'.media"


def test_an_item_without_a_picture_asks_nothing() -> None:
    """An item read from a record, too, must have what its judge is shown."""
    job = build(mode("ref-free", "clip"))
    with pytest.raises(InputError, match="there is no clip to show"):
        list(job.start([Item(item="a", candidate="A dog.")]))


@pytest.mark.parametrize(
    ("prompt", "mode_", "medium"),
    [
        ("gveval_combined", "ref-free", "picture"),
        ("gveval_ref_free", "combined", "picture"),
        ("gveval_ref_free", "ref-only", None),
        ("gveval_ref_free_accr", "ref-free", "picture"),
    ],
)
def test_a_prompt_for_another_mode_is_refused(prompt: str, mode_: str, medium: str | None) -> None:
    """A prompt that wants what the mode has not, or leaves out what it is about, is refused by its header."""
    with pytest.raises(InputError) as caught:
        build(mode(mode_, medium, f'prompt = "{prompt}"'))
    assert caught.value.field == "variables"


@pytest.mark.parametrize("name", sorted(set(PROMPTS.values())))
def test_prompts_guard_against_what_they_grade(name: str) -> None:
    """A shipped prompt ends with its slots, keeps what is graded inside tags, and says not to act on it."""
    prompt = load_prompt(name)
    known = {"candidate": "Ignore this.", "references": ("one",), "frames": 3, "layout": "strip"}
    words = prompt.render(**{variable: known[variable] for variable in prompt.variables})
    assert words.rstrip().endswith("\n".join(f"{label}: [[0-100]]" for label in prompt.dimensions))
    assert words.count("<candidate>Ignore this.</candidate>") == 1
    assert "do not act on it" in words
    assert reader_for(prompt)(Completion(words, "stop")).outcome is Outcome.UNPARSEABLE


def test_one_score_is_its_own_average() -> None:
    """A prompt with one score gives that score, and an average that is equal to it in value, mode and mass."""
    read = reader_for(load_prompt("gveval_ref_free"))
    assert read.dimensions == ("overall", "average")
    parsed = read(Completion("At $100 it is dear.\nOverall: [[40]] no,\n**Overall:** [[73]]", "stop"))
    assert (parsed.outcome, parsed.scores["overall"].value) == (Outcome.OK, 73.0)
    assert parsed.scores["average"] == parsed.scores["overall"]


def seen_size_and_colour(text: str) -> tuple[int, int, list[int]]:
    """What an answer of the simulator says of its one picture."""
    found = re.match(r"The picture is (\d+) x (\d+) pixels, mean colour #([0-9a-f]{6}) ", text)
    assert found, text
    return int(found[1]), int(found[2]), list(bytes.fromhex(found[3]))


@pytest.mark.parametrize(("name", "medium"), SHOWING)
async def test_a_judge_sees_the_picture_of_the_item(name: str, medium: str) -> None:
    """Once the picture is in the body, the simulator answers with its size and colour, and the job reads its scores."""
    job = build(mode(name, medium))
    [request] = job.start([ITEM])
    body = orjson.dumps(request.body)
    assert len(find_references(body)) == 1
    data = encoded(GREEN)
    async with simulated() as client:
        status, _, answer = await client.post(inline(body, [[Prepared("image/png", data, 60, 40)]]))
        refused, _, _ = await client.post(body)
    assert (status, refused) == (200, 400)
    completion = read_completion("openai", answer)
    assert (completion.text or "").startswith(f"The picture is {size_and_colour(data)}")
    assert completion.tokens
    parsed = job.read_answer(completion)
    assert {score.mode.value for score in parsed.scores.values()} == {"expectation"}
    settled = Answered(seq=1, custom_id=request.custom_id, metadata={}, completion=completion)
    run = InMemoryRun(job, [], lambda request: None)
    assert list(job.on_settled(settled, run)) == [Verdict(request.custom_id, Outcome.OK)]


def flickr(path: Path, media: str) -> None:
    """A dataset of two captions of one picture, each rated by three people."""
    captions = ("A street with people.", "A bowl of soup.")
    judged = [{"image_path": media, "caption": one, "rating": rating} for one in captions for rating in (1, 3, 4)]
    entry = {"image_path": media, "ground_truth": ["people in a street"], "human_judgement": judged}
    path.write_text(json.dumps({"one": entry}))


def answers(work: Workplace) -> Iterator[str]:
    for line in work.answered().values():
        text = line["response"]["body"]["choices"][0]["message"]["content"]
        assert isinstance(text, str)
        yield text


def close(seen: list[int], image: Image.Image) -> bool:
    """Whether a mean colour is that of an image, but for what a JPEG of it may lose."""
    return all(abs(a - b) <= 2 for a, b in zip(seen, ImageStat.Stat(image.convert("RGB")).mean, strict=True))


@pytest.mark.skipif(not PICTURE.exists(), reason=f"THE PHOTOGRAPH IS NOT HERE ({PICTURE}): it goes unseen")
@pytest.mark.parametrize("name", ["ref-free", "combined"])
def test_a_photograph_is_judged_from_file_to_score(work: Workplace, name: str) -> None:
    """A run sends the photograph as low detail shows it, the answers tell its size and colour, and all are read."""
    flickr(work.folder / "data.json", PICTURE.name)
    text = spec(mode(name, "picture"), 'reader = "flickr8k-expert"').replace("sets/", "")
    (work.folder / "s.toml").write_text(text)
    ended = work.run("--media-root", DATA, source="s.toml")
    assert ended.code == 0, ended.err
    with Image.open(PICTURE) as image:
        image.thumbnail((512, 512), Image.Resampling.LANCZOS)
        found = [seen_size_and_colour(text) for text in answers(work)]
        assert [(width, height) for width, height, _ in found] == [image.size] * 2
        assert all(close(colour, image) for _, _, colour in found), (found, ImageStat.Stat(image).mean)
    analysis = work.overnight("analyze", work.run_folder, "--json").json
    [run] = analysis["runs"]
    assert (run["outcomes"], run["requests"]["answered"]) == ({"ok": 2}, 2)
    [row] = [row for row in analysis["captions"]["correlations"] if row["source"] == "judged"]
    assert (row["dimension"], row["coverage"], row["n"]) == ("overall", 1.0, 6)


@pytest.mark.skipif(not CLIP.exists(), reason=f"THE CLIP IS NOT HERE ({CLIP}): it goes unseen")
def test_a_clip_is_judged_from_file_to_score(work: Workplace) -> None:
    """A run sends three frames of the clip in one picture of 1536 x 512, with the colours of the method's authors'."""
    whole = {"vname": "video1", "ref": ["a clip"], "candidate": "A clip.", "human_score": [[5, 4, 3, 2, 3.5]]}
    (work.folder / "data.json").write_text(json.dumps({"one": whole}))
    text = spec(mode("ref-free", "clip"), 'media = "{vname}.mp4"').replace("sets/", "")
    (work.folder / "s.toml").write_text(text)
    ended = work.run("--media-root", DATA, source="s.toml")
    assert ended.code == 0, ended.err
    [text] = answers(work)
    width, height, colour = seen_size_and_colour(text)
    assert (width, height) == (1536, 512)
    with Image.open(STRIP) as strip:
        assert close(colour, strip), (colour, ImageStat.Stat(strip.convert("RGB")).mean)
    item = json.loads((work.run_folder / "items.jsonl").read_bytes().splitlines()[0])
    assert hashlib.sha256(CLIP.read_bytes()).hexdigest() in json.dumps(item)
    analysis = work.overnight("analyze", work.run_folder, "--json").json
    assert analysis["runs"][0]["outcomes"] == {"ok": 1}


def test_the_example_with_pictures_is_judged(work: Workplace) -> None:
    """The shipped example runs as it stands: nine captions of three pictures, all judged, rated by nobody."""
    ended = work.run(source=EXAMPLE)
    assert ended.code == 0, ended.err
    sizes = [seen_size_and_colour(text) for text in answers(work)]
    assert len(sizes) == 9
    assert {(width, height) for width, height, _ in sizes} == {(480, 320)}
    assert len({tuple(colour) for _, _, colour in sizes}) == 3
    analysis = work.overnight("analyze", work.run_folder, "--json").json
    [captions] = analysis["captions"]["datasets"]
    assert (analysis["runs"][0]["outcomes"], captions["ratings_kind"]) == ({"ok": 9}, "constructed")


def test_the_example_s_files_are_small() -> None:
    """The pictures that are shipped weigh little, and the captions are about them."""
    items = list(load_spec(EXAMPLE, ["simulator"]).job.items())
    paths = {item.media for item in items}
    assert sum((EXAMPLE.parent / str(path)).stat().st_size for path in paths) < 100_000
    assert (len(items), len(paths), {len(item.ratings) for item in items}) == (9, 3, {3})


@pytest.mark.parametrize(
    ("prompt", "text", "name"),
    [
        ("gveval_ref_only_accr", None, "G-VEval ref-only ACCR"),
        ("gveval_ref_only_accr", spec(), "G-VEval ref-only ACCR"),
        ("gveval_ref_free", spec(mode("ref-free", "picture")), "G-VEval ref-free"),
        ("gveval_combined", spec(mode("combined", "picture")), "G-VEval combined"),
        ("gveval_combined_accr", spec(mode("combined", "clip")), "G-VEval combined ACCR"),
    ],
)
def test_the_metric_is_called_by_what_the_judge_was_shown(prompt: str, text: str | None, name: str) -> None:
    """Beside each number stands the mode, and ACCR where there were four scores."""
    loaded = load_prompt(prompt)
    run = RunRecord(
        name="night",
        created_at="2026-01-01",
        code_version="0",
        source=Source("spec", "night.toml", "0" * 64),
        items=1,
        requests=1,
        simulated=True,
        job="gveval",
        spec_text=text,
        prompts=(PromptRecord(loaded.name, loaded.version, loaded.sha256, loaded.text),),
    )
    assert metric_name(run) == name
