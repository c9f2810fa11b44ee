import Foundation

// Text that is already in a form which notebooks show: `HTML("<b>bold</b>")` as a cell's last expression shows bold.

/// Markup to show as it is. Escape foreign text with `markupEscaped` before putting it in.
public struct HTML: RichDisplayable, Sendable, Equatable {
  public var source: String
  public init(_ source: String) { self.source = source }
  public var mimeBundle: MIMEBundle { MIMEBundle(data: ["text/html": source, "text/plain": source]) }
}

/// An SVG picture, and what it says in words for where no picture can be shown.
public struct SVG: RichDisplayable, Sendable, Equatable {
  public var source: String
  public var plainText: String
  public init(_ source: String, plainText: String = "(a picture in SVG)") {
    self.source = source
    self.plainText = plainText
  }
  public var mimeBundle: MIMEBundle {
    MIMEBundle(data: ["image/svg+xml": source, "text/plain": plainText])
  }
}

/// Markdown text.
public struct Markdown: RichDisplayable, Sendable, Equatable {
  public var source: String
  public init(_ source: String) { self.source = source }
  public var mimeBundle: MIMEBundle { MIMEBundle(data: ["text/markdown": source, "text/plain": source]) }
}

/// A formula with its dollar signs or environment: `LaTeX(#"$\cos(h_1, h_2)$"#)`.
public struct LaTeX: RichDisplayable, Sendable, Equatable {
  public var source: String
  public init(_ source: String) { self.source = source }
  public var mimeBundle: MIMEBundle { MIMEBundle(data: ["text/latex": source, "text/plain": source]) }
}

/// A JSON value, shown as a tree that can be unfolded.
public struct JSON: RichDisplayable, Sendable, Equatable {
  /// Serialized JSON.
  public let source: String

  /// - Returns: `nil` when `source` is not JSON: front ends fail silently on that.
  public init?(_ source: String) {
    guard (try? JSONSerialization.jsonObject(with: Data(source.utf8), options: .fragmentsAllowed)) != nil else {
      return nil
    }
    self.source = source
  }

  /// The value as `JSONEncoder` writes it, keys sorted.
  public init(encoding value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    source = String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  public var mimeBundle: MIMEBundle { MIMEBundle(data: ["application/json": source, "text/plain": source]) }
}

/// A PNG picture from its bytes.
public struct PNG: RichDisplayable, Sendable, Equatable {
  public var bytes: [UInt8]
  public var plainText: String
  public init(_ bytes: [UInt8], plainText: String = "(a picture in PNG)") {
    self.bytes = bytes
    self.plainText = plainText
  }
  public var mimeBundle: MIMEBundle {
    MIMEBundle(data: ["image/png": Data(bytes).base64EncodedString(), "text/plain": plainText])
  }
}
