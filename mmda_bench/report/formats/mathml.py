"""Formulas that stand in running text, as MathML: ``weight · mean BCE(D(GRL_λ(p ⊗ z)), domain), p detached``.

Sources write them in plain characters, with ``_`` before a subscript and ``^`` before a superscript. What is no formula
stays text. Only a space beside a sign of addition or multiplication may end a line, as a browser breaks no formula.
"""

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

SIGNS = set("·+−=/→∘⊗≠∈≥≤<>")  # that stand alone between two spaces
MARKS = set("·ᵀΣπλγμσρβαθ∂Δξε‖⟨⟩⊗∘²³⁻^_{}=≠∈₀₁₂₃")
FENCES = set("()[]{}⟨⟩‖|")
FUNCTIONS = {"mean", "min", "max", "log", "exp", "softmax"}  # that belong to what follows
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ", "0123456789−T", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
NAME = re.compile(r"[A-Za-z]{2,}(?:_[a-z]{2,})*")  # BCE, prior_weight
GREEK = re.compile(r"[α-ω]")
TOKEN = re.compile(rf"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ]+|[₀-₉]+|{NAME.pattern}|[^\W\d_][\u0300-\u036f']*|\d+(?:\.\d+)?|.", re.S)


def mathml(text: str) -> Markup:
    """``text``, escaped, with its formulas as MathML; what stands between backticks is code.

    >>> print(mathml("weight · z_m², p detached"))
    <math><mi>weight</mi><mspace width="0.3em"></mspace><mo>·</mo></math> <math><msubsup><mi>z</mi><mi>m</mi><mn>2</mn></msubsup></math>, p detached
    """  # noqa: E501
    parts = text.replace("``", "`").split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else _prose(part) for i, part in enumerate(parts)
    )


def _prose(text: str) -> Markup:
    words = text.split(" ")
    formula = _formulas(words)
    pieces: list[Markup] = []
    first = 0
    while first < len(words):
        last = first
        while formula[first] and last + 1 < len(words) and formula[last + 1] and not _may_break(words, first, last):
            last += 1
        run = " ".join(words[first : last + 1])
        pieces.append(_math(run) if formula[first] else escape(run))
        first = last + 1
    return Markup(" ").join(pieces)


def _formulas(words: list[str]) -> list[bool]:
    """Which words are parts of formulas: those with a mark, what a bracket of theirs holds, and operands of signs."""
    found = [bool(MARKS & set(word)) or word in SIGNS for word in words]
    for i, word in enumerate(words):
        if word in SIGNS:
            for beside in (i - 1, i + 1):
                if 0 <= beside < len(words) and words[beside]:
                    found[beside] = True
    depth = 0
    for i, word in enumerate(words):
        found[i] = found[i] or (depth > 0)
        if found[i]:
            depth = max(0, depth + sum(map(word.count, "([{⟨")) - sum(map(word.count, ")]}⟩")))
    for i in reversed(range(len(words) - 1)):
        found[i] = found[i] or (words[i] in FUNCTIONS and found[i + 1])
    return found


def _may_break(words: list[str], first: int, last: int) -> bool:
    """Whether a line may end after ``last``: behind a sign, or behind what ends a clause outside of brackets."""
    run = " ".join(words[first : last + 1])
    inside = sum(map(run.count, "([{⟨")) - sum(map(run.count, ")]}⟩"))
    return words[last] in ("·", "+", "−", "=") or (inside <= 0 and words[last].endswith((",", ".", ":", ";")))


def _math(run: str) -> Markup:
    """One formula; a mark of punctuation at its end stays outside."""
    bare = run.rstrip(",.;:")
    return Markup("<math>{}</math>{}").format(_row(bare), run[len(bare) :])


def _row(text: str) -> Markup:
    return Markup("").join(_scripted(list(_tokens(text))))


def _tokens(text: str) -> Iterator[str]:
    """Names, letters, numbers, signs; a group in braces as one."""
    position = 0
    while position < len(text):
        if text[position] == "{" and "}" in text[position:]:
            end = text.index("}", position) + 1
        else:
            found = TOKEN.match(text, position)
            end = found.end() if found else position + 1
        yield text[position:end]
        position = end


def _scripted(tokens: list[str]) -> Iterator[Markup]:
    """Each token as an element, with the subscript and the superscript that follow it."""
    i = 0
    while i < len(tokens):
        base, i = tokens[i], i + 1
        below = above = ""
        while found := _script_after(tokens, i, base):
            sign, script, i = found
            below, above = (below + script, above) if sign == "_" else (below, above + script)
        yield _element(base, below, above)


def _script_after(tokens: list[str], i: int, base: str) -> tuple[str, str, int] | None:
    """The script at ``i`` and whether it stands below or above, with the place behind it: _m, ², the 1 of γ1, π*_m."""
    if i >= len(tokens):
        return None
    following = tokens[i + 1] if i + 1 < len(tokens) else ""
    if tokens[i] in ("_", "^"):
        return (tokens[i], following.strip("{}"), i + 2) if following else None
    if tokens[i][0] in RAISED or (tokens[i] == "*" and following == "_"):
        return "^", tokens[i], i + 1
    if tokens[i][0] in LOWERED or (tokens[i].isdecimal() and tokens[i - 1] == base and GREEK.fullmatch(base)):
        return "_", tokens[i], i + 1
    return None


def _element(base: str, below: str, above: str) -> Markup:
    inner = _token(base)
    if below and above:
        return Markup("<msubsup>{}{}{}</msubsup>").format(inner, _script(below), _script(above))
    if below or above:
        tag = "msub" if below else "msup"
        return Markup(f"<{tag}>{{}}{{}}</{tag}>").format(inner, _script(below or above))
    return inner


def _script(text: str) -> Markup:
    plain = "".join(RAISED.get(c, LOWERED.get(c, c)) for c in text)
    row = _row(plain)
    return row if len(list(_tokens(plain))) == 1 else Markup("<mrow>{}</mrow>").format(row)


def _token(text: str) -> Markup:
    if text == " ":
        return Markup('<mspace width="0.3em"></mspace>')
    if text.startswith("{"):
        return Markup("<mrow>{}</mrow>").format(_row(text.strip("{}")))
    tag = "mn" if text[0].isdigit() else "mi" if text[0].isalpha() and text[0] != "Σ" else "mo"
    own = ' stretchy="false"' if text in FENCES else ""  # the other one may stand on the next line
    return Markup(f"<{tag}{own}>{{}}</{tag}>").format(text)
