internal import CQuantKernels

/// A weight matrix `[rows, columns]` as training sees it: F32 values that are trained, or stored ones that are frozen.
///
/// Frozen values of other types than F32 are dequantized at their first use and kept when there is room, otherwise at
/// each use.
final class TrainableMatrix {
  let rows: Int
  let columns: Int
  /// Set when the matrix is trained.
  let parameter: Parameter?
  private let frozen: WeightMatrix?
  private let mayKeep: Bool
  private var kept: FloatMatrix?

  /// - Parameter room: how many floats of dequantized values may still be kept; what this matrix takes is subtracted.
  init(_ matrix: WeightMatrix, trained: Bool, room: inout Int) {
    rows = matrix.rows
    columns = matrix.columns
    if trained {
      parameter = Parameter(matrix.name, matrix.dequantized(), trained: true, decays: true)
      frozen = nil
      mayKeep = false
      return
    }
    parameter = nil
    frozen = matrix
    mayKeep = matrix.type != .f32 && rows * columns <= room
    if mayKeep { room -= rows * columns }
  }

  /// Runs `body` on all values, `[rows, columns]`; the pointer must not leave it.
  func withValues(_ pool: ThreadPool, _ body: (UnsafePointer<Float>) -> Void) {
    if let values = parameter?.value ?? kept { return body(values.pointer()) }
    guard let frozen else { return }
    if frozen.type == .f32 {
      return frozen.withRows(0..<rows) { bytes in
        if let start = bytes.baseAddress?.assumingMemoryBound(to: Float.self) { body(start) }
      }
    }
    let values = FloatMatrix(rows: rows, columns: columns)
    pool.split(rows, grain: 16, worth: rows * columns * 16) { range in
      frozen.dequantize(range, into: values.pointer(row: range.lowerBound))
    }
    if mayKeep { kept = values }
    body(values.pointer())
  }

  /// Runs `body` on all values as they are stored; the pointer must not leave it.
  func withStored(_ body: (_ start: UnsafeRawPointer, _ type: cqk_type, _ bytesPerRow: Int) -> Void) {
    if let values = parameter?.value { return body(values.pointer(), CQK_F32, columns * 4) }
    frozen?.withRows(0..<rows) { bytes in
      if let start = bytes.baseAddress, let frozen { body(start, frozen.type.kernelType, frozen.bytesPerRow) }
    }
  }

  /// Copies one row, of `columns` floats.
  func copyRow(_ row: Int, to destination: UnsafeMutablePointer<Float>) {
    if let values = parameter?.value ?? kept {
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
