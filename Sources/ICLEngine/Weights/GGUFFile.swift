/// A GGUF file (version 2 or 3, little-endian): its metadata and where its tensors lie. The weights stay in the
/// mapping. Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
///
/// Every count, length and offset is checked before it is believed: a wrong file is an ``EngineError``, never a crash,
/// and memory stays proportional to the file.
public final class GGUFFile: Sendable {
  /// One tensor as the file describes it.
  public struct Tensor: Sendable {
    public let name: String
    public let type: TensorType
    /// GGUF's order: the first dimension is the one whose elements are neighbours.
    public let dimensions: [Int]
    /// First byte, from the start of its file.
    public let offset: Int
    public let byteCount: Int
    /// Which part of a split model holds it, from 0.
    public internal(set) var part = 0

    public var elementCount: Int { dimensions.reduce(1, *) }
  }

  /// A metadata entry: single values are decoded, arrays stay in the file until asked for.
  enum Entry: Sendable {
    case value(GGUFValue)
    case array(of: GGUFValue.ValueType, count: Int, offset: Int)
  }

  public let path: String
  public let version: UInt32
  public let alignment: Int
  /// In the file's order.
  public let tensors: [Tensor]
  /// In the file's order.
  public let keys: [String]
  let entries: [String: Entry]
  private let tensorIndex: [String: Int]
  /// The file, or of a split model its parts in order.
  let files: [MappedFile]

  /// The file that holds the metadata.
  var file: MappedFile { files[0] }

  /// Maps the file, of a split model all parts, and checks the whole structure. O(metadata), no weight is touched.
  /// - Parameter path: of a split model the first part
  public convenience init(path: String) throws(EngineError) {
    let first = try GGUFPart(path: path)
    try self.init(path: path, parts: try GGUFSplit.parts(beginningWith: first))
  }

  init(path: String, parts: [GGUFPart]) throws(EngineError) {
    self.path = path
    version = parts[0].version
    alignment = parts[0].alignment
    keys = parts[0].keys
    entries = parts[0].entries
    files = parts.map(\.file)
    var tensors: [Tensor] = []
    var index: [String: Int] = [:]
    for (number, part) in parts.enumerated() {
      for var tensor in part.tensors {
        tensor.part = number
        guard index.updateValue(tensors.count, forKey: tensor.name) == nil else {
          throw EngineError(
            .malformedFile, "two parts of a split model hold the same tensor", at: part.file.path,
            expected: "each name once", found: tensor.name,
            nextStep: "the parts don't belong together: fetch all of them again")
        }
        tensors.append(tensor)
      }
    }
    self.tensors = tensors
    tensorIndex = index
  }

  /// Lower-case hexadecimal SHA-256 of the (first) file; the first call reads all of it.
  public var sha256: String { file.sha256 }

  public func tensor(_ name: String) -> Tensor? { tensorIndex[name].map { tensors[$0] } }

  static func alignment(_ entry: Entry?, path: String) throws(EngineError) -> Int {
    guard let entry else { return 32 }
    guard case .value(.uint32(let value)) = entry, value >= 8, value <= 1 << 20, value.nonzeroBitCount == 1 else {
      throw EngineError(
        .malformedFile, "the alignment is not usable", at: "\(path), key general.alignment",
        expected: "a u32 that is a power of two from 8 to 1048576", found: describe(entry),
        nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
    }
    return Int(value)
  }

  /// What an entry holds, shortly, for messages.
  static func describe(_ entry: Entry) -> String {
    switch entry {
    case .value(.string(let text)): "string \"\(text.prefix(60))\""
    case .value(let value): "\(value)"
    case .array(let type, let count, _): "array of \(count) \(type)"
    }
  }
}

/// Magic, version and counts: the first 24 bytes.
struct GGUFHeader {
  let version: UInt32
  let tensorCount: Int
  let keyCount: Int

  /// Far above any real model; bounds what a hostile file can make us keep.
  static let mostEntries: UInt64 = 1 << 17

  init(_ cursor: inout ByteCursor) throws(EngineError) {
    let path = cursor.path
    let magic = try cursor.u32("magic")
    guard magic == 0x4655_4747 else {
      let bytes = (0..<4).map { UInt8(truncatingIfNeeded: magic >> (8 * $0)) }
      let text = bytes.map { (0x20..<0x7f).contains($0) ? String(UnicodeScalar($0)) : "\\x" + String($0, radix: 16) }
      if magic.byteSwapped == 0x4655_4747 { throw Self.bigEndian(path, found: "the magic with its bytes swapped") }
      let old = ["tjgg", "fmgg", "lmgg", "algg"].contains(text.joined())
      throw EngineError(
        .malformedFile, "this is not a GGUF file", at: "\(path), byte 0: magic", expected: "the bytes GGUF",
        found: "the bytes " + text.joined(),
        nextStep: old
          ? "this is a format from before GGUF: get the model as GGUF version 3"
          : "give a file whose name ends in .gguf")
    }
    version = try cursor.u32("version")
    guard version == 2 || version == 3 else {
      let swapped = version.byteSwapped
      if swapped <= 3, swapped > 0 {
        throw Self.bigEndian(path, found: "version \(swapped) with its bytes swapped")
      }
      throw EngineError(
        .unsupported, "the engine doesn't read this version of GGUF", at: "\(path), byte 4: version",
        expected: "2 or 3", found: "\(version)",
        nextStep: version == 1 ? "rewrite it with a llama.cpp from 2024 or later, or get a newer file" : nil)
    }
    let tensors = try cursor.u64("number of tensors")
    let keys = try cursor.u64("number of metadata keys")
    for (count, what) in [(tensors, "tensors"), (keys, "metadata keys")] where count > Self.mostEntries {
      throw EngineError(
        .malformedFile, "the header promises too many \(what)", at: "\(path), header",
        expected: "at most \(Self.mostEntries)", found: "\(count)",
        nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
    }
    tensorCount = Int(tensors)
    keyCount = Int(keys)
  }

  private static func bigEndian(_ path: String, found: String) -> EngineError {
    EngineError(
      .unsupported, "the file is written for big-endian machines", at: "\(path), header",
      expected: "a little-endian file", found: found,
      nextStep: "convert it with llama.cpp's gguf_convert_endian.py, or get the little-endian file")
  }
}
