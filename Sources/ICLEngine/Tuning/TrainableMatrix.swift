internal import CQuantKernels

/// A weight matrix `[rows, columns]` as training sees it: F32 values that are trained, or stored ones that are frozen.
///
/// Frozen values of other types than F32 stay as they are and are dequantized at each use, a stretch at a time.
final class TrainableMatrix {
  let rows: Int
  let columns: Int
  /// Set when the matrix is trained.
  let parameter: Parameter?
  /// Set otherwise.
  let frozen: WeightMatrix?

  init(_ matrix: WeightMatrix, trained: Bool) {
    rows = matrix.rows
    columns = matrix.columns
    parameter = trained ? Parameter(matrix.name, matrix.dequantized(), trained: true, decays: true) : nil
    frozen = trained ? nil : matrix
  }

  /// Columns at which stored rows may be cut: a block's.
  var grain: Int { frozen?.type.blockSize ?? 1 }

  /// Runs `body` on all values as they are stored; the pointer must not leave it.
  func withStored(_ body: (_ start: UnsafeRawPointer, _ type: cqk_type, _ bytesPerRow: Int) -> Void) {
    if let values = parameter?.value { return body(values.pointer(), CQK_F32, columns * 4) }
    frozen?.withRows(0..<rows) { bytes in
      if let start = bytes.baseAddress, let frozen { body(start, frozen.type.kernelType, frozen.bytesPerRow) }
    }
  }

  /// Copies one row, of `columns` floats.
  func copyRow(_ row: Int, to destination: UnsafeMutablePointer<Float>) {
    if let values = parameter?.value {
      destination.update(from: values.pointer(row: row), count: columns)
    } else {
      frozen?.dequantize(row..<row + 1, into: destination)
    }
  }

  /// The values as an immutable matrix; a frozen one is handed back as it came.
  func snapshot(_ name: String) -> WeightMatrix {
    if let frozen { return frozen }
    return WeightMatrix(name: name, rows: rows, columns: columns, values: parameter?.value.values ?? [])
  }
}
