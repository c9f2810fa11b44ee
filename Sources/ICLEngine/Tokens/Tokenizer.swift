/// Text to token ids and back, as the model was trained.
public protocol Tokenizer: Sendable {
  var vocabularySize: Int { get }
  /// Beginning of sequence; `nil` when the model has none.
  var beginToken: Int? { get }
  /// End of sequence; `nil` when the model has none.
  var endToken: Int? { get }

  /// - Parameters:
  ///   - addSpecial: put BOS (and EOS) where the model's own rules say so.
  ///   - parseSpecial: read the text of special tokens (`</s>`) as those tokens rather than as characters.
  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int]

  /// The inverse of ``encode(_:addSpecial:parseSpecial:)``; bytes that are not UTF-8 become U+FFFD.
  func decode(_ ids: [Int]) -> String

  /// The vocabulary's own text of a token, such as `▁the` or `<0x0A>`.
  func piece(_ id: Int) -> String
}

extension Tokenizer {
  public func encode(_ text: String) -> [Int] { encode(text, addSpecial: true, parseSpecial: false) }
}
