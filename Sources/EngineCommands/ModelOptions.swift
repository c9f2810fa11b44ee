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

  func load() throws -> Engine {
    try (model.map { path throws(EngineError) in try Engine(model: path) } ?? Engine()).with(precision)
  }
}

/// One line of JSON on standard output, keys sorted.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
