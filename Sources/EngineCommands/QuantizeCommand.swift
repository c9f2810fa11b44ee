import ArgumentParser
import Foundation
import ICLEngine

/// `quantize`: a model as a smaller GGUF file.
struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Write a model as a GGUF file of another type.",
    discussion: """
      Reads a GGUF file or a Hugging Face folder and writes one GGUF file that llama.cpp loads too. The blocks are \
      those of `llama-quantize --pure` without importance matrix, byte for byte: embedding and output are quantized \
      like the other matrices, norms and biases stay F32. A matrix whose rows are not whole blocks keeps its type.
      With --json: {"output":"…","type":"…","bytes":N,"inputBytes":N,"parameters":N,"seconds":…}.
      """)

  @OptionGroup var options: ModelOptions
  @Option(help: "Type of the matrices: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, F16, BF16 or F32.") var type = "Q8_0"
  @Option(help: "The file to write.") var output: String

  private struct Report: Encodable {
    var output: String
    var type: String
    var bytes: Int
    var inputBytes: Int
    var parameters: Int
    var seconds: Double
  }

  func validate() throws {
    guard BlockQuantizer.supported.contains(where: { $0.name == type.uppercased() }) else {
      throw ValidationError(
        "--type \(type) is not written; choose one of "
          + BlockQuantizer.supported.map(\.name).joined(separator: ", "))
    }
  }

  func run() throws {
    guard let type = BlockQuantizer.supported.first(where: { $0.name == type.uppercased() }) else { return }
    let model = try options.load().model
    let clock = ContinuousClock()
    let start = clock.now
    signal(SIGINT) { _ in Interruption.request() }
    var shown = -1
    let isTerminal = isatty(STDERR_FILENO) == 1
    try model.write(gguf: output, as: type) { share throws(EngineError) in
      try Interruption.check()
      let percent = Int(share * 100)
      if !options.json, isTerminal, percent != shown {
        shown = percent
        FileHandle.standardError.write(Data("\r\(percent) %".utf8))
      }
    }
    if shown >= 0 { FileHandle.standardError.write(Data("\r".utf8)) }
    let time = start.duration(to: clock.now)
    let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
    let size = (try? FileManager.default.attributesOfItem(atPath: output)[.size] as? Int) ?? 0
    let report = Report(
      output: output, type: type.name, bytes: size, inputBytes: model.files?.byteCount ?? 0,
      parameters: model.weights.parameterCount, seconds: seconds)
    if options.json { return try printJSON(report) }
    print(
      "\(output): \(type.name), \(report.bytes) bytes of \(report.inputBytes), \(report.parameters) parameters, "
        + "\((seconds * 100).rounded() / 100) s")
  }
}
