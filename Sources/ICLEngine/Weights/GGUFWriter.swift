import Foundation

/// Writes a GGUF v3 file, little-endian: header, metadata, tensor descriptions, tensor data.
///
///     var writer = GGUFWriter()
///     writer.set("general.architecture", .string("llama"))
///     try writer.add("output_norm.weight", dimensions: [128], values: gains, as: .f32)
///     try writer.write(to: "tiny.gguf")
public struct GGUFWriter {
  /// Where tensors begin is a multiple of this, counted from the start of the data.
  public let alignment: Int
  private var metadata: [(key: String, value: GGUFValue)] = []
  private var tensors: [(name: String, dimensions: [Int], type: TensorType, content: Content)] = []

  /// Where a tensor's bytes come from.
  private enum Content {
    case bytes([UInt8])
    /// Rows are encoded when they are written: a large model is never in memory as a whole.
    case matrix(WeightMatrix)
  }

  /// - Parameter alignment: a power of two; 32 is what readers assume when the file says nothing.
  public init(alignment: Int = 32) {
    precondition(alignment > 0 && alignment.nonzeroBitCount == 1, "the alignment is a power of two")
    self.alignment = alignment
    if alignment != 32 { set("general.alignment", .uint32(UInt32(alignment))) }
  }

  /// Sets a metadata value; an earlier one of the same key is replaced in its place.
  public mutating func set(_ key: String, _ value: GGUFValue) {
    if let index = metadata.firstIndex(where: { $0.key == key }) {
      metadata[index].value = value
    } else {
      metadata.append((key, value))
    }
  }

  /// Adds a tensor from its numbers.
  /// - Parameters:
  ///   - dimensions: GGUF's order, fastest first: `[columns, rows]` for a matrix.
  ///   - values: row-major, `dimensions` product of them.
  /// - Throws: `invalidArgument` as ``add(_:dimensions:type:bytes:)`` and ``BlockQuantizer`` do.
  public mutating func add(_ name: String, dimensions: [Int], values: [Float], as type: TensorType) throws(EngineError)
  {
    guard let columns = dimensions.first, columns % type.blockSize == 0 else {
      throw EngineError(
        .invalidArgument, "a tensor's row is not a whole number of blocks", at: "tensor \(name)",
        expected: "a multiple of \(type.blockSize), the block of \(type.name)",
        found: dimensions.first.map { "rows of \($0)" } ?? "no dimensions", nextStep: "store this tensor as F32")
    }
    try add(name, dimensions: dimensions, type: type, bytes: BlockQuantizer.encode(values, as: type, name: name))
  }

  /// Adds a tensor whose bytes are ready.
  /// - Throws: `invalidArgument` for a name that is empty, taken or longer than 63 bytes, for other than 1–4
  ///   dimensions, or bytes that do not fit them.
  public mutating func add(
    _ name: String, dimensions: [Int], type: TensorType, bytes: [UInt8]
  ) throws(EngineError) {
    let size = try check(name, dimensions: dimensions, type: type)
    guard bytes.count == size else {
      throw EngineError(
        .invalidArgument, "a tensor's bytes do not fit its dimensions", at: "tensor \(name)",
        expected: "\(size) bytes for \(dimensions) in \(type.name)", found: "\(bytes.count) bytes")
    }
    tensors.append((name, dimensions, type, .bytes(bytes)))
  }

  /// Adds a matrix, which is read, and turned to `type` where it has another one, when the file is written.
  /// - Throws: `invalidArgument` as ``add(_:dimensions:type:bytes:)``; `unsupported` for a type that is not written
  public mutating func add(_ name: String, _ matrix: WeightMatrix, as type: TensorType) throws(EngineError) {
    if type != matrix.type { try BlockQuantizer.check(type, name: name) }
    let dimensions = [matrix.columns, matrix.rows]
    _ = try check(name, dimensions: dimensions, type: type)
    tensors.append((name, dimensions, type, .matrix(matrix)))
  }

  /// The bytes that a tensor takes. Throws for a name or dimensions that can't be written.
  private func check(_ name: String, dimensions: [Int], type: TensorType) throws(EngineError) -> Int {
    guard !name.isEmpty, name.utf8.count < 64, !tensors.contains(where: { $0.name == name }) else {
      throw EngineError(
        .invalidArgument, "a tensor's name cannot be written", at: "tensor \"\(name)\"",
        expected: "1 to 63 bytes, and each name once", found: "\(name.utf8.count) bytes")
    }
    guard (1...4).contains(dimensions.count), dimensions.allSatisfy({ $0 > 0 }) else {
      throw EngineError(
        .invalidArgument, "a tensor's dimensions cannot be written", at: "tensor \(name)",
        expected: "1 to 4 dimensions above zero", found: "\(dimensions)")
    }
    guard dimensions[0] % type.blockSize == 0 else {
      throw EngineError(
        .invalidArgument, "a tensor's row is not a whole number of blocks", at: "tensor \(name)",
        expected: "a multiple of \(type.blockSize), the block of \(type.name)", found: "rows of \(dimensions[0])",
        nextStep: "store this tensor as F32")
    }
    return dimensions.reduce(1, *) / type.blockSize * type.bytesPerBlock
  }

  /// Header, metadata and tensor descriptions, and the zeros up to the first tensor.
  private func head() -> [UInt8] {
    var out: [UInt8] = Array("GGUF".utf8)
    put(UInt32(3), to: &out)
    put(UInt64(tensors.count), to: &out)
    put(UInt64(metadata.count), to: &out)
    for (key, value) in metadata {
      put(key, to: &out)
      put(value.valueType.rawValue, to: &out)
      put(value, to: &out)
    }
    var offset = 0
    for tensor in tensors {
      put(tensor.name, to: &out)
      put(UInt32(tensor.dimensions.count), to: &out)
      for dimension in tensor.dimensions { put(UInt64(dimension), to: &out) }
      put(tensor.type.rawValue, to: &out)
      put(UInt64(offset), to: &out)
      offset = aligned(offset + tensor.dimensions.reduce(1, *) / tensor.type.blockSize * tensor.type.bytesPerBlock)
    }
    out += [UInt8](repeating: 0, count: aligned(out.count) - out.count)
    return out
  }

  /// Calls `write` with all bytes of the file, in order and in portions.
  private func forEachPortion(
    pool: ThreadPool, progress: (Double) throws(EngineError) -> Void,
    _ write: (UnsafeRawBufferPointer) throws(EngineError) -> Void
  ) throws(EngineError) {
    func portion(_ bytes: [UInt8]) throws(EngineError) {
      var failure: EngineError?
      bytes.withUnsafeBytes { raw in
        do throws(EngineError) { try write(raw) } catch { failure = error }
      }
      if let failure { throw failure }
    }
    try portion(head())
    let total = max(1, tensors.reduce(0) { $0 + $1.dimensions.reduce(1, *) })
    var done = 0
    for tensor in tensors {
      var count = 0
      switch tensor.content {
      case .bytes(let bytes):
        try portion(bytes)
        count = bytes.count
        done += tensor.dimensions.reduce(1, *)
      case .matrix(let matrix):
        try matrix.forEachPortion(as: tensor.type, name: tensor.name, pool: pool) { bytes, rows throws(EngineError) in
          try write(bytes)
          count += bytes.count
          done += rows * matrix.columns
          try progress(Double(done) / Double(total))
        }
      }
      try portion([UInt8](repeating: 0, count: aligned(count) - count))
    }
  }

  /// The whole file.
  /// - Throws: `invalidArgument` for a value of a matrix that can't be stored in its type
  public func fileBytes() throws(EngineError) -> [UInt8] {
    var out: [UInt8] = []
    try forEachPortion(pool: .shared, progress: { _ in }) { out += $0 }
    return out
  }

  /// Writes the file whole or not at all: beside its place first, then moved there.
  /// - Parameter progress: called with the share that is written, from time to time; what it throws ends the writing.
  /// - Throws: `unreadableFile` when the folder cannot be written, `invalidArgument` for a value that can't be stored
  public func write(
    to path: String, progress: (Double) throws(EngineError) -> Void = { _ in }
  ) throws(EngineError) {
    let file = try StagedFile(path: path)
    try forEachPortion(pool: .shared, progress: progress) { bytes throws(EngineError) in try file.append(bytes) }
    try file.finish()
  }

  private func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }

  private func put<T: FixedWidthInteger>(_ value: T, to out: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { out.append(contentsOf: $0) }
  }

  private func put(_ text: String, to out: inout [UInt8]) {
    put(UInt64(text.utf8.count), to: &out)
    out += text.utf8
  }

  private func put(_ value: GGUFValue, to out: inout [UInt8]) {
    switch value {
    case .uint8(let v): put(v, to: &out)
    case .int8(let v): put(v, to: &out)
    case .uint16(let v): put(v, to: &out)
    case .int16(let v): put(v, to: &out)
    case .uint32(let v): put(v, to: &out)
    case .int32(let v): put(v, to: &out)
    case .float32(let v): put(v.bitPattern, to: &out)
    case .bool(let v): put(UInt8(v ? 1 : 0), to: &out)
    case .string(let v): put(v, to: &out)
    case .uint64(let v): put(v, to: &out)
    case .int64(let v): put(v, to: &out)
    case .float64(let v): put(v.bitPattern, to: &out)
    case .array(let elementType, let elements):
      put(elementType.rawValue, to: &out)
      put(UInt64(elements.count), to: &out)
      for element in elements { put(element, to: &out) }
    }
  }
}
