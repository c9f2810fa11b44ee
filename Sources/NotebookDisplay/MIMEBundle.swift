/// A MIME type such as `text/html`, used as the key of a ``MIMEBundle``.
public struct MIMEType: RawRepresentable, Hashable, Sendable, Codable, ExpressibleByStringLiteral,
  CustomStringConvertible
{
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
  public init(stringLiteral value: String) { rawValue = value }
  public var description: String { rawValue }

  public static let plainText: MIMEType = "text/plain"
  public static let html: MIMEType = "text/html"
  public static let markdown: MIMEType = "text/markdown"
  public static let latex: MIMEType = "text/latex"
  public static let svg: MIMEType = "image/svg+xml"
  public static let png: MIMEType = "image/png"
  public static let json: MIMEType = "application/json"

  /// Whether Jupyter expects the value as JSON itself rather than as a string holding it.
  public var isJSON: Bool { rawValue == "application/json" || rawValue.hasSuffix("+json") }
}

/// One value in every form in which a notebook may show it.
///
/// Text forms hold their text, binary forms (`image/png`) hold base64 as Jupyter's wire format asks, and JSON
/// forms hold serialized JSON. A bundle that is to be shown always has a `text/plain` twin.
public struct MIMEBundle: Sendable, Equatable, Codable {
  /// MIME type to content: text, base64 for binary types, serialized JSON for JSON types.
  public var data: [String: String]
  /// MIME type to serialized JSON, for clients that read display metadata (image sizes, for instance).
  public var metadata: [String: String]

  public init(data: [String: String] = [:], metadata: [String: String] = [:]) {
    self.data = data
    self.metadata = metadata
  }

  /// A bundle of plain text alone.
  public init(plainText: String) { self.init(data: ["text/plain": plainText]) }

  public subscript(type: MIMEType) -> String? {
    get { data[type.rawValue] }
    set { data[type.rawValue] = newValue }
  }

  public var plainText: String { self[.plainText] ?? "" }
}

/// A value that says for itself how a notebook shows it.
///
/// Conform a type of your own, in a cell, to give it a table, a picture or a formula:
///
///     extension Point: RichDisplayable {
///       var mimeBundle: MIMEBundle {
///         MIMEBundle(data: ["text/plain": "(\(x), \(y))", "text/latex": "$(\(x), \(y))$"])
///       }
///     }
public protocol RichDisplayable {
  var mimeBundle: MIMEBundle { get }
}
