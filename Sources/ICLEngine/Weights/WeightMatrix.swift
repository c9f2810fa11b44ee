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

  /// - Parameters:
  ///   - base: first byte of row 0; `rows × bytesPerRow` bytes stay valid while `owner` lives.
  ///   - owner: what keeps them valid.
  package init(
    name: String, type: TensorType, rows: Int, columns: Int, base: UnsafeRawPointer, owner: any AnyObject & Sendable
  ) {
    precondition(columns % type.blockSize == 0, "a row must be whole blocks; the reader checks this")
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

  /// Runs `body` on the raw blocks of some rows; the pointer must not leave it.
  package func withRows<R>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    defer { withExtendedLifetime(owner) {} }
    return try body(
      UnsafeRawBufferPointer(start: base + range.lowerBound * bytesPerRow, count: range.count * bytesPerRow))
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
