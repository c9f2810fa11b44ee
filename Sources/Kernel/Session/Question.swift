internal import NotebookDisplay

/// A cell that asks instead of computing: `?name`, `name?` (two question marks for all there is to say) or `%help`.
/// The answer is a page, which clients show in their pager. `exit` and `quit` ask the client to end.
struct Question {
  enum Subject: Equatable {
    case help
    case end
    case name(String, isDetailed: Bool)
  }
  let subject: Subject

  init?(_ code: String) {
    let text = code.trimming(while: \.isWhitespace)
    if text == "%help" || text == "?" {
      subject = .help
    } else if text.wholeMatch(of: /(?:exit|quit)(?:\(\s*\))?/) != nil {
      subject = .end
    } else if let match = text.wholeMatch(of: /(\?{1,2})\s*([^\s?]+)/), Self.isName(match.2) {
      subject = .name(String(match.2), isDetailed: match.1.count == 2)
    } else if let match = text.wholeMatch(of: /([^\s?]+)(\?{1,2})/), Self.isName(match.1) {
      subject = .name(String(match.1), isDetailed: match.2.count == 2)
    } else {
      return nil
    }
  }

  /// Whether `text` is an identifier or a path of them: `x`, `engine.model`, `ComparisonSpec`.
  private static func isName(_ text: Substring) -> Bool {
    text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
      guard let first = part.first, first.isLetter || first == "_" else { return false }
      return part.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
    }
  }

  static let plainHelp = """
    Cells are Swift. What one cell declares, later cells see; a later declaration of the same name replaces it.

      the last line      an expression on it is the cell's result and is shown
      await, try         work at the top level of a cell
      ?name, name?       what a name is: its type and its documentation (Shift-Tab shows the same)
      Tab                completes
      display(value)     shows a value in the middle of a cell
      exit               leaves the console

    An error, a trap or an interrupt ends the cell and leaves every variable as it was.
    """
}

extension Session {
  enum Page {
    case page(MIMEBundle)
    case end
    case nothing(String)
  }

  func answer(_ question: Question) -> Page {
    switch question.subject {
    case .help: return .page(MIMEBundle(plainText: runner.help))
    case .end: return .end
    case .name(let name, let isDetailed):
      let bundle = runner.inspect(code: name, cursor: name.unicodeScalars.count, detailLevel: isDetailed ? 1 : 0)
      return bundle.map(Page.page) ?? .nothing("Nothing is known of `\(name)`.")
    }
  }
}

extension String {
  fileprivate func trimming(while isTrimmed: (Character) -> Bool) -> Substring {
    var rest = self[...]
    while let first = rest.first, isTrimmed(first) { rest.removeFirst() }
    while let last = rest.last, isTrimmed(last) { rest.removeLast() }
    return rest
  }
}
