/// Reads the XML in which sourcekitd gives declarations and documentation.
enum DocumentationText {
  /// The text without tags.
  static func stripped(_ xml: String) -> String {
    var text = ""
    var isTag = false
    for character in xml {
      switch character {
      case "<": isTag = true
      case ">" where isTag: isTag = false
      default: if !isTag { text.append(character) }
      }
    }
    return unescaped(text)
  }

  /// Abstract, discussion, parameters, result and errors as Markdown.
  static func markdown(_ xml: String) -> String {
    var parts: [String] = []
    if let abstract = content("Abstract", of: xml) { parts.append(inline(abstract)) }
    let parameters = contents("Parameter", of: xml).compactMap { parameter -> String? in
      guard let name = content("Name", of: parameter) else { return nil }
      return "- `\(stripped(name))`: \(content("Discussion", of: parameter).map(inline) ?? "")"
    }
    if !parameters.isEmpty { parts.append("Parameters:\n" + parameters.joined(separator: "\n")) }
    if let result = content("ResultDiscussion", of: xml) { parts.append("Returns: " + inline(result)) }
    if let thrown = content("ThrowsDiscussion", of: xml) { parts.append("Throws: " + inline(thrown)) }
    let rest = removing(["Parameters", "ResultDiscussion", "ThrowsDiscussion", "Abstract"], from: xml)
    if let discussion = content("Discussion", of: rest) { parts.append(inline(discussion)) }
    return parts.joined(separator: "\n\n")
  }

  private static func inline(_ xml: String) -> String {
    let text = xml.replacing("<codeVoice>", with: "`").replacing("</codeVoice>", with: "`")
      .replacing("</Para>", with: "\n\n").replacing("<emphasis>", with: "*").replacing("</emphasis>", with: "*")
      .replacing("<zCodeLineNumbered>", with: "").replacing("</zCodeLineNumbered>", with: "\n")
      .replacing("<![CDATA[", with: "").replacing("]]>", with: "")
    return Substring(stripped(text)).trimmingSpaces
  }

  private static func content(_ tag: String, of xml: String) -> String? { contents(tag, of: xml).first }

  private static func contents(_ tag: String, of xml: String) -> [String] {
    var found: [String] = []
    var rest = Substring(xml)
    while let open = rest.firstRange(of: "<\(tag)") {
      let after = rest[open.upperBound...]
      guard after.first == ">" || after.first == " ", let start = after.firstIndex(of: ">") else {
        rest = after
        continue
      }
      let inner = after[after.index(after: start)...]
      guard let close = inner.firstRange(of: "</\(tag)>") else { break }
      found.append(String(inner[..<close.lowerBound]))
      rest = inner[close.upperBound...]
    }
    return found
  }

  private static func removing(_ tags: [String], from xml: String) -> String {
    var text = xml
    for tag in tags {
      while let open = text.firstRange(of: "<\(tag)>"), let close = text.firstRange(of: "</\(tag)>"),
        open.lowerBound < close.lowerBound
      {
        text.removeSubrange(open.lowerBound..<close.upperBound)
      }
    }
    return text
  }

  private static func unescaped(_ text: String) -> String {
    text.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
      .replacing("&apos;", with: "'").replacing("&amp;", with: "&")
  }
}
