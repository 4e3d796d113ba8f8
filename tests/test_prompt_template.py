"""Prompts: header and body, errors with file, line and field, and the shipped prompt."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from prompts.input_error import InputError
from prompts.parsers import reader_for
from prompts.template import SHIPPED, load_prompt, parse_prompt

HEADER = """+++
name = "small"
version = "2"
role = "judge"
variables = ["candidate"]
+++
"""


def failure(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_prompt(text, "small.md")
    return caught.value


def test_prompt_keeps_header_text_and_hash() -> None:
    """A prompt carries its header, the whole file and the hash of the file's bytes."""
    text = HEADER + "Rate {{ candidate }} ünicode\n"
    prompt = parse_prompt(text, "small.md")
    assert (prompt.name, prompt.version, prompt.role, prompt.variables) == ("small", "2", "judge", ("candidate",))
    assert prompt.text == text
    assert prompt.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert prompt.render(candidate="<b>&") == "Rate <b>& ünicode"


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    """CRLF and a byte order mark change the hash, not what the prompt says."""
    text = "\ufeff" + (HEADER + "Rate {{ candidate }}").replace("\n", "\r\n")
    prompt = parse_prompt(text, "small.md")
    assert prompt.render(candidate="x") == "Rate x"
    assert prompt.sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("text", ["", "Rate it", "+++\nname = 'x'\n", "\n+++\n+++\nbody"])
def test_missing_header_is_named(text: str) -> None:
    """A file without a complete header is refused at its first line."""
    error = failure(text)
    assert "header" in str(error)
    assert (error.file, error.line) == ("small.md", 1)


def test_header_syntax_error_has_the_line_of_the_file() -> None:
    """A fault in the header's TOML is located by the file's own line number."""
    assert failure('+++\nname = "x"\nversion = = 1\n+++\nbody').line == 3


def test_unknown_header_key_suggests_the_near_one() -> None:
    """A misspelt key is named with the key that was meant."""
    error = failure(HEADER.replace("version", "verison") + "body")
    assert error.field == "verison"
    assert "did you mean 'version'" in str(error)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (('version = "2"', "version = 2"), "version"),
        (('version = "2"', 'version = " "'), "version"),
        (('name = "small"', 'name = "a/b"'), "name"),
        (('role = "judge"', 'role = "judge"\nscale = [100, 0]'), "scale"),
        (('role = "judge"', 'role = "judge"\ndimensions = ["A", "a "]'), "dimensions"),
        (('role = "judge"', 'role = "judge"\nscale = [-5, 5]'), "scale"),
        (('role = "judge"', 'role = "judge"\nscale = [0, 1000000000]'), "scale"),
        (('role = "judge"', 'role = "judge"\nscale = [0]'), "scale"),
        (('role = "judge"', 'role = "judge"\ndelimiters = ["$", "$"]'), "delimiters"),
    ],
)
def test_wrong_header_values_name_their_field(change: tuple[str, str], field: str) -> None:
    """Each kind of wrong value is an error that names its key."""
    assert failure(HEADER.replace(*change) + "body").field == field


def test_missing_header_key_is_named() -> None:
    """A header without a version is refused by that word."""
    assert "version" in str(failure(HEADER.replace('version = "2"\n', "") + "body"))


def test_undeclared_variable_has_its_line() -> None:
    """A variable that the header does not declare is located in the body."""
    error = failure(HEADER + "one\ntwo {{ candidat }}\n")
    assert (error.line, error.field) == (8, "candidat")
    assert "did you mean 'candidate'" in str(error)


def test_template_syntax_error_has_its_line() -> None:
    """A template that does not parse is located by the file's line number."""
    error = failure(HEADER + "one\n{% for x in candidate %}\nthree {% endif %}\n")
    assert (error.line, error.field) == (9, "body")


def test_unknown_filter_is_an_error_before_any_render() -> None:
    """A filter that is not there, or that would bring chance in, is refused when the prompt is read."""
    assert failure(HEADER + "{{ candidate | random }}").line == 7


def test_empty_body_is_an_error() -> None:
    """A prompt without words is refused."""
    assert failure(HEADER + " \n").field == "body"


def test_missing_and_foreign_variables_are_errors_at_render() -> None:
    """Rendering wants exactly the declared variables, used or not."""
    prompt = parse_prompt(HEADER + "no variable used", "small.md")
    with pytest.raises(InputError, match="candidate"):
        prompt.render()
    with pytest.raises(InputError, match="other"):
        prompt.render(candidate="x", other="y")


@pytest.mark.parametrize("body", ["{{ candidate.nothing }}", "{{ 1 / 0 }}", "{{ candidate.__class__.mro() }}"])
def test_failing_expressions_are_input_errors(body: str) -> None:
    """An expression that fails, or that reaches for Python's insides, is an error naming the file."""
    with pytest.raises(InputError, match=r"small\.md"):
        parse_prompt(HEADER + body, "small.md").render(candidate="x")


def test_a_folder_overlays_the_shipped_prompts(tmp_path: Path) -> None:
    """A file in the given folder goes before the shipped one of the same name; others stay reachable."""
    name = "gveval_ref_only_accr"
    assert load_prompt(name, tmp_path) == load_prompt(name)
    changed = (SHIPPED / f"{name}.md").read_text().replace('version = "1.0"', 'version = "mine"')
    (tmp_path / f"{name}.md").write_text(changed)
    assert load_prompt(name, tmp_path).version == "mine"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [('version = "1.0"', "version = 1.0.0", 3), ("{{ candidate }}", "{{ candidat }}", 22), ("+++\nname", "name", 1)],
)
def test_a_broken_overlay_is_told_by_file_and_line(tmp_path: Path, old: str, new: str, line: int) -> None:
    """A fault in the user's own file is that file's error: the shipped prompt does not quietly take its place."""
    name = "gveval_ref_only_accr"
    text = (SHIPPED / f"{name}.md").read_text()
    assert old in text
    (tmp_path / f"{name}.md").write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_prompt(name, tmp_path)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / f"{name}.md"), line)


def test_unknown_prompt_suggests_the_near_one() -> None:
    """A misspelt prompt name is answered with the one that was meant."""
    with pytest.raises(InputError, match="did you mean 'gveval_ref_only_accr'"):
        load_prompt("gveval_ref_only_acr")
    with pytest.raises(InputError, match="letters"):
        load_prompt("../secret")


def test_file_name_and_prompt_name_must_agree(tmp_path: Path) -> None:
    """A prompt is found again by its name, so its file must bear it."""
    (tmp_path / "other.md").write_text(HEADER + "body")
    with pytest.raises(InputError, match="'small'"):
        load_prompt("other", tmp_path)


def test_a_prompt_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are located."""
    (tmp_path / "small.md").write_bytes(HEADER.encode() + b"\xff")
    with pytest.raises(InputError, match=f"byte {len(HEADER)}"):
        load_prompt("small", tmp_path)


def test_shipped_judge_prompt_shows_texts_and_slots() -> None:
    """The shipped prompt shows each text once in its tag, and one slot per dimension, alone on its line, at the end."""
    prompt = load_prompt("gveval_ref_only_accr")
    words = prompt.render(candidate="a <dog>", references=["one", "two"])
    assert words.count("<candidate>a <dog></candidate>") == words.count("<candidate>") == 1
    assert re.findall("<reference>(.*)</reference>", words) == ["one", "two"]
    slots = [f"{label}: [[0-100]]" for label in ("Accuracy", "Completeness", "Conciseness", "Relevance")]
    assert words.splitlines()[-4:] == slots
    assert words.count("[[") == 4


def test_shipped_prompts_have_a_parser_that_reads_them() -> None:
    """Every shipped prompt parses, and where it speaks to a judge its answers can be read as scores."""
    prompts = [load_prompt(path.stem) for path in SHIPPED.glob("*.md")]
    judged = [prompt for prompt in prompts if prompt.role == "judge"]
    assert len(judged) >= 6
    assert all(reader_for(prompt).dimensions for prompt in judged)


ONE = 'dimensions = ["Style"]'
SCALE = "scale = [0, 9]"


@pytest.mark.parametrize(
    ("parser", "lines", "field", "words"),
    [
        ("acr", [SCALE, ONE], "parser", "did you mean 'accr'"),
        ("accr", [ONE], "scale", "needs the lowest and the highest score"),
        ("accr", [SCALE], "dimensions", "at least 1; here are 0"),
        ("accr", [SCALE, 'dimensions = ["Average"]'], "dimensions", "adds 'average' itself"),
        ("json_scores", [ONE], "scale", "needs the lowest"),
        ("labelled_aspects", [SCALE, ONE], "dimensions", "at least 2; here are 1"),
        ("labelled_aspects", [SCALE, 'dimensions = ["A", "Aspect  Mean"]'], "dimensions", "adds 'aspect_mean' itself"),
        ("tagged_integer", [SCALE, 'dimensions = ["1st"]'], "dimensions", "'1st' makes no tag"),
        ("tagged_integer", [SCALE, 'dimensions = ["a>b"]'], "dimensions", "'a>b' makes no tag"),
        ("tagged_integer", [SCALE, 'dimensions = ["A b", "a  B"]'], "dimensions", "must differ"),
        ("tagged_text", ['dimensions = ["a", "b"]'], "dimensions", "exactly 1; here are 2"),
        ("tagged_text", [], "dimensions", "exactly 1; here are 0"),
        ("tagged_text", [ONE, 'delimiters = ["$", "$"]'], "delimiters", "only parser 'delimited_score'"),
        ("delimited_score", [ONE], "scale", "needs the lowest"),
        ("delimited_score", [SCALE, 'dimensions = ["a", "b"]'], "dimensions", "exactly 1; here are 2"),
        ("delimited_score", [SCALE, ONE, 'delimiters = ["$"]'], "delimiters", "length 2"),
        ("delimited_score", [SCALE, ONE, 'delimiters = ["$", ""]'], "delimiters", "'' is no delimiter"),
        ("delimited_score", [SCALE, ONE, 'delimiters = ["1", "$"]'], "delimiters", "'1' is no delimiter"),
        ("delimited_score", [SCALE, ONE, 'delimiters = [" ", " "]'], "delimiters", "' ' is no delimiter"),
    ],
)
def test_a_header_says_what_its_parser_needs(parser: str, lines: list[str], field: str, words: str) -> None:
    """What a parser needs and the header lacks, or has and the parser cannot serve, is told by file and key."""
    more = "\n".join([f'parser = "{parser}"', *lines])
    error = failure(HEADER.replace('role = "judge"', f'role = "judge"\n{more}') + "body")
    assert (error.file, error.field) == ("small.md", field)
    assert words in str(error)


def test_a_prompt_without_a_parser_has_no_reader() -> None:
    """Who wants to read the answers to a prompt that names no parser is told so."""
    with pytest.raises(InputError, match=r"small\.md: parser: the header names no parser"):
        reader_for(parse_prompt(HEADER + "body", "small.md"))


def test_importing_the_room_does_not_load_jinja() -> None:
    """A command that renders nothing does not pay for the template engine."""
    code = "import sys, prompts.template, prompts.parsers, jobs.spec, jobs.gveval; print(sorted(sys.modules))"
    root = Path(__file__).resolve().parents[1]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert "'jobs.gveval'" in loaded
    assert not [name for name in ("jinja2", "polars", "scipy", "numpy", "rich") if f"'{name}'" in loaded]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{{ "%1000000000d" % 1 }}', "% is not there in prompts"),
        ("{{ candidate * 10000000000 }}", r"\* is not there in prompts"),
        ("{{ 10 ** candidate|length ** 99 }}", r"\*\* is not there in prompts"),
        ("{{ candidate|center(3000000000) }}", "No filter named 'center'"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "nested too deeply"),
        ("one\ntwo {{ 1 / 0 }}", "small.md:8: body: cannot render: division by zero"),
    ],
)
def test_a_template_makes_nothing_endless_of_little(body: str, words: str) -> None:
    """What would run for ever, or use up all memory, is an error with its place, as is any error of an expression."""
    with pytest.raises(InputError, match=words):
        parse_prompt(HEADER + body, "small.md").render(candidate="x")
