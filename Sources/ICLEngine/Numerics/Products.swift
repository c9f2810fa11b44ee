package import CQuantKernels

/// Products with weight matrices. Rows of `W` are split statically between threads; no sum is.
package enum Products {
  /// `y[t] = x[t] · Wᵀ`, or `y[t] += x[t] · Wᵀ`, for the first `rows` rows.
  ///
  /// Stored types other than F32 are dequantized a tile of rows at a time and multiplied as floats, so the result has
  /// the same bits as the product with the dequantized matrix.
  /// - Parameters:
  ///   - x: `[≥ rows, W.columns]`
  ///   - y: `[≥ rows, W.rows]`
  package static func multiply(
    _ x: FloatMatrix, _ weight: WeightMatrix, into y: FloatMatrix, rows: Int, accumulate: Bool = false,
    pool: ThreadPool = .shared
  ) {
    precondition(x.columns == weight.columns && y.columns == weight.rows && rows <= x.rows && rows <= y.rows)
    let k = weight.columns
    let tile = tileRows(columns: k)
    pool.split(weight.rows, grain: 16, worth: rows * weight.rows * k) { range in
      let gemm = Kernels.table.gemm_nt_f32
      guard let dequantize = Kernels.dequantizer(weight.type) else {
        weight.withRows(range) { bytes in
          guard let w = bytes.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
          gemm(
            x.pointer(), k, w, k, y.pointer(column: range.lowerBound), y.columns, rows, range.count, k,
            accumulate ? 1 : 0)
        }
        return
      }
      let scratch = FloatMatrix(rows: min(tile, range.count), columns: k)
      var first = range.lowerBound
      while first < range.upperBound {
        let count = min(tile, range.upperBound - first)
        weight.withRows(first..<first + count) { bytes in
          guard let blocks = bytes.baseAddress else { return }
          dequantize(blocks, scratch.pointer(), count * k)
        }
        gemm(
          x.pointer(), k, scratch.pointer(), k, y.pointer(column: first), y.columns, rows, count, k,
          accumulate ? 1 : 0)
        first += count
      }
    }
  }

  /// Rows whose floats fill a quarter of a megabyte: they stay in the second-level cache while all of `x` passes by.
  private static func tileRows(columns: Int) -> Int { max(16, min(256, 65_536 / max(1, columns)) / 16 * 16) }
}

extension Kernels {
  package typealias Dequantizer = @convention(c) (UnsafeRawPointer, UnsafeMutablePointer<Float>, Int) -> Void

  /// The function that turns stored blocks into floats; `nil` for F32, which needs none.
  package static func dequantizer(_ type: TensorType) -> Dequantizer? { dequantizer(type, in: table) }

  package static func dequantizer(_ type: TensorType, in table: cqk_kernels) -> Dequantizer? {
    switch type {
    case .f32: nil
    case .f16: table.dequantize_f16
    case .bf16: table.dequantize_bf16
    case .q8_0: table.dequantize_q8_0
    case .q4_0: table.dequantize_q4_0
    case .q4_1: table.dequantize_q4_1
    case .q5_0: table.dequantize_q5_0
    case .q5_1: table.dequantize_q5_1
    case .q2_K: table.dequantize_q2_K
    case .q3_K: table.dequantize_q3_K
    case .q4_K: table.dequantize_q4_K
    case .q5_K: table.dequantize_q5_K
    case .q6_K: table.dequantize_q6_K
    case .iq4_NL: table.dequantize_iq4_NL
    case .iq4_XS: table.dequantize_iq4_XS
    }
  }
}

extension WeightMatrix {
  /// Rows of the matrix as floats, written to `destination`, which has room for `rows.count · columns`.
  package func dequantize(_ range: Range<Int>, into destination: UnsafeMutablePointer<Float>) {
    withRows(range) { bytes in
      guard let blocks = bytes.baseAddress else { return }
      if let dequantize = Kernels.dequantizer(type) {
        dequantize(blocks, destination, range.count * columns)
      } else {
        destination.update(from: blocks.assumingMemoryBound(to: Float.self), count: range.count * columns)
      }
    }
  }

  /// All values as floats, `[rows, columns]`.
  package func dequantized() -> FloatMatrix {
    let result = FloatMatrix(rows: rows, columns: columns)
    dequantize(0..<rows, into: result.pointer())
    return result
  }
}
