internal import CQuantKernels

/// Everything that a training pass writes to, made once for a number of rows and used again in every step.
///
/// Symbols as in ``ModelConfiguration``; `R` rows (packed tokens).
final class TrainingWorkspace {
  let capacity: Int
  /// Residual stream before each trained block and after the last, `[R, D]`. The first is that before block ``first``.
  /// Where states are kept in bf16: two of them, in turn.
  private let residuals: [FloatMatrix]
  /// One for each trained block, or one for all of them when they are computed again or kept in bf16.
  private let layers: [Layer]
  /// For each trained block but the last what ``keep(_:rows:_:)`` was given, in bf16. The last one's is still in its place
  /// when the way back begins.
  private let kept: [[RoundedMatrix]]
  private let isRounded: Bool
  /// The lowest block that the backward pass reaches, from 0.
  let first: Int
  private let layerCount: Int

  /// `[R, D]`
  let normed: FloatMatrix
  /// `[R, F]`
  let hidden: FloatMatrix
  /// Gradient of the residual stream, `[R, D]`
  let dx: FloatMatrix
  /// Gradient of a norm's output, `[R, D]`
  let dNormed: FloatMatrix
  let dq: FloatMatrix
  let dk: FloatMatrix
  let dv: FloatMatrix
  let dAttended: FloatMatrix
  /// The room of ``hidden`` where the way back doesn't need that.
  let dHidden: FloatMatrix

  /// What the backward pass needs of a block.
  struct Layer {
    /// `1 / rms` of each row, before the gain, `[1, R]`.
    let attentionScale: FloatMatrix
    let feedForwardScale: FloatMatrix
    let q: FloatMatrix
    let k: FloatMatrix
    let v: FloatMatrix
    /// `[R, H·E]`
    let attended: FloatMatrix
    /// Residual stream between attention and feed-forward, `[R, D]`.
    let middle: FloatMatrix
    /// `[R, F]`; the backward pass turns them into their gradients.
    let gate: FloatMatrix
    let up: FloatMatrix

    /// All but the scales, which the backward pass computes again.
    var states: [FloatMatrix] { [q, k, v, attended, middle, gate, up] }
  }

  /// - Parameters:
  ///   - first: the lowest block that the backward pass reaches; below it nothing is kept
  ///   - recomputes: whether one layer's room serves all blocks
  ///   - isRounded: whether the backward pass sees states in bf16, as all products do; they are kept as such
  ///   - needsHidden: whether the backward pass needs what goes into the down projections
  init(
    rows: Int, _ c: ModelConfiguration, first: Int, recomputes: Bool, isRounded: Bool, needsHidden: Bool = true
  ) {
    capacity = rows
    self.first = first
    self.isRounded = isRounded
    layerCount = c.layerCount
    let trained = c.layerCount - first
    let keepsRounded = isRounded && !recomputes
    func matrix(_ columns: Int) -> FloatMatrix { FloatMatrix(rows: rows, columns: columns) }
    func vector() -> FloatMatrix { FloatMatrix(rows: 1, columns: rows) }
    residuals = (0..<(keepsRounded ? 2 : trained + 1)).map { _ in matrix(c.hiddenSize) }
    kept = (0..<(keepsRounded ? max(0, trained - 1) : 0)).map { _ in
      let widths = [
        c.hiddenSize, c.queryWidth, c.keyValueWidth, c.keyValueWidth, c.queryWidth, c.hiddenSize, c.feedForwardSize,
        c.feedForwardSize,
      ]
      return widths.map { RoundedMatrix(rows: rows, columns: $0) }
    }
    // Frozen blocks go through the first layer's room.
    layers = (0..<(recomputes || isRounded ? 1 : max(1, trained))).map { _ in
      Layer(
        attentionScale: vector(), feedForwardScale: vector(), q: matrix(c.queryWidth), k: matrix(c.keyValueWidth),
        v: matrix(c.keyValueWidth), attended: matrix(c.queryWidth), middle: matrix(c.hiddenSize),
        gate: matrix(c.feedForwardSize), up: matrix(c.feedForwardSize))
    }
    normed = matrix(c.hiddenSize)
    hidden = matrix(c.feedForwardSize)
    dx = matrix(c.hiddenSize)
    dNormed = matrix(c.hiddenSize)
    dq = matrix(c.queryWidth)
    dk = matrix(c.keyValueWidth)
    dv = matrix(c.keyValueWidth)
    dAttended = matrix(c.queryWidth)
    dHidden = needsHidden ? matrix(c.feedForwardSize) : hidden
  }

  /// Residual stream before a block from `first` on, or after the last.
  func residual(_ block: Int) -> FloatMatrix { residuals[(block - first) % residuals.count] }

  var last: FloatMatrix { residual(layerCount) }

  func layer(_ block: Int) -> Layer { layers[max(0, min(block - first, layers.count - 1))] }

  /// What of a block the backward pass sees, where it isn't what the forward pass left in its own place.
  private func states(_ block: Int) -> [FloatMatrix] { [residual(block)] + layer(block).states }

  /// Whether the backward pass finds a block's states where the forward pass, this time or again, left them.
  private func isInPlace(_ block: Int) -> Bool { kept.isEmpty || block == layerCount - 1 }

  /// Keeps a block for the backward pass, before the next one takes its room.
  func keep(_ block: Int, rows: Int, _ pool: ThreadPool) {
    if isInPlace(block) { return }
    for (matrix, room) in zip(states(block), kept[block - first]) { room.keep(matrix, rows: rows, pool) }
  }

  /// Brings a block back, which has been kept or computed again: the same bits either way.
  func restore(_ block: Int, rows: Int, _ pool: ThreadPool) {
    guard isRounded else { return }
    for (index, matrix) in states(block).enumerated() {
      if isInPlace(block) {
        let count = rows * matrix.columns
        pool.split(count, grain: 1024, worth: count * 4) { range in
          cqk_t_round_in_place(matrix.pointer() + range.lowerBound, range.count)
        }
      } else {
        kept[block - first][index].restore(matrix, rows: rows, pool)
      }
    }
  }

  /// Bytes of all matrices.
  var byteCount: Int {
    var matrices = residuals + [normed, hidden, dx, dNormed, dq, dk, dv, dAttended]
    if dHidden !== hidden { matrices.append(dHidden) }
    for layer in layers {
      matrices += [
        layer.attentionScale, layer.feedForwardScale, layer.q, layer.k, layer.v, layer.attended, layer.middle,
        layer.gate, layer.up,
      ]
    }
    return matrices.reduce(0) { $0 + $1.rows * $1.columns * 4 }
      + kept.joined().reduce(0) { $0 + $1.rows * $1.columns * 2 }
  }
}

/// Values of a matrix in bf16.
///
/// Unchecked Sendable: as ``FloatMatrix``.
private final class RoundedMatrix: @unchecked Sendable {
  let rows: Int
  let columns: Int
  private let base: UnsafeMutablePointer<UInt16>

  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    base = .allocate(capacity: rows * columns)
    base.initialize(repeating: 0, count: rows * columns)
  }

  deinit { base.deallocate() }

  /// Takes the first rows of a matrix.
  func keep(_ matrix: FloatMatrix, rows: Int, _ pool: ThreadPool) {
    split(matrix, rows, pool) { x, range in
      cqk_t_round_bf16(x + range.lowerBound, self.base + range.lowerBound, range.count)
    }
  }

  /// Gives them back.
  func restore(_ matrix: FloatMatrix, rows: Int, _ pool: ThreadPool) {
    split(matrix, rows, pool) { x, range in
      cqk_t_widen_bf16(self.base + range.lowerBound, x + range.lowerBound, range.count)
    }
  }

  private func split(
    _ matrix: FloatMatrix, _ rows: Int, _ pool: ThreadPool, _ body: (UnsafeMutablePointer<Float>, Range<Int>) -> Void
  ) {
    precondition(matrix.columns == columns && rows <= self.rows && rows <= matrix.rows)
    let count = rows * columns
    pool.split(count, grain: 1024, worth: count * 4) { range in body(matrix.pointer(), range) }
  }
}

/// Matrices that grow to the largest size asked for and then stay.
final class GrowingMatrix {
  private var matrix = FloatMatrix(rows: 0, columns: 1)

  /// Room for `count` floats, with what was there before or nothing.
  func room(_ count: Int) -> UnsafeMutablePointer<Float> {
    if matrix.rows < count { matrix = FloatMatrix(rows: count, columns: 1) }
    return matrix.pointer()
  }
}

/// What enters the lowest trained block, by ``PackedBatch/key(of:)``: it never changes, so it is computed once.
final class FrozenStates {
  private var states: [[Int]: FloatMatrix] = [:]
  private var floats = 0
  /// Floats that are kept at most: 1 GiB. Sequences beyond are computed each time.
  private let limit: Int
  /// Sequences that were computed so far.
  var computed = 0

  init(limit: Int = 1 << 28) { self.limit = limit }

  subscript(tokens: [Int]) -> FloatMatrix? { states[tokens] }

  /// Keeps a copy of some rows.
  func keep(_ tokens: [Int], _ rows: Range<Int>, of matrix: FloatMatrix) {
    let size = rows.count * matrix.columns
    guard states[tokens] == nil, floats + size <= limit else { return }
    let copy = FloatMatrix(rows: rows.count, columns: matrix.columns)
    copy.copyRows(rows, of: matrix, to: 0)
    states[tokens] = copy
    floats += size
  }
}
