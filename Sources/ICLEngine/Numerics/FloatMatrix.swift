import CQuantKernels

/// Rows of floats that the forward and backward passes work on, `[rows, columns]`, row-major, 64-byte aligned.
///
/// Unchecked Sendable: a matrix is written by one thread, or inside one ``ThreadPool`` job by several that own
/// disjoint rows or columns; it is only read once it has been shared.
package final class FloatMatrix: @unchecked Sendable {
  package let rows: Int
  package let columns: Int
  private let base: UnsafeMutablePointer<Float>

  /// All zeros.
  package init(rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0)
    self.rows = rows
    self.columns = columns
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(64, rows * columns * 4), alignment: 64)
    base = raw.bindMemory(to: Float.self, capacity: rows * columns)
    base.initialize(repeating: 0, count: rows * columns)
  }

  package convenience init(rows: Int, columns: Int, values: [Float]) {
    precondition(values.count == rows * columns)
    self.init(rows: rows, columns: columns)
    values.withUnsafeBufferPointer { source in
      if let start = source.baseAddress { base.update(from: start, count: source.count) }
    }
  }

  deinit { base.deallocate() }

  /// First element of row `row`; valid while the matrix lives, for `(rows - row) · columns` elements.
  package func pointer(row: Int = 0, column: Int = 0) -> UnsafeMutablePointer<Float> {
    precondition(row >= 0 && row <= rows && column >= 0 && column <= columns)
    return base + row * columns + column
  }

  /// A copy of one row.
  package func row(_ row: Int) -> [Float] {
    precondition(row >= 0 && row < rows)
    return Array(UnsafeBufferPointer(start: base + row * columns, count: columns))
  }

  /// All values, row after row.
  package var values: [Float] { Array(UnsafeBufferPointer(start: base, count: rows * columns)) }

  package func copyRows(_ source: Range<Int>, of other: FloatMatrix, to row: Int) {
    precondition(other.columns == columns && row >= 0 && row + source.count <= rows)
    precondition(source.lowerBound >= 0 && source.upperBound <= other.rows)
    pointer(row: row).update(from: other.pointer(row: source.lowerBound), count: source.count * columns)
  }

  package func setRow(_ row: Int, to values: [Float]) {
    precondition(values.count == columns && row >= 0 && row < rows)
    values.withUnsafeBufferPointer { source in
      if let start = source.baseAddress { pointer(row: row).update(from: start, count: columns) }
    }
  }
}
