import Foundation
public import NotebookDisplay

/// A result that can leave the notebook: as a page, a picture, text or JSON.
public protocol Reportable: RichDisplayable {
  /// The main picture, with a text twin.
  var picture: SVG { get }
  /// The tables as text.
  var plainText: String { get }
  /// A whole page that needs nothing beside it: what was found, every table and picture, where the numbers come from,
  /// and how to get them again. No script runs in it, foreign text is escaped.
  var page: String { get }
  /// Everything as JSON; numbers that are not defined are `null`.
  func json() throws(EngineError) -> String
}

extension Reportable {
  /// Writes ``page`` to a file.
  ///
  ///     try result.report(to: "report.html")
  /// - Throws: `unreadableFile` when it can't be written
  public func report(to path: String) throws(EngineError) {
    try StagedFile.write(Data(page.utf8), to: (path as NSString).expandingTildeInPath)
  }
}

extension Comparison: Reportable {
  public var picture: SVG { plot(.layers) }
}
extension Sweep: Reportable {
  public var picture: SVG { plot(.similarity) }
}
extension StepsToICL: Reportable {
  public var picture: SVG { plot }
}
extension TaskVectors: Reportable {
  public var picture: SVG { plot }
}
extension LogitLens: Reportable {
  public var picture: SVG { plot }
}
