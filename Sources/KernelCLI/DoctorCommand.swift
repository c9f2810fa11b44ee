import ArgumentParser
import EngineCommands
import Foundation

/// `icl-kernel doctor`: what is missing, and the command that mends it.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Say what is missing and which command mends it.",
    discussion: """
      Ends with status 1 when something that the kernel needs is missing. With --model it says what a model is and what \
      memory it will need, before anything is computed.
      """)

  @Flag(help: "Print JSON: {ok, checks: [{name, ok, needed, found, mend}], model}.")
  var json = false
  @Option(help: "A GGUF file or a Hugging Face folder to describe.") var model: String?

  func validate() throws {
    if model?.isEmpty == true { throw ValidationError("--model is empty; name a GGUF file or a Hugging Face folder.") }
  }

  func run() throws {
    // What the kernel lacks is told even when the model can't be read.
    let model = Result { try self.model.map { try ModelReport(path: $0) } }
    let report = try? model.get()
    let checks = Checkup.all()
    let isHealthy = checks.allSatisfy { $0.ok || !$0.needed }
    if json {
      struct Report: Encodable {
        var ok: Bool
        var checks: [Check]
        var model: ModelReport?
      }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      let text = try encoder.encode(Report(ok: isHealthy, checks: checks, model: report))
      try StandardOutput.line(String(decoding: text, as: UTF8.self))
    } else {
      for check in checks { try StandardOutput.line(check.line) }
      try StandardOutput.line(
        isHealthy ? "\nEverything that the kernel needs is there." : "\nSomething that the kernel needs is missing.")
      if let report { try StandardOutput.line("\n\(report.text)") }
    }
    _ = try model.get()
    if !isHealthy { throw ExitCode(ExitStatus.failure) }
  }
}

/// One thing that was looked at.
struct Check: Encodable {
  var name: String
  var ok: Bool
  /// Without it no cell runs; otherwise something lesser is lost, which `found` names.
  var needed = true
  var found: String
  /// The command that mends it; `nil` when there is nothing to mend.
  var mend: String?

  var line: String {
    let mark = ok ? "ok     " : needed ? "MISSING" : "absent "
    let text = "\(mark)  \(name): \(found)"
    guard !ok, let mend else { return text }
    return text + "\n           mend it: \(mend)"
  }
}
