internal import CQuantKernels

/// Causal grouped-query attention over packed sequences, forward and backward. Scores are made again in the backward
/// pass, a tile of queries at a time, so memory is linear in the length.
///
/// Not Sendable: belongs to one trainer. Inside a job each thread has scratch of its own.
final class TrainingAttention {
  /// One sequence's rows in the packed matrices; its positions count from 0.
  struct Sequence {
    let row: Int
    let count: Int
  }

  private let c: ModelConfiguration
  private let pool: ThreadPool
  private var scratch: [Scratch] = []
  private let tile: Int
  private let isRounded: Bool

  /// Scores of a tile, their gradient, one of them transposed, and a number for each row.
  private struct Scratch {
    let scores: FloatMatrix
    let gradient: FloatMatrix
    let turned: FloatMatrix
    let delta: FloatMatrix
    /// Products in bf16; `nil` for F32.
    let rounded: RoundedAttention?

    init(tile: Int, longest: Int, isRounded: Bool) {
      scores = FloatMatrix(rows: tile, columns: longest)
      gradient = FloatMatrix(rows: tile, columns: longest)
      turned = FloatMatrix(rows: longest, columns: tile)
      delta = FloatMatrix(rows: 1, columns: tile)
      rounded = isRounded ? RoundedAttention() : nil
    }

    /// `y = x · wᵀ`
    func nt(
      _ x: UnsafePointer<Float>, _ ldx: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ y: UnsafeMutablePointer<Float>,
      _ ldy: Int, t: Int, n: Int, k: Int
    ) {
      if let rounded { return rounded.nt(x, ldx, w, ldw, y, ldy, t: t, n: n, k: k) }
      Kernels.table.gemm_nt_f32(x, ldx, w, ldw, y, ldy, t, n, k, 0)
    }

    /// `x += y · w`. With `isFresh` nothing was added before.
    /// - Parameter limit: in F32 row t takes the first `limit + t` columns of y alone; the others hold zeros.
    func nn(
      _ y: UnsafePointer<Float>, _ ldy: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ x: UnsafeMutablePointer<Float>,
      _ ldx: Int, t: Int, n: Int, k: Int, limit: Int? = nil, isFresh: Bool = false
    ) {
      if let rounded { return rounded.nn(y, ldy, w, ldw, x, ldx, t: t, n: n, k: k, accumulate: !isFresh) }
      if isFresh { for row in 0..<t { (x + row * ldx).update(repeating: 0, count: k) } }
      Kernels.table.gemm_nn_f32(y, ldy, w, ldw, x, ldx, t, n, k, limit ?? n, limit == nil ? 0 : 1)
    }
  }

  init(_ c: ModelConfiguration, pool: ThreadPool, isRounded: Bool = false) {
    self.c = c
    self.pool = pool
    self.isRounded = isRounded
    tile = isRounded ? RoundedAttention.tile : 32
  }

  /// Makes room for sequences of up to `longest` tokens.
  func reserve(longest: Int) {
    if let first = scratch.first, first.scores.columns >= longest { return }
    scratch = (0..<pool.threadCount).map { _ in
      Scratch(tile: tile, longest: longest, isRounded: isRounded)
    }
  }

  private var scale: Float { 1 / Float(c.headDimension).squareRoot() }

  /// - Parameters:
  ///   - q: `[R, H·E]`, rotated
  ///   - k: `[R, K·E]`, rotated
  ///   - v: `[R, K·E]`
  ///   - output: `[R, H·E]`, overwritten
  func forward(_ sequences: [Sequence], q: FloatMatrix, k: FloatMatrix, v: FloatMatrix, output: FloatMatrix) {
    let table = Kernels.table
    let e = c.headDimension
    let group = c.headCount / c.keyValueHeadCount
    each(sequences, heads: c.headCount) { sequence, head, scratch in
      let keyColumn = head / group * e
      let ld = scratch.scores.columns
      for first in stride(from: 0, to: sequence.count, by: tile) {
        let n = min(tile, sequence.count - first)
        let end = first + n
        let row = sequence.row + first
        let out = output.pointer(row: row, column: head * e)
        let p = scratch.scores.pointer()
        scratch.nt(
          q.pointer(row: row, column: head * e), q.columns, k.pointer(row: sequence.row, column: keyColumn), k.columns,
          p, ld, t: n, n: end, k: e)
        table.softmax_f32(p, ld, n, end, first + 1, 1, c.slidingWindow ?? end, scale)
        clear(p, ld, first: first, rows: n)
        scratch.nn(
          p, ld, v.pointer(row: sequence.row, column: keyColumn), v.columns, out, output.columns, t: n, n: end, k: e,
          limit: first + 1, isFresh: true)
      }
    }
  }

  /// Overwrites `dq`, `dk`, `dv` with the gradients, given `dOutput` and what ``forward(_:q:k:v:output:)`` had and made.
  func backward(
    _ sequences: [Sequence], q: FloatMatrix, k: FloatMatrix, v: FloatMatrix, output: FloatMatrix,
    dOutput: FloatMatrix, dq: FloatMatrix, dk: FloatMatrix, dv: FloatMatrix
  ) {
    let table = Kernels.table
    let e = c.headDimension
    let group = c.headCount / c.keyValueHeadCount
    // One thread owns a key/value head of a sequence: all sums into its dk and dv are in one order.
    each(sequences, heads: c.keyValueHeadCount) { sequence, keyHead, scratch in
      let keys = k.pointer(row: sequence.row, column: keyHead * e)
      let values = v.pointer(row: sequence.row, column: keyHead * e)
      let keyGradient = dk.pointer(row: sequence.row, column: keyHead * e)
      let valueGradient = dv.pointer(row: sequence.row, column: keyHead * e)
      for r in 0..<sequence.count {
        (keyGradient + r * dk.columns).update(repeating: 0, count: e)
        (valueGradient + r * dv.columns).update(repeating: 0, count: e)
      }
      let (p, dp, turned) = (scratch.scores.pointer(), scratch.gradient.pointer(), scratch.turned.pointer())
      let ld = scratch.scores.columns
      for head in keyHead * group..<(keyHead + 1) * group {
        for first in stride(from: 0, to: sequence.count, by: tile) {
          let n = min(tile, sequence.count - first)
          let end = first + n
          let row = sequence.row + first
          let query = q.pointer(row: row, column: head * e)
          let dOut = dOutput.pointer(row: row, column: head * e)
          scratch.nt(query, q.columns, keys, k.columns, p, ld, t: n, n: end, k: e)
          table.softmax_f32(p, ld, n, end, first + 1, 1, c.slidingWindow ?? end, scale)
          clear(p, ld, first: first, rows: n)
          scratch.nt(dOut, dOutput.columns, values, v.columns, dp, ld, t: n, n: end, k: e)
          cqk_t_row_dots(
            dOut, dOutput.columns, output.pointer(row: row, column: head * e), output.columns, n, e,
            scratch.delta.pointer())
          cqk_transpose_f32(p, ld, turned, tile, n, end)
          scratch.nn(turned, tile, dOut, dOutput.columns, valueGradient, dv.columns, t: end, n: n, k: e)
          cqk_t_softmax_back(p, dp, n, end, ld, scratch.delta.pointer(), scale)
          let dQuery = dq.pointer(row: row, column: head * e)
          scratch.nn(
            dp, ld, keys, k.columns, dQuery, dq.columns, t: n, n: end, k: e, limit: first + 1, isFresh: true)
          cqk_transpose_f32(dp, ld, turned, tile, n, end)
          scratch.nn(turned, tile, query, q.columns, keyGradient, dk.columns, t: end, n: n, k: e)
        }
      }
    }
  }

  /// Later positions are unseen: softmax left their scores alone.
  private func clear(_ p: UnsafeMutablePointer<Float>, _ ld: Int, first: Int, rows: Int) {
    for r in 0..<rows { (p + r * ld + first + r + 1).update(repeating: 0, count: rows - r - 1) }
  }

  /// Runs `body` for every head of every sequence, split between threads in contiguous shares of about equal cost.
  private func each(_ sequences: [Sequence], heads: Int, _ body: (Sequence, Int, Scratch) -> Void) {
    var costs: [Int] = [0]
    for sequence in sequences { costs.append(costs[costs.count - 1] + sequence.count * (sequence.count + 64)) }
    let total = costs[sequences.count] * heads
    let parts = pool.threadCount
    if parts == 1 || total * c.headDimension < 400_000 {
      for sequence in sequences {
        for head in 0..<heads { body(sequence, head, scratch[0]) }
      }
      return
    }
    pool.run { part in
      let (lower, upper) = (total * part / parts, total * (part + 1) / parts)
      for index in sequences.indices {
        let cost = costs[index + 1] - costs[index]
        // Head h of this sequence begins at costs[index]·heads + h·cost: it is this part's when that lies in it.
        let base = costs[index] * heads
        let begin = min(heads, max(0, (lower - base + cost - 1) / cost))
        let end = min(heads, max(0, (upper - base + cost - 1) / cost))
        if begin < end { for head in begin..<end { body(sequences[index], head, scratch[part]) } }
      }
    }
  }
}
