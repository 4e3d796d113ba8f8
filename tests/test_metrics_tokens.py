"""Tokens of captions, beside those of Stanford's tokeniser in pycocoevalcap's wheel."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outputs.metrics.tokens import tokenize

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
JAR = "stanford-corenlp-3.4.1.jar"
DROPPED = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}

# Each is written as people and models write captions, and divided by another rule.
WRITTEN = """\
The person rides on sand. They enjoy it! Do they? Yes... no.. maybe
He can't run; it won't, isn't, shan't. I'd've said they'll, we're, you've, I'm, DON'T, a dog's.
cannot gonna gotta wanna lemme gimme dunno would've
a sign that says "stop" (in red) [or] {blue}
it’s a man’s dog, he said “hello” and ‘bye’ — a – b … c
the U.S. flag at 5 p.m. in St. Louis, he is from the U.S.
Mr. Smith and Dr. Jones vs. Mrs. Brown etc.
in a co. near Inc. and Ltd. on jan. 5 he sat. a dog.
the letter a. and J. K. Rowling and a Ph.D. student
what?! really?? wow!!! man!dog man?dog
he said 'hello there' to her, 'em and 'cause 'tis the dogs' ball
5'10" tall, 10% of $5.00, 1,000 people at 10:30 am, 12:30pm, £5 and €6
a t-shirt, twenty-one, pre- and post-war, -man man- -5 5-10 a--b
21-22.17.19 1-2.5 a-2.5 2-3,5
AT&T and R&B and Q&A, A & B
a@b.com and http://www.x.com/a?b=c and www.site.com
#hashtag @user <unk> man <UNK> c# C++ 1/2 and/or w/ the dog
under_score *star* ^caret ~tilde a\\b a|b a+b
café naïve Zürich ½ cup 日本語 の テスト
emoji 😀 smile 😀dog dog🐕
man;dog man:dog man,dog 1,2,3 3:1 end.Next
good : - -- . ?! ; ' \" $
J.R.R. Tolkien, 9 a.m., m.p.h., U.S.-made (U.S.)"""


def stanfords(captions: list[str], folder: Path) -> list[str]:
    """The lines that pycocoevalcap makes of captions without odd spaces."""
    places = getattr(find_spec("pycocoevalcap"), "submodule_search_locations", None) or ["."]
    jar, java = Path(places[0], "tokenizer", JAR), shutil.which("java")
    if java is None or not jar.is_file():
        pytest.skip("JAVA OR pycocoevalcap IS NOT HERE: tokens are not compared with Stanford's")
    (folder / "captions.txt").write_text("\n".join(captions), encoding="utf-8")
    main = "edu.stanford.nlp.process.PTBTokenizer"
    options = ["-encoding", "UTF-8", "-preserveLines", "-lowerCase"]
    command = [java, "-Dfile.encoding=UTF-8", "-cp", str(jar), main, *options, "captions.txt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=100, check=True)
    lines = done.stdout.decode().split("\n")
    return [" ".join(token for token in line.split(" ") if token and token not in DROPPED) for line in lines]


def released() -> Iterator[str]:
    """Every caption of the two released sets."""
    for entry in json.loads((DATA / "MSVD-Eval.json").read_bytes()).values():
        yield from (entry["candidate"], *entry["ref"])
    for entry in json.loads((DATA / "flickr8k.json").read_bytes()).values():
        yield from entry["ground_truth"]
        yield from (judged["caption"] for judged in entry["human_judgement"])


def test_tokens_are_stanfords(tmp_path: Path) -> None:
    """Captions with contractions, abbreviations, quotes, numbers, marks and letters of any script are divided alike."""
    captions = [" ".join(line.split()) for line in WRITTEN.split("\n")]
    assert tokenize(captions) == stanfords(captions, tmp_path)[: len(captions)]


@pytest.mark.skipif(not (DATA / "flickr8k.json").exists(), reason=f"THE RELEASED CAPTIONS ARE NOT HERE ({DATA})")
def test_tokens_of_the_released_captions_are_stanfords(tmp_path: Path) -> None:
    """Not one of the captions of MSVD-Eval and Flickr8k-Expert is divided otherwise."""
    captions = list(dict.fromkeys(" ".join(caption.split()) for caption in released()))
    assert len(captions) > 12_000
    expected = stanfords(captions, tmp_path)
    found = tokenize(captions)
    assert [pair for pair in zip(captions, found, expected, strict=False) if pair[1] != pair[2]] == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A man rides. A dog runs!", "a man rides a dog runs"),
        ("it isn't the man's", "it is n't the man 's"),
        ("one\x0btwo\x0cthree\rfour\u2028five\u2029six\nseven\u00a0eight", "one two three four five six seven eight"),
        ("  spaces   here  ", "spaces here"),
        ("(a dog)", "-lrb- a dog -rrb-"),  # pycocoevalcap's list names brackets in capitals, which never come
        ("", ""),
        (" \n", ""),
        ("... ?", ""),
        ("a\ue020b \ue02e http://a…b/x", "a b http://a b/x"),  # also what stands for something within the tokeniser
    ],
)
def test_tokens_are_small_and_without_punctuation(text: str, tokens: str) -> None:
    """Tokens are joined by single spaces; what has none becomes an empty text."""
    assert tokenize([text]) == [tokens]


@given(st.lists(st.text(max_size=30), max_size=5))
def test_any_text_becomes_tokens_by_single_spaces(texts: list[str]) -> None:
    """One text for each, in order, in which a space stands only between tokens, whatever is around it."""
    found = tokenize(texts)
    assert len(found) == len(texts)
    assert found == [" ".join(text.split()) for text in found]
    assert tokenize(list(reversed(texts))) == list(reversed(found))
