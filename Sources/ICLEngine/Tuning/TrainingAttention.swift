internal import CQuantKernels

/// Causal grouped-query attention over packed texts, forward and backward. Scores are made again in the backward pass,
/// a tile of queries at a time, so memory is linear in the length.
///
/// A span's queries see the runs that it stands behind, then those of their own that come before them; scores have the
/// columns of the whole path.
///
/// Not Sendable: belongs to one trainer. Inside a job each thread has scratch of its own.
final class TrainingAttention {
  typealias Span = PackedBatch.Span

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
    /// A head's rows of a path, one after another.
    let gathered = GrowingMatrix()
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

  /// Makes room for texts of up to `longest` tokens.
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
  func forward(_ spans: [Span], q: FloatMatrix, k: FloatMatrix, v: FloatMatrix, output: FloatMatrix) {
    let e = c.headDimension
    let group = c.headCount / c.keyValueHeadCount
    each(spans.map { Unit([$0], tiles(of: $0)) }, heads: c.headCount) { unit, head, scratch in
      let keyColumn = head / group * e
      let p = scratch.scores.pointer()
      for tile in unit.tiles {
        let query = q.pointer(row: tile.row, column: head * e)
        weigh(query, q.columns, k, column: keyColumn, tile, scratch, into: p)
        let out = output.pointer(row: tile.row, column: head * e)
        sum(p, v, column: keyColumn, tile, scratch, into: out, output.columns)
      }
    }
  }

  /// Overwrites `dq`, `dk`, `dv` with the gradients, given `dOutput` and what ``forward(_:q:k:v:output:)`` had and made.
  func backward(
    _ spans: [Span], q: FloatMatrix, k: FloatMatrix, v: FloatMatrix, output: FloatMatrix, dOutput: FloatMatrix,
    dq: FloatMatrix, dk: FloatMatrix, dv: FloatMatrix
  ) {
    let e = c.headDimension
    let group = c.headCount / c.keyValueHeadCount
    // One thread owns a key/value head of a tree: all sums into its dk and dv are in one order.
    let trees = Dictionary(grouping: spans, by: \.tree).sorted { $0.key < $1.key }.map { Unit($1, $1.flatMap(tiles)) }
    each(trees, heads: c.keyValueHeadCount) { unit, keyHead, scratch in
      let keyColumn = keyHead * e
      for span in unit.spans {
        for row in span.own.row..<span.own.row + span.own.count {
          dk.pointer(row: row, column: keyColumn).update(repeating: 0, count: e)
          dv.pointer(row: row, column: keyColumn).update(repeating: 0, count: e)
        }
      }
      let (p, dp, turned) = (scratch.scores.pointer(), scratch.gradient.pointer(), scratch.turned.pointer())
      let ld = scratch.scores.columns
      for head in keyHead * group..<(keyHead + 1) * group {
        for tile in unit.tiles {
          let (n, end) = (tile.count, tile.end)
          let query = q.pointer(row: tile.row, column: head * e)
          let dOut = dOutput.pointer(row: tile.row, column: head * e)
          weigh(query, q.columns, k, column: keyColumn, tile, scratch, into: p)
          multiply(dOut, dOutput.columns, v, column: keyColumn, tile, scratch, into: dp)
          cqk_t_row_dots(
            dOut, dOutput.columns, output.pointer(row: tile.row, column: head * e), output.columns, n, e,
            scratch.delta.pointer())
          cqk_t_transpose(p, ld, turned, self.tile, n, end)
          scatter(turned, dOut, dOutput.columns, tile, scratch, into: dv, column: keyColumn)
          cqk_t_softmax_back(p, dp, n, end, ld, scratch.delta.pointer(), scale)
          sum(dp, k, column: keyColumn, tile, scratch, into: dq.pointer(row: tile.row, column: head * e), dq.columns)
          cqk_t_transpose(dp, ld, turned, self.tile, n, end)
          scatter(turned, query, q.columns, tile, scratch, into: dk, column: keyColumn)
        }
      }
    }
  }

  // MARK: - A tile of queries

  /// Some queries of a span, with the runs of keys that they see; of the last run row `r` sees the first `own + r + 1`.
  private struct Tile {
    let row: Int
    let count: Int
    /// The runs' places among the scores' columns.
    let runs: [(row: Int, column: Int, count: Int)]
    /// Columns of scores: all keys that the last query sees.
    let end: Int
    /// Keys that the first query sees.
    let seen: Int
  }

  private func tiles(of span: Span) -> [Tile] {
    var before: [(row: Int, column: Int, count: Int)] = []
    var column = 0
    for run in span.behind {
      before.append((run.row, column, run.count))
      column += run.count
    }
    return stride(from: 0, to: span.own.count, by: tile).map { first in
      let count = min(tile, span.own.count - first)
      return Tile(
        row: span.own.row + first, count: count, runs: before + [(span.own.row, column, first + count)],
        end: column + first + count, seen: column + first + 1)
    }
  }

  /// `[queries, keys]`: products of a tile's rows with the rows of `matrix` that they see.
  private func multiply(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ matrix: FloatMatrix, column: Int, _ tile: Tile, _ scratch: Scratch,
    into p: UnsafeMutablePointer<Float>
  ) {
    for run in tile.runs {
      scratch.nt(
        x, ldx, matrix.pointer(row: run.row, column: column), matrix.columns, p + run.column, scratch.scores.columns,
        t: tile.count, n: run.count, k: c.headDimension)
    }
  }

  /// Attention weights of a tile, `[queries, keys]`.
  private func weigh(
    _ query: UnsafePointer<Float>, _ ldq: Int, _ k: FloatMatrix, column: Int, _ tile: Tile, _ scratch: Scratch,
    into p: UnsafeMutablePointer<Float>
  ) {
    let ld = scratch.scores.columns
    multiply(query, ldq, k, column: column, tile, scratch, into: p)
    Kernels.table.softmax_f32(p, ld, tile.count, tile.end, tile.seen, 1, c.slidingWindow ?? tile.end, scale)
    // Later positions are unseen: softmax left their scores alone.
    for r in 0..<tile.count {
      (p + r * ld + tile.seen + r).update(repeating: 0, count: tile.count - r - 1)
    }
  }

  /// `x = p · matrix`, over the rows that a tile's queries see. As in inference, bf16 sums run over positions in steps of
  /// 32, wherever runs end: states don't depend on what is shared.
  private func sum(
    _ p: UnsafePointer<Float>, _ matrix: FloatMatrix, column: Int, _ tile: Tile, _ scratch: Scratch,
    into x: UnsafeMutablePointer<Float>, _ ldx: Int
  ) {
    let e = c.headDimension
    if isRounded, tile.runs.count > 1 {
      let rows = scratch.gathered.room(tile.end * e)
      for run in tile.runs {
        for row in 0..<run.count {
          (rows + (run.column + row) * e).update(
            from: matrix.pointer(row: run.row + row, column: column), count: e)
        }
      }
      return scratch.nn(p, scratch.scores.columns, rows, e, x, ldx, t: tile.count, n: tile.end, k: e, isFresh: true)
    }
    for (index, run) in tile.runs.enumerated() {
      let isOwn = index == tile.runs.count - 1
      scratch.nn(
        p + run.column, scratch.scores.columns, matrix.pointer(row: run.row, column: column), matrix.columns, x, ldx,
        t: tile.count, n: run.count, k: e, limit: isOwn ? tile.seen - run.column : nil, isFresh: index == 0)
    }
  }

  /// Adds `turned · x` to the rows that a tile's queries see. `turned` is `[keys, queries]`.
  private func scatter(
    _ turned: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ ldx: Int, _ tile: Tile, _ scratch: Scratch,
    into matrix: FloatMatrix, column: Int
  ) {
    for run in tile.runs {
      scratch.nn(
        turned + run.column * self.tile, self.tile, x, ldx, matrix.pointer(row: run.row, column: column),
        matrix.columns, t: run.count, n: tile.count, k: c.headDimension)
    }
  }

  // MARK: - Threads

  /// Spans that one thread takes as a whole, for each head.
  private struct Unit {
    let spans: [Span]
    let tiles: [Tile]

    init(_ spans: [Span], _ tiles: [Tile]) {
      self.spans = spans
      self.tiles = tiles
    }

    var cost: Int { spans.reduce(0) { $0 + $1.own.count * ($1.length + $1.offset + 64) } }
  }

  /// Runs `body` for every head of every unit, split between threads in contiguous shares of about equal cost.
  private func each(_ units: [Unit], heads: Int, _ body: (Unit, Int, Scratch) -> Void) {
    var costs: [Int] = [0]
    for unit in units { costs.append(costs[costs.count - 1] + unit.cost) }
    let total = costs[units.count] * heads
    let parts = pool.threadCount
    if parts == 1 || total * c.headDimension < 400_000 {
      for unit in units {
        for head in 0..<heads { body(unit, head, scratch[0]) }
      }
      return
    }
    pool.run { part in
      let (lower, upper) = (total * part / parts, total * (part + 1) / parts)
      for index in units.indices {
        let cost = costs[index + 1] - costs[index]
        // Head h of this unit begins at costs[index]·heads + h·cost: it is this part's when that lies in it.
        let base = costs[index] * heads
        let begin = min(heads, max(0, (lower - base + cost - 1) / cost))
        let end = min(heads, max(0, (upper - base + cost - 1) / cost))
        if begin < end { for head in begin..<end { body(units[index], head, scratch[part]) } }
      }
    }
  }
}
