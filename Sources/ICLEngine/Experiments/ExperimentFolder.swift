import Foundation

/// A folder that keeps each finished repetition of one experiment, so that a run that was interrupted, or crashed,
/// goes on from there, and shards that ran elsewhere come together.
///
///     experiment.json              the plan, written by the first run
///     repetition-002-005.json      repetition 5 at value 2
///
/// A file appears whole or not at all. Several runs may work in one folder at once: what two of them compute is equal
/// to the bit, so it does not matter whose file stays. Files of one experiment may be copied from folder to folder.
package struct ExperimentFolder: Sendable {
  let url: URL
  package let plan: ExperimentPlan
  private let identity: String

  private struct PlanFile: Codable {
    var identity: String
    var plan: ExperimentPlan
  }

  private struct UnitFile: Codable {
    var experiment: String
    var unit: ExperimentPlan.Unit
    var kept: KeptRepetition
    /// SHA-256 of `kept` as JSON.
    var sha256: String
  }

  /// Opens the folder for a plan; makes it when it is not there.
  /// - Throws: `invalidArgument` when another experiment is kept there; `unreadableFile`
  package init(at path: String, for plan: ExperimentPlan) throws(EngineError) {
    url = URL(filePath: path, directoryHint: .isDirectory)
    identity = try plan.identity()
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    } catch {
      throw EngineError(
        .unreadableFile, "the experiment's folder cannot be made", at: path,
        nextStep: "check the path and its permissions", underlying: error)
    }
    if let there = try Self.planFile(in: url) {
      guard there.identity == identity else {
        throw EngineError(
          .invalidArgument, "the folder keeps another experiment", at: path,
          expected: Self.summary(plan, identity),
          found: Self.summary(there.plan, there.identity) + Self.differences(there.plan, plan),
          nextStep: "give this one a folder of its own; model file, task, choices and engine version must be the same")
      }
      // The first run's plan: it may name another path of the same model file.
      self.plan = there.plan
    } else {
      self.plan = plan
      try Self.write(ExperimentJSON.text(of: PlanFile(identity: identity, plan: plan), pretty: true), to: planURL)
    }
  }

  /// Opens a folder that holds an experiment, for reading what is there.
  /// - Throws: `unreadableFile`, `malformedFile`
  package init(opening path: String) throws(EngineError) {
    url = URL(filePath: path, directoryHint: .isDirectory)
    guard let there = try Self.planFile(in: url) else {
      throw EngineError(
        .unreadableFile, "the folder keeps no experiment", at: path, expected: "a file experiment.json in it",
        nextStep: "give the folder that `icl-kernel compare --keep` wrote")
    }
    plan = there.plan
    identity = there.identity
  }

  private var planURL: URL { Self.planURL(in: url) }
  private static func planURL(in folder: URL) -> URL { folder.appending(path: "experiment.json") }

  private static func planFile(in folder: URL) throws(EngineError) -> PlanFile? {
    let file = planURL(in: folder)
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    do {
      return try ExperimentJSON.value(PlanFile.self, from: Data(contentsOf: file))
    } catch {
      throw EngineError(
        .malformedFile, "the experiment's plan cannot be read", at: file.path,
        expected: "what an earlier run wrote there", nextStep: "give another folder, or remove this one",
        underlying: error)
    }
  }

  private static func summary(_ plan: ExperimentPlan, _ identity: String) -> String {
    let frame = plan.frames.first
    return "\(frame?.task ?? "nothing") on \(frame?.model.name ?? "no model")"
      + (plan.factor.map { " by \($0)" } ?? "") + " (\(identity.prefix(12))…)"
  }

  /// What of two plans is not the same, by name.
  private static func differences(_ there: ExperimentPlan, _ here: ExperimentPlan) -> String {
    var names: [String] = []
    func note(_ name: String, _ isSame: Bool) { if !isSame, !names.contains(name) { names.append(name) } }
    note("the factor or its values", there.factor == here.factor && there.values == here.values)
    note("the task's examples or words", there.taskSHA256 == here.taskSHA256)
    func choices(_ frame: ComparisonFrame) -> [String: Data?] {
      guard let text = try? ExperimentJSON.text(of: frame.spec),
        let object = (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any]
      else { return [:] }
      // In one order: two dictionaries of the same choices may list them differently.
      return object.mapValues {
        try? JSONSerialization.data(withJSONObject: $0, options: [.sortedKeys, .fragmentsAllowed])
      }
    }
    for (a, b) in zip(there.frames, here.frames) {
      note("the model", a.model.sha256 == b.model.sha256 && a.model.quantization == b.model.quantization)
      note("engine version \(a.engineVersion)", a.engineVersion == b.engineVersion)
      let (x, y) = (choices(a), choices(b))
      for key in Set(x.keys).union(y.keys).sorted() { note(key, x[key] == y[key]) }
    }
    if names.isEmpty {
      // A plan that was read has every choice; its text of then had fewer.
      return "; it was kept by an earlier version, which knew fewer choices"
    }
    return "; not the same: " + names.joined(separator: ", ")
  }

  private func file(of unit: ExperimentPlan.Unit) -> URL {
    func padded(_ number: Int) -> String { String(repeating: "0", count: max(0, 3 - "\(number)".count)) + "\(number)" }
    return url.appending(path: "repetition-\(padded(unit.value))-\(padded(unit.repetition)).json")
  }

  /// What an earlier run kept; `nil` when there is nothing, or nothing whole, so that it must be computed.
  package func kept(_ unit: ExperimentPlan.Unit) -> KeptRepetition? {
    guard let data = try? Data(contentsOf: file(of: unit)),
      let read = try? ExperimentJSON.value(UnitFile.self, from: data),
      read.experiment == identity, read.unit == unit, read.kept.index == unit.repetition,
      let text = try? ExperimentJSON.text(of: read.kept),
      SHA256Digest.hexadecimal(Array(text.utf8)) == read.sha256
    else { return nil }
    return read.kept
  }

  /// - Throws: `unreadableFile` when it cannot be written
  package func keep(_ kept: KeptRepetition, as unit: ExperimentPlan.Unit) throws(EngineError) {
    let digest = SHA256Digest.hexadecimal(Array(try ExperimentJSON.text(of: kept).utf8))
    try Self.write(
      ExperimentJSON.text(
        of: UnitFile(experiment: identity, unit: unit, kept: kept, sha256: digest), pretty: true),
      to: file(of: unit))
  }

  /// Takes over what another folder of the same experiment keeps.
  /// - Throws: `invalidArgument` when it keeps another experiment
  package func take(from other: ExperimentFolder) throws(EngineError) {
    guard other.identity == identity else {
      throw EngineError(
        .invalidArgument, "the folders keep different experiments", at: other.url.path,
        expected: Self.summary(plan, identity), found: Self.summary(other.plan, other.identity))
    }
    for unit in plan.units where kept(unit) == nil {
      if let found = other.kept(unit) { try keep(found, as: unit) }
    }
  }

  /// Every unit of the plan.
  /// - Throws: `invalidArgument` when some were not run yet
  package func whole() throws(EngineError) -> [ExperimentPlan.Unit: KeptRepetition] {
    var result: [ExperimentPlan.Unit: KeptRepetition] = [:]
    for unit in plan.units { result[unit] = kept(unit) }
    guard result.count == plan.units.count else {
      let missing = plan.units.filter { result[$0] == nil }
      throw EngineError(
        .invalidArgument, "the experiment is not finished", at: url.path, expected: "\(plan.units.count) repetitions",
        found: "\(result.count); not there: "
          + missing.prefix(5).map { file(of: $0).lastPathComponent }.joined(separator: ", ")
          + (missing.count > 5 ? ", …" : ""),
        nextStep: "run the shards that are missing, or `icl-kernel compare` with the same --spec and --keep")
    }
    return result
  }

  /// Atomically: to a file beside it, then renamed.
  private static func write(_ text: String, to url: URL) throws(EngineError) {
    do {
      try Data(text.utf8).write(to: url, options: .atomic)
    } catch {
      throw EngineError(
        .unreadableFile, "a finished repetition cannot be kept", at: url.path,
        nextStep: "make room, or check the folder's permissions, and run the same command again", underlying: error)
    }
  }
}
