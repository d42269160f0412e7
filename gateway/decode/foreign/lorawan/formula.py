"""Formulas of codec files: arithmetic over the raw words of a frame, and nothing else.

``175 * x0 / 65535 - 45``. Operators + - * / ** (to a whole power up to 8), ``ln``, ``sqrt``,
``max``, ``min``; names are the words, and the parameters of the sensor. Parsed as Python parses it,
built into functions: no code of a file is ever run.
"""

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping

Values = Mapping[str, float]
Formula = Callable[[Values], float]

MAX_CHARS = 400
_MAX_POWER = 8  # of a polynomial of the field; x ** x ** x would never end

_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_CALLS: Mapping[str, Callable[[float], float]] = {"ln": math.log, "sqrt": math.sqrt}
_CHOICES: Mapping[str, Callable[[float, float], float]] = {"max": max, "min": min}


def compile_formula(text: str, names: Collection[str]) -> Formula:
    """Return the function of a formula, which is NaN where it has no value (division by zero).

    Raises:
        ValueError: it is no such formula.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"a formula of {len(text)} characters; at most {MAX_CHARS}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"formula {text!r}: {error.msg}") from error
    run = _build(tree, names)

    def value(values: Values) -> float:
        try:
            found = float(run(values))
        except (ArithmeticError, ValueError):
            return math.nan
        return found if math.isfinite(found) else math.nan

    return value


def _build(node: ast.expr, names: Collection[str]) -> Formula:
    match node:
        case ast.Constant(value=int() | float() as number) if type(number) is not bool:
            return _constant(number)
        case ast.Name(id=name) if name in names:
            return operator.itemgetter(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _called(operator.neg, _build(operand, names))
        case ast.BinOp(op=sign, left=left, right=right) if type(sign) in _BINARY:
            if isinstance(sign, ast.Pow) and not _is_small(right):
                raise ValueError(f"a power is a whole number from 0 to {_MAX_POWER}")
            return _joined(_BINARY[type(sign)], _build(left, names), _build(right, names))
        case ast.Call(func=ast.Name(id=name), args=[operand], keywords=[]) if name in _CALLS:
            return _called(_CALLS[name], _build(operand, names))
        case ast.Call(func=ast.Name(id=name), args=[left, right], keywords=[]) if name in _CHOICES:
            return _joined(_CHOICES[name], _build(left, names), _build(right, names))
    raise ValueError(f"{ast.unparse(node)!r} cannot stand in a formula")


def _is_small(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value <= _MAX_POWER
    )


def _constant(said: float) -> Formula:
    try:
        number = float(said)
    except OverflowError:
        number = math.inf  # 1e999 is that already
    if math.isinf(number):
        raise ValueError("a number of the formula is more than a double holds")
    return lambda _: number


def _called(call: Callable[[float], float], inner: Formula) -> Formula:
    return lambda values: call(inner(values))


def _joined(sign: Callable[[float, float], float], left: Formula, right: Formula) -> Formula:
    return lambda values: sign(left(values), right(values))
