import Foundation

/// A safetensors file, mapped into memory: a u64 length, that much JSON, then the tensors' bytes.
package struct SafetensorsFile: Sendable {
  package let path: String
  package let tensors: [String: Tensor]
  /// Text that the writer left.
  package let metadata: [String: String]
  package let file: MappedFile
  private let dataStart: Int

  package struct Tensor: Sendable, Equatable {
    /// As the file names it: F32, BF16, …
    package let type: String
    /// Slowest dimension first.
    package let shape: [Int]
    /// Bytes from the beginning of the data.
    package let range: Range<Int>
  }

  /// The largest header that the format's own library accepts.
  private static let largestHeader: UInt64 = 100_000_000

  /// - Throws: `unreadableFile`, `malformedFile`
  package init(path: String) throws(EngineError) {
    self.path = path
    file = try MappedFile.shared(path: path)
    var cursor = ByteCursor(file, path: path)
    let length = try cursor.u64("length of the header")
    guard length <= Self.largestHeader else {
      throw EngineError(
        .malformedFile, "the safetensors header is too long", at: path,
        expected: "at most \(Self.largestHeader) bytes", found: "\(length)",
        nextStep: "the file is damaged, or not a safetensors file")
    }
    let start = try cursor.skip(length, "header")
    dataStart = cursor.offset
    let header = try SafetensorsHeader(
      UnsafeRawBufferPointer(rebasing: file.bytes[start..<dataStart]), path: path)
    metadata = header.metadata
    tensors = try Self.check(header, dataBytes: cursor.remaining, path: path)
  }

  /// Every tensor as long as its shape says, and all of them side by side, without gap or overlap, to the file's end.
  private static func check(
    _ header: SafetensorsHeader, dataBytes: Int, path: String
  ) throws(EngineError) -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    var end = 0
    for (name, type, shape, (from, to)) in header.tensors.sorted(by: { $0.offsets < $1.offsets }) {
      func malformed(_ what: String, _ expected: String, _ found: String) -> EngineError {
        EngineError(
          .malformedFile, what, at: "\(path), tensor \(name.prefix(80))", expected: expected, found: found,
          nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
      }
      guard let size = sizes[type] else {
        throw EngineError(
          .unsupported, "a tensor type that the engine doesn't know", at: "\(path), tensor \(name.prefix(80))",
          expected: sizes.keys.sorted().joined(separator: ", "), found: "\(type.prefix(40))")
      }
      var bytes = size
      for dimension in shape {
        let (product, overflows) = bytes.multipliedReportingOverflow(by: dimension)
        guard !overflows else { throw malformed("a tensor's shape is too large", "at most 2⁶³ bytes", "\(shape)") }
        bytes = product
      }
      guard from == end, to >= from, to <= dataBytes, to - from == bytes else {
        throw malformed(
          "a tensor's offsets don't fit", "\(bytes) bytes from \(end) on, of \(dataBytes) in all", "\(from) to \(to)")
      }
      end = to
      tensors[name] = Tensor(type: type, shape: shape, range: from..<to)
    }
    guard end == dataBytes else {
      throw EngineError(
        .malformedFile, "bytes in a safetensors file belong to no tensor", at: path, expected: "\(end) bytes of data",
        found: "\(dataBytes)", nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
    }
    return tensors
  }

  /// A tensor of two dimensions as a matrix that stays in the mapping.
  /// - Throws: `malformedFile` when it is absent or of another shape, `unsupported` for a type that isn't computed on
  package func matrix(
    _ name: String, rows: Int, columns: Int, order: WeightMatrix.RowOrder = .stored
  ) throws(EngineError) -> WeightMatrix {
    let tensor = try tensor(name, shape: [rows, columns])
    guard let type = Self.floatTypes[tensor.type], let base = file.bytes.baseAddress else {
      throw EngineError(
        .unsupported, "the engine doesn't compute on this tensor type", at: "\(path), tensor \(name)",
        expected: "F32, F16 or BF16", found: tensor.type,
        nextStep: "save the checkpoint again in one of these (model.to(torch.bfloat16).save_pretrained(…))")
    }
    return WeightMatrix(
      name: name, type: type, rows: rows, columns: columns, base: base + dataStart + tensor.range.lowerBound,
      owner: file, order: order)
  }

  /// A tensor of one dimension as floats.
  /// - Throws: `malformedFile`, `unsupported`
  package func vector(_ name: String, count: Int) throws(EngineError) -> [Float] {
    _ = try tensor(name, shape: [count])
    return try floats(name)
  }

  private func tensor(_ name: String, shape: [Int]) throws(EngineError) -> Tensor {
    guard let tensor = tensors[name], tensor.shape == shape else {
      throw EngineError(
        .malformedFile, "a weight is missing or has the wrong shape", at: "\(path), tensor \(name)",
        expected: "\(shape)", found: tensors[name].map { "\($0.shape)" } ?? "no such tensor",
        nextStep: "the file is incomplete, or config.json belongs to another model")
    }
    return tensor
  }

  /// The types that the engine computes on, by the names that safetensors uses.
  private static let floatTypes: [String: TensorType] = ["F32": .f32, "F16": .f16, "BF16": .bf16]

  /// A tensor's values as floats, in the file's order.
  /// - Throws: `malformedFile` when there is no such tensor, `unsupported` when it holds no floats
  package func floats(_ name: String) throws(EngineError) -> [Float] {
    guard let tensor = tensors[name] else {
      throw EngineError(
        .malformedFile, "a tensor is missing", at: path, expected: name, found: "\(tensors.count) other tensors")
    }
    let bytes = UnsafeRawBufferPointer(
      rebasing: file.bytes[dataStart + tensor.range.lowerBound..<dataStart + tensor.range.upperBound])
    func values<T: FixedWidthInteger>(_ type: T.Type, _ value: (T) -> Float) -> [Float] {
      stride(from: 0, to: bytes.count, by: MemoryLayout<T>.size).map {
        value(T(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: T.self)))
      }
    }
    switch tensor.type {
    case "F32": return values(UInt32.self) { Float(bitPattern: $0) }
    case "BF16": return values(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    case "F16": return values(UInt16.self, Self.half)
    case "F64": return values(UInt64.self) { Float(Double(bitPattern: $0)) }
    default:
      throw EngineError(
        .unsupported, "a tensor is not of floats", at: "\(path), tensor \(name)", expected: "F32, BF16, F16 or F64",
        found: tensor.type)
    }
  }

  /// An IEEE half as a float, exactly: its exponent and mantissa read as a float's are 2⁻¹¹² of the value.
  private static func half(_ bits: UInt16) -> Float {
    let rest = UInt32(bits & 0x7fff) << 13
    let magnitude = bits & 0x7c00 == 0x7c00 ? rest | 0x7f80_0000 : (Float(bitPattern: rest) * 0x1p112).bitPattern
    return Float(bitPattern: magnitude | UInt32(bits & 0x8000) << 16)
  }

  /// Bytes of one element.
  private static let sizes = [
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2,
    "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
  ]
}

/// Writes a safetensors file of F32 tensors, in the order in which they were added.
package struct SafetensorsWriter {
  private var header: [String] = []
  private var data = Data()

  package init(metadata: [String: String] = ["format": "pt"]) {
    let entries = metadata.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }
    header.append("\"__metadata__\":{\(entries.joined(separator: ","))}")
  }

  /// - Parameter values: in the order of `shape`, slowest dimension first
  package mutating func add(_ name: String, shape: [Int], values: [Float]) {
    precondition(shape.reduce(1, *) == values.count)
    let start = data.count
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) } }
    header.append(
      "\(Self.quoted(name)):{\"dtype\":\"F32\",\"shape\":[\(shape.map(String.init).joined(separator: ","))],"
        + "\"data_offsets\":[\(start),\(data.count)]}")
  }

  /// - Throws: `unreadableFile` when the file cannot be written
  package func write(to path: String) throws(EngineError) {
    var text = "{\(header.joined(separator: ","))}"
    // The data begins at a multiple of 8 bytes.
    text += String(repeating: " ", count: (8 - text.utf8.count % 8) % 8)
    var file = Data()
    withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { file.append(contentsOf: $0) }
    file += Data(text.utf8) + data
    try StagedFile.write(file, to: path)
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 32:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
