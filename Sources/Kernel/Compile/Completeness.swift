import SwiftParserDiagnostics
import SwiftSyntax

extension Completeness {
  /// Whether a console should run `code` or ask for another line.
  package static func of(_ code: String) -> Completeness {
    onDeepStack(for: code) { judged($0) }
  }

  private static func judged(_ code: String) -> Completeness {
    // What nobody can read is sent, so that the compiler says so.
    guard !code.allSatisfy(\.isWhitespace), let tree = parsed(code) else { return .complete }
    let depth = openBrackets(in: tree)
    let indent = String(repeating: "  ", count: max(depth, 0))
    guard tree.hasError else {
      // A line that ends in an operator or a comma waits for its other half even where the parser makes do.
      return .complete
    }
    if depth < 0 { return .invalid }
    let diagnostics = ParseDiagnosticsGenerator.diagnostics(for: tree)
    let end = tree.endOfFileToken.positionAfterSkippingLeadingTrivia
    // Something missing at the very end may still be typed; anything wrong before it stays wrong.
    let lastToken = tree.lastToken(viewMode: .sourceAccurate)?.previousToken(viewMode: .sourceAccurate)
    let threshold = lastToken?.endPositionBeforeTrailingTrivia ?? end
    let early = diagnostics.contains { $0.position < threshold && !isUnterminated($0.message) }
    if depth > 0 && !early { return .incomplete(indent: indent) }
    return early ? .invalid : .incomplete(indent: indent)
  }

  /// Brackets opened and not closed; negative when one is closed that was never opened.
  private static func openBrackets(in tree: SourceFileSyntax) -> Int {
    var depth = 0
    for token in tree.tokens(viewMode: .sourceAccurate) {
      switch token.tokenKind {
      case .leftBrace, .leftParen, .leftSquare: depth += 1
      case .rightBrace, .rightParen, .rightSquare:
        depth -= 1
        if depth < 0 { return depth }
      default: break
      }
    }
    return depth
  }

  private static func isUnterminated(_ message: String) -> Bool {
    message.contains("to end") || message.contains("unterminated")
  }
}
