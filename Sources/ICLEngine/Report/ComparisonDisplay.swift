public import NotebookDisplay

extension Comparison: RichDisplayable {
  /// HTML: the tables and the plot by layer; Markdown and plain text: the tables.
  public var mimeBundle: MIMEBundle {
    MIMEBundle(data: ["text/html": html, "text/markdown": markdown, "text/plain": plainText])
  }

  /// What must be said beside the numbers.
  private var remarks: [String] {
    (isPartial ? ["Interrupted: these are the repetitions that were finished."] : []) + notes
  }

  public var html: String {
    func paragraph(_ text: String, small: Bool = false) -> String {
      "<p style=\"margin:6px 0\(small ? ";font-size:smaller;opacity:0.8" : "")\">\(text.markupEscaped)</p>\n"
    }
    return "<div>\n" + paragraph(heading) + similarityTable.html + "\n" + accuracyTable.html + "\n"
      + (measured.isEmpty ? "" : measureTable.html + "\n") + "<div style=\"margin:8px 0\">\n" + plot(.layers).source
      + "\n</div>\n"
      + remarks.map { paragraph($0) }.joined() + paragraph(origin, small: true) + "</div>"
  }

  public var markdown: String {
    ([heading.markdownEscaped, similarityTable.markdown, accuracyTable.markdown]
      + (measured.isEmpty ? [] : [measureTable.markdown])
      + (remarks + [origin]).map(\.markdownEscaped)).joined(separator: "\n\n")
  }

  public var plainText: String {
    ([heading, similarityTable.plainText, accuracyTable.plainText]
      + (measured.isEmpty ? [] : [measureTable.plainText]) + remarks + [origin]).joined(separator: "\n\n")
  }
}
