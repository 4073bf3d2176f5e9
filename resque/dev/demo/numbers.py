"""Numbers: what is counted in one source file. Pure.

May be in here: bytes of Python in, numbers out. May not: files, Redis, sums over many files (report.py).
"""

import ast
import warnings
from dataclasses import dataclass

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNumbers:
    """One file's numbers. `modules`: the top-level modules it imports, each once, without relative imports."""

    lines: int
    functions: int
    classes: int
    imports: int
    modules: tuple[str, ...]
    longest: str | None
    """The name of its longest function; None without any."""
    longest_lines: int


def count(source: bytes, path: str = "<source>") -> FileNumbers:
    """Parse and count. Raises SyntaxError (or ValueError, RecursionError, MemoryError) for what does not parse.

    >>> count(b"import os\\n").modules
    ('os',)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about other people's escape sequences
        nodes = list(ast.walk(ast.parse(source, path)))
    functions = [node for node in nodes if isinstance(node, _FUNCTIONS)]
    imports = [name for node in nodes for name in _imported(node)]
    longest = max(functions, key=_length, default=None)
    return FileNumbers(
        lines=source.count(b"\n") + (not source.endswith(b"\n") and source != b""),
        functions=len(functions),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        imports=len(imports),
        modules=tuple(sorted({name.split(".")[0] for name in imports} - {""})),
        longest=None if longest is None else longest.name,
        longest_lines=0 if longest is None else _length(longest),
    )


def _imported(node: ast.AST) -> list[str]:
    """The modules that a statement imports; "" for a relative one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "" if not node.level else ""]
    return []


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1
