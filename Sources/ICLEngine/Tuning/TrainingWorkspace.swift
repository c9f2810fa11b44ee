/// Everything that a training pass writes to, made once for a number of rows and used again in every step.
///
/// Symbols as in ``ModelConfiguration``; `R` rows (packed tokens).
final class TrainingWorkspace {
  let capacity: Int
  /// Residual stream before each trained block and after the last, `[R, D]`; the backward pass needs them. The first is
  /// that before block ``first``.
  private let residuals: [FloatMatrix]
  /// One for each trained block, or one for all of them when they are computed again.
  private let layers: [Layer]
  /// The lowest block that the backward pass reaches, from 0.
  let first: Int

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
  }

  /// - Parameters:
  ///   - first: the lowest block that the backward pass reaches; below it nothing is kept
  ///   - recomputes: whether one layer's room serves all blocks
  init(rows: Int, _ c: ModelConfiguration, first: Int, recomputes: Bool) {
    capacity = rows
    self.first = first
    func matrix(_ columns: Int) -> FloatMatrix { FloatMatrix(rows: rows, columns: columns) }
    func vector() -> FloatMatrix { FloatMatrix(rows: 1, columns: rows) }
    residuals = (first...c.layerCount).map { _ in matrix(c.hiddenSize) }
    // Frozen blocks go through the first layer's room.
    layers = (0..<(recomputes ? 1 : max(1, c.layerCount - first))).map { _ in
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
    dHidden = matrix(c.feedForwardSize)
  }

  /// Residual stream before a block from `first` on, or after the last.
  func residual(_ block: Int) -> FloatMatrix { residuals[block - first] }

  var last: FloatMatrix { residuals[residuals.count - 1] }

  func layer(_ block: Int) -> Layer { layers[max(0, min(block - first, layers.count - 1))] }

  /// Bytes of all matrices.
  var byteCount: Int {
    var matrices = residuals + [normed, hidden, dx, dNormed, dq, dk, dv, dAttended, dHidden]
    for layer in layers {
      matrices += [
        layer.attentionScale, layer.feedForwardScale, layer.q, layer.k, layer.v, layer.attended, layer.middle,
        layer.gate, layer.up,
      ]
    }
    return matrices.reduce(0) { $0 + $1.rows * $1.columns * 4 }
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

/// What enters the lowest trained block, by the tokens of a sequence: it never changes, so it is computed once.
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
