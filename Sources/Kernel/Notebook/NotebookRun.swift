internal import NotebookDisplay
internal import Synchronization

/// Runs a notebook's cells from top to bottom, without a client: what `verify` compares with.
///
/// Displays, their updates, `clear_output` and streams end up as a front end would show them.
package struct NotebookRun: Sendable {
  package enum CellResult: Sendable, Equatable {
    case outputs([NotebookOutput])
    /// An earlier cell failed, so this one was not run.
    case notRun
  }

  private let runner: any CellRunner
  package init(runner: any CellRunner) { self.runner = runner }

  /// - Parameter onCell: called before each code cell with its place among them and their count
  /// - Returns: one result for each code cell, in order
  package func results(of notebook: NotebookFile, onCell: (Int, Int) -> Void = { _, _ in }) -> [CellResult] {
    let cells = notebook.cells.filter(\.isCode)
    let page = Mutex(NotebookPage(cellCount: cells.count))
    var finished = cells.count
    for (index, cell) in cells.enumerated() {
      onCell(index, cells.count)
      let request = CellRequest(code: cell.source, cellID: cell.id, executionCount: index + 1)
      let outcome = runner.execute(request) { event in
        if case .inputRequest(_, _, let reply) = event { return reply(nil) }
        page.withLock { $0.take(event, cell: index) }
      }
      guard case .error(let error) = outcome else { continue }
      page.withLock { $0.outputs[index].append((nil, .error(name: error.name, value: error.value))) }
      if !cell.raisesException {
        finished = index + 1
        break
      }
    }
    let outputs = page.withLock { $0.outputs }
    return cells.indices.map { index in
      index < finished ? .outputs(NotebookOutput.joined(outputs[index].map(\.1))) : .notRun
    }
  }
}

/// The outputs below each cell while a notebook runs.
private struct NotebookPage: Sendable {
  /// For each cell its outputs, with the display's id where it has one.
  var outputs: [[(String?, NotebookOutput)]]
  /// Cells whose outputs the next output replaces.
  private var clearsNext: Set<Int> = []

  init(cellCount: Int) { outputs = Array(repeating: [], count: cellCount) }

  mutating func take(_ event: CellEvent, cell: Int) {
    switch event {
    case .inputRequest, .comm: break
    case .clearOutput(let wait):
      if wait { clearsNext.insert(cell) } else { outputs[cell] = [] }
    case .stream(let name, let text): add(nil, .stream(name: name.rawValue, text: text), cell)
    case .result(let bundle): add(nil, Self.output(bundle), cell)
    case .display(let bundle, let id, let isUpdate):
      let output = Self.output(bundle)
      if isUpdate {
        for row in outputs.indices {
          for place in outputs[row].indices where outputs[row][place].0 == id { outputs[row][place].1 = output }
        }
      } else {
        add(id, output, cell)
      }
    }
  }

  private mutating func add(_ id: String?, _ output: NotebookOutput, _ cell: Int) {
    if clearsNext.remove(cell) != nil { outputs[cell] = [] }
    outputs[cell].append((id, output))
  }

  private static func output(_ bundle: MIMEBundle) -> NotebookOutput {
    guard case .object(let data)? = bundle.fields["data"] else { return .data([:], isVolatile: false) }
    return .data(data, isVolatile: bundle.fields["metadata"]?["volatile"] == .bool(true))
  }
}
