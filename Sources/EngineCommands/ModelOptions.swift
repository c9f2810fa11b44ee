import ArgumentParser
import Foundation
import ICLEngine

/// The options that every command with a model has.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("A GGUF file or a Hugging Face folder; without it the model that ships.", valueName: "path"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      """
      How products are computed: f32 as other programs do in F32 (the default), bf16 the fastest on many tokens where \
      the processor has AMX, int8 the fastest on one token at a time and elsewhere. Each gives figures of its own.
      """, valueName: "f32|bf16|int8"),
    transform: ModelOptions.precision(named:))
  var precision = Precision.f32

  @Flag(help: "Write one line of JSON.")
  var json = false

  static func precision(named name: String) throws -> Precision {
    if let precision = Precision(rawValue: name) { return precision }
    throw ValidationError("--precision is f32, bf16 or int8, not '\(name)'.")
  }

  func validate() throws { try OptionCheck.notEmpty(("--model", model)) }

  func load() throws -> Engine { try Self.engine(model).with(precision) }

  /// - Parameter path: `nil` for the model that ships, or that `ICL_MODEL` names
  static func engine(_ path: String?) throws(EngineError) -> Engine {
    let threads = ProcessInfo.processInfo.environment["ICL_THREADS"] ?? ""
    guard threads.isEmpty || Int(threads).map({ (1...1024).contains($0) }) == true else {
      throw EngineError(
        .invalidArgument, "the environment variable ICL_THREADS is no number of threads", at: "environment ICL_THREADS",
        expected: "1 to 1024", found: threads, nextStep: "set it to a number, or leave it out: unset ICL_THREADS")
    }
    if let path { return try Engine(model: path) }
    let named = ProcessInfo.processInfo.environment["ICL_MODEL"] ?? ""
    if !named.isEmpty, !FileManager.default.fileExists(atPath: named) {
      throw EngineError(
        .unreadableFile, "the environment variable ICL_MODEL names a model that is not there", at: named,
        expected: "a GGUF file or a Hugging Face folder", found: "nothing",
        nextStep: "set it to another path, or take the model that ships: unset ICL_MODEL")
    }
    return try Engine()
  }
}

/// One line of JSON on standard output, keys sorted.
func printJSON(_ value: some Encodable) throws { try StandardOutput.line(ResultJSON.text(of: value)) }
