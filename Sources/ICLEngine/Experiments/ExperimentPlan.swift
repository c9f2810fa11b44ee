import Foundation

/// Everything that an experiment will do, in units that do not depend on each other: each repetition at each value.
package struct ExperimentPlan: Sendable, Equatable, Codable {
  /// One repetition at one value of the factor.
  package struct Unit: Sendable, Hashable, Codable {
    /// Index into the plan's values.
    package let value: Int
    package let repetition: Int
  }

  /// What a sweep varies; `nil` for a comparison alone.
  package let factor: String?
  /// The factor's values as labels; one, empty, for a comparison alone.
  package let values: [String]
  /// One for each value.
  package let frames: [ComparisonFrame]
  /// SHA-256 of the task's JSON: its examples, templates and words.
  package let taskSHA256: String

  package init(
    factor: String?, values: [String], frames: [ComparisonFrame], task: ClassificationTask
  ) throws(EngineError) {
    self.factor = factor
    self.values = values
    self.frames = frames
    taskSHA256 = SHA256Digest.hexadecimal(Array(try ExperimentJSON.text(of: task).utf8))
  }

  /// In the order in which a single run does them.
  package var units: [Unit] {
    frames.indices.flatMap { value in
      (0..<frames[value].spec.repetitions).map { Unit(value: value, repetition: $0) }
    }
  }

  /// SHA-256 of all that decides the numbers; where the model's file lies is not part of it.
  package func identity() throws(EngineError) -> String {
    let placeless = frames.map { frame in
      ComparisonFrame(frame, path: nil)
    }
    let plan = ExperimentPlan(factor: factor, values: values, frames: placeless, taskSHA256: taskSHA256)
    return SHA256Digest.hexadecimal(Array(try ExperimentJSON.text(of: plan).utf8))
  }

  private init(factor: String?, values: [String], frames: [ComparisonFrame], taskSHA256: String) {
    self.factor = factor
    self.values = values
    self.frames = frames
    self.taskSHA256 = taskSHA256
  }
}

/// One of `count` parts of an experiment, which run anywhere, in any order: every `count`-th unit.
public struct Shard: Sendable, Equatable {
  /// 1…count
  public let number: Int
  public let count: Int

  /// - Throws: `invalidArgument` unless 1 ≤ number ≤ count
  public init(_ number: Int, of count: Int) throws(EngineError) {
    guard count >= 1, (1...count).contains(number) else {
      throw EngineError(
        .invalidArgument, "there is no such shard", expected: "a number from 1 to the count, such as 2/4",
        found: "\(number)/\(count)")
    }
    self.number = number
    self.count = count
  }

  /// Reads `2/4`.
  public init(_ text: String) throws(EngineError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let number = parts[0], let count = parts[1] else {
      throw EngineError(
        .invalidArgument, "a shard is written as its number and their count", expected: "1/4 … 4/4", found: text)
    }
    try self.init(number, of: count)
  }

  package func units(of plan: ExperimentPlan) -> [ExperimentPlan.Unit] {
    plan.units.enumerated().filter { $0.offset % count == number - 1 }.map(\.element)
  }
}

/// JSON as experiments keep it and take checksums of it: sorted keys, every bit of a number, undefined numbers as the
/// string `"NaN"`. Its text decides identities, so it stays as it is.
enum ExperimentJSON {
  static func text(of value: some Encodable, pretty: Bool = false) throws(EngineError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      throw EngineError(.unsupported, "the result cannot be written as JSON", underlying: error)
    }
  }

  static func value<T: Decodable>(_ type: T.Type, from data: Data) throws -> T {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return try decoder.decode(type, from: data)
  }
}
