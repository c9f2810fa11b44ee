import Foundation

/// One GGUF file as it lies on disk: a model, or a part of a split one.
struct GGUFPart {
  let path: String
  let version: UInt32
  let alignment: Int
  let keys: [String]
  let entries: [String: GGUFFile.Entry]
  let tensors: [GGUFFile.Tensor]
  let file: MappedFile

  init(path: String) throws(EngineError) {
    self.path = path
    file = try MappedFile.shared(path: path)
    var cursor = ByteCursor(file, path: path)
    let header = try GGUFHeader(&cursor)
    version = header.version
    (keys, entries) = try GGUFMetadataReader.read(count: header.keyCount, &cursor)
    alignment = try GGUFFile.alignment(entries["general.alignment"], path: path)
    tensors = try GGUFTensorReader.read(count: header.tensorCount, alignment: alignment, &cursor)
  }

  /// A key of the `split.` family; `nil` when it is absent.
  func integer(_ key: String) throws(EngineError) -> Int? {
    guard let entry = entries[key] else { return nil }
    if case .value(let value) = entry, let integer = value.integer { return integer }
    throw EngineError(
      .malformedFile, "a metadata value has another type than its key asks for", at: "\(path), key \(key)",
      expected: "an integer", found: GGUFFile.describe(entry), nextStep: "the file is damaged: fetch it again")
  }
}

/// Models in several files, `name-00001-of-00003.gguf`, as llama.cpp splits them: the first holds the metadata, each
/// says which part of how many it is.
enum GGUFSplit {
  /// All parts of the model that `first` begins; itself alone when it isn't split.
  /// - Throws: `unreadableFile` for a part that is missing, `malformedFile` for one that doesn't belong
  static func parts(beginningWith first: GGUFPart) throws(EngineError) -> [GGUFPart] {
    guard let count = try first.integer("split.count"), count != 0, count != 1 else { return [first] }
    guard (2...65_535).contains(count) else {
      throw EngineError(
        .malformedFile, "a split model has an impossible number of parts", at: "\(first.path), key split.count",
        expected: "1 to 65535", found: "\(count)", nextStep: "the file is damaged: fetch it again")
    }
    let number = try first.integer("split.no") ?? -1
    let ending = suffix(0, of: count)
    guard number == 0 else {
      throw EngineError(
        .invalidArgument, "this is not the first part of a split model", at: "\(first.path), key split.no",
        expected: "0", found: "\(number)", nextStep: "give the part whose name ends in \(ending)")
    }
    guard first.path.hasSuffix(ending) else {
      throw EngineError(
        .invalidArgument, "a part of a split model has lost its name, so the others can't be found", at: first.path,
        expected: "a name that ends in \(ending)", found: (first.path as NSString).lastPathComponent,
        nextStep: "give the parts their names back")
    }
    let stem = String(first.path.dropLast(ending.count))
    var parts = [first]
    for index in 1..<count { parts.append(try part(index, of: count, stem: stem)) }
    let found = parts.reduce(0) { $0 + $1.tensors.count }
    if let expected = try first.integer("split.tensors.count"), expected != found {
      throw EngineError(
        .malformedFile, "the parts of a split model don't hold all its tensors", at: first.path,
        expected: "\(expected) tensors", found: "\(found)", nextStep: "fetch all parts again")
    }
    return parts
  }

  private static func part(_ index: Int, of count: Int, stem: String) throws(EngineError) -> GGUFPart {
    let path = stem + suffix(index, of: count)
    guard FileManager.default.fileExists(atPath: path) else {
      throw EngineError(
        .unreadableFile, "a part of a split model is missing", at: path, expected: "part \(index + 1) of \(count)",
        found: "no such file", nextStep: "fetch it into the same folder")
    }
    let part = try GGUFPart(path: path)
    let number = try part.integer("split.no")
    let all = try part.integer("split.count")
    guard number == index, all == count else {
      throw EngineError(
        .malformedFile, "a part of a split model is another one than its name says", at: path,
        expected: "part \(index + 1) of \(count)",
        found: "split.no \(number.map(String.init) ?? "absent"), split.count \(all.map(String.init) ?? "absent")",
        nextStep: "fetch this part again")
    }
    return part
  }

  /// `-00001-of-00003.gguf`
  static func suffix(_ index: Int, of count: Int) -> String {
    func padded(_ number: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
    return "-\(padded(index + 1))-of-\(padded(count)).gguf"
  }
}
