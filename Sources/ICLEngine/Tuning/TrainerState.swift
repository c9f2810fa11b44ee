import Foundation

/// Where a run of training stands, as a file: parameters, moments and the count of updates. A run that goes on from it
/// has the bits of one that never stopped (with ``TrainingArithmetic/reproducible``, or on the same machine).
///
/// Format, little-endian: "ICLTRAIN"; u32 version 1; u64 updates; u32 count of parameters; for each its name (u64
/// length, UTF-8), u64 rows, u64 columns, then value, first and second moment as F32.
extension Trainer {
  private static let magic: [UInt8] = Array("ICLTRAIN".utf8)
  private static let version: UInt32 = 1

  /// - Throws: `unreadableFile` when the file cannot be written. The old file, if any, is whole until the new one is.
  package func saveState(to path: String) throws(EngineError) {
    var data = Data(Self.magic)
    func put(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) }
    }
    put(Self.version)
    put(UInt64(completedSteps))
    put(UInt32(network.trained.count))
    for parameter in network.trained {
      put(UInt64(parameter.name.utf8.count))
      data.append(contentsOf: parameter.name.utf8)
      put(UInt64(parameter.value.rows))
      put(UInt64(parameter.value.columns))
      for matrix in parameter.stored { data.append(Data(bytes: matrix.pointer(), count: parameter.count * 4)) }
    }
    do {
      try data.write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw EngineError(
        .unreadableFile, "the training state cannot be written", at: path,
        nextStep: "check the folder and the free space", underlying: error)
    }
  }

  /// Goes on from a saved state. Nothing changes unless the whole file fits this network.
  /// - Throws: `unreadableFile`, `malformedFile`; `invalidArgument` when it is of another model or method
  package func loadState(from path: String) throws(EngineError) {
    let file = try MappedFile(path: path)
    var cursor = ByteCursor(file)
    let start = try cursor.skip(UInt64(Self.magic.count), "magic")
    let version = try cursor.u32("version")
    guard Array(file.bytes[start..<start + Self.magic.count]) == Self.magic, version == Self.version else {
      throw EngineError(
        .malformedFile, "this is not a training state", at: path, expected: "ICLTRAIN, version \(Self.version)",
        found: "other bytes", nextStep: "give a file that saveState wrote")
    }
    let steps = try cursor.u64("updates")
    let count = try cursor.u32("count of parameters")
    guard steps <= UInt64(Int32.max), count == UInt32(network.trained.count) else {
      throw EngineError(
        .invalidArgument, "the training state is of another model or method", at: path,
        expected: "\(network.trained.count) parameters", found: "\(count) parameters, \(steps) updates")
    }
    var places: [Int] = []
    for parameter in network.trained {
      let name = try cursor.string(atMost: 4096, "name of a parameter")
      let (rows, columns) = (try cursor.u64("rows"), try cursor.u64("columns"))
      guard name == parameter.name, rows == UInt64(parameter.value.rows), columns == UInt64(parameter.value.columns)
      else {
        throw EngineError(
          .invalidArgument, "the training state is of another model or method", at: path,
          expected: "\(parameter.name), \(parameter.value.rows) × \(parameter.value.columns)",
          found: "\(name), \(rows) × \(columns)")
      }
      places.append(try cursor.skip(UInt64(parameter.count * 12), "values of \(name)"))
    }
    guard cursor.remaining == 0 else {
      throw EngineError(
        .malformedFile, "bytes follow the training state", at: cursor.location("end"), expected: "the end of the file",
        found: "\(cursor.remaining) more bytes")
    }
    for (parameter, place) in zip(network.trained, places) {
      for (index, matrix) in parameter.stored.enumerated() {
        let bytes = file.bytes[(place + index * parameter.count * 4)..<(place + (index + 1) * parameter.count * 4)]
        UnsafeMutableRawBufferPointer(start: matrix.pointer(), count: parameter.count * 4).copyBytes(from: bytes)
      }
    }
    resume(after: Int(steps))
  }
}

extension Parameter {
  /// Value and moments, in the order in which a state keeps them.
  fileprivate var stored: [FloatMatrix] { [value, firstMoment, secondMoment].compactMap(\.self) }
}

extension FullTrainer {
  /// Writes parameters, moments and the count of updates, so that ``loadState(from:)`` can go on from here.
  /// - Throws: `unreadableFile`
  public func saveState(to path: String) throws(EngineError) { try trainer.saveState(to: path) }

  /// Goes on from what ``saveState(to:)`` wrote for a model of this shape.
  /// - Throws: `unreadableFile`, `malformedFile`, `invalidArgument`
  public func loadState(from path: String) throws(EngineError) { try trainer.loadState(from: path) }
}
