import Foundation

/// Where a tuning run keeps itself, so that it can go on after a stop with the bits of one that never stopped.
public struct TuningCheckpoint: Sendable, Equatable {
  /// A safetensors file: what is tuned, the optimizer's moments, and the state of everything random.
  public var path: String
  /// The file is written after every so many updates, when the run ends and when it is interrupted.
  public var every: Int
  /// Whether a run goes on from the file if there is one; otherwise it begins anew and overwrites it.
  public var resumes: Bool

  public init(_ path: String, every: Int = 10, resumes: Bool = true) {
    self.path = path
    self.every = every
    self.resumes = resumes
  }
}

/// What a checkpoint knows beside parameters and moments.
struct TuningRunState: Codable {
  var configuration: TuningConfiguration
  var model: ModelConfiguration
  /// SHA-256 of the examples' tokens and weights.
  var examples: String
  var order: ExampleOrder
  var dropout: SeededGenerator
  var losses: [Float]
  var gradientNorms: [Float]

  /// The next update's examples. A batch in which nothing counts would have no mean.
  mutating func batch(of examples: [TuningExample]) -> Trainer.Batch {
    var batch = order.next().map { examples[$0] }
    while batch.totalWeight == 0 { batch = order.next().map { examples[$0] } }
    return Trainer.Batch(examples: batch, dropoutSeed: dropout.next())
  }

  private static let key = "run"

  func notes() throws(EngineError) -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    do { return [Self.key: String(decoding: try encoder.encode(self), as: UTF8.self)] } catch {
      throw EngineError(.invalidArgument, "a tuning run's state can't be written", underlying: error)
    }
  }

  init(configuration: TuningConfiguration, model: ModelConfiguration, examples: [TuningExample]) {
    self.configuration = configuration
    self.model = model
    self.examples = Self.digest(examples)
    order = ExampleOrder(count: examples.count, batch: configuration.batchSize, seed: configuration.seed)
    dropout = SeededGenerator(seed: configuration.seed, stream: "dropout")
    losses = []
    gradientNorms = []
  }

  /// Reads what ``notes()`` made, for a run of the same model, examples and choices.
  /// - Throws: `malformedFile`; `invalidArgument` when the run is another one
  func resumed(_ notes: [String: String], path: String) throws(EngineError) -> TuningRunState {
    let kept: TuningRunState
    do { kept = try JSONDecoder().decode(TuningRunState.self, from: Data((notes[Self.key] ?? "").utf8)) } catch {
      throw EngineError(
        .malformedFile, "a checkpoint doesn't say where its run stood", at: "\(path), metadata run",
        nextStep: "begin anew with another path", underlying: error)
    }
    var settings = kept.configuration
    // These change what a run reports or how long it is, not the updates that were done.
    settings.snapshotEvery = configuration.snapshotEvery
    settings.recomputes = configuration.recomputes
    if configuration.schedule == .constant { settings.steps = configuration.steps }
    let differences = [
      kept.model == model ? nil : "the model's shape", kept.examples == examples ? nil : "the examples",
      settings == configuration ? nil : "the settings \(settings)",
    ].compactMap(\.self)
    guard differences.isEmpty else {
      throw EngineError(
        .invalidArgument, "the checkpoint is of another tuning run", at: path,
        expected: "the same model, examples and settings", found: "other: " + differences.joined(separator: "; "),
        nextStep: "use its settings, another path, or resumes: false to begin anew")
    }
    guard notes["updates"] == "\(kept.losses.count)", kept.losses.count == kept.gradientNorms.count,
      kept.order.isSound(count: order.count)
    else { throw EngineError(.malformedFile, "a checkpoint's run makes no sense", at: "\(path), metadata run") }
    return kept
  }

  private static func digest(_ examples: [TuningExample]) -> String {
    var bytes: [UInt8] = []
    func put(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    for example in examples {
      put(UInt64(example.tokens.count))
      for token in example.tokens { put(UInt32(truncatingIfNeeded: token)) }
      for weight in example.lossWeights { put(weight.bitPattern) }
    }
    return SHA256Digest.hexadecimal(bytes)
  }
}

/// Which examples each update sees: all in their order, or shuffled batches in which every example comes once before
/// any comes again.
struct ExampleOrder: Codable {
  let count: Int
  private let batch: Int
  private var generator: SeededGenerator
  private var rest: [Int] = []

  init(count: Int, batch: Int?, seed: UInt64) {
    self.count = count
    self.batch = batch ?? count
    generator = SeededGenerator(seed: seed, stream: "order of examples")
  }

  mutating func next() -> [Int] {
    if batch >= count { return Array(0..<count) }
    var chosen: [Int] = []
    while chosen.count < batch {
      if rest.isEmpty { rest = generator.shuffled(Array(0..<count)).reversed() }
      if let last = rest.popLast() { chosen.append(last) }
    }
    return chosen
  }

  /// Whether what was read from a file can be gone on from.
  func isSound(count: Int) -> Bool {
    self.count == count && count > 0 && batch > 0 && rest.count <= count && rest.allSatisfy { (0..<count).contains($0) }
  }
}
