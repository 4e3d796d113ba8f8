"""Tokens of captions, as the field's caption metrics count them: those of the Penn Treebank, without punctuation.

The field's numbers rest on Stanford's tokeniser. Here it is NLTK's Treebank tokeniser, told beforehand what Stanford's
does otherwise. Each word between two white spaces is a text of its own, which also splits off what ends a sentence
within a caption; so a word is divided once however often it comes.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache

# What pycocoevalcap drops. Its names of brackets are in capitals and never met: tokens are in small letters by then.
_DROPPED = frozenset(["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", *".?!,:-;", "--", "..."])

_JOINED = frozenset({"cannot", "gimme", "gonna", "gotta", "lemme", "wanna"})  # letters only, but two tokens

# Where ASCII is put that NLTK must not see: the first of Unicode's characters that nobody defines.
_PRIVATE = 0xE000
_HIDDEN = frozenset(map(chr, range(_PRIVATE, _PRIVATE + 128)))

# Characters as Stanford's writes them, or spaces where it has punctuation that is dropped.
_WRITTEN = str.maketrans(
    {"’": "'", "‘": " ", "`": " ", "“": " ", "”": " ", "«": " ", "»": " ", "–": " ", "—": " ", "…": " "}
    | {
        "½": "1/2",
        "¼": "1/4",
        "¾": "3/4",
        "£": " # ",
        "€": " $ ",
        "¢": " cents ",
        "\u200b": " ",
        "\ufeff": " ",
        "\u00ad": "",
    }
    | dict.fromkeys(_HIDDEN, " ")
)

_TITLES = (
    "mr ms mrs dr drs prof sr jr st mt ft ave blvd rd dept vs etc inc ltd co corp bros gov sen rep gen capt sgt lt col "
    "maj rev hon pres est al tel univ assn bldg messrs ca cf ph\\.d "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri"
)
# Kept from NLTK, which would divide them.
_WHOLE = re.compile(
    r"^(?:https?://|www\.)\S*\w/?|^[\w.+-]+@\w[\w-]*(?:\.\w+)+"  # addresses
    r"|(?<![\w.'])(?:(?:[^\W\d_]\.)+|(?:"
    + "|".join(_TITLES.split())
    + r")\.)(?![\w.])"  # a full stop of the word's own
    r"|(?<=\w)[?!](?=\w)"
    r"|^[#@](?=[^\W\d_])|(?<=[^\W\d_])#$"
    r"|(?-i:\b[A-Z]+&(?=[A-Z]+\b))",
    re.IGNORECASE,
)
# Kept too, and apart from what is beside it: several marks, tags such as <unk>.
_ALONE = re.compile(r"[?!]{2,}|</?[a-z][^<>]*>", re.IGNORECASE)
# Divided before NLTK looks.
_APART: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[\U00010000-\U0010ffff]|\.{2,}|-{2,}"), " "),
    (re.compile(r"([*]+|[~^\\|]|(?<=\w)[+](?=\w))"), r" \1 "),
    (re.compile(r"(?<![\w\ue02e])-(?=[^\W\d_])|(?<=\w)-(?!\w)|^\.(?=[^\W\d_])"), " "),
    (re.compile(r"(?<=\w)/$"), " /"),
    (re.compile(r"^'(?!(?:em|n|til|cause|tis|twas|s|m|d|t|ll|re|ve|\d.*)\b)(?=\w)", re.IGNORECASE), " "),
    (re.compile(r"(?<=\d)'(?=\d)"), " "),
    (re.compile(r"(?<=\w[-/])(\w+)(?=[.,]\d)"), r"\1 "),  # 21-22.17 is 21-22 and .17
    (re.compile(r"(?<=\d:\d\d)(?=[ap]\.?m)", re.IGNORECASE), " "),
    (re.compile(r"(?<=\w)(n't|'d|'ll)(?='ve\b)", re.IGNORECASE), r" \1 "),
)


def tokenize(texts: Sequence[str]) -> list[str]:
    """The tokens of each text in small letters, joined by single spaces.

    Punctuation is dropped: quotes, `. ? ! , : ; - -- ...`. A text without any other token becomes an empty one.
    """
    words = _Words()
    return [" ".join(filter(None, map(words.__getitem__, text.split()))) for text in texts]


class _Words(dict[str, str]):
    """Words and their tokens, joined by single spaces; each is divided when it is first met."""

    def __missing__(self, word: str) -> str:
        tokens = self[word] = _divided(word)
        return tokens


def _divided(word: str) -> str:
    small = word.lower()
    if word.isascii() and word.isalpha() and small not in _JOINED:
        return small
    written = word.translate(_WRITTEN)
    tokens = (token for part in written.split() for token in _tokens(part))
    return " ".join(token for token in tokens if token not in _DROPPED)


def _tokens(part: str) -> list[str]:
    kept = _WHOLE.sub(lambda found: _hidden(found[0]), part)
    kept = _ALONE.sub(lambda found: f" {_hidden(found[0])} ", kept)
    for pattern, apart in _APART:
        kept = pattern.sub(apart, kept)
    return [_shown(token).lower() for word in kept.split() for token in _treebank()(word)]


def _hidden(text: str) -> str:
    return "".join(chr(_PRIVATE + ord(c)) if c.isascii() and not c.isalnum() else c for c in text)


def _shown(token: str) -> str:
    return "".join(chr(ord(c) - _PRIVATE) if c in _HIDDEN else c for c in token)


@cache
def _treebank() -> Callable[[str], list[str]]:
    # Only where a word needs it: NLTK takes most of a second to import.
    from nltk.tokenize.treebank import TreebankWordTokenizer

    divide = TreebankWordTokenizer().tokenize

    def tokens(text: str) -> list[str]:
        return list(divide(text, convert_parentheses=True))

    return tokens
