/// Everything that a training pass writes to, made once for a number of rows and used again in every step.
///
/// Symbols as in ``ModelConfiguration``; `R` rows (packed tokens).
final class TrainingWorkspace {
  let capacity: Int
  /// Residual stream before each block and after the last, `[R, D]`; the backward pass needs them.
  let residual: [FloatMatrix]
  let layers: [Layer]

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

  init(rows: Int, _ c: ModelConfiguration) {
    capacity = rows
    func matrix(_ columns: Int) -> FloatMatrix { FloatMatrix(rows: rows, columns: columns) }
    func vector() -> FloatMatrix { FloatMatrix(rows: 1, columns: rows) }
    residual = (0...c.layerCount).map { _ in matrix(c.hiddenSize) }
    layers = (0..<c.layerCount).map { _ in
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
