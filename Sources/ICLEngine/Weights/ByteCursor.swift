/// Reads little-endian values one after another from a file's bytes, never past their end.
package struct ByteCursor {
  package let file: MappedFile
  /// What messages call the file: a mapping that is shared may have been opened by another name.
  package let path: String
  package private(set) var offset = 0

  package init(_ file: MappedFile, path: String? = nil, offset: Int = 0) {
    self.file = file
    self.path = path ?? file.path
    self.offset = offset
  }

  package var remaining: Int { file.byteCount - offset }

  /// Where the cursor stands, for messages.
  package func location(_ what: String) -> String { "\(path), byte \(offset): \(what)" }

  /// Moves past `count` bytes and returns where they began; `what` says what they are, for the error.
  @discardableResult
  package mutating func skip(_ count: UInt64, _ what: @autoclosure () -> String) throws(EngineError) -> Int {
    guard count <= UInt64(remaining) else {
      throw EngineError(
        .malformedFile, "the file ends too early", at: location(what()), expected: "\(count) more bytes",
        found: "\(remaining) bytes until the end of the file",
        nextStep: "the file is damaged or not wholly downloaded: fetch it again")
    }
    let start = offset
    offset += Int(count)
    return start
  }

  package mutating func u8(_ what: @autoclosure () -> String) throws(EngineError) -> UInt8 {
    let at = try skip(1, what())
    return file.bytes[at]
  }
  package mutating func u16(_ what: @autoclosure () -> String) throws(EngineError) -> UInt16 {
    let at = try skip(2, what())
    return UInt16(littleEndian: file.bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self))
  }
  package mutating func u32(_ what: @autoclosure () -> String) throws(EngineError) -> UInt32 {
    let at = try skip(4, what())
    return UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
  }
  package mutating func u64(_ what: @autoclosure () -> String) throws(EngineError) -> UInt64 {
    let at = try skip(8, what())
    return UInt64(littleEndian: file.bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
  }

  /// A string: its length as u64, then that many bytes of UTF-8.
  package mutating func string(
    atMost limit: UInt64 = .max, _ what: @autoclosure () -> String
  ) throws(EngineError) -> String {
    let before = location(what())
    let length = try u64("length of \(what())")
    guard length <= limit else {
      throw EngineError(
        .malformedFile, "a string is longer than its format allows", at: before, expected: "at most \(limit) bytes",
        found: "\(length) bytes", nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
    }
    let start = try skip(length, what())
    let slice = UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + Int(length)])
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw EngineError(
        .malformedFile, "a string is not UTF-8", at: before, expected: "UTF-8 text", found: "other bytes",
        nextStep: "the file is damaged: fetch it again")
    }
    return text
  }
}
