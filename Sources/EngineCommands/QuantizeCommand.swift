import ArgumentParser
import Foundation
import ICLEngine
import NotebookDisplay

/// `quantize`: a model as a smaller GGUF file, or as a Hugging Face folder; with an adapter merged into it, or without.
struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Write a model as a file of another type.",
    discussion: """
      Reads a GGUF file or a Hugging Face folder and writes one GGUF file that llama.cpp loads too. The blocks are \
      those of `llama-quantize --pure` without importance matrix, byte for byte: embedding and output are quantized \
      like the other matrices, norms and biases stay F32. A matrix whose rows are not whole blocks keeps its type.
      With --hugging-face it writes a folder for transformers instead, of F32, F16 or BF16.
      With --adapter a low-rank adapter is merged in: matrices that it changes are dequantized, the update added in F32 \
      and the sum rounded to --type. With F32 the model computes what base and adapter compute apart, but for the \
      rounding of F32; any other type rounds the sum to its grid, on which an update smaller than half a step is lost. \
      What the adapter doesn't change keeps its bytes where it has the type already.
      With --json: {"output":"…","type":"…","bytes":N,"inputBytes":N,"parameters":N,"seconds":…}.
      """)

  @OptionGroup var options: ModelOptions
  @Option(
    help: "Type of the matrices: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, F16, BF16 or F32. Default: Q8_0; BF16 for a folder.")
  var type: String?
  @Option(help: "The file, or folder, to write.") var output: String
  @Option(help: "A folder with an adapter in PEFT's format, to be merged in.") var adapter: String?
  @Flag(help: "Write a Hugging Face folder.") var huggingFace = false

  private struct Report: Encodable {
    var output: String
    var type: String
    var bytes: Int
    var inputBytes: Int
    var parameters: Int
    var seconds: Double
  }

  func validate() throws {
    try OptionCheck.notEmpty(("--output", output), ("--adapter", adapter))
    try OptionCheck.noEffect(
      [("--precision", options.precision != .f32)], because: "quantizing computes no products")
    _ = try place()
  }

  private func place() throws -> ModelOutput {
    try ModelOutput(output, type: type ?? (huggingFace ? "BF16" : "Q8_0"), asFolder: huggingFace)
  }

  func run() throws {
    let target = try place()
    if huggingFace {
      try OutputPlace.checkFolder(output, option: "--output")
    } else {
      try OutputPlace.checkFile(output, option: "--output")
    }
    let engine = try options.load()
    let base = engine.model
    let model =
      try adapter.map { path throws(EngineError) in
        try base.merged(with: LoRAAdapter(contentsOf: path, for: base.configuration))
      } ?? base
    let clock = ContinuousClock()
    let start = clock.now
    let progress = ProgressLine("writing \(output)", total: 100, unit: "per cent")
    var shown = 0
    try target.write(model) { share throws(EngineError) in
      try Interruption.check()
      let percent = Int(share * 100)
      if percent > shown { progress.advance(by: percent - shown) }
      shown = max(shown, percent)
    }
    progress.finish("wrote \(output)")
    let time = start.duration(to: clock.now)
    let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
    let size = Self.byteCount(of: output)
    let report = Report(
      output: output, type: target.type.name, bytes: size, inputBytes: base.files?.byteCount ?? 0,
      parameters: model.weights.parameterCount, seconds: seconds)
    if options.json { return try printJSON(report) }
    try StandardOutput.line(
      "\(output): \(target.type.name), \(report.bytes) bytes of \(report.inputBytes), \(report.parameters) parameters, "
        + "\((seconds * 100).rounded() / 100) s")
  }

  /// Of a file, or of a folder's files together.
  private static func byteCount(of path: String) -> Int {
    let manager = FileManager.default
    let names = (try? manager.contentsOfDirectory(atPath: path)) ?? []
    let files = names.isEmpty ? [path] : names.map { "\(path)/\($0)" }
    return files.reduce(0) { $0 + ((try? manager.attributesOfItem(atPath: $1)[.size] as? Int) ?? 0) }
  }
}
