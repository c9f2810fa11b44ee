import ArgumentParser
import Foundation
import ICLEngine

/// `tokenize`: text to token ids, as the model was trained.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Show the tokens of a text.",
    discussion: """
      With --json: {"ids":[…],"pieces":[…]}, a line for each text.
      --lines takes many texts at once: a file of JSON strings, one on each line.
      """)

  @OptionGroup var options: ModelOptions
  @Option(help: "The text.") var text: String?
  @Option(help: ArgumentHelp("Texts, each a JSON string on a line of its own.", valueName: "path")) var lines: String?
  @Flag(name: .customLong("no-special"), help: "Without BOS and EOS.") var noSpecial = false
  @Flag(help: "Read the text of special tokens, such as </s>, as those tokens.") var parseSpecial = false

  private struct Output: Encodable {
    let ids: [Int]
    let pieces: [String]
  }

  func validate() throws {
    guard (text == nil) != (lines == nil) else { throw ValidationError("Give either --text or --lines.") }
    try OptionCheck.notEmpty(("--lines", lines))
    try OptionCheck.noEffect(
      [("--precision", options.precision != .f32)], because: "tokens don't depend on how products are computed")
  }

  func run() throws {
    let tokenizer = try ModelTokenizer.read(contentsOf: options.model ?? Engine.shippedModel())
    for text in try lines.map(Self.texts) ?? [text ?? ""] {
      let ids = tokenizer.encode(text, addSpecial: !noSpecial, parseSpecial: parseSpecial)
      if options.json {
        try printJSON(Output(ids: ids, pieces: ids.map(tokenizer.piece)))
      } else {
        for id in ids { try StandardOutput.line("\(id)\t\(tokenizer.piece(id))") }
      }
    }
  }

  private static func texts(_ path: String) throws -> [String] {
    let data: Data
    do {
      data = try Data(contentsOf: URL(filePath: path))
    } catch {
      throw EngineError(
        .unreadableFile, "the texts can't be read", at: path, nextStep: "check the path", underlying: error)
    }
    return try data.split(separator: UInt8(ascii: "\n")).enumerated().map { index, line in
      guard let text = try? JSONDecoder().decode(String.self, from: line) else {
        throw EngineError(
          .malformedFile, "a line is not a JSON string", at: "\(path), line \(index + 1)", expected: "\"some text\"",
          found: String(decoding: line.prefix(80), as: UTF8.self))
      }
      return text
    }
  }
}
