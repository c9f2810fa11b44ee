import Foundation

/// The weights of a Hugging Face folder: `model.safetensors`, or parts that `model.safetensors.index.json` lists.
package struct SafetensorsCheckpoint: Sendable {
  package let folder: String
  /// In the order of their names.
  package let parts: [SafetensorsFile]
  /// For each tensor its part.
  private let places: [String: Int]

  private static let wholeName = "model.safetensors"
  private static let indexName = "model.safetensors.index.json"
  /// Parts that one checkpoint may have.
  private static let mostParts = 10_000

  /// Maps all parts and checks their structure. No weight is touched.
  /// - Throws: `unreadableFile`, `malformedFile`, `unsupported`
  package init(folder: String) throws(EngineError) {
    self.folder = folder
    let whole = folder + "/" + Self.wholeName
    let index = folder + "/" + Self.indexName
    if !FileManager.default.fileExists(atPath: index) {
      guard FileManager.default.fileExists(atPath: whole) else { throw Self.absent(folder) }
      let part = try SafetensorsFile(path: whole)
      parts = [part]
      places = part.tensors.mapValues { _ in 0 }
      return
    }
    let map = try Self.weightMap(index)
    let names = Set(map.values).sorted()
    var parts: [SafetensorsFile] = []
    for name in names { parts.append(try SafetensorsFile(path: folder + "/" + name)) }
    let numbers = Dictionary(zip(names, 0...), uniquingKeysWith: { first, _ in first })
    var places: [String: Int] = [:]
    for (tensor, name) in map {
      guard let number = numbers[name], parts[number].tensors[tensor] != nil else {
        throw EngineError(
          .malformedFile, "a part lacks a tensor that the index puts there", at: "\(folder)/\(name)",
          expected: "\(tensor.prefix(200))", found: "no such tensor", nextStep: "fetch this part again")
      }
      places[tensor] = number
    }
    self.parts = parts
    self.places = places
  }

  package var names: Set<String> { Set(places.keys) }

  /// The part that holds a tensor; throws `malformedFile` when none does.
  package func part(of name: String) throws(EngineError) -> SafetensorsFile {
    guard let number = places[name] else {
      throw EngineError(
        .malformedFile, "a weight is missing", at: "\(folder), tensor \(name)",
        expected: "the tensor in one of the parts",
        found: "no such tensor", nextStep: "the checkpoint is incomplete, or config.json belongs to another model")
    }
    return parts[number]
  }

  /// Tensor names and the plain file names of their parts.
  private static func weightMap(_ path: String) throws(EngineError) -> [String: String] {
    let tree = try JSONTree.read(path, limit: 64 << 20)
    guard let members = tree["weight_map"]?.members, !members.isEmpty else {
      throw EngineError(
        .malformedFile, "the index lists no weights", at: "\(path), key weight_map",
        expected: "an object of tensor and file names", found: tree["weight_map"]?.summary ?? "nothing",
        nextStep: "fetch the index again")
    }
    var map: [String: String] = [:]
    for (tensor, value) in members {
      // A name from outside must not lead out of the folder.
      guard let name = value.text, name.hasSuffix(".safetensors"), !name.contains("/"), !name.hasPrefix("."),
        !name.contains("\0")
      else {
        throw EngineError(
          .malformedFile, "the index names an impossible file", at: "\(path), weight_map, \(tensor.prefix(80))",
          expected: "the name of a .safetensors file in the same folder", found: value.summary,
          nextStep: "fetch the index again from a source you trust")
      }
      map[tensor] = name
    }
    let count = Set(map.values).count
    guard count <= mostParts else {
      throw EngineError(
        .malformedFile, "the index names too many files", at: path, expected: "at most \(mostParts)", found: "\(count)")
    }
    return map
  }

  private static func absent(_ folder: String) -> EngineError {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let other = names.sorted().first { $0.hasSuffix(".bin") || $0.hasSuffix(".pth") || $0.hasSuffix(".safetensors") }
    let isPickle = other?.hasSuffix(".safetensors") == false
    return EngineError(
      .unreadableFile, "the folder holds no weights that the engine reads", at: folder,
      expected: "\(wholeName) or \(indexName)", found: other ?? "no weight file",
      nextStep: isPickle
        ? "save the model again with save_pretrained, which writes safetensors"
        : "give the folder that save_pretrained wrote or that was downloaded whole")
  }
}
