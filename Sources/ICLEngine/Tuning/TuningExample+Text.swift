extension TuningExample {
  /// A prompt and its answer; only the answer's tokens count in the loss.
  ///
  /// The two are tokenized as one text, for tokens may reach across their border: those count that are not the same
  /// as in the prompt alone.
  public init(prompt: String, answer: String, tokenizer: any Tokenizer) {
    let before = tokenizer.encode(prompt, addSpecial: true, parseSpecial: false)
    let whole = tokenizer.encode(prompt + answer, addSpecial: true, parseSpecial: false)
    let shared = zip(before, whole).prefix { $0 == $1 }.count
    self.init(tokens: whole, lossWeights: whole.indices.map { $0 < shared ? 0 : 1 })
  }

  /// A text of which every token counts.
  public init(text: String, tokenizer: any Tokenizer) {
    self.init(tokens: tokenizer.encode(text, addSpecial: true, parseSpecial: false))
  }
}
