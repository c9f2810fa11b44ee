import ArgumentParser
import ICLEngine

/// `generate`: continue a text.
struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continue a text.",
    discussion: """
      Writes the continuation alone. The same seed gives the same text on every machine.
      With --json: {"prompt":[…],"tokens":[…],"text":"…","stop":"end|length|context"}.
      """)

  @OptionGroup var options: ModelOptions
  @Option(help: "The text to continue; empty to begin with BOS alone.") var text = ""
  @Flag(help: "Take the text as the user's turn of a chat, in the model's own format.") var chat = false
  @Option(help: "With --chat: the system message.") var system: String?
  @Option(help: "At most so many tokens.") var tokens = 64
  @Flag(help: "Always the most likely token.") var greedy = false
  @Option(help: "Flattens (above 1) or sharpens (below 1) the distribution.") var temperature = 1.0
  @Option(help: "Only so many of the most likely tokens.") var topK: Int?
  @Option(help: "Only the most likely tokens that together hold this probability.") var topP = 1.0
  @Option(help: "Seed of the draws.") var seed: UInt64 = 0

  func validate() throws {
    if system != nil && !chat { throw ValidationError("--system needs --chat") }
  }

  func run() throws {
    let engine = try options.load()
    let sampling = Sampling(temperature: greedy ? 0 : temperature, topK: topK, topP: topP, seed: seed)
    let turns = [system.map(ChatMessage.system), .user(text)].compactMap(\.self)
    let result =
      chat
      ? try engine.chat(turns, tokens: tokens, sampling: sampling)
      : try engine.generate(text, tokens: tokens, sampling: sampling)
    if options.json { return try printJSON(result) }
    print(result.text)
  }
}
