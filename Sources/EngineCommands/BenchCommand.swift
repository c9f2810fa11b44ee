import ArgumentParser
import Foundation
import ICLEngine

/// `bench`: how fast the engine does one kind of work on a model.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure one kind of work on a model.",
    discussion: """
      prefill   one pass over a prompt of --tokens, logits of its last position
      decode    --tokens new tokens one after another, behind --prefix others
      states    last-token states of all layers of --queries prompts of --tokens, behind --prefix that all share
      tune      LoRA steps (q and v, rank 8) on one text of --tokens
      compare   the whole comparison on the sentiment task: 8 demonstrations, 50 queries, 3 repetitions

      Token ids are random. One run goes ahead to warm up; the median, least and most of --repeat runs are reported.
      With --json: {"work":…,"precision":…,"kernel":…,"threads":…,"tokens":…,"seconds":{"median":…,"least":…,"most":…},\
      "tokensPerSecond":{…},"peakResidentBytes":…,"packedBytes":…}.
      """)

  enum Work: String, ExpressibleByArgument, CaseIterable { case prefill, decode, states, tune, compare }

  @Argument(help: "prefill, decode, states, tune or compare.") var work: Work
  @OptionGroup var options: ModelOptions
  @Option(help: "Threads. Default: one for each core.") var threads: Int?
  @Option(help: "Tokens: 256 by default, 64 for decode, 32 for states, 512 for tune.") var tokens: Int?
  @Option(help: "Tokens that stand before: 16 by default, 256 for states.") var prefix: Int?
  @Option(help: "Prompts of states. Default: 50.") var queries: Int?
  @Flag(help: "States: what stands before is known from the run before; the prompts' own tokens are new each time.")
  var cached = false
  @Flag(help: "Tune: blocks keep only what goes into them and are computed a second time on the way back.")
  var recompute = false
  @Option(help: "Measured runs.") var `repeat` = 5

  private struct Spread: Encodable {
    var median: Double
    var least: Double
    var most: Double

    init(_ values: [Double]) {
      let sorted = values.sorted()
      let middle = sorted.count / 2
      median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
      least = sorted[0]
      most = sorted[sorted.count - 1]
    }
  }

  private struct Report: Encodable {
    var work: String
    var model: String
    var precision: Precision
    var kernel: String
    var threads: Int
    var tokens: Int
    var `repeat`: Int
    var seconds: Spread
    var tokensPerSecond: Spread?
    var peakResidentBytes: Int
    var packedBytes: Int
  }

  func validate() throws {
    try OptionCheck.atLeast(
      1, ("--threads", threads), ("--tokens", tokens), ("--prefix", prefix), ("--queries", queries),
      ("--repeat", `repeat`))
    if let threads, threads > 1024 { throw ValidationError("--threads takes at most 1024, not '\(threads)'.") }
    if work == .tune, options.precision == .int8 {
      throw ValidationError("--precision int8 has no gradients; tune in f32 or bf16.")
    }
    try OptionCheck.noEffect(
      [
        ("--tokens", tokens != nil && work == .compare),
        ("--prefix", prefix != nil && work != .decode && work != .states),
        ("--queries", queries != nil && work != .states), ("--cached", cached && work != .states),
        ("--recompute", recompute && work != .tune),
      ], because: "bench \(work.rawValue) does not use it")
  }

  func run() throws {
    let path = try options.model ?? Engine.shippedModel()
    let pool = threads.map { ThreadPool(threadCount: $0) } ?? .shared
    let model = try LlamaModel(contentsOf: path, pool: pool).with(options.precision)
    let count = tokens ?? [.prefill: 256, .decode: 64, .states: 32, .tune: 512][work] ?? 0
    let (seconds, counted) = try measure(model, count)
    let report = Report(
      work: work.rawValue, model: model.name, precision: model.precision, kernel: Kernels.name,
      threads: pool.threadCount, tokens: counted, repeat: `repeat`, seconds: Spread(seconds),
      tokensPerSecond: counted > 0 ? Spread(seconds.map { Double(counted) / $0 }) : nil,
      peakResidentBytes: Self.peakResidentBytes(), packedBytes: model.packedByteCount)
    if options.json { return try printJSON(report) }
    let spread = { (s: Spread) in "\(Float(s.median)) (\(Float(s.least)) – \(Float(s.most)))" }
    try StandardOutput.line(
      "\(report.work), \(report.model), \(report.precision.rawValue), \(report.kernel), \(report.threads.counted("thread"))"
    )
    try StandardOutput.line("seconds            \(spread(report.seconds))")
    if let rate = report.tokensPerSecond { try StandardOutput.line("tokens per second  \(spread(rate))") }
    try StandardOutput.line(
      "peak memory        \(report.peakResidentBytes >> 20) MiB, of which packed weights \(report.packedBytes >> 20)")
  }

  /// Seconds of each run, and the tokens that a run goes through (0 where that means nothing).
  private func measure(_ model: LlamaModel, _ count: Int) throws -> ([Double], Int) {
    var generator = SeededGenerator(seed: 1)
    let vocabulary = model.configuration.vocabularySize
    func random(_ count: Int) -> [Int] { (0..<count).map { _ in Int(generator.next() % UInt64(vocabulary)) } }
    let logits = CaptureRequest(points: [], layers: .last, positions: .last, logits: true)
    switch work {
    case .prefill:
      let prompt = random(count)
      return (try time { _ = try model.forward([prompt], capture: logits) }, count)
    case .decode:
      let (beginning, rest) = (random(prefix ?? 16), random(count))
      return (
        try time(before: { () throws(EngineError) in
          let session = try DecodingSession(model)
          _ = try session.append(beginning)
          return session
        }) { session in for token in rest { _ = try session.append([token]) } }, count
      )
    case .states:
      let shared = random(prefix ?? 256)
      let cache = cached ? PrefixCache() : nil
      func prompts() -> [[Int]] { (0..<(queries ?? 50)).map { _ in shared + random(count) } }
      return (
        try time(before: prompts) { prompts in
          _ = try model.forward(prompts, capture: CaptureRequest(points: [.residual]), cache: cache)
        }, (queries ?? 50) * (shared.count + count)
      )
    case .tune:
      let text = random(count)
      let example = TuningExample(tokens: text, lossWeights: Array(repeating: 1, count: count))
      let settings = TuningConfiguration(
        method: .lora(rank: 8, alpha: 16, projections: [.q, .v]), learningRate: 1e-4, steps: `repeat` + 1,
        arithmetic: model.precision == .bf16 ? .bf16 : .reproducible, recomputes: recompute)
      var ends: [ContinuousClock.Instant] = []
      _ = try LoRATuner.tune(model, on: [example], settings) { _ in ends.append(.now) }
      return (zip(ends, ends.dropFirst()).map { Self.seconds($0.duration(to: $1)) }, count)
    case .compare:
      let spec = ComparisonSpec(repetitions: 3)
      return (try time { _ = try ComparisonRun(model: model, task: .sentiment, spec: spec).result() }, 0)
    }
  }

  private func time(_ body: () throws -> Void) throws -> [Double] { try time(before: {}) { try body() } }

  private func time<Prepared>(before prepare: () throws -> Prepared, _ body: (Prepared) throws -> Void) throws
    -> [Double]
  {
    var seconds: [Double] = []
    for run in 0...`repeat` {
      let prepared = try prepare()
      let start = ContinuousClock.now
      try body(prepared)
      if run > 0 { seconds.append(Self.seconds(start.duration(to: .now))) }
    }
    return seconds
  }

  private static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }

  private static func peakResidentBytes() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }
}
