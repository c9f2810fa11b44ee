import COpenSSL

/// What makes a result's numbers, so that they can be made again bit for bit.
public struct ExperimentProvenance: Sendable, Equatable, Codable {
  public var model: ModelProvenance
  /// Vocabulary size and the special tokens, in words.
  public var tokenizer: String
  /// SHA-256 over each repetition's own SHA-256 of its prompts' token ids.
  public var promptsSHA256: String
  /// SHA-256 of the bits of every measured value: equal exactly when all numbers are.
  public var fingerprint: String
  public var engineVersion: String

  /// Memberwise.
  package init(
    model: ModelProvenance, tokenizer: String, promptsSHA256: String, fingerprint: String, engineVersion: String
  ) {
    self.model = model
    self.tokenizer = tokenizer
    self.promptsSHA256 = promptsSHA256
    self.fingerprint = fingerprint
    self.engineVersion = engineVersion
  }

  /// The fingerprint is taken of `values`.
  package init(
    model: ModelProvenance, tokenizer: String, promptsSHA256: String, values: [Repetition], engineVersion: String
  ) {
    self.init(
      model: model, tokenizer: tokenizer, promptsSHA256: promptsSHA256, numbers: values.flatMap(\.allValues),
      engineVersion: engineVersion)
  }

  /// The fingerprint is taken of `numbers`.
  package init(
    model: ModelProvenance, tokenizer: String, promptsSHA256: String, numbers: [Double], engineVersion: String
  ) {
    var bytes: [UInt8] = []
    for value in numbers {
      // All NaNs are one: their payload says nothing.
      let bits = value.isNaN ? Double.nan.bitPattern : value.bitPattern
      withUnsafeBytes(of: bits.littleEndian) { bytes.append(contentsOf: $0) }
    }
    self.init(
      model: model, tokenizer: tokenizer, promptsSHA256: promptsSHA256,
      fingerprint: SHA256Digest.hexadecimal(bytes), engineVersion: engineVersion)
  }

  /// Vocabulary size and the special tokens, in words.
  package static func description(of tokenizer: any Tokenizer) -> String {
    "\(tokenizer.vocabularySize) tokens, begin \(tokenizer.beginToken.map(String.init) ?? "none"), "
      + "end \(tokenizer.endToken.map(String.init) ?? "none")"
  }
}

/// The version that results carry. Another one where a figure may have other bits: what was kept by one version isn't
/// gone on with by another.
public enum EngineVersion {
  public static let current = "0.2.0"
}

/// Collects token ids for one hash.
final class PromptDigest {
  private var bytes: [UInt8] = []

  /// Each prompt's length goes in before its ids, so that the borders count.
  func add(_ prompts: [[Int]]) {
    for prompt in prompts {
      for value in [prompt.count] + prompt {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: value).littleEndian) { bytes.append(contentsOf: $0) }
      }
    }
  }

  var hexadecimal: String { SHA256Digest.hexadecimal(bytes) }
}

enum SHA256Digest {
  /// Lower-case hexadecimal SHA-256.
  static func hexadecimal(_ bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    bytes.withUnsafeBufferPointer { input in
      digest.withUnsafeMutableBufferPointer { output in _ = SHA256(input.baseAddress, input.count, output.baseAddress) }
    }
    return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
