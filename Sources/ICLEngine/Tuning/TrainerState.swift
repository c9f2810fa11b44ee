import Foundation

/// Where a run of training stands, as a safetensors file: each trained parameter under its name, its moments under
/// `NAME.first` and `NAME.second`, the count of updates in the metadata (`format`: `icl-training-state`, `version`: 2,
/// `updates`). A run that goes on from it has the bits of one that never stopped (with
/// ``TrainingArithmetic/reproducible``, or on the same machine).
extension Trainer {
  private static let format = "icl-training-state"
  private static let version = "2"

  /// - Parameter notes: what else the metadata keeps
  /// - Throws: `unreadableFile` when the file cannot be written. The old file, if any, is whole until the new one is.
  package func saveState(to path: String, notes: [String: String] = [:]) throws(EngineError) {
    var metadata = notes
    metadata["format"] = Self.format
    metadata["version"] = Self.version
    metadata["updates"] = "\(completedSteps)"
    var file = SafetensorsWriter(metadata: metadata)
    for parameter in network.trained {
      for (name, matrix) in parameter.stored {
        file.add(name, shape: [matrix.rows, matrix.columns], values: matrix.values)
      }
    }
    try file.write(to: path)
  }

  /// Goes on from a saved state. Nothing changes unless the whole file fits this network.
  /// - Parameter check: looks at what ``saveState(to:notes:)`` noted, before anything changes
  /// - Throws: `unreadableFile`, `malformedFile`; `invalidArgument` when it is of another model or method; what `check`
  ///   throws
  package func loadState(
    from path: String, check: ([String: String]) throws(EngineError) -> Void = { _ in }
  ) throws(EngineError) {
    let file = try SafetensorsFile(path: path)
    guard file.metadata["format"] == Self.format, file.metadata["version"] == Self.version else {
      throw EngineError(
        .malformedFile, "this is not a training state", at: path, expected: "\(Self.format), version \(Self.version)",
        found: "format \((file.metadata["format"] ?? "none").prefix(40)), version "
          + "\((file.metadata["version"] ?? "none").prefix(40))",
        nextStep: "give a file that saveState wrote")
    }
    guard let text = file.metadata["updates"], let steps = Int(text), (0...Int(Int32.max)).contains(steps) else {
      throw EngineError(
        .malformedFile, "a training state doesn't say how many updates were done", at: path, expected: "updates",
        found: "\((file.metadata["updates"] ?? "none").prefix(40))")
    }
    let wanted = network.trained.flatMap(\.stored)
    for (name, matrix) in wanted {
      let tensor = file.tensors[name]
      guard let tensor, tensor.type == "F32", tensor.shape == [matrix.rows, matrix.columns] else {
        throw EngineError(
          .invalidArgument, "the training state is of another model or method", at: "\(path), tensor \(name)",
          expected: "F32, \(matrix.rows) × \(matrix.columns)",
          found: tensor.map { "\($0.type), \($0.shape)" } ?? "none")
      }
    }
    guard file.tensors.count == wanted.count else {
      throw EngineError(
        .invalidArgument, "the training state is of another model or method", at: path,
        expected: "\(wanted.count) tensors", found: "\(file.tensors.count)")
    }
    try check(file.metadata)
    // All are read before any is changed: a file may be cut while it is read.
    var values: [[Float]] = []
    for (name, _) in wanted { values.append(try file.floats(name)) }
    for ((_, matrix), row) in zip(wanted, values) {
      row.withUnsafeBufferPointer { source in
        if let start = source.baseAddress { matrix.pointer().update(from: start, count: source.count) }
      }
    }
    resume(after: steps)
  }
}

extension Parameter {
  /// Value and moments, with the names and in the order in which a state keeps them.
  fileprivate var stored: [(name: String, matrix: FloatMatrix)] {
    [(name, value)] + (firstMoment.map { [(name + ".first", $0)] } ?? [])
      + (secondMoment.map { [(name + ".second", $0)] } ?? [])
  }
}

extension FullTrainer {
  /// Writes parameters, moments and the count of updates, so that ``loadState(from:)`` can go on from here.
  /// - Throws: `unreadableFile`
  public func saveState(to path: String) throws(EngineError) { try trainer.saveState(to: path) }

  /// Goes on from what ``saveState(to:)`` wrote for a model of this shape.
  /// - Throws: `unreadableFile`, `malformedFile`, `invalidArgument`
  public func loadState(from path: String) throws(EngineError) { try trainer.loadState(from: path) }
}
