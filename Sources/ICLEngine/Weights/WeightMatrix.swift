/// A weight matrix `[rows, columns]` (output features × input features) in its stored type, in a mapped file or in
/// memory of its own. Immutable; `y = x · Wᵀ`.
///
/// Each row is `columns / blockSize` blocks; GGUF writes the same matrix as dims `(columns, rows)`.
public final class WeightMatrix: @unchecked Sendable {
  public let name: String
  public let type: TensorType
  public let rows: Int
  public let columns: Int

  /// Keeps the bytes alive: a file mapping or an owned array. Never written after init, which makes this Sendable.
  private let owner: any AnyObject & Sendable
  private let base: UnsafeRawPointer
  private let order: RowOrder
  /// Whether rows can be used where they lie: in order, and aligned as their type needs.
  private let isDirect: Bool

  /// How the stored rows follow one another.
  package enum RowOrder: Sendable, Equatable {
    /// As they are used.
    case stored
    /// As Hugging Face stores query and key: in each head the first members of all rotary pairs, then the second.
    case halves(headDimension: Int)
  }

  /// - Parameters:
  ///   - base: first byte of the first stored row; `rows × bytesPerRow` bytes stay valid while `owner` lives.
  ///   - owner: what keeps them valid.
  package init(
    name: String, type: TensorType, rows: Int, columns: Int, base: UnsafeRawPointer, owner: any AnyObject & Sendable,
    order: RowOrder = .stored
  ) {
    precondition(columns % type.blockSize == 0, "a row must be whole blocks; the reader checks this")
    if case .halves(let e) = order {
      precondition(e > 0 && e % 2 == 0 && rows % e == 0, "whole heads of pairs; the reader checks this")
    }
    // Blocks hold halves at even places; the kernels read plain floats as such.
    isDirect = order == .stored && UInt(bitPattern: base) % (type == .f32 ? 4 : 2) == 0
    self.order = order
    self.name = name
    self.type = type
    self.rows = rows
    self.columns = columns
    self.base = base
    self.owner = owner
  }

  /// A matrix of F32 values in memory of its own. `values` is row-major `[rows, columns]`.
  public convenience init(name: String, rows: Int, columns: Int, values: [Float]) {
    precondition(values.count == rows * columns)
    let buffer = OwnedBytes(byteCount: values.count * 4)
    values.withUnsafeBytes { buffer.bytes.copyMemory(from: $0) }
    self.init(
      name: name, type: .f32, rows: rows, columns: columns, base: UnsafeRawPointer(buffer.bytes.baseAddress!),
      owner: buffer)
  }

  public var bytesPerRow: Int { columns / type.blockSize * type.bytesPerBlock }
  public var byteCount: Int { rows * bytesPerRow }

  /// Runs `body` on the raw blocks of some rows; the pointer must not leave it. Rows that are stored in another order
  /// are copied into it first, these rows alone: a mapped file stays a mapped file.
  package func withRows<R>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    defer { withExtendedLifetime(owner) {} }
    guard !isDirect else {
      return try body(
        UnsafeRawBufferPointer(start: base + range.lowerBound * bytesPerRow, count: range.count * bytesPerRow))
    }
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(64, range.count * bytesPerRow), alignment: 64)
    defer { copy.deallocate() }
    for (index, row) in range.enumerated() {
      UnsafeMutableRawBufferPointer(rebasing: copy[index * bytesPerRow..<(index + 1) * bytesPerRow])
        .copyMemory(from: UnsafeRawBufferPointer(start: base + storedRow(row) * bytesPerRow, count: bytesPerRow))
    }
    return try body(UnsafeRawBufferPointer(rebasing: copy[..<(range.count * bytesPerRow)]))
  }

  /// Where a row lies among the stored ones.
  private func storedRow(_ row: Int) -> Int {
    guard case .halves(let e) = order else { return row }
    return row / e * e + row % 2 * (e / 2) + row % e / 2
  }
}

/// Bytes that live as long as this object, 64-byte aligned for the SIMD kernels.
package final class OwnedBytes: @unchecked Sendable {
  /// Written only by the creator before the object is shared.
  package let bytes: UnsafeMutableRawBufferPointer
  package init(byteCount: Int) {
    bytes = .allocate(byteCount: max(byteCount, 64), alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }
  deinit { bytes.deallocate() }
}
