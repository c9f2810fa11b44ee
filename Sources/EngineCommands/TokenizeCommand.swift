import ArgumentParser
import ICLEngine

/// `tokenize`: text to token ids, as the model was trained.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Show the tokens of a text.",
    discussion: "With --json: {\"ids\":[…],\"pieces\":[…]}.")

  @OptionGroup var options: ModelOptions
  @Option(help: "The text.") var text: String
  @Flag(name: .customLong("no-special"), help: "Without BOS and EOS.") var noSpecial = false
  @Flag(help: "Read the text of special tokens, such as </s>, as those tokens.") var parseSpecial = false

  private struct Output: Encodable {
    let ids: [Int]
    let pieces: [String]
  }

  func run() throws {
    let tokenizer = try ModelTokenizer.read(contentsOf: options.model ?? Engine.shippedModel())
    let ids = tokenizer.encode(text, addSpecial: !noSpecial, parseSpecial: parseSpecial)
    if options.json { return try printJSON(Output(ids: ids, pieces: ids.map(tokenizer.piece))) }
    for id in ids { print("\(id)\t\(tokenizer.piece(id))") }
  }
}
