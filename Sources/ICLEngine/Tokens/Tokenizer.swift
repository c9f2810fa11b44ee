/// Text to token ids and back, as the model was trained. A conforming type implements one of the two `encode` functions
/// and gets the other.
public protocol Tokenizer: Sendable {
  var vocabularySize: Int { get }
  /// Beginning of sequence; `nil` when the model has none.
  var beginToken: Int? { get }
  /// End of sequence; `nil` when the model has none.
  var endToken: Int? { get }

  /// Tokens that end a text when the model writes them: EOS, and those that end a turn of a chat.
  var stopTokens: [Int] { get }

  /// - Parameters:
  ///   - addSpecial: put BOS (and EOS) where the model's own rules say so.
  ///   - parseSpecial: read the text of special tokens (`</s>`) as those tokens rather than as characters.
  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int]

  /// Encodes segments as the one text that they are together; special tokens are read only within segments that ask
  /// for it.
  func encode(_ segments: [PromptSegment], addSpecial: Bool) -> [Int]

  /// The text that the ids stand for: the inverse of ``encode(_:addSpecial:parseSpecial:)``. A BOS at the beginning and
  /// an EOS at the end stand for nothing; ids outside the vocabulary too. Bytes that are not UTF-8 become U+FFFD.
  func decode(_ ids: [Int]) -> String

  /// The bytes of ``decode(_:)`` before they are read as UTF-8: a continuation may end in the middle of a character.
  func bytes(_ ids: [Int]) -> [UInt8]

  /// The vocabulary's own text of a token, such as `▁the` or `<0x0A>`; empty for an id outside the vocabulary.
  func piece(_ id: Int) -> String
}

extension Tokenizer {
  public var stopTokens: [Int] { endToken.map { [$0] } ?? [] }

  public func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int] {
    encode([PromptSegment(text, parsesSpecial: parseSpecial)], addSpecial: addSpecial)
  }

  /// For a tokenizer whose tokens never reach across a seam.
  public func encode(_ segments: [PromptSegment], addSpecial: Bool) -> [Int] {
    segments.enumerated().flatMap { index, segment in
      encode(segment.text, addSpecial: addSpecial && index == 0, parseSpecial: segment.parsesSpecial)
    }
  }

  public func encode(_ text: String) -> [Int] { encode(text, addSpecial: true, parseSpecial: false) }

  public func bytes(_ ids: [Int]) -> [UInt8] { Array(decode(ids).utf8) }
}

/// What a token of a vocabulary is for, with GGUF's ids as raw values.
public enum TokenKind: Int, Sendable, Equatable {
  case normal = 1
  case unknown = 2
  case control = 3
  /// Found in text before anything else is.
  case userDefined = 4
  case unused = 5
  /// One byte, written `<0x0A>`.
  case byte = 6
}
