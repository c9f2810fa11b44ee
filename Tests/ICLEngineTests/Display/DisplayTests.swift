import Foundation
import NotebookDisplay
import Synchronization
import Testing

/// Keeps what was shown, as a front end would.
final class RecordingSink: DisplaySink {
  struct Shown: Equatable {
    var text: String
    var id: String?
    var update: Bool
  }
  let shown = Mutex<[Shown]>([])
  let replacesInPlace: Bool
  init(replacesInPlace: Bool = true) { self.replacesInPlace = replacesInPlace }
  func show(_ bundle: MIMEBundle, id: String?, update: Bool) {
    shown.withLock { $0.append(Shown(text: bundle.plainText, id: id, update: update)) }
  }
  func clear(wait: Bool) {}
}

@Suite struct `Readable text of results` {
  struct Point {
    var x = 1
    var name = "a\"b"
  }
  enum Shape {
    case dot
    case circle(radius: Double)
    case box(Int, Int)
  }
  final class Node {
    var next: Node?
  }

  @Test func `void has no bundle and nil has one`() {
    #expect(mimeBundle(for: ()) == nil)
    #expect(mimeBundle(for: Int?.none as Any)?.plainText == "nil")
    #expect(mimeBundle(for: Int?.some(3) as Any)?.plainText == "3")
  }

  @Test(
    arguments: [
      (7 as any Sendable, "7"), ("a\nb", #""a\nb""#), ([1, 2, 3], "[1, 2, 3]"), ([Int](), "[]"),
      (["b": 2, "a": 1], #"["a": 1, "b": 2]"#), ([String: Int](), "[:]"), (Set([3, 1, 2]), "[1, 2, 3]"),
      (Point(), #"Point(x: 1, name: "a\"b")"#), (Shape.dot, ".dot"), (Shape.circle(radius: 2), ".circle(radius: 2.0)"),
      (Shape.box(1, 2), ".box(1, 2)"), ((1, "x"), #"(1, "x")"#), ((a: 1, b: 2), "(a: 1, b: 2)"), (0..<3, "0..<3"),
      ([1, nil] as [Int?], "[1, nil]"), (Float.nan, "nan"),
    ] as [(any Sendable, String)])
  func `a value reads as it would be written`(value: any Sendable, expected: String) {
    #expect(readableText(of: value) == expected)
  }

  @Test func `a long collection is cut and says how much is left out`() {
    let text = readableText(of: Array(0..<5000))
    #expect(text.hasSuffix("… 4900 more, 5000 in all\n]"))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test func `a reference cycle ends`() {
    let node = Node()
    node.next = node
    #expect(readableText(of: node).contains("…"))
    node.next = nil
  }

  @Test func `a bundle without a plain twin gets one`() {
    struct OnlyHTML: RichDisplayable {
      var mimeBundle: MIMEBundle { MIMEBundle(data: ["text/html": "<b>x</b>"]) }
    }
    #expect(mimeBundle(for: OnlyHTML())?.plainText == "(OnlyHTML)")
    #expect(mimeBundle(for: OnlyHTML?.some(OnlyHTML()) as Any)?[.html] == "<b>x</b>")
  }
}

@Suite struct `Wrappers and escaping` {
  @Test func `markup shows as characters`() {
    #expect("<script>a & 'b'</script>\u{1}".markupEscaped == "&lt;script&gt;a &amp; &#39;b&#39;&lt;/script&gt;\u{FFFD}")
    #expect("a|b*c_<i>".markdownEscaped == #"a\|b\*c\_&lt;i&gt;"#)
    #expect("50% of $x_1 \\".latexEscaped == #"50\% of \$x\_1 \textbackslash{}"#)
    #expect("say \"hi\", you".csvField == "\"say \"\"hi\"\", you\"")
  }

  @Test func `bytes of a picture are base64`() { #expect(PNG([0, 1, 2, 255]).mimeBundle[.png] == "AAEC/w==") }

  @Test func `json is checked and sorted`() throws {
    #expect(JSON("{\"a\": }") == nil)
    #expect(JSON("3")?.mimeBundle[.json] == "3")
    #expect(try JSON(encoding: ["b": 1, "a": 2]).source == "{\n  \"a\" : 2,\n  \"b\" : 1\n}")
  }
}

@Suite struct `Tables` {
  let table = Table(
    ["pair", "cosine"], [["ICL–IT", "0.77"], ["<script>", "-0.02"], ["short"]], alignment: [.leading, .trailing],
    caption: "Similarity & more")

  @Test func `plain text is aligned`() {
    #expect(
      table.plainText == """
        Similarity & more
        pair      cosine
        ────────────────
        ICL–IT      0.77
        <script>   -0.02
        short
        """)
  }

  @Test func `markdown is a table whose cells are escaped`() {
    #expect(
      table.markdown == """
        **Similarity &amp; more**

        | pair | cosine |
        |:--|--:|
        | ICL–IT | 0.77 |
        | &lt;script&gt; | -0.02 |
        | short |  |
        """)
  }

  @Test func `html is well-formed and holds no foreign markup`() {
    #expect(!table.html.contains("<script>"))
    #expect(table.html.contains("&lt;script&gt;"))
    #expect(isWellFormedXML(table.html.replacing("<br>", with: "<br/>")))
  }

  @Test func `latex and csv hold the same cells`() {
    #expect(table.csv == "pair,cosine\r\nICL–IT,0.77\r\n<script>,-0.02\r\nshort,\r\n")
    #expect(table.latex.contains(#"\textless{}script\textgreater{} & -0.02 \\"#))
    #expect(table.latex.contains(#"\begin{tabular}{lr}"#))
  }

  @Test func `json holds the same cells`() throws {
    #expect(
      Table(["a \"b\"", "c"], [["1\n\u{1}", "\\"], ["é"]]).json
        == #"{"columns":["a \"b\"","c"],"rows":[["1\n\u0001","\\"],["é",""]]}"#)
    let object = try JSONSerialization.jsonObject(with: Data(table.json.utf8)) as? [String: Any]
    #expect(object?["caption"] as? String == table.caption)
    #expect((object?["rows"] as? [[String]])?[1] == ["<script>", "-0.02"])
  }
}

@Suite struct `Progress in place` {
  /// A clock that the test sets.
  final class Clock: Sendable {
    let time = Mutex(0.0)
  }

  @Test func `is limited in rate, estimates what remains, and ends as one line`() {
    let sink = RecordingSink()
    let clock = Clock()
    let progress = ProgressLine("work", total: 10, unit: "steps", interval: 0.25, sink: sink) {
      clock.time.withLock { $0 }
    }
    for step in 1...10 {
      clock.time.withLock { $0 = Double(step) * 0.5 }
      progress.advance()
      progress.advance(by: 0, note: "again")
    }
    progress.finish("did 10 steps")
    progress.finish("twice")
    progress.advance()
    let shown = sink.shown.withLock { $0 }
    #expect(shown.count == 11)
    #expect(shown.map(\.update) == [false] + Array(repeating: true, count: 10))
    #expect(Set(shown.map(\.id)).count == 1)
    #expect(shown[3].text == "work: 4 of 10 steps, about 3 s left (again)")
    #expect(shown.last?.text == "did 10 steps")
  }

  @Test func `quick work shows only its last line`() {
    let sink = RecordingSink()
    let progress = ProgressLine("work", total: 3, unit: "steps", interval: 0.25, sink: sink) { 0 }
    for _ in 0..<3 { progress.advance() }
    progress.finish("done")
    #expect(sink.shown.withLock { $0.map(\.text) } == ["done"])
  }

  @Test func `a plain stream sees nothing`() {
    let sink = RecordingSink(replacesInPlace: false)
    let progress = ProgressLine("work", total: 3, unit: "steps", interval: 0, sink: sink) { 0 }
    progress.advance()
    progress.finish("done")
    #expect(sink.shown.withLock { $0.isEmpty })
  }

  @Test(arguments: [(0.2, "1 s"), (89, "89 s"), (100, "2 min"), (5400, "1 h 30 min"), (.infinity, "very long")])
  func `a duration is said as people say it`(seconds: Double, expected: String) {
    #expect(ProgressLine.duration(seconds) == expected)
  }
}
