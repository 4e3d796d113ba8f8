"""Texts made safe for a file in which some characters mean more than themselves: CSV, Markdown, LaTeX.

Names and reasons come from models, datasets and manifests, and may be anything.
"""

import re
from collections.abc import Sequence

import polars as pl

_FORMULA = "^[=+\\-@\t\r\n'＝＋－＠]"  # what a spreadsheet may take for a formula, and what marks that it is none
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#!|~$]|^[-+=])")
_HTML = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "`": r"\textasciigrave{}",
}
_LATEX_MARKS = str.maketrans(_LATEX)
_LIGATURE = re.compile(r"([-',])(?=\1)")  # two of them would become another mark
_MINUS = re.compile(r"-(?=[0-9.])")
_ROW_STARTS = ("[", "*")  # behind a line's end they would belong to it


def no_formula(text: pl.Expr) -> pl.Expr:
    """A text for CSV: one that a spreadsheet may take for a formula, or that begins with it, gets an apostrophe."""
    return pl.when(text.str.contains(_FORMULA)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)


def safe_headings(names: Sequence[str]) -> list[str]:
    """The names of columns for CSV, as texts are; different ones stay different."""
    texts = pl.DataFrame({"name": names}, schema={"name": pl.String})
    return texts.select(no_formula(pl.col("name"))).to_series().to_list()


def markdown(text: str) -> str:
    """A text on one line for a table in Markdown: no markup, no HTML, no end of the cell."""
    return _MARKDOWN.sub(r"\\\1", text).translate(_HTML)


def latex(text: str) -> str:
    """A text on one line for LaTeX: every character stands for itself."""
    made = _LIGATURE.sub(r"\1{}", text.translate(_LATEX_MARKS))
    return f"{{}}{made}" if made.startswith(_ROW_STARTS) else made


def latex_number(text: str) -> str:
    """A written number for LaTeX, with the minus of mathematics."""
    return _MINUS.sub("$-$", latex(text))
