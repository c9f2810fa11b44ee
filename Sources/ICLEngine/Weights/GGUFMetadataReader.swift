/// Walks the key–value section of a GGUF file.
enum GGUFMetadataReader {
  static func read(
    count: Int, _ cursor: inout ByteCursor
  ) throws(EngineError) -> (keys: [String], entries: [String: GGUFFile.Entry]) {
    var keys: [String] = []
    var entries: [String: GGUFFile.Entry] = [:]
    for index in 0..<count {
      let place = cursor.location("metadata key \(index + 1) of \(count)")
      let key = try cursor.string(atMost: 65_535, "metadata key \(index + 1) of \(count)")
      let type = try valueType(&cursor, "type of metadata key \(key)")
      let entry: GGUFFile.Entry =
        type == .array ? try array(&cursor, key: key, depth: 0) : .value(try value(&cursor, type, key: key))
      guard entries.updateValue(entry, forKey: key) == nil else {
        throw EngineError(
          .malformedFile, "a metadata key stands twice", at: place, expected: "each key once", found: key,
          nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
      }
      keys.append(key)
    }
    return (keys, entries)
  }

  /// A single value of `type`, which is not `array`.
  static func value(
    _ cursor: inout ByteCursor, _ type: GGUFValue.ValueType, key: String
  ) throws(EngineError) -> GGUFValue {
    switch type {
    case .uint8: .uint8(try cursor.u8("value of \(key)"))
    case .int8: .int8(Int8(bitPattern: try cursor.u8("value of \(key)")))
    case .uint16: .uint16(try cursor.u16("value of \(key)"))
    case .int16: .int16(Int16(bitPattern: try cursor.u16("value of \(key)")))
    case .uint32: .uint32(try cursor.u32("value of \(key)"))
    case .int32: .int32(Int32(bitPattern: try cursor.u32("value of \(key)")))
    case .float32: .float32(Float(bitPattern: try cursor.u32("value of \(key)")))
    case .uint64: .uint64(try cursor.u64("value of \(key)"))
    case .int64: .int64(Int64(bitPattern: try cursor.u64("value of \(key)")))
    case .float64: .float64(Double(bitPattern: try cursor.u64("value of \(key)")))
    case .bool: .bool(try boolean(&cursor, key: key))
    case .string: .string(try cursor.string("value of \(key)"))
    case .array: preconditionFailure("arrays are read by array(_:key:depth:)")
    }
  }

  private static func boolean(_ cursor: inout ByteCursor, key: String) throws(EngineError) -> Bool {
    let place = cursor.location("value of \(key)")
    let byte = try cursor.u8("value of \(key)")
    guard byte <= 1 else {
      throw EngineError(.malformedFile, "a boolean is neither 0 nor 1", at: place, expected: "0 or 1", found: "\(byte)")
    }
    return byte == 1
  }

  private static func valueType(
    _ cursor: inout ByteCursor, _ what: String
  ) throws(EngineError) -> GGUFValue.ValueType {
    let place = cursor.location(what)
    let raw = try cursor.u32(what)
    guard let type = GGUFValue.ValueType(rawValue: raw) else {
      throw EngineError(
        .malformedFile, "a metadata value has a type that GGUF doesn't know", at: place, expected: "0 to 12",
        found: "\(raw)", nextStep: "the file is damaged: fetch it again")
    }
    return type
  }

  /// Checks that a whole array is there and moves past it.
  private static func array(
    _ cursor: inout ByteCursor, key: String, depth: Int
  ) throws(EngineError) -> GGUFFile.Entry {
    let type = try valueType(&cursor, "element type of array \(key)")
    let place = cursor.location("array \(key)")
    let count = try cursor.u64("number of elements of array \(key)")
    let start = cursor.offset
    // A string or an inner array takes at least its own header.
    let least = UInt64(type.byteCount ?? (type == .string ? 8 : 12))
    let (bytes, overflow) = count.multipliedReportingOverflow(by: least)
    guard !overflow, bytes <= UInt64(cursor.remaining) else {
      throw EngineError(
        .malformedFile, "an array promises more elements than the file holds", at: place,
        expected: "at most \(UInt64(cursor.remaining) / least) elements", found: "\(count)",
        nextStep: "the file is damaged, hostile or not wholly downloaded: fetch it again")
    }
    switch type {
    case .string:
      for _ in 0..<count {
        let length = try cursor.u64("length of an element of \(key)")
        try cursor.skip(length, "an element of \(key)")
      }
    case .array:
      guard depth < 3 else {
        throw EngineError(
          .malformedFile, "arrays are nested too deeply", at: place, expected: "at most 4 levels", found: "more")
      }
      for _ in 0..<count { _ = try array(&cursor, key: key, depth: depth + 1) }
    default:
      try cursor.skip(bytes, "elements of \(key)")
    }
    return .array(of: type, count: Int(count), offset: start)
  }
}

extension GGUFValue.ValueType {
  /// Bytes of one value; `nil` for strings and arrays, which say their own length.
  var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }
}
