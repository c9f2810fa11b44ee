import ArgumentParser
import Foundation
import ICLEngine

/// `tune`: a low-rank adapter, key and value projections, or a whole model from examples.
struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune", abstract: "Tune a model on examples: a low-rank adapter (LoRA), keys and values, everything.",
    discussion: """
      Examples are lines of JSON: {"prompt": "…", "answer": "…"}, of which only the answer counts in the loss, or
      {"text": "…"}, of which everything does.
      --method lora saves an adapter as PEFT does. --method full tunes every parameter and --method key-value the key and
      value projections alone; they save a model: one GGUF file if the name ends in .gguf, else a Hugging Face folder.
      Both keep what they tune in F32, with gradient and moments 16 bytes a number: for small models, or few --layers.
      Interrupted (Ctrl-C, SIGTERM), it saves the last whole update and ends with the exit code of the signal; with
      --checkpoint the same command goes on from there, and ends with the bits of a run that was never interrupted.
      With --json: {"method":"…","losses":[…],"steps":N,"interrupted":false,"seconds":…,"tokensPerSecond":…,\
      "adapter":"…" or "model":"…"}.
      """)

  enum Method: String, ExpressibleByArgument, CaseIterable, Encodable {
    case lora, full
    case keyValue = "key-value"
  }

  @OptionGroup var options: ModelOptions
  @Option(help: "A .jsonl file of examples.") var data: String
  @Option(help: ArgumentHelp("What is tuned.", valueName: "lora|full|key-value")) var method = Method.lora
  @Option(help: "Where the adapter (a folder), or the model (a .gguf file or a folder), is saved.") var out: String?
  @Option(help: "Type of a model's matrices: F32, F16, BF16 or, in a GGUF file, Q8_0, Q4_0 and so on. Default: F32.")
  var type: String?
  @OptionGroup(title: "LoRA") var lora: LoRAOptions
  @Option(help: ArgumentHelp("Which blocks are tuned, from 1; all without it.", valueName: "1,2,…")) var layers: String?
  @Option(help: ArgumentHelp("The optimizer.", valueName: "adamw|sgd")) var optimizer = "adamw"
  @Option(help: "Momentum of sgd. Default: 0.") var momentum: Float?
  @Option(help: "Weight decay.") var decay: Float = 0
  @Option(help: "Optimizer steps.") var steps = 60
  @Option(help: "Examples in each step; without it all of them.") var batch: Int?
  @Option(help: "Portions in which a step's examples go through the model: less memory.") var accumulate = 1
  @Option(help: "Peak learning rate.") var rate: Float = 1e-3
  @Option(help: "Steps over which the rate rises.") var warmUp = 0
  @Option(help: ArgumentHelp("How the rate goes on: stays or falls to 0.", valueName: "constant|linear|cosine"))
  var schedule: String?
  @Flag(help: "The same as --schedule cosine.") var cosine = false
  @Flag(help: "Compute each block's inside again in the backward pass: less memory, the same bits.")
  var recompute = false
  @Option(help: "A file that keeps the run; if it is there, the run goes on from it.") var checkpoint: String?
  @Option(help: "Steps between two writings of the checkpoint. Default: 10.") var checkpointEvery: Int?
  @Flag(help: "Begin anew even if the checkpoint is there.") var anew = false
  @Option(help: "Largest norm of all gradients together.") var clip: Float?
  @Option(help: "Decides initial values, order of examples and dropout; 0 or more.", transform: OptionCheck.seed)
  var seed: UInt64 = 0

  private static let schedules: [String: RateSchedule] = ["constant": .constant, "linear": .linear, "cosine": .cosine]

  func validate() throws {
    try OptionCheck.notEmpty(("--data", data), ("--out", out), ("--checkpoint", checkpoint))
    if let schedule, Self.schedules[schedule] == nil {
      throw ValidationError("--schedule takes constant, linear or cosine, not '\(schedule)'.")
    }
    if cosine, let schedule, schedule != "cosine" {
      throw ValidationError("--cosine and --schedule \(schedule) contradict each other; give one of them.")
    }
    if !["adamw", "sgd"].contains(optimizer) {
      throw ValidationError("--optimizer takes adamw or sgd, not '\(optimizer)'.")
    }
    if momentum != nil, optimizer != "sgd" {
      throw ValidationError("--momentum has no effect with --optimizer adamw; add --optimizer sgd or leave it out.")
    }
    if options.precision == .int8 {
      throw ValidationError("--precision int8 has no gradients; tune in f32 or bf16.")
    }
    try OptionCheck.atLeast(1, ("--steps", steps), ("--batch", batch), ("--accumulate", accumulate))
    try OptionCheck.atLeast(0, ("--warm-up", warmUp))
    try OptionCheck.atLeast(1, ("--checkpoint-every", checkpointEvery))
    try OptionCheck.number("--rate", Double(rate), "a rate above 0") { $0 > 0 }
    try OptionCheck.number("--decay", Double(decay), "a number, 0 or more") { $0 >= 0 }
    try OptionCheck.number("--momentum", momentum.map(Double.init), "a number from 0, below 1") { (0..<1).contains($0) }
    try OptionCheck.number("--clip", clip.map(Double.init), "a norm above 0") { $0 > 0 }
    if let layers,
      layers.split(separator: ",", omittingEmptySubsequences: false).contains(where: { (Int($0) ?? 0) < 1 })
    {
      throw ValidationError("--layers takes whole numbers from 1 with commas between, not '\(layers)'.")
    }
    try OptionCheck.noEffect(
      [("--checkpoint-every", checkpointEvery != nil), ("--anew", anew)].filter { _ in checkpoint == nil },
      because: "it belongs to --checkpoint FILE")
    if method == .lora {
      if type != nil { throw ValidationError("--type goes with a tuned model; an adapter is F32.") }
      try lora.check()
    } else if let name = lora.named {
      throw ValidationError("\(name) goes with --method lora alone.")
    }
    if type != nil, out == nil { throw ValidationError("--type has no effect without --out: nothing is written.") }
    _ = try output()
  }

  /// Where a tuned model goes.
  private func output() throws -> ModelOutput? {
    guard method != .lora, let out else { return nil }
    return try ModelOutput(out, type: type ?? "F32", asFolder: !out.lowercased().hasSuffix(".gguf"))
  }

  private struct Line: Decodable {
    var prompt: String?
    var answer: String?
    var text: String?
  }

  private struct Report: Encodable {
    var method: Method
    var losses: [Float]
    var steps: Int
    var interrupted: Bool
    var seconds: Double
    var tokensPerSecond: Double
    var adapter: String?
    var model: String?
  }

  func run() throws {
    if let out {
      if method == .lora || !out.lowercased().hasSuffix(".gguf") {
        try OutputPlace.checkFolder(out, option: "--out")
      } else {
        try OutputPlace.checkFile(out, option: "--out")
      }
    } else {
      StandardError.line(
        "warning: without --out nothing that is tuned is saved" + (checkpoint == nil ? "" : " but the checkpoint"))
    }
    if let checkpoint { try OutputPlace.checkFile(checkpoint, option: "--checkpoint") }
    try OutputPlace.checkDistinct([("--out", out), ("--checkpoint", checkpoint)])
    let engine = try options.load()
    let examples = try Self.examples(data, tokenizer: engine.model.tokenizer)
    let chosen: TuningMethod =
      switch method {
      case .lora: try lora.method()
      case .full: .full
      case .keyValue: .keyValue
      }
    let settings = TuningConfiguration(
      method: chosen,
      optimizer: optimizer == "sgd" ? .sgd(momentum: momentum ?? 0, weightDecay: decay) : .adamW(weightDecay: decay),
      learningRate: rate, schedule: cosine ? .cosine : Self.schedules[schedule ?? "constant"] ?? .constant,
      warmUpSteps: warmUp,
      steps: steps, batchSize: batch, accumulation: accumulate, clip: clip, seed: seed,
      arithmetic: options.precision == .bf16 ? .bf16 : .reproducible,
      layers: layers?.split(separator: ",").compactMap { Int($0) }, recomputes: recompute)
    let clock = ContinuousClock()
    let start = clock.now
    // Of this call: a run that goes on has more.
    var done = 0
    let result = try engine.tune(
      examples, settings,
      checkpoint: checkpoint.map { TuningCheckpoint($0, every: checkpointEvery ?? 10, resumes: !anew) }
    ) { progress in
      done += 1
      if !options.json { StandardError.line("\(progress)") }
    }
    // What was tuned for hours is written even if the run was interrupted.
    Interruption.reset()
    let time = start.duration(to: clock.now)
    let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
    try save(result, of: engine.model)
    let perStep = examples.reduce(0) { $0 + $1.tokens.count } * min(batch ?? examples.count, examples.count)
    let tokens = Double(perStep) / Double(examples.count) * Double(done)
    let report = Report(
      method: method, losses: result.losses, steps: result.completedSteps, interrupted: result.isInterrupted,
      seconds: seconds, tokensPerSecond: seconds > 0 ? tokens / seconds : 0, adapter: method == .lora ? out : nil,
      model: method == .lora ? nil : out)
    if options.json {
      try printJSON(report)
    } else {
      try StandardOutput.line(
        "\(report.steps.counted("step")) on \(examples.count.counted("example")) in \(Self.rounded(seconds)) s, "
          + "\(Int(report.tokensPerSecond)) tokens a second"
          + (report.interrupted ? "; interrupted" : "")
          + (result.losses.first.map { ": loss \($0)" } ?? "") + (result.losses.last.map { " → \($0)" } ?? "")
          + (out.map { "; \(method == .lora ? "adapter" : "model") in \($0)" } ?? ""))
    }
    if result.isInterrupted { throw stopped(after: result.completedSteps) }
  }

  private func stopped(after done: Int) -> Stopped {
    let saved = [out, checkpoint.map { "the checkpoint \($0)" }].compactMap(\.self)
    return Stopped(
      place: "after \(done) of \(steps.counted("step"))",
      saved: saved.isEmpty
        ? "nothing was saved"
        : saved.joined(separator: " and ") + " \(saved.count == 1 ? "has" : "have") the last whole update",
      next: checkpoint == nil
        ? "with --checkpoint FILE the same command goes on where it was stopped: \(GivenCommand.text) --checkpoint FILE"
        : "the same command goes on from there: \(GivenCommand.text(without: ["--anew"]))")
  }

  private func save(_ result: TuningResult, of model: LlamaModel) throws {
    if let out, let adapter = result.adapter {
      try adapter.write(to: out, for: model.configuration, baseModel: model.name)
    }
    guard let output = try output(), let weights = result.weights else { return }
    let tuned = try LlamaModel(
      configuration: model.configuration, weights: weights, tokenizer: model.tokenizer, name: model.name,
      chatTemplate: model.chatTemplate)
    try output.write(tuned) { _ throws(EngineError) in }
  }

  private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

  private static func examples(_ path: String, tokenizer: any Tokenizer) throws -> [TuningExample] {
    let text: String
    do {
      text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
    } catch {
      throw EngineError(
        .unreadableFile, "the examples can't be read", at: path, expected: "a .jsonl file in UTF-8",
        nextStep: "check the path and its permissions", underlying: error)
    }
    var examples: [TuningExample] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.allSatisfy(\.isWhitespace) { continue }
      let parsed = try? JSONDecoder().decode(Line.self, from: Data(line.utf8))
      switch (parsed?.prompt, parsed?.answer, parsed?.text) {
      case (let prompt?, let answer?, nil):
        examples.append(TuningExample(prompt: prompt, answer: answer, tokenizer: tokenizer))
      case (nil, nil, let text?): examples.append(TuningExample(text: text, tokenizer: tokenizer))
      default:
        throw EngineError(
          .malformedFile, "a line is no example", at: "\(path), line \(index + 1)",
          expected: #"{"prompt": "…", "answer": "…"} or {"text": "…"}"#, found: String(line.prefix(80)))
      }
    }
    return examples
  }
}

/// What only a low-rank adapter has.
struct LoRAOptions: ParsableArguments {
  @Option(help: "Rank of the updates. Default: 8.") var rank: Int?
  @Option(help: "The update is scaled by alpha / rank. Default: 16.") var alpha: Float?
  @Option(help: "Which of q,k,v,o,gate,up,down are tuned, with commas between. Default: q,v.") var projections: String?
  @Option(help: "Share of their input that updates don't see in a step. Default: 0.") var dropout: Float?
  @Flag(help: "Scale by alpha / √rank instead (rank-stabilized).") var rankStabilized = false

  /// The first option that was given.
  var named: String? {
    if rank != nil { return "--rank" }
    if alpha != nil { return "--alpha" }
    if projections != nil { return "--projections" }
    if dropout != nil { return "--dropout" }
    return rankStabilized ? "--rank-stabilized" : nil
  }

  func check() throws {
    try OptionCheck.atLeast(1, ("--rank", rank))
    try OptionCheck.number("--alpha", alpha.map(Double.init), "a number other than 0") { $0 != 0 }
    try OptionCheck.number("--dropout", dropout.map(Double.init), "a share from 0, below 1") { (0..<1).contains($0) }
    _ = try method()
  }

  func method() throws -> TuningMethod {
    let names = (projections ?? "q,v").split(separator: ",", omittingEmptySubsequences: false)
    let chosen: [Projection] = try names.map {
      try OptionCheck.choice("--projections", $0.trimmingCharacters(in: .whitespaces))
    }
    return .lora(
      rank: rank ?? 8, alpha: alpha ?? 16, projections: chosen, dropout: dropout ?? 0, isRankStabilized: rankStabilized)
  }
}
