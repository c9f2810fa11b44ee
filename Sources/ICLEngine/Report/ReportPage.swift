import NotebookDisplay

/// One self-contained page: no script, nothing fetched from elsewhere, light and dark.
enum ReportPage {
  /// - Parameters:
  ///   - title: plain text, escaped here
  ///   - lead: a sentence under the title, escaped here
  ///   - body: HTML
  static func html(title: String, lead: String?, body: String) -> String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>\(title.markupEscaped)</title>
    <style>
    :root { color-scheme: light dark }
    body { font: 15px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
    th, td { border-bottom: 1px solid #8886 } pre { white-space: pre-wrap; overflow-wrap: anywhere }
    svg { max-width: 100%; height: auto }
    </style></head><body>
    <h1>\(title.markupEscaped)</h1>
    \(lead.map { "<p>\($0.markupEscaped)</p>" } ?? "")
    \(body)
    </body></html>
    """
  }
}
