/// The JSON at the front of a safetensors file, read strictly: an object of tensors and one of text, no deeper, no
/// name twice. What it says of offsets is checked by ``SafetensorsFile``.
struct SafetensorsHeader {
  var tensors: [(name: String, type: String, shape: [Int], offsets: (Int, Int))] = []
  var metadata: [String: String] = [:]

  /// - Parameter bytes: the header alone, which may end with spaces
  init(_ bytes: UnsafeRawBufferPointer, path: String) throws(EngineError) {
    var names: Set<String> = []
    var cursor = JSONCursor(bytes, path: path, name: "the safetensors header", start: 8)
    try cursor.object { cursor, name throws(EngineError) in
      guard names.insert(name).inserted else {
        throw cursor.malformed("a name that is new", "\(name.prefix(80)) again")
      }
      if name == "__metadata__" {
        try cursor.object { cursor, key throws(EngineError) in metadata[key] = try cursor.string() }
      } else {
        try tensor(name, &cursor)
      }
    }
    try cursor.end()
  }

  private mutating func tensor(_ name: String, _ cursor: inout JSONCursor) throws(EngineError) {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try cursor.object { cursor, key throws(EngineError) in
      switch key {
      case "dtype" where type == nil: type = try cursor.string()
      case "shape" where shape == nil: shape = try Self.integers(&cursor, atMost: 16)
      case "data_offsets" where offsets == nil: offsets = try Self.integers(&cursor, atMost: 2)
      default: throw cursor.malformed("dtype, shape and data_offsets, each once", "\(key.prefix(80))")
      }
    }
    guard let type, let shape, let offsets, offsets.count == 2 else {
      throw cursor.malformed("dtype, shape and two data_offsets of \(name.prefix(80))", "less")
    }
    tensors.append((name, type, shape, (offsets[0], offsets[1])))
  }

  private static func integers(_ cursor: inout JSONCursor, atMost limit: Int) throws(EngineError) -> [Int] {
    var values: [Int] = []
    try cursor.array { cursor, index throws(EngineError) in
      guard index < limit else { throw cursor.malformed("at most \(limit) integers", "more") }
      values.append(try cursor.count())
    }
    return values
  }
}
