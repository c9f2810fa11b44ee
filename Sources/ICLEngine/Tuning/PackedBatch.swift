/// The rows that a batch's examples take in the matrices of a training pass, one for each token.
///
/// With `sharing`, what several examples begin with takes its rows once, as a tree: tokens see those before them on
/// their own path alone, so states are those of separate rows, to the bit, and gradients too but for the order in which
/// they are summed. And tokens that no counted prediction depends on take none: an example ends before its last target.
/// An experiment's demonstrations mostly begin with the same words and count their answer alone; half of their rows go.
package struct PackedBatch {
  /// Rows that follow each other in the matrices and in a text.
  package struct Run: Equatable {
    package let row: Int
    package let count: Int
  }

  /// A run and all that stands before it.
  package struct Span {
    package let own: Run
    /// What the run stands behind, from the text's first token on. Empty for a beginning.
    package let behind: [Run]
    /// Position of the run's first token: how many tokens stand before it.
    package let offset: Int
    /// Spans with the same number share a beginning.
    package let tree: Int

    var runs: [Run] { behind + [own] }
    /// Tokens from the text's first to the run's last.
    var length: Int { offset + own.count }
  }

  /// A prediction that counts.
  package struct Target {
    package let row: Int
    /// Which of the tunings side by side it belongs to.
    package let member: Int
    /// The token that comes next.
    package let token: Int32
    package fileprivate(set) var weight: Float
  }

  package private(set) var tokens: [Int] = []
  private(set) var positions: [Int32] = []
  /// In the order of their rows; what a span stands behind comes before it.
  package private(set) var spans: [Span] = []
  /// In the order of their rows.
  package private(set) var targets: [Target] = []
  /// The rows of each of the tunings side by side, which share none.
  package private(set) var members: [Range<Int>] = []
  private var trees = 0

  init() {}

  /// - Parameter batches: of each of the tunings side by side
  package init(_ batches: [ArraySlice<TuningExample>], sharing: Bool) {
    for batch in batches {
      let first = tokens.count
      if sharing {
        place(batch.filter { $0.rowCount > 0 })
      } else {
        for text in batch { _ = add(text, text.tokens.indices, behind: [], counting: [text]) }
      }
      members.append(first..<tokens.count)
    }
    if sharing { targets = Self.merged(targets) }
  }

  /// The least share of these texts' rows that a shared run has to save. Less isn't worth its own span: the token that
  /// begins every text would make one tree of all.
  private static let leastSaving = 16

  /// Gives rows to texts as a tree.
  private mutating func place(_ texts: [TuningExample]) {
    let tree = PromptTree(texts.map { Array($0.tokens[..<$0.rowCount]) })
    /// Of each node, the runs up to its end, or up to where those end that were worth sharing.
    var laid: [(runs: [Run], end: Int)] = []
    for node in tree.nodes {
      let known = node.parent.map { laid[$0] } ?? (runs: [], end: 0)
      let end = node.start + node.tokens.count
      let through = node.prompts.map { texts[$0] }
      let saved = (through.count - 1) * (end - known.end)
      if saved * Self.leastSaving >= through.reduce(0, { $0 + $1.rowCount - known.end }) || through.count == 1 {
        laid.append((known.runs + [add(through[0], known.end..<end, behind: known.runs, counting: through)], end))
        continue
      }
      // Those that end here have no node of their own.
      for text in through where text.rowCount == end {
        _ = add(text, known.end..<end, behind: known.runs, counting: [text])
      }
      laid.append(known)
    }
  }

  /// Rows for some tokens of a text, with the predictions that they make in all texts that share them.
  private mutating func add(
    _ example: TuningExample, _ range: Range<Int>, behind: [Run], counting texts: [TuningExample]
  ) -> Run {
    let run = Run(row: tokens.count, count: range.count)
    if range.isEmpty { return run }
    let tree = behind.isEmpty ? trees : spans.last { $0.own == behind[behind.count - 1] }?.tree ?? trees
    if behind.isEmpty { trees += 1 }
    spans.append(Span(own: run, behind: behind, offset: range.lowerBound, tree: tree))
    tokens += example.tokens[range]
    positions += range.map(Int32.init)
    for example in texts {
      for i in range where i + 1 < example.tokens.count && example.lossWeights[i + 1] != 0 {
        targets.append(
          Target(
            row: run.row + i - range.lowerBound, member: members.count, token: Int32(example.tokens[i + 1]),
            weight: example.lossWeights[i + 1]))
      }
    }
    return run
  }

  /// In the order of rows; of one row in the order in which they came, and equal ones as one.
  private static func merged(_ targets: [Target]) -> [Target] {
    var result: [Target] = []
    var first = 0
    for target in targets.enumerated().sorted(by: { ($0.element.row, $0.offset) < ($1.element.row, $1.offset) }) {
      let target = target.element
      if let last = result.last, last.row != target.row { first = result.count }
      if let same = result[first...].firstIndex(where: { $0.token == target.token }) {
        result[same].weight += target.weight
      } else {
        result.append(target)
      }
    }
    return result
  }

  /// Tokens of a span from its text's first on.
  package func path(of span: Span) -> [Int] {
    span.runs.flatMap { tokens[$0.row..<$0.row + $0.count] }
  }

  /// What decides a span's states: its path, and which of its positions are the span's.
  func key(of span: Span) -> [Int] { [span.offset] + path(of: span) }

  /// Tokens of the longest text.
  var longest: Int { spans.reduce(0) { max($0, $1.length) } }
}

extension TuningExample {
  /// Tokens that a counted prediction depends on: those before the last target.
  fileprivate var rowCount: Int { lossWeights.lastIndex { $0 != 0 } ?? 0 }
}
