import Foundation

/// A `tokenizer.model` of SentencePiece: the protocol buffer `ModelProto`, of which the pieces and the few settings
/// that decide how text is cut are read.
struct SentencePieceModel {
  var pieces: [String] = []
  var scores: [Float] = []
  var kinds: [TokenKind] = []
  var begin: Int? = 1
  var end: Int? = 2
  var unknown: Int? = 0
  var addsSpacePrefix = true
  private let path: String

  /// 1 is unigram, the standard; 2 is BPE.
  private var modelType = 1
  private var removesExtraSpace = true
  private var escapesSpace = true
  private var hasCharacterMap = false

  /// - Throws: `unreadableFile`, `malformedFile`; `unsupported` for another model than BPE, or one that changes text
  init(path: String) throws(EngineError) {
    self.path = path
    let file = try MappedFile(path: path)
    // The bytes end with the object, and the optimizer ends it at its last use.
    defer { withExtendedLifetime(file) {} }
    var reader = ProtobufReader(file.bytes, path: path)
    while let field = try reader.field() {
      switch (field.number, field.value) {
      case (1, .bytes(let range)): try readPiece(reader.inner(range))
      case (2, .bytes(let range)): try readTrainer(reader.inner(range))
      case (3, .bytes(let range)): try readNormalizer(reader.inner(range))
      default: break
      }
    }
    guard !pieces.isEmpty else {
      throw EngineError(
        .malformedFile, "the file has no vocabulary", at: path, expected: "a SentencePiece model", found: "no pieces",
        nextStep: "fetch tokenizer.model again")
    }
    let problems = [
      modelType == 2 ? nil : "model type \(modelType) (only BPE, 2, is read)",
      removesExtraSpace ? "extra spaces are removed" : nil,
      escapesSpace ? nil : "spaces are not escaped",
      hasCharacterMap ? "characters are mapped before" : nil,
    ].compactMap(\.self)
    guard problems.isEmpty else {
      throw EngineError(
        .unsupported, "a SentencePiece model of a kind that the engine doesn't read", at: path,
        expected: "BPE on the text as it is, as Llama 2 and Mistral have it", found: problems.joined(separator: ", "),
        nextStep: "use the model's tokenizer.json")
    }
  }

  func tokenizer(addsBegin: Bool, addsEnd: Bool, stops: [Int]) throws(EngineError) -> SentencePieceTokenizer {
    try SentencePieceTokenizer(
      pieces: pieces, scores: scores, kinds: kinds, begin: begin, end: end, unknown: unknown, stops: stops,
      addsBegin: addsBegin, addsEnd: addsEnd, addsSpacePrefix: addsSpacePrefix,
      prefixRule: .sentencePiece, location: path)
  }

  private mutating func readPiece(_ reader: ProtobufReader) throws(EngineError) {
    var reader = reader
    var (text, score, kind) = ("", Float(0), TokenKind.normal)
    while let field = try reader.field() {
      switch (field.number, field.value) {
      case (1, .bytes(let range)): text = try reader.text(range, "a piece")
      case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
      case (3, .varint(let value)):
        guard let known = TokenKind(rawValue: Int(truncatingIfNeeded: value)) else {
          throw reader.malformed("a piece's type from 1 to 6", "\(value)")
        }
        kind = known
      default: break
      }
    }
    pieces.append(text)
    scores.append(score)
    kinds.append(kind)
  }

  private mutating func readTrainer(_ reader: ProtobufReader) throws(EngineError) {
    var reader = reader
    while let field = try reader.field() {
      guard case .varint(let value) = field.value else { continue }
      // Negative ids, which say that there is no such token, are written as 64 bits.
      let id = Int(truncatingIfNeeded: value)
      switch field.number {
      case 3: modelType = id
      case 40: unknown = id < 0 ? nil : id
      case 41: begin = id < 0 ? nil : id
      case 42: end = id < 0 ? nil : id
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ reader: ProtobufReader) throws(EngineError) {
    var reader = reader
    while let field = try reader.field() {
      switch (field.number, field.value) {
      case (2, .bytes(let range)): hasCharacterMap = !range.isEmpty
      case (3, .varint(let value)): addsSpacePrefix = value != 0
      case (4, .varint(let value)): removesExtraSpace = value != 0
      case (5, .varint(let value)): escapesSpace = value != 0
      default: break
      }
    }
  }
}

/// Reads the fields of a protocol buffer one after another, never past the end.
struct ProtobufReader {
  enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    case bytes(Range<Int>)
  }

  private let bytes: UnsafeRawBufferPointer
  private var at: Int
  private let end: Int
  private let path: String

  init(_ bytes: UnsafeRawBufferPointer, path: String) {
    self.init(bytes, 0..<bytes.count, path: path)
  }

  private init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, path: String) {
    self.bytes = bytes
    at = range.lowerBound
    end = range.upperBound
    self.path = path
  }

  /// A reader of a message that is a field of this one.
  func inner(_ range: Range<Int>) -> ProtobufReader { ProtobufReader(bytes, range, path: path) }

  /// The next field; `nil` at the end.
  mutating func field() throws(EngineError) -> (number: Int, value: Value)? {
    guard at < end else { return nil }
    let key = try varint()
    let number = Int(truncatingIfNeeded: key >> 3)
    guard key >> 3 > 0, key >> 3 < 1 << 29 else { throw malformed("a field number from 1 to 2²⁹ − 1", "\(key >> 3)") }
    switch key & 7 {
    case 0: return (number, .varint(try varint()))
    case 1:
      let start = try skip(8)
      return (number, .fixed64(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))))
    case 2:
      let length = try varint()
      let start = try skip(length)
      return (number, .bytes(start..<at))
    case 5:
      let start = try skip(4)
      return (number, .fixed32(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self))))
    default: throw malformed("a wire type of 0, 1, 2 or 5", "\(key & 7)")
    }
  }

  func text(_ range: Range<Int>, _ what: String) throws(EngineError) -> String {
    guard let text = String(validating: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self) else {
      throw malformed("UTF-8 as \(what)", "other bytes")
    }
    return text
  }

  private mutating func skip(_ count: UInt64) throws(EngineError) -> Int {
    guard count <= UInt64(end - at) else { throw malformed("\(count) more bytes", "\(end - at)") }
    defer { at += Int(count) }
    return at
  }

  private mutating func varint() throws(EngineError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      guard at < end else { throw malformed("the end of a number", "the end of the message") }
      let byte = bytes[at]
      at += 1
      value |= UInt64(byte & 0x7f) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    throw malformed("a number of at most 10 bytes", "a longer one")
  }

  func malformed(_ expected: String, _ found: String) -> EngineError {
    EngineError(
      .malformedFile, "this is not a SentencePiece model", at: "\(path), byte \(at)", expected: expected, found: found,
      nextStep: "the file is damaged: fetch tokenizer.model again")
  }
}
