import Foundation
import Kernel
import Testing

@Suite struct `Verifying a notebook` {
  /// A notebook whose cells are words of ``FakeRunner``.
  private func notebook(
    _ cells: [(source: String, tags: [String], outputs: String)], metadata: String = "{}"
  ) throws -> NotebookFile {
    let list = cells.map { cell in
      """
      {"cell_type": "code", "id": "a", "execution_count": 1, "metadata": {"tags": \(cell.tags)},
       "source": \(cell.source.debugDescription), "outputs": [\(cell.outputs)]}
      """
    }
    let text = """
      {"nbformat": 4, "nbformat_minor": 5, "metadata": \(metadata), "cells": [
        {"cell_type": "markdown", "id": "m", "metadata": {}, "source": ["# A title\\n", "and more"]},
        \(list.joined(separator: ",\n"))]}
      """
    return try read(text)
  }

  private func read(_ text: String) throws -> NotebookFile {
    let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).ipynb")
    try Data(text.utf8).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    return try NotebookFile(contentsOf: url.path)
  }

  private func compare(_ notebook: NotebookFile) -> NotebookComparison {
    NotebookComparison(notebook, NotebookRun(runner: FakeRunner()).results(of: notebook))
  }

  private func result(_ text: String) -> String {
    #"{"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "# + "\(text)}}"
  }

  @Test func `finds every output the same, streams in pieces and texts in lines`() throws {
    let comparison = compare(
      try notebook([
        ("value 0.787", [], result(#"["0.787"]"#)),
        (
          "print a\nb", [],
          #"{"output_type": "stream", "name": "stdout", "text": ["a\n"]}, {"output_type": "stream", "name": "stdout", "text": "b"}"#
        ),
        (
          "fail no", ["raises-exception"],
          #"{"output_type": "error", "ename": "Failure", "evalue": "no", "traceback": []}"#
        ),
        ("show x", [], #"{"output_type": "display_data", "metadata": {}, "data": {"text/plain": "x"}}"#),
      ]))
    #expect(comparison.cells.map(\.verdict) == [.same, .same, .same, .same])
    #expect(comparison.outcome == .same)
    #expect(comparison.report.hasPrefix("same"))
  }

  @Test func `names the figure that changed`() throws {
    let comparison = compare(try notebook([("value ICL – IT 0.787 of 1", [], result(#""ICL – IT 0.786 of 1""#))]))
    let cell = try #require(comparison.cells.first)
    #expect(cell.verdict == .changed && comparison.outcome == .changed)
    #expect(
      cell.changes == [.init(place: "output 1 (text/plain), line 1", committed: "0.786", now: "0.787")])
    #expect(comparison.report.contains("0.786 → 0.787"))
    #expect(cell.number == 1)
  }

  @Test func `says what is missing, what is new, and what failed`() throws {
    let comparison = compare(
      try notebook([
        ("nothing", [], result(#""5""#)), ("value 5", [], ""), ("fail now", [], result(#""5""#)), ("value 6", [], ""),
      ]))
    #expect(comparison.cells.map(\.verdict) == [.changed, .changed, .failed, .notRun])
    #expect(comparison.cells[0].changes.first?.now == "nothing")
    #expect(comparison.cells[1].changes.first?.committed == "nothing")
  }

  @Test func `leaves out what is volatile, but not its failure`() throws {
    let comparison = compare(
      try notebook([
        ("value 5", ["volatile"], result(#""6""#)),
        (
          "value 7", [],
          result(#""7""#)
            + #", {"output_type": "display_data", "metadata": {"volatile": true}, "data": {"text/plain": "3 s"}}"#
        ), ("fail now", ["volatile"], ""),
      ]))
    #expect(comparison.cells.map(\.verdict) == [.skipped, .same, .failed])
  }

  @Test(arguments: [
    "not JSON", "[]", "{}", #"{"nbformat": 3, "worksheets": []}"#, #"{"nbformat": 4, "cells": [{}]}"#,
    #"{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"language": "python"}}}"#,
  ])
  func `refuses what is no Swift notebook`(text: String) {
    let error = #expect(throws: KernelError.self) { try read(text) }
    #expect(error?.code == .notebook)
  }

  @Test func `refuses a path where nothing is`() {
    #expect(throws: KernelError.self) { try NotebookFile(contentsOf: "/nowhere/a.ipynb") }
  }
}
