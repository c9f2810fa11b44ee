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
  @Option(help: "Flattens (above 1) or sharpens (below 1) the distribution. Default: 1.") var temperature: Double?
  @Option(help: "Only so many of the most likely tokens.") var topK: Int?
  @Option(help: "Only the most likely tokens that together hold this probability. Default: 1.") var topP: Double?
  @Option(help: "Seed of the draws, 0 or more. Default: 0.", transform: OptionCheck.seed) var seed: UInt64?

  func validate() throws {
    if system != nil && !chat { throw ValidationError("--system needs --chat.") }
    if chat, text.isEmpty { throw ValidationError("--chat needs --text: the user's turn.") }
    try OptionCheck.atLeast(0, ("--tokens", tokens))
    try OptionCheck.atLeast(1, ("--top-k", topK))
    try OptionCheck.number("--temperature", temperature, "a number, 0 or more") { $0 >= 0 }
    try OptionCheck.number("--top-p", topP, "a probability above 0 and up to 1") { $0 > 0 && $0 <= 1 }
    let draws = [("--top-k", topK != nil), ("--top-p", topP != nil), ("--seed", seed != nil)]
    if greedy {
      try OptionCheck.noEffect(
        [("--temperature", temperature != nil)] + draws,
        because: "--greedy takes the most likely token and draws nothing"
      )
    } else if temperature == 0 {
      try OptionCheck.noEffect(draws, because: "--temperature 0 takes the most likely token and draws nothing")
    }
  }

  func run() throws {
    let engine = try options.load()
    let sampling = Sampling(
      temperature: greedy ? 0 : temperature ?? 1, topK: topK, topP: topP ?? 1, seed: seed ?? 0)
    let turns = [system.map(ChatMessage.system), .user(text)].compactMap(\.self)
    let prompt = chat ? try engine.model.encode(chat: turns) : engine.tokenize(text)
    let stream = TextStream(engine.model.tokenizer, prompt: prompt)
    let result = try engine.model.generate(prompt, count: tokens, sampling: sampling) { token in
      if !options.json { stream.take(token) }
    }
    if let failure = stream.failure { throw failure }
    if options.json {
      try printJSON(result)
    } else {
      try StandardOutput.line(stream.rest(of: result.text))
    }
    if result.stop == .interrupted {
      throw Stopped(
        place: "after \(result.tokens.count.counted("token"))", saved: "the text up to there is written",
        next: "the whole again: \(GivenCommand.text)")
    }
  }
}

/// Writes a text token by token, as soon as its characters are whole: one may take several tokens.
private final class TextStream {
  private let tokenizer: any Tokenizer
  private let prompt: Int
  private var ids: [Int]
  private var written = 0
  /// The first write that failed; it ends the text.
  private(set) var failure: OutputError?

  init(_ tokenizer: any Tokenizer, prompt: [Int]) {
    self.tokenizer = tokenizer
    self.prompt = tokenizer.bytes(prompt).count
    ids = prompt
  }

  func take(_ token: Int) {
    ids.append(token)
    let bytes = tokenizer.bytes(ids).dropFirst(prompt + written)
    // The last three bytes may be the beginning of a character.
    guard failure == nil,
      let count = (0...min(3, bytes.count)).lazy.map({ bytes.count - $0 })
        .first(where: { String(validating: bytes.prefix($0), as: UTF8.self) != nil }), count > 0
    else { return }
    written += count
    do {
      try StandardOutput.write(String(decoding: bytes.prefix(count), as: UTF8.self))
      try StandardOutput.flush()
    } catch {
      failure = error
      Interruption.request()
    }
  }

  /// What of the whole text is not written yet.
  func rest(of text: String) -> String { String(decoding: text.utf8.dropFirst(written), as: UTF8.self) }
}
