"""Runs with pictures and clips: what is sent, what is refused before it is paid for, and what stays of it."""

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from outputs.journal import Log
from providers.media.preparing import Prepared, prepare
from tests.harness.loopback import Call
from tests.harness.priced import put_prices
from tests.harness.workplace import Workplace, line

_TILE = '[providers.lab.facts."lab-*"]\nimage_tokens = { rule = "tile" }\n'


def picture(path: Path, size: tuple[int, int] = (64, 48), colour: str = "red", **save: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **save)
    return path


def shows(custom_id: str, *urls: str, detail: str = "low", **keys: Any) -> dict[str, Any]:
    """A manifest line that shows pictures."""
    parts = [{"type": "image_url", "image_url": {"url": url, "detail": detail}} for url in urls]
    content = [{"type": "text", "text": custom_id}, *parts]
    return line(custom_id, body={"messages": [{"role": "user", "content": content}]}, **keys)


def sent_pictures(call: Call) -> list[Image.Image]:
    """The pictures of a call, decoded."""
    found: list[Image.Image] = []
    for part in json.loads(call.body)["messages"][0]["content"]:
        if part["type"] == "image_url":
            head, _, data = part["image_url"]["url"].partition(",")
            assert head in ("data:image/png;base64", "data:image/jpeg;base64")
            found.append(Image.open(io.BytesIO(base64.b64decode(data, validate=True))))
    return found


@pytest.fixture(autouse=True)
def say_ok(work: Workplace) -> None:
    work.provider.reply = lambda _: work.reply("seen")


def test_a_local_picture_is_sent_as_the_provider_uses_it(work: Workplace) -> None:
    """It is shrunk to what the provider looks at; its hash and its size stay on record, its bytes do not."""
    work.write_catalog(_TILE)
    picture(work.folder / "p/big.png", (1024, 512), "blue")
    work.write([shows("a", "p/big.png"), shows("b", "p/big.png", detail="high")])
    ended = work.run()
    assert ended.code == 0, ended.err
    sizes = {
        json.loads(call.body)["messages"][0]["content"][0]["text"]: sent_pictures(call) for call in work.provider.calls
    }
    assert [one.size for one in sizes["a"]] == [(512, 256)]
    assert [one.size for one in sizes["b"]] == [(1024, 512)]
    assert sizes["a"][0].convert("RGB").getpixel((9, 9))[2] > 240  # type: ignore[index]
    [first, second] = work.lines(Log.REQUESTS)
    assert first["media"][0]["sha256"] == second["media"][0]["sha256"]
    assert (first["media"][0]["width"], first["media"][0]["height"]) == (1024, 512)
    assert first["body"]["messages"][0]["content"][1]["image_url"]["url"] == "p/big.png"
    assert not (work.run_folder / "prepared").exists()


def test_another_picture_under_the_same_name_is_another_request(work: Workplace) -> None:
    """A picture is known by what is in it: the same manifest again sends only the rows whose picture changed."""
    picture(work.folder / "a.png")
    picture(work.folder / "b.png", colour="green")
    work.write([shows("a", "a.png"), shows("b", "b.png")])
    assert work.run().code == 0
    work.provider.forget()
    picture(work.folder / "b.png", colour="black")
    os.utime(work.folder / "b.png", (1, 1))
    work.write([shows("a", "a.png"), shows("b", "b.png"), shows("c", "a.png")])
    ended = work.run()
    assert ended.code == 0, ended.err
    asked = [json.loads(call.body)["messages"][0]["content"][0]["text"] for call in work.provider.calls]
    assert sorted(asked) == ["b", "c"]


def test_a_picture_that_changes_under_the_run_costs_its_row_alone(work: Workplace) -> None:
    """What is not what was checked is not sent: its row fails; the manifest given again asks for it as it is now."""
    picture(work.folder / "a.png")
    picture(work.folder / "b.png", colour="green")
    work.write([shows("a", "a.png"), shows("b", "b.png")])
    assert work.run("--for", "1s").code == 5  # too short for any call
    picture(work.folder / "b.png", colour="black")
    ended = work.overnight("run", work.run_folder, "--quiet")
    assert ended.code == 3, ended.err
    assert set(work.answered()) == {"a"}
    [failed] = work.lines(Log.ERRORS)
    assert (failed["custom_id"], failed["error"]["code"], failed["attempts"]) == ("b", "bad_medium", 0)
    assert "messages[0].content[1].image_url.url" in failed["error"]["message"]
    assert len(work.provider.calls) == 1
    as_it_is_now = work.run()
    assert as_it_is_now.code == 0, as_it_is_now.err
    assert set(work.answered()) == {"a", "b"}
    assert len(work.provider.calls) == 2


def torn_jpeg(path: Path) -> Path:
    """Its header is whole, its end is not there."""
    picture(path, (640, 480), quality=95)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def test_a_torn_picture_is_found_before_it_is_paid_for(work: Workplace) -> None:
    """It fails its row without a call, also when the run is run again."""
    torn_jpeg(work.folder / "t.jpg")
    picture(work.folder / "a.png")
    work.write([shows("t", "t.jpg"), shows("a", "a.png")])
    ended = work.run()
    assert ended.code == 3, ended.err
    [failed] = work.lines(Log.ERRORS)
    assert failed["error"]["code"] == "bad_medium"
    assert [one for one in work.lines(Log.ATTEMPTS) if one["request"] == failed["request"]] == []
    assert len(work.provider.calls) == 1
    again = work.run()
    assert again.code == 3, again.err
    assert len(work.provider.calls) == 1


def test_a_plan_can_decode_all_media(work: Workplace) -> None:
    """`plan` looks at headers; with --decode-media it finds what a header does not show, and names the row."""
    picture(work.folder / "a.png")
    torn_jpeg(work.folder / "t.jpg")
    work.write([shows("a", "a.png"), shows("t", "t.jpg")])
    assert work.overnight("plan", "m.jsonl").code == 0
    ended = work.overnight("plan", "m.jsonl", "--decode-media")
    assert ended.code == 2
    assert ended.error.startswith("m.jsonl: t: body.messages[0].content[1].image_url.url: ")


@pytest.mark.parametrize("url", ["../outside.png", "link.png", "missing.png", "m.jsonl", "folder", "none.png"])
def test_a_medium_that_cannot_be_used_is_refused_before_the_first_call(work: Workplace, url: str) -> None:
    """Outside of the root, by a link too, not there, no picture, a folder, or empty: one error, and nothing is sent."""
    outside = picture(work.folder.parent / "outside.png")
    (work.folder / "link.png").symlink_to(outside)
    (work.folder / "folder").mkdir()
    (work.folder / "none.png").touch()
    picture(work.folder / "a.png")
    work.write([shows("a", "a.png"), shows("b", url)])
    ended = work.run()
    assert ended.code == 2
    assert ended.error.startswith("m.jsonl:2: body.messages[0].content[1].image_url.url: ")
    assert work.provider.calls == []
    assert not work.run_folder.exists()


def test_a_media_root_takes_the_place_of_the_manifests_folder(work: Workplace) -> None:
    """Paths resolve under --media-root, which is remembered; moved pictures are found by giving it again."""
    picture(work.folder.parent / "elsewhere" / "a.png")
    work.write([shows("a", "a.png")])
    assert work.run().code == 2
    root = work.folder.parent / "elsewhere"
    assert work.run("--media-root", root, "--for", "1s").code == 5
    moved = root.rename(root.with_name("moved"))
    lost = work.overnight("run", work.run_folder, "--quiet")
    assert lost.code == 3
    assert work.overnight("retry", work.run_folder).code == 0
    found = work.overnight("run", work.run_folder, "--quiet", "--media-root", moved)
    assert found.code == 0, found.err
    assert set(work.answered()) == {"a"}


def test_each_file_is_prepared_once(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows that show one picture alike cost one preparation."""
    made: list[str] = []

    def counted(*given: Any) -> list[Prepared]:
        made.append(given[2].sha256)
        return prepare(*given)

    monkeypatch.setattr("orchestrator.media_stage.prepare", counted)
    for name in ("a", "b"):
        picture(work.folder / f"{name}.png", (300, 200 + ord(name)))
    work.write([shows(f"{number}", "a.png" if number % 2 else "b.png", "a.png") for number in range(40)])
    ended = work.run()
    assert ended.code == 0, ended.err
    assert len(work.provider.calls) == 40
    assert len(made) == 2


def test_a_picture_is_reserved_for_by_its_size_not_its_bytes(work: Workplace) -> None:
    """Under a budget a picture counts what its provider's rule says, whether it is a file or a data URL."""
    put_prices(work)
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text() + _TILE.partition("\n")[2])
    noise = Image.frombytes("RGB", (400, 400), os.urandom(480_000))
    noise.save(work.folder / "n.png")
    data = "data:image/png;base64," + base64.b64encode((work.folder / "n.png").read_bytes()).decode()
    work.write([shows("file", "n.png"), shows("data", data)])
    ended = work.run("--budget", "1")
    assert ended.code == 0, ended.err
    reserved = [one["reserved_usd"] for one in work.lines(Log.ATTEMPTS) if "reserved_usd" in one]
    assert len(reserved) == 2
    assert all(85e-6 < one < 3000e-6 for one in reserved), reserved
    assert all(one.size == (400, 400) for call in work.provider.calls for one in sent_pictures(call))


def test_a_remote_picture_is_left_to_the_provider(work: Workplace) -> None:
    """Where the provider fetches addresses, they go out as they stand; where it does not, that is an error."""
    url = "http://127.0.0.1:9/p.png"
    work.write([shows("a", url)])
    assert work.run().code == 0
    part = json.loads(work.provider.calls[0].body)["messages"][0]["content"][1]
    assert part["image_url"]["url"] == url
    work.write_catalog("[providers.lab.media]\nremote = false\n")
    ended = work.overnight("run", "m.jsonl", "--out", "other", "--quiet")
    assert ended.code == 2
    assert ended.error.startswith("m.jsonl:1: body.messages[0].content[1].image_url.url: ")


def test_what_a_killed_session_prepared_is_not_taken_for_ready(work: Workplace) -> None:
    """The cache of prepared pictures is made anew: a half-written one is never sent."""
    picture(work.folder / "a.png")
    work.write([shows("a", "a.png")])
    assert work.run("--for", "1s").code == 5
    (work.run_folder / "prepared").mkdir()
    (work.run_folder / "prepared" / "rubbish").write_bytes(b"half")
    assert work.overnight("run", work.run_folder, "--quiet").code == 0
    assert not (work.run_folder / "prepared").exists()


def test_an_export_says_where_its_pictures_are(work: Workplace) -> None:
    """Paths in an exported manifest are relative to the old root, which is named; with it the export runs."""
    torn_jpeg(work.folder / "t.jpg")
    work.write([shows("t", "t.jpg")])
    assert work.run().code == 3
    (work.folder / "sub").mkdir()
    ended = work.overnight("export", work.run_folder, "--failed", "-o", "sub/again.jsonl")
    assert ended.code == 0
    assert f"lie under {work.folder}" in ended.err
    picture(work.folder / "t.jpg")
    assert work.overnight("plan", "sub/again.jsonl", "--media-root", work.folder).code == 0


def test_a_request_of_many_pictures_has_smaller_ones(work: Workplace) -> None:
    """Where a provider takes smaller pictures in a request of many, they are made so."""
    work.write_catalog("[providers.lab.media]\nmany = 2\nmany_max_side = 100\n")
    picture(work.folder / "a.png", (300, 200))
    work.write([shows("few", *["a.png"] * 2, detail="high"), shows("many", *["a.png"] * 3, detail="high")])
    assert work.run().code == 0
    sizes = {len(sent_pictures(call)): sent_pictures(call)[0].size for call in work.provider.calls}
    assert sizes == {2: (300, 200), 3: (100, 67)}


def test_more_bytes_than_a_request_takes_fail_the_row_before_it_is_sent(work: Workplace) -> None:
    """The sum of a row's pictures is known before they are read."""
    work.write_catalog("[providers.lab.media]\nmax_request_bytes = 1000\n")
    Image.frombytes("RGB", (40, 40), os.urandom(4800)).save(work.folder / "n.png")
    work.write([shows("a", "n.png")])
    assert work.run().code == 3
    assert "bytes in base64" in work.lines(Log.ERRORS)[0]["error"]["message"]
    assert work.provider.calls == []


def test_a_plan_says_what_to_add_for_an_unknown_price(work: Workplace) -> None:
    """It goes on, and names the line of TOML that the run would ask for."""
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace("free = true\n", ""))
    work.write([line("a")])
    ended = work.overnight("plan", "m.jsonl")
    assert ended.code == 0
    assert 'price unknown: add prices."lab-1" = ' in ended.out
