"""Runs code of the references that cannot be imported: statements inside the long functions of their programs."""
import ast
import importlib.util
import pathlib


def statements(module, *beginnings):
    """Compiles the statements of a module, at any nesting depth, whose normalized text begins with one of `beginnings`;
    to be run by exec() with the names that they use."""
    source = pathlib.Path(importlib.util.find_spec(module).origin)
    nodes = [node for node in ast.walk(ast.parse(source.read_text()))
             if isinstance(node, ast.stmt) and ast.unparse(node).startswith(beginnings)]
    assert nodes, f"{source} has no statement that begins with one of {beginnings}"
    return compile(ast.Module(sorted(nodes, key=lambda node: node.lineno), type_ignores=[]), str(source), "exec")
