"""Notebooks run without a person: nbclient, nbconvert, nbval."""

import html
import re

import nbformat
import pytest
from conftest import printed
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# Every kind of output that a page can show.
CELLS = (
    'struct Point { var x = 1.0, y = 2.0 }\nlet origin = Point()\nprint("größe", origin.x)',
    "(1...3).map { $0 * $0 }",
    'Table(["name", "value"], [["<script>alert(1)</script>", "1"], ["b", "2"]])',
    "SVG(\"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><circle r='4'/></svg>\")",
    "import Foundation\nFileHandle.standardError.write(Data(\"to stderr\\n\".utf8))",
    "try await Task.sleep(for: .milliseconds(10))\norigin.y",
)


def test_nbclient_runs_a_notebook_and_stores_what_it_showed(write):
    notebook = nbformat.read(write(*CELLS), as_version=4)
    NotebookClient(notebook, timeout=120).execute()
    nbformat.validate(notebook)
    first, second, table, picture, errors, last = notebook.cells
    assert printed(first) == "größe 1.0\n"
    assert second.outputs[0].data["text/plain"] == "[1, 4, 9]"
    assert second.outputs[0].execution_count == second.execution_count == 2
    assert "&lt;script&gt;" in table.outputs[0].data["text/html"]
    assert picture.outputs[0].data["image/svg+xml"].startswith("<svg")
    assert [(o.name, o.text) for o in errors.outputs] == [("stderr", "to stderr\n")]
    assert last.outputs[0].data["text/plain"] == "2.0"
    assert notebook.metadata.language_info.name == "swift"
    assert notebook.metadata.language_info.file_extension == ".swift"


def test_nbclient_stops_at_the_first_failing_cell(write):
    notebook = nbformat.read(write("let a = 1", "[a][3]", "print(a)"), as_version=4)
    with pytest.raises(CellExecutionError, match="Index out of range"):
        NotebookClient(notebook, timeout=120).execute()
    assert notebook.cells[1].outputs[-1].ename == "FatalError"
    assert notebook.cells[2].outputs == []


def test_nbclient_goes_on_after_errors_when_asked_to(write):
    notebook = nbformat.read(write("let a = 1", "[a][3]", 'let b: Int = "x"', "print(a)"), as_version=4)
    NotebookClient(notebook, timeout=120, allow_errors=True).execute()
    assert [c.outputs[-1].ename for c in notebook.cells[1:3]] == ["FatalError", "CompileError"]
    assert printed(notebook.cells[3]) == "1\n"


def test_nbclient_interrupts_a_cell_that_takes_too_long(write):
    notebook = nbformat.read(write("var turns = 0\nwhile true { turns &+= 1 }", "print(turns > 0)"), as_version=4)
    NotebookClient(notebook, timeout=5, interrupt_on_timeout=True, allow_errors=True).execute()
    assert notebook.cells[0].outputs[-1].ename == "Interrupted"
    assert printed(notebook.cells[1]) == "true\n", "the variable is still there"


def test_nbconvert_executes_to_a_notebook_and_to_a_page(write, program, tmp_path):
    path = write(*CELLS)
    done = program("jupyter", "nbconvert", "--execute", "--to", "notebook", "--output", "run.ipynb", path)
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(tmp_path / "run.ipynb", as_version=4)
    assert printed(executed.cells[0]) == "größe 1.0\n"
    assert all(cell.execution_count for cell in executed.cells)

    done = program("jupyter", "nbconvert", "--execute", "--to", "html", "--output", "run.html", path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "run.html").read_text()
    assert "[1, 4, 9]" in html.unescape(page)
    assert "<circle" in page or "data:image/svg+xml" in page
    assert "<script>alert(1)</script>" not in page
    # The code is coloured by Pygments' Swift lexer: `struct` is a keyword's span.
    assert re.search(r'<span class="k[dn]?">struct</span>', page)


def test_nbconvert_says_which_cell_failed(write, program):
    done = program("jupyter", "nbconvert", "--execute", "--to", "notebook", write("let fine = 1", "fine + nothing"))
    assert done.returncode != 0
    assert "fine + nothing" in done.stderr and "cannot find 'nothing' in scope" in done.stderr


def test_nbval_holds_a_notebook_to_its_outputs(write, program, tmp_path):
    path = write(*CELLS)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120).execute()
    nbformat.write(notebook, path)
    done = program("pytest", "--nbval", "-q", "-p", "no:cacheprovider", path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert f"{len(CELLS)} passed" in done.stdout

    notebook.cells[1].outputs[0].data["text/plain"] = "[1, 4, 10]"
    nbformat.write(notebook, path)
    done = program("pytest", "--nbval", "-q", "-p", "no:cacheprovider", path, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout and "[1, 4, 10]" in done.stdout
