import ArgumentParser
import Foundation
import ICLEngine

/// The options that every command with a model has.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("A GGUF file or a Hugging Face folder; without it the model that ships.", valueName: "path"))
  var model: String?

  @Flag(help: "Write one line of JSON.")
  var json = false

  func load() throws -> Engine {
    if let model { return try Engine(model: model) }
    return try Engine()
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
