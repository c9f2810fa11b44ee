import Foundation
import FoundationXML
import NotebookCharts
import Testing

/// `docs/CHARTS.md` holds the gallery: each picture with its code. `ICL_WRITE_GALLERY=1 swift test --filter
/// GalleryTests` writes it anew; without, the test holds it to be what the code makes.
@Suite("The gallery of charts")
struct GalleryTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
  static let page = root.appending(path: "docs/CHARTS.md")
  static let pictures = root.appending(path: "docs/images/charts")
  static let mark = "<!-- The gallery below is written by GalleryTests. -->"

  static func file(_ name: String) -> String {
    let words = name.lowercased().split { !$0.isLetter && !$0.isNumber }
    return words.joined(separator: "-") + ".svg"
  }

  /// The code of an example as it stands in `Gallery.swift`.
  static func code(_ name: String) throws -> String {
    let source = try String(
      contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Gallery.swift"),
      encoding: .utf8)
    let parts = source.components(separatedBy: "// gallery: ")
    let part = try #require(parts.dropFirst().first { $0.hasPrefix(name + "\n") }, "no code for \(name)")
    let start = try #require(part.range(of: "chart: "))
    // The expression ends where the bracket of `Example(` closes.
    var depth = 1
    var isText = false
    var code = ""
    for character in part[start.upperBound...] {
      if character == "\"" { isText.toggle() }
      if !isText {
        if "([{".contains(character) { depth += 1 }
        if ")]}".contains(character) { depth -= 1 }
        if depth == 0 { break }
      }
      code.append(character)
    }
    let lines = code.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let indents = lines.dropFirst().filter { !$0.allSatisfy { $0 == " " } }.map { $0.prefix { $0 == " " }.count }
    let indent = indents.min() ?? 0
    return ([lines[0]] + lines.dropFirst().map { String($0.dropFirst(indent)) }).joined(separator: "\n")
  }

  static func markdown() throws -> String {
    try Gallery.all.map { example in
      let code = try code(example.name)
      return
        "### \(example.name)\n\n```swift\n\(code)\n```\n\n![\(example.name)](images/charts/\(file(example.name)))\n"
    }.joined(separator: "\n")
  }

  @Test("The page shows what its code makes")
  func page() throws {
    let isWriting = ProcessInfo.processInfo.environment["ICL_WRITE_GALLERY"] != nil
    let text = try String(contentsOf: Self.page, encoding: .utf8)
    let head = try #require(text.components(separatedBy: Self.mark).first)
    let expected = head + Self.mark + "\n\n" + (try Self.markdown())
    if isWriting {
      try expected.write(to: Self.page, atomically: true, encoding: .utf8)
      try FileManager.default.createDirectory(at: Self.pictures, withIntermediateDirectories: true)
    }
    #expect(try String(contentsOf: Self.page, encoding: .utf8) == expected)
    #expect(Gallery.all.count >= 24)
    #expect(Set(Gallery.all.map { Self.file($0.name) }).count == Gallery.all.count)
    for example in Gallery.all {
      let file = Self.pictures.appending(path: Self.file(example.name))
      if isWriting { try (example.chart.svg + "\n").write(to: file, atomically: true, encoding: .utf8) }
      #expect(
        try String(contentsOf: file, encoding: .utf8) == example.chart.svg + "\n",
        "\(example.name): ICL_WRITE_GALLERY=1 writes the pictures anew")
    }
  }

  @Test(
    "Every picture is well-formed, small, without script or outside reference, and says what it is", arguments: 0..<40)
  func wellFormed(index: Int) throws {
    guard Gallery.all.indices.contains(index) else { return }
    let svg = Gallery.all[index].chart.svg
    let delegate = Reader()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = delegate
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    #expect(delegate.elements.isDisjoint(with: ["script", "image", "use", "foreignObject", "a"]))
    #expect(delegate.elements.isSuperset(of: ["title", "desc"]))
    #expect(svg.utf8.count < 300_000)
    #expect(!svg.contains("nan") && !svg.contains("inf\""))
    #expect(svg == Gallery.all[index].chart.svg)
    #expect(Gallery.all[index].chart.plainText.contains("\n"))
  }
}

/// The names of all elements.
final class Reader: NSObject, XMLParserDelegate {
  var elements: Set<String> = []
  var texts: [String] = []
  private var text: String?
  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    elements.insert(name)
    if name == "text" { text = "" }
  }
  func parser(_ parser: XMLParser, foundCharacters string: String) { text?.append(string) }
  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    guard name == "text", let whole = text else { return }
    texts.append(whole)
    text = nil
  }

  /// The texts of a picture in their order.
  static func texts(_ svg: String) -> [String] {
    let reader = Reader()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = reader
    _ = parser.parse()
    return reader.texts
  }
}
