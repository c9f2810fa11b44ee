/// Causal grouped-query attention over chains of key/value segments.
///
/// Queries are taken in tiles, so memory is linear in the context. A query's sums run over positions in ascending
/// order whatever the segments' borders: `softmax` and the weighted sum don't know where one ends.
struct Attention {
  let headCount: Int
  let keyValueHeadCount: Int
  let headDimension: Int
  let window: Int?
  let pool: ThreadPool
  /// Products in bf16, one scratch for each thread; `nil` for F32.
  let rounded: [RoundedAttention]?
  /// Who looks at, and may change, what some queries see; `nil` for nobody, at no cost.
  var watch: Watch?

  /// Sees rows of the attention before and after the softmax, one number for each position up to the query's own, and
  /// answers with as many other numbers or `nil`.
  struct Watch {
    /// Whether all work is done on the caller's thread: code of a user's may trap, and must not take a thread of the
    /// pool with it. Otherwise the two closures are called from several threads.
    let isSerial: Bool
    /// Whether a row of the query matrix is watched at all.
    let rows: [Bool]
    let logits: ((_ row: Int, _ head: Int, _ values: [Float]) -> [Float]?)?
    let probabilities: ((_ row: Int, _ head: Int, _ values: [Float]) -> [Float]?)?
  }

  /// Keys and values of the positions `start ..< start + count`, rows `0..<count` of both matrices.
  struct Part {
    let keys: FloatMatrix
    let values: FloatMatrix
    let start: Int
    let count: Int
  }

  /// Consecutive queries of one sequence: rows `row ..< row + count` of the query matrix, the first at `position`.
  /// `parts` cover all positions from 0 to the last query's own.
  struct Query {
    let row: Int
    let count: Int
    let position: Int
    let parts: [Part]
  }

  /// - Parameters:
  ///   - queries: `[rows, H·E]`, rotated
  ///   - output: `[rows, H·E]`, overwritten
  func callAsFunction(_ runs: [Query], queries: FloatMatrix, output: FloatMatrix) {
    // One unit of work: a tile of queries of one run, for one head.
    var units: [(run: Int, first: Int, count: Int, head: Int)] = []
    var costs: [Int] = [0]
    for (index, run) in runs.enumerated() {
      for first in stride(from: 0, to: run.count, by: tile) {
        let count = min(tile, run.count - first)
        for head in 0..<headCount {
          units.append((index, first, count, head))
          costs.append(costs[costs.count - 1] + count * (run.position + first + count))
        }
      }
    }
    let total = costs[costs.count - 1]
    let work: (Int, Range<Int>) -> Void = { part, range in
      let context = range.map { i in runs[units[i].run].position + units[i].first + units[i].count }.max() ?? 0
      let scores = FloatMatrix(rows: tile, columns: context)
      for i in range {
        let unit = units[i]
        attend(runs[unit.run], unit.first, unit.count, unit.head, queries, output, scores, rounded?[part])
      }
    }
    if pool.threadCount == 1 || watch?.isSerial == true || total * headDimension * 2 < 400_000 {
      return work(0, 0..<units.count)
    }
    let parts = pool.threadCount
    pool.run { part in
      // Contiguous shares of about equal cost.
      let lower = costs.partitioningIndex { $0 >= total * part / parts }
      let upper = part == parts - 1 ? units.count : costs.partitioningIndex { $0 >= total * (part + 1) / parts }
      if lower < upper { work(part, lower..<upper) }
    }
  }

  private func attend(
    _ run: Query, _ first: Int, _ count: Int, _ head: Int, _ queries: FloatMatrix, _ output: FloatMatrix,
    _ scores: FloatMatrix, _ rounded: RoundedAttention?
  ) {
    let table = Kernels.table
    let position = run.position + first
    let end = position + count
    let e = headDimension
    let keyColumn = head / (headCount / keyValueHeadCount) * e
    let q = queries.pointer(row: run.row + first, column: head * e)
    let out = output.pointer(row: run.row + first, column: head * e)
    let ld = scores.columns
    if let rounded {
      rounded.score(
        q, queries.columns, count: count, e: e, run.parts, column: keyColumn, end: end, into: scores.pointer(), ld)
    } else {
      for part in run.parts where part.start < end {
        let n = min(part.count, end - part.start)
        table.gemm_nt_f32(
          q, queries.columns, part.keys.pointer(column: keyColumn), part.keys.columns,
          scores.pointer(column: part.start), ld, count, n, e, 0)
      }
    }
    var scale = 1 / Float(e).squareRoot()
    let watched = watch.map { watch in (0..<count).filter { watch.rows[run.row + first + $0] } } ?? []
    var blind: [Int] = []
    if !watched.isEmpty, let look = watch?.logits {
      // Scaled here instead of in the softmax: the same product, so the same bits.
      for row in 0..<count {
        let values = scores.pointer(row: row)
        for key in 0...position + row { values[key] *= scale }
      }
      scale = 1
      for row in watched {
        let seen = window.map { max(0, position + row + 1 - $0) } ?? 0
        var values = Array(scores.row(row).prefix(position + row + 1))
        for key in 0..<seen { values[key] = -.infinity }
        guard let changed = look(run.row + first + row, head, values) else { continue }
        for key in seen..<values.count { scores.pointer(row: row)[key] = changed[key] }
        if changed[seen...].allSatisfy({ $0 == -.infinity }) { blind.append(row) }
      }
    }
    table.softmax_f32(scores.pointer(), ld, count, end, position + 1, 1, window ?? end, scale)
    for row in blind { scores.pointer(row: row).update(repeating: 0, count: position + row + 1) }
    if let look = watch?.probabilities {
      for row in watched {
        let values = Array(scores.row(row).prefix(position + row + 1))
        guard let changed = look(run.row + first + row, head, values) else { continue }
        for key in changed.indices { scores.pointer(row: row)[key] = changed[key] }
      }
    }
    if let rounded {
      return rounded.weigh(
        scores.pointer(), ld, count: count, position: position, end: end, e: e, run.parts, column: keyColumn, into: out,
        output.columns)
    }
    for row in 0..<count { (out + row * output.columns).update(repeating: 0, count: e) }
    for part in run.parts where part.start < end {
      let n = min(part.count, end - part.start)
      // Query t sees this part's rows below position + t + 1 - start.
      table.gemm_nn_f32(
        scores.pointer(column: part.start), ld, part.values.pointer(column: keyColumn), part.values.columns, out,
        output.columns, count, n, e, position + 1 - part.start, 1)
    }
  }

  /// Queries whose scores are there at the same time.
  private var tile: Int { rounded == nil ? 32 : RoundedAttention.tile }
}

extension Array {
  /// The first index whose element satisfies `belongs`, which is false for a prefix and true for the rest.
  func partitioningIndex(where belongs: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if belongs(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
