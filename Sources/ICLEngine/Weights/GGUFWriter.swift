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
  private var tensors: [(name: String, dimensions: [Int], type: TensorType, bytes: [UInt8])] = []

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
    let count = dimensions.reduce(1, *)
    let size = count / type.blockSize * type.bytesPerBlock
    guard dimensions[0] % type.blockSize == 0, bytes.count == size else {
      throw EngineError(
        .invalidArgument, "a tensor's bytes do not fit its dimensions", at: "tensor \(name)",
        expected: "\(size) bytes for \(dimensions) in \(type.name)", found: "\(bytes.count) bytes")
    }
    tensors.append((name, dimensions, type, bytes))
  }

  /// The whole file.
  public func fileBytes() -> [UInt8] {
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
      offset = aligned(offset + tensor.bytes.count)
    }
    for tensor in tensors {
      out += [UInt8](repeating: 0, count: aligned(out.count) - out.count)
      out += tensor.bytes
    }
    out += [UInt8](repeating: 0, count: aligned(out.count) - out.count)
    return out
  }

  /// Writes the file whole or not at all: beside its place first, then moved there.
  /// - Throws: `unreadableFile` when the folder cannot be written.
  public func write(to path: String) throws(EngineError) {
    do {
      try Data(fileBytes()).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw EngineError(
        .unreadableFile, "the file cannot be written", at: path, nextStep: "check the folder and the free space",
        underlying: error)
    }
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
