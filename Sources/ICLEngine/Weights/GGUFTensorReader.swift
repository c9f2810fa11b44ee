/// Walks the tensor descriptions of a GGUF file and checks that their data is all there.
enum GGUFTensorReader {
  static func read(
    count: Int, alignment: Int, _ cursor: inout ByteCursor
  ) throws(EngineError) -> [GGUFFile.Tensor] {
    let path = cursor.path
    var found: [(tensor: GGUFFile.Tensor, relative: UInt64)] = []
    var names: Set<String> = []
    for index in 0..<count {
      let place = cursor.location("tensor \(index + 1) of \(count)")
      let name = try cursor.string(atMost: 64, "name of tensor \(index + 1) of \(count)")
      guard names.insert(name).inserted else {
        throw EngineError(
          .malformedFile, "a tensor name stands twice", at: place, expected: "each name once", found: name,
          nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
      }
      found.append(try tensor(&cursor, name: name, alignment: alignment))
    }
    // The data section begins at the next multiple of the alignment.
    let start = (cursor.offset + alignment - 1) / alignment * alignment
    let available = UInt64(max(0, cursor.file.byteCount - start))
    var tensors: [GGUFFile.Tensor] = []
    for (tensor, relative) in found {
      let size = UInt64(tensor.byteCount)
      guard relative <= available, size <= available - relative else {
        throw EngineError(
          .malformedFile, "tensor data reaches past the end of the file", at: "\(path), tensor \(tensor.name)",
          expected: "\(size) bytes at offset \(relative) of the data section",
          found: "a data section of \(available) bytes",
          nextStep: "the file is damaged or not wholly downloaded: fetch it again")
      }
      tensors.append(
        GGUFFile.Tensor(
          name: tensor.name, type: tensor.type, dimensions: tensor.dimensions, offset: start + Int(relative),
          byteCount: tensor.byteCount))
    }
    try checkOverlap(tensors, path: path)
    return tensors
  }

  /// One description; its offset is still relative to the data section.
  private static func tensor(
    _ cursor: inout ByteCursor, name: String, alignment: Int
  ) throws(EngineError) -> (GGUFFile.Tensor, relative: UInt64) {
    let place = "\(cursor.path), tensor \(name)"
    let rank = try cursor.u32("number of dimensions of tensor \(name)")
    guard (1...4).contains(rank) else {
      throw EngineError(
        .malformedFile, "a tensor has an impossible number of dimensions", at: place, expected: "1 to 4",
        found: "\(rank)", nextStep: "the file is damaged: fetch it again")
    }
    var dimensions: [Int] = []
    var elements = 1
    for axis in 0..<rank {
      let size = try cursor.u64("dimension \(axis) of tensor \(name)")
      guard let size = Int(exactly: size), size > 0,
        case let (product, overflow) = elements.multipliedReportingOverflow(by: size), !overflow
      else {
        throw EngineError(
          .malformedFile, "a tensor's dimensions are impossible", at: place,
          expected: "positive sizes whose product fits 63 bits", found: "\(dimensions + [Int(clamping: size)])",
          nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
      }
      dimensions.append(size)
      elements = product
    }
    let rawType = try cursor.u32("type of tensor \(name)")
    guard let type = TensorType(rawValue: rawType) else {
      throw EngineError(
        .unsupported, "the engine doesn't read this tensor type", at: place,
        expected: TensorType.allCases.map(\.name).joined(separator: ", "),
        found: "type \(rawType)" + (otherTypes[rawType].map { " (\($0))" } ?? ""),
        nextStep: "get the model in another quantization, such as Q4_0 or Q8_0")
    }
    guard dimensions[0] % type.blockSize == 0 else {
      throw EngineError(
        .malformedFile, "a tensor's rows are not whole blocks", at: place,
        expected: "a first dimension divisible by \(type.blockSize) (\(type.name))", found: "\(dimensions[0])",
        nextStep: "the file is damaged: fetch it again")
    }
    let (bytes, overflow) = (elements / type.blockSize).multipliedReportingOverflow(by: type.bytesPerBlock)
    guard !overflow else {
      throw EngineError(
        .malformedFile, "a tensor is larger than any file", at: place, expected: "less than 2^63 bytes",
        found: "\(dimensions) of \(type.name)",
        nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
    }
    let offset = try cursor.u64("offset of tensor \(name)")
    guard offset % UInt64(alignment) == 0 else {
      throw EngineError(
        .malformedFile, "tensor data is not aligned", at: place, expected: "an offset divisible by \(alignment)",
        found: "\(offset)", nextStep: "the file is damaged: fetch it again")
    }
    return (
      GGUFFile.Tensor(name: name, type: type, dimensions: dimensions, offset: 0, byteCount: bytes), relative: offset
    )
  }

  private static func checkOverlap(_ tensors: [GGUFFile.Tensor], path: String) throws(EngineError) {
    let sorted = tensors.sorted { $0.offset < $1.offset }
    for (before, after) in zip(sorted, sorted.dropFirst()) where before.offset + before.byteCount > after.offset {
      throw EngineError(
        .malformedFile, "two tensors share bytes", at: "\(path), tensors \(before.name) and \(after.name)",
        expected: "\(after.name) at \(before.offset + before.byteCount) or later", found: "at \(after.offset)",
        nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
    }
  }

  /// Types that GGUF knows and the engine doesn't, for the message.
  private static let otherTypes: [UInt32: String] = [
    9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S",
    24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
  ]
}
