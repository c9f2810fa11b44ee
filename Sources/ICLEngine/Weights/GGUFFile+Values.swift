/// Typed access to metadata. A key that is absent is `nil`; one of another type is an error that names it.
extension GGUFFile {
  public func integer(_ key: String) throws(EngineError) -> Int? {
    guard let entry = entries[key] else { return nil }
    if case .value(let value) = entry, let integer = value.integer { return integer }
    throw wrongType(key, entry, expected: "an integer that fits 64 bits")
  }

  public func real(_ key: String) throws(EngineError) -> Double? {
    guard let entry = entries[key] else { return nil }
    if case .value(let value) = entry, let real = value.real ?? value.integer.map(Double.init) { return real }
    throw wrongType(key, entry, expected: "a number")
  }

  public func text(_ key: String) throws(EngineError) -> String? {
    guard let entry = entries[key] else { return nil }
    if case .value(.string(let text)) = entry { return text }
    throw wrongType(key, entry, expected: "a string")
  }

  public func boolean(_ key: String) throws(EngineError) -> Bool? {
    guard let entry = entries[key] else { return nil }
    if case .value(.bool(let value)) = entry { return value }
    throw wrongType(key, entry, expected: "a boolean")
  }

  public func strings(_ key: String) throws(EngineError) -> [String]? {
    guard let entry = entries[key] else { return nil }
    guard case .array(.string, let count, let offset) = entry else {
      throw wrongType(key, entry, expected: "an array of strings")
    }
    var cursor = ByteCursor(file, offset: offset)
    var result: [String] = []
    result.reserveCapacity(count)
    for index in 0..<count { result.append(try cursor.string("element \(index) of \(key)")) }
    return result
  }

  public func floats(_ key: String) throws(EngineError) -> [Float]? {
    guard let entry = entries[key] else { return nil }
    guard case .array(.float32, let count, let offset) = entry else {
      throw wrongType(key, entry, expected: "an array of f32")
    }
    return (0..<count).map { index in
      Float(
        bitPattern: UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: offset + 4 * index, as: UInt32.self)))
    }
  }

  public func integers(_ key: String) throws(EngineError) -> [Int]? {
    guard let entry = entries[key] else { return nil }
    guard case .array(let type, let count, let offset) = entry, type.byteCount != nil else {
      throw wrongType(key, entry, expected: "an array of integers")
    }
    var cursor = ByteCursor(file, offset: offset)
    var result: [Int] = []
    result.reserveCapacity(count)
    for _ in 0..<count {
      guard let value = try GGUFMetadataReader.value(&cursor, type, key: key).integer else {
        throw wrongType(key, entry, expected: "an array of integers that fit 64 bits")
      }
      result.append(value)
    }
    return result
  }

  /// Any entry as a value, arrays decoded whole; `nil` when absent. Arrays of arrays are not decoded.
  public func value(_ key: String) throws(EngineError) -> GGUFValue? {
    guard let entry = entries[key] else { return nil }
    switch entry {
    case .value(let value): return value
    case .array(.array, _, _): throw wrongType(key, entry, expected: "an array of single values")
    case .array(let type, let count, let offset):
      var cursor = ByteCursor(file, offset: offset)
      var elements: [GGUFValue] = []
      for _ in 0..<count { elements.append(try GGUFMetadataReader.value(&cursor, type, key: key)) }
      return .array(elementType: type, elements)
    }
  }

  private func wrongType(_ key: String, _ entry: Entry, expected: String) -> EngineError {
    EngineError(
      .malformedFile, "a metadata value has another type than its key asks for", at: "\(path), key \(key)",
      expected: expected, found: Self.describe(entry), nextStep: "the file is damaged: fetch it again")
  }
}

extension GGUFFile {
  /// A two-dimensional tensor `(columns, rows)` as a matrix that stays in the mapping.
  public func matrix(_ tensor: Tensor) throws(EngineError) -> WeightMatrix {
    guard tensor.dimensions.count <= 2 || tensor.dimensions.dropFirst(2).allSatisfy({ $0 == 1 }) else {
      throw EngineError(
        .malformedFile, "a weight is not a matrix", at: "\(path), tensor \(tensor.name)", expected: "2 dimensions",
        found: "\(tensor.dimensions)")
    }
    let rows = tensor.dimensions.count > 1 ? tensor.dimensions[1] : 1
    let file = files[tensor.part]
    guard let base = file.bytes.baseAddress else {
      throw EngineError(.malformedFile, "the file is empty", at: path)
    }
    return WeightMatrix(
      name: tensor.name, type: tensor.type, rows: rows, columns: tensor.dimensions[0], base: base + tensor.offset,
      owner: file)
  }
}
