import Foundation
package import Logging
package import NotebookDisplay
import Synchronization

/// Completion and inspection for the code of a cell, with everything that earlier cells declared.
package final class Completion: Sendable {
  private let sourceKit: SourceKit
  private let file: String
  /// Asked for each time: packages may come later.
  private let flags: @Sendable () -> [String]
  private let log: Logger
  /// The modules there were at the last question.
  private let loaded = Mutex<Int?>(nil)

  package init(toolchain: Toolchain, folder: String, flags: @escaping @Sendable () -> [String], log: Logger) {
    sourceKit = SourceKit(library: toolchain.sourceKit, log: log)
    file = folder + "/completion/main.swift"
    self.flags = flags
    self.log = log
    // sourcekitd looks for the file although it is given its text.
    try? FileManager.default.createDirectory(atPath: folder + "/completion", withIntermediateDirectories: true)
    try? Data().write(to: URL(fileURLWithPath: file))
  }

  /// Loads sourcekitd and what every question imports, so that the first one of a user is quick.
  package func warmUp(_ ledger: ModuleLedger) {
    guard ledger.moduleFingerprint != loaded.withLock({ $0 }) else { return }
    let started = ContinuousClock.now
    _ = complete(code: "prin", cursor: 4, ledger: ledger)
    sourceKit.returnMemory()
    log.debug("completion is warm", metadata: ["after": "\(ContinuousClock.now - started)"])
  }

  /// sourcekitd keeps what it built for the same arguments, and with it which modules there were: when there are
  /// others, the text's module gets another name.
  /// - Parameter modules: ``ModuleLedger/moduleFingerprint``
  private func arguments(_ modules: Int) -> [String] {
    [file, "-module-name", "Completion\(UInt(bitPattern: modules))"] + flags()
  }

  // MARK: Completion

  private struct Answer: Decodable {
    struct Item: Decodable {
      var kind: String
      var name: String?
      var description: String?
      var type: String?
      var context: String?
      var module: String?
      var isSystem: Int?
      enum CodingKeys: String, CodingKey {
        case context = "key.context"
        case module = "key.modulename"
        case isSystem = "key.is_system"
        case kind = "key.kind"
        case name = "key.name"
        case description = "key.description"
        case type = "key.typename"
      }
    }
    var results: [Item]?
    enum CodingKeys: String, CodingKey { case results = "key.results" }
  }

  /// - Parameter cursor: in Unicode code points, as Jupyter counts.
  package func complete(code: String, cursor: Int, ledger: ModuleLedger) -> CompletionAnswer {
    let modules = ledger.moduleFingerprint
    defer { loaded.withLock { $0 = modules } }
    let word = Word(before: cursor, in: code)
    let header = ledger.header(completing: word.followsDot ? nil : word.text, in: code)
    let text = Context(header: header, code: code)
    let offset = text.offset(ofByte: word.startByte)
    let key = Self.requestName
    let answer = sourceKit.send([
      ("key.request", .identifier("source.request.codecomplete.open")),
      ("key.name", .text(key)), ("key.sourcefile", .text(file)), ("key.sourcetext", .text(text.source)),
      ("key.offset", .number(offset)), ("key.compilerargs", .list(arguments(modules))),
      (
        "key.codecomplete.options",
        .table([
          ("key.codecomplete.filtertext", .text(word.text)), ("key.codecomplete.requestlimit", .number(Self.limit)),
          ("key.codecomplete.hideunderscores", .number(word.text.hasPrefix("_") ? 0 : 2)),
          ("key.codecomplete.addinneroperators", .number(0)), ("key.codecomplete.addinnerresults", .number(0)),
        ])
      ),
    ])
    _ = sourceKit.send([
      ("key.request", .identifier("source.request.codecomplete.close")), ("key.name", .text(key)),
      ("key.sourcefile", .text(file)), ("key.offset", .number(offset)),
    ])
    let items = answer.flatMap { try? JSONDecoder().decode(Answer.self, from: $0) }?.results ?? []
    var ranked: [(rank: CompletionRank, name: String, item: Answer.Item)] = []
    var seen: Set<String> = []
    for (order, item) in items.enumerated() {
      guard let name = item.name, !item.kind.contains(".operator."),
        !item.kind.hasSuffix(".pattern") || name.hasSuffix(":"),
        let inserted = Self.insertion(name, kind: item.kind), !inserted.isEmpty,
        seen.insert(inserted).inserted
      else { continue }
      let rank = CompletionRank(
        inserted, kind: item.kind, context: item.context ?? "", module: item.module, isSystem: item.isSystem == 1,
        typed: word.text, order: order)
      ranked.append((rank, inserted, item))
    }
    let likely = ranked.contains { $0.rank.isBeginning } ? ranked.filter { $0.rank.isBeginning } : ranked
    let matches = likely.sorted { $0.rank < $1.rank }.prefix(Self.shown).map { _, name, item in
      CompletionAnswer.Match(text: name, type: Self.type(of: item.kind), signature: Self.signature(of: item))
    }
    return CompletionAnswer(matches: matches, cursorStart: word.start, cursorEnd: word.end)
  }

  private static func signature(of item: Answer.Item) -> String? {
    var text = item.description
    if let type = item.type, !type.isEmpty {
      text = (text ?? "") + (item.kind.contains(".function.") ? (text == nil ? "-> " : " -> ") : ": ") + type
    }
    return text.map(Traceback.shortened)
  }

  /// More are asked for than shown: what is nearest may stand far down in sourcekitd's order.
  private static let limit = 600
  private static let shown = 200
  private static let requestName = "cell"

  /// What is typed for `append(_:)`: the name and the opening bracket, or both brackets when nothing goes between.
  private static func insertion(_ name: String, kind: String) -> String? {
    // The arguments of a call, without the name that stands there already; a label that comes next is of use.
    if name.hasPrefix(":") || name.dropLast().contains(":"), !name.contains("(") { return nil }
    if name.hasSuffix(":") { return name + " " }
    if kind.hasSuffix("keyword") || !name.contains("(") { return name }
    guard let bracket = name.firstIndex(of: "(") else { return name }
    let base = name[..<bracket]
    return name[bracket...] == "()" ? name : "\(base)("
  }

  /// Words that `_jupyter_types_experimental` knows.
  private static func type(of kind: String) -> String {
    let words: [(String, String)] = [
      ("keyword", "keyword"), ("module", "module"), ("function.method", "function"), ("function.constructor", "class"),
      ("function", "function"), ("struct", "class"), ("class", "class"), ("actor", "class"),
      ("enumelement", "instance"),
      ("enum", "class"), ("protocol", "class"), ("typealias", "class"), ("associatedtype", "class"),
      ("var", "instance"), ("pattern", "statement"), ("macro", "function"),
    ]
    return words.first { kind.contains($0.0) }?.1 ?? "instance"
  }

  // MARK: Types

  private struct Expressions: Decodable {
    struct Item: Decodable {
      var offset: Int
      var type: String
      enum CodingKeys: String, CodingKey {
        case offset = "key.expression_offset"
        case type = "key.expression_type"
      }
    }
    var items: [Item]
    enum CodingKeys: String, CodingKey { case items = "key.expression_type_list" }
  }

  /// The types of the session's names; a name without a type of its own is left out.
  package func types(of names: [String], ledger: ModuleLedger) -> [String: String] {
    var text = ledger.header(naming: Set(names)).joined(separator: "\n") + "\n"
    var places: [Int: String] = [:]
    for name in names {
      places[text.utf8.count + 4] = name
      text += "_ = `\(name)`\n"
    }
    try? Data(text.utf8).write(to: URL(fileURLWithPath: file))
    let answer = sourceKit.send([
      ("key.request", .identifier("source.request.expression.type")), ("key.sourcefile", .text(file)),
      ("key.sourcetext", .text(text)), ("key.compilerargs", .list(arguments(ledger.moduleFingerprint))),
      ("key.expectedtypes", .list([])),
    ])
    let found = answer.flatMap { try? JSONDecoder().decode(Expressions.self, from: $0) }?.items ?? []
    var types: [String: String] = [:]
    for item in found { if let name = places[item.offset] { types[name] = Traceback.shortened(item.type) } }
    return types
  }

  // MARK: Inspection

  private struct Info: Decodable {
    var name: String?
    var type: String?
    var declaration: String?
    var documentation: String?
    var comment: String?
    var module: String?
    enum CodingKeys: String, CodingKey {
      case name = "key.name"
      case type = "key.typename"
      case declaration = "key.annotated_decl"
      case documentation = "key.doc.full_as_xml"
      case comment = "key.doc.comment"
      case module = "key.modulename"
    }
  }

  /// Declaration, type and documentation of the name at the cursor.
  ///
  /// Where nothing is known of it, inside the brackets of a call, those of what is called.
  package func inspect(code: String, cursor: Int, detailLevel: Int, ledger: ModuleLedger) -> MIMEBundle? {
    let word = Word(around: cursor, in: code)
    // A number has a type, of which nobody wants to read here.
    let isName = word.text.unicodeScalars.first.map { !("0"..."9").contains($0) } ?? false
    if isName, let bundle = inspect(word, in: code, ledger: ledger) { return bundle }
    guard let end = EnclosingCall.callee(before: cursor, in: code) else { return nil }
    let callee = Word(around: end, in: code)
    if let bundle = inspect(callee, in: code, ledger: ledger) { return bundle }
    // A call that isn't written out may have no type: the name alone has one.
    let scalars = code.unicodeScalars
    let cut = String(String.UnicodeScalarView(scalars.prefix(end)))
    return inspect(callee, in: cut, ledger: ledger)
  }

  private func inspect(_ word: Word, in code: String, ledger: ModuleLedger) -> MIMEBundle? {
    let text = Context(header: ledger.header(reading: code), code: code)
    // This request reads the file and takes no text.
    try? Data(text.source.utf8).write(to: URL(fileURLWithPath: file))
    let answer = sourceKit.send([
      ("key.request", .identifier("source.request.cursorinfo")), ("key.sourcefile", .text(file)),
      ("key.sourcetext", .text(text.source)), ("key.offset", .number(text.offset(ofByte: word.startByte))),
      ("key.compilerargs", .list(arguments(ledger.moduleFingerprint))), ("key.retrieve_symbol_graph", .number(0)),
    ])
    guard let info = answer.flatMap({ try? JSONDecoder().decode(Info.self, from: $0) }), info.name != nil else {
      return nil
    }
    let declaration = Traceback.shortened(
      info.declaration.map(DocumentationText.stripped) ?? "\(info.name ?? ""): \(info.type ?? "")")
    var markdown = "```swift\n\(declaration)\n```"
    var plain = declaration
    if let module = info.module, !CellModule.isName(module), !module.hasPrefix("Completion") {
      markdown += "\n\n*from \(module)*"
      plain += "\n(from \(module))"
    }
    if let xml = info.documentation {
      let documentation = DocumentationText.markdown(xml)
      markdown += "\n\n" + documentation
      plain += "\n\n" + documentation
    }
    return MIMEBundle(data: ["text/plain": plain, "text/markdown": markdown])
  }
}

/// A cell's code with the imports that the user doesn't see in front of it.
private struct Context {
  let source: String
  private let lead: Int

  init(header: [String], code: String) {
    let front = header.joined(separator: "\n") + "\n"
    source = front + code + "\n"
    lead = front.utf8.count
  }

  func offset(ofByte byte: Int) -> Int { lead + byte }
}
