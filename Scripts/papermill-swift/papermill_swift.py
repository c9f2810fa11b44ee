"""Writes papermill's parameters in Swift.

    papermill in.ipynb out.ipynb -p demonstrations 16 -p rate 0.5 -y 'tasks: [sentiment, topic]'

Every parameter becomes a variable with its type: `var rate: Double = 0.5`. The type is the one that the notebook's
cell tagged `parameters` declares, so that `let rate: Double = 1` takes a 2, and `var model: String? = nil` a nothing;
where nothing is declared it is the type that the value has in Swift:

    int       Int, or the smallest of UInt64, Int128, UInt128 that holds it
    float     Double, with .nan and .infinity
    bool      Bool
    str       String
    None      Any?
    list      [T] of what its items have in common: [Double] for 1 and 2.5, [Int?] for 1 and None, else [Any]
    dict      [K: V] in the same way; keys are String, Int, Double, Bool or, mixed, AnyHashable
    others    String, as Python prints them
"""

import math
import numbers
import re

from papermill.engines import NBClientEngine
from papermill.exceptions import PapermillException
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

from_swift = re.compile(r"[^\W\d]\w*\Z")

NUMBERS = frozenset(("Int", "UInt64", "Int128", "UInt128", "Double"))
LISTS = (list, tuple)

# Words that name nothing unless quoted.
KEYWORDS = frozenset(
    """associatedtype class deinit enum extension fileprivate func import init inout internal let operator private
    precedencegroup protocol public rethrows static struct subscript typealias var break case catch continue default
    defer do else fallthrough for guard if in repeat return throw switch where while Any as await false is nil self
    Self super throws true try""".split()
)


class SwiftTranslator(Translator):
    """Registered with papermill for the language `swift`."""

    # What the cell last inspected declares: papermill inspects a notebook's parameters just before it writes them.
    declared: dict[str, str] = {}

    @classmethod
    def codify(cls, parameters, comment="Parameters"):
        declared, cls.declared = cls.declared, {}
        lines = [cls.comment(comment)]
        for name, value in parameters.items():
            try:
                kind = declared.get(name) or type_of(value)
                lines.append(f"var {identifier(name)}: {kind} = {literal(value, kind)}")
            except ValueError as error:
                raise PapermillException(f"parameter {name}: {error}") from None
        return "\n".join(lines) + "\n"

    @classmethod
    def comment(cls, cmt_str):
        return "\n".join(f"// {line}".rstrip() for line in str(cmt_str).splitlines() or [""])

    @classmethod
    def translate(cls, val):
        """A value alone, for who calls the translator without a name."""
        return literal(val, type_of(val))

    @classmethod
    def inspect(cls, parameters_cell):
        found = list(declarations(parameters_cell["source"]))
        cls.declared = {name: kind for name, kind, _, _ in found if kind}
        return [Parameter(name, kind or "None", value, help) for name, kind, value, help in found]


# Values


def identifier(name):
    """The name as Swift writes it, quoted where it is a keyword."""
    if not isinstance(name, str) or not from_swift.match(name):
        raise ValueError(f"{name!r} cannot name a variable of Swift; use letters, digits and _")
    return f"`{name}`" if name in KEYWORDS else name


def type_of(value):
    """The Swift type of a parameter of which nothing else is known."""
    if value is None:
        return "Any?"
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, numbers.Integral):
        for name, low, high in (
            ("Int", -(2**63), 2**63), ("UInt64", 0, 2**64), ("Int128", -(2**127), 2**127), ("UInt128", 0, 2**128),
        ):  # fmt: skip
            if low <= value < high:
                return name
        raise ValueError(f"{value} does not fit into 128 bits; pass it as a string")
    if isinstance(value, numbers.Real):
        return "Double"
    if isinstance(value, LISTS):
        return f"[{common(value)}]"
    if isinstance(value, dict):
        return f"[{common(value, keys=True)}: {common(value.values())}]" if value else "[String: Any]"
    return "String"


def common(values, keys=False):
    """The type that all of the values can have."""
    there = [value for value in values if value is not None]
    if keys and len(there) < len(values):
        raise ValueError("a key of a dictionary is null, which no key of Swift can be; leave the entry out")
    optional = "?" if len(there) < len(values) else ""
    if there and all(isinstance(value, LISTS) for value in there):
        # Rows of a matrix may hold whole numbers in one row and broken ones in another.
        return f"[{common([item for value in there for item in value])}]" + optional
    if any(there) and all(isinstance(value, dict) for value in there):
        key = common([k for value in there for k in value], keys=True)
        return f"[{key}: {common([item for value in there for item in value.values()])}]" + optional
    kinds = {type_of(value) for value in there}
    if len(kinds) > 1 and kinds <= NUMBERS:
        small = all(-(2**127) <= value < 2**127 for value in there)
        kinds = {"Double"} if "Double" in kinds else {"Int128"} if small else {"Any"}
    (kind,) = kinds if len(kinds) == 1 else ("AnyHashable" if keys else "Any",)
    return kind + optional


def literal(value, kind="Any"):
    """The value as Swift source, to stand where `kind` is expected."""
    anything = kind.rstrip("?!") in ("Any", "AnyHashable", "any Sendable", "any Hashable", "Sendable")
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        text = str(int(value))
        own = type_of(value)
        return f"({text} as {own})" if anything and own != "Int" else text
    if isinstance(value, numbers.Real):
        return real(float(value), "Double" if anything else "")
    if isinstance(value, LISTS):
        own = type_of(value) if anything else kind
        items = ", ".join(literal(item, element(own)) for item in value)
        return f"([{items}] as {own})" if anything else f"[{items}]"
    if isinstance(value, dict):
        own = type_of(value) if anything else kind
        key, item = key_and_value(own)
        pairs = ", ".join(f"{literal(k, key)}: {literal(v, item)}" for k, v in value.items()) or ":"
        return f"([{pairs}] as {own})" if anything else f"[{pairs}]"
    return text_literal(str(value))


def real(value, owner):
    if math.isnan(value):
        return f"{owner}.nan"
    if math.isinf(value):
        return f"{owner}.infinity" if value > 0 else f"-{owner}.infinity"
    return repr(value)


ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def text_literal(text):
    """A string literal of one line that interpolates nothing. What cannot be seen is written by its number."""
    out = []
    for character in text:
        if 0xD800 <= ord(character) < 0xE000:
            raise ValueError(f"the text holds half a surrogate pair (U+{ord(character):04X}), which no String can")
        joins = character in "\u200c\u200d"
        shown = ESCAPES.get(character) or (character if character.isprintable() or joins else None)
        out.append(shown or f"\\u{{{ord(character):X}}}")
    return '"' + "".join(out) + '"'


# Types as they are written


def element(kind):
    """`T` of `[T]`, `Array<T>` or `Set<T>`."""
    inner = kind.strip().rstrip("?!").strip()
    if inner.startswith("[") and inner.endswith("]"):
        return inner[1:-1].strip()
    generic = re.match(r"(?:Swift\.)?(?:Array|Set|ContiguousArray|ArraySlice)\s*<(.*)>\Z", inner, re.S)
    return generic.group(1).strip() if generic else ""


def key_and_value(kind):
    """`K` and `V` of `[K: V]` or `Dictionary<K, V>`."""
    inner = kind.strip().rstrip("?!").strip()
    generic = re.match(r"(?:Swift\.)?Dictionary\s*<(.*)>\Z", inner, re.S)
    body, mark = (generic.group(1), ",") if generic else (inner[1:-1] if inner.startswith("[") else "", ":")
    parts = split(body, mark)
    return (parts[0].strip(), mark.join(parts[1:]).strip()) if len(parts) > 1 else ("", "")


def split(text, mark):
    """Cuts at the marks that no bracket and no string holds."""
    parts, depth, start, index = [], 0, 0, 0
    while index < len(text):
        character = text[index]
        if character == '"':
            index = past_string(text, index)
            continue
        if text.startswith("->", index):
            index += 2
            continue
        depth += (character in "([{<") - (character in ")]}>")
        if character == mark and depth == 0:
            parts.append(text[start:index])
            start = index + 1
        index += 1
    return parts + [text[start:]]


def past_string(text, index):
    quote = '"""' if text.startswith('"""', index) else '"'
    index += len(quote)
    while index < len(text) and not text.startswith(quote, index):
        index += 2 if text[index] == "\\" else 1
    return index + len(quote)


# The cell tagged `parameters`


BINDING = re.compile(
    r"\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|internal|private|fileprivate|nonisolated\(unsafe\))\s+)*"
    r"(?:let|var)\s+(.*)",
    re.S,
)


def declarations(source):
    """`(name, type or "", value, comment)` of every variable at the top level, one or more to a line."""
    for code, help in statements(source):
        found = BINDING.match(code)
        for binding in split(found.group(1), ",") if found else []:
            left, *right = split(binding, "=")
            name, *kind = split(left, ":")
            name, value = name.strip().strip("`"), "=".join(right).strip()
            if from_swift.match(name):
                yield name, ":".join(kind).strip() or guessed(value), value, help.strip()


def guessed(value):
    """The type of a plain literal; "" for everything else."""
    value = value.strip()
    if re.fullmatch(r"-?[\d_]+", value):
        return "Int"
    if re.fullmatch(r"-?[\d_]+(\.[\d_]+)?([eE][-+]?[\d_]+)?", value):
        return "Double"
    if value in ("true", "false"):
        return "Bool"
    if value.startswith('"') and past_string(value, 0) == len(value):
        return "String"
    if value.startswith("[") and value.endswith("]"):
        items = [item for item in split(value[1:-1], ",") if item.strip()]
        kinds = {guessed(item) for item in items}
        if kinds == {"Int", "Double"}:
            kinds = {"Double"}
        if len(kinds) == 1 and "" not in kinds and not any(len(split(item, ":")) > 1 for item in items):
            return f"[{kinds.pop()}]"
    return ""


def statements(source):
    """`(code, comment)` of the statements: lines, or what a bracket or a string of several lines holds together."""
    code, comment, depth, index = "", "", 0, 0
    while index < len(source):
        character = source[index]
        end = index + 1
        if character == '"':
            end = past_string(source, index)
            code += source[index:end]
        elif source.startswith("//", index):
            found = source.find("\n", index)
            end = len(source) if found < 0 else found
            comment = source[index + 2 : end]
        elif source.startswith("/*", index):
            found = source.find("*/", index)
            end = len(source) if found < 0 else found + 2
            code += " "
        elif character in "\n;" and depth <= 0:
            yield code, comment
            code, comment = "", ""
        else:
            depth += (character in "([{") - (character in ")]}")
            code += character
        index = end
    yield code, comment


class SwiftEngine(NBClientEngine):
    """papermill's own engine: `--engine swift` changes nothing."""


papermill_translators.register("swift", SwiftTranslator)
