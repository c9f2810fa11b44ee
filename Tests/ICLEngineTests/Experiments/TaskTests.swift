import Fixtures
import Foundation
import ICLEngine
import Testing

@Suite struct `A prompt template` {
  @Test func `writes demonstrations whole and queries up to the label`() throws {
    let template = try PromptTemplate("{{Q}} {premise} / {text}\nA:  {label}\n\n")
    let fields = ["premise": "p", "text": "t"]
    #expect(template.fieldNames == ["premise", "text"])
    #expect(template.demonstration(fields, label: "yes") == "{Q} p / t\nA:  yes\n\n")
    #expect(template.query(fields) == "{Q} p / t\nA:")
    #expect(template.answer("yes") == "  yes")
  }

  @Test(arguments: [
    ("Review: {text}", "{label} exactly once"), ("{label}: {label} {text}", "{label} exactly once"),
    ("Only {label}", "needs a placeholder"), ("{label} {text}", "before {label}"),
    ("{text} {b} {label", "not closed"), ("{te{xt} {label}", "not closed"), ("} {text} {label}", "closing brace"),
    ("{} {label}", "without a name"), ("{te\nxt} {label}", "not closed"), ("{text} {label} {after}", "may follow"),
  ])
  func `says what is wrong with it`(text: String, part: String) {
    do throws(EngineError) {
      _ = try PromptTemplate(text)
      Issue.record("accepted \(text)")
    } catch {
      #expect(error.code == .invalidArgument)
      #expect(error.description.contains(part), "\(error)")
    }
  }

  @Test func `goes through JSON as its text`() throws {
    let template = try PromptTemplate("{text} {label}")
    let data = try JSONEncoder().encode([template])
    #expect(String(decoding: data, as: UTF8.self) == #"["{text} {label}"]"#)
    #expect(try JSONDecoder().decode([PromptTemplate].self, from: data) == [template])
  }
}

@Suite struct `A classification task` {
  private func refusal(_ body: () throws(EngineError) -> Void) -> String {
    do throws(EngineError) {
      try body()
      return "accepted"
    } catch { return error.description }
  }

  @Test func `must have two labels, examples, and text for each placeholder`() {
    let one = ClassificationTask.Example("x", label: 0)
    #expect(
      refusal { () throws(EngineError) in
        _ = try ClassificationTask(name: "t", template: "{text} {label}", labels: ["a", "a"], examples: [one])
      }.contains("at least two different"))
    #expect(
      refusal { () throws(EngineError) in
        _ = try ClassificationTask(name: "t", template: "{text} {label}", labels: ["a", "b"], examples: [])
      }.contains("needs examples"))
    #expect(
      refusal { () throws(EngineError) in
        _ = try ClassificationTask(
          name: "t", template: "{text} {label}", labels: ["a", "b"], examples: [one, .init("y", label: 2)])
      }.contains("examples[1]"))
    #expect(
      refusal { () throws(EngineError) in
        _ = try ClassificationTask(name: "t", template: "{body} {label}", labels: ["a", "b"], examples: [one])
      }.contains("{body}"))
  }

  private func read(
    _ text: String, _ format: ClassificationTask.TextFormat, names: [(key: String, value: String)] = []
  ) throws(EngineError) -> ClassificationTask {
    try ClassificationTask(
      text: text, format: format, path: "data", name: "t", template: "{text}: {label}\n", instructions: [],
      labelColumn: "label", labelNames: names, arbitraryLabels: [])
  }

  @Test func `is read from CSV with quotes, line breaks in fields and either line ending`() throws {
    let task = try read("\u{FEFF}label,text\r\n1,\"say \"\"hi\"\",\nthen go\"\r\n0,plain\r\n\r\n", .csv)
    #expect(task.labels == ["1", "0"])
    #expect(task.examples == [.init("say \"hi\",\nthen go", label: 0), .init("plain", label: 1)])
  }

  @Test func `is read from TSV and JSONL with names for the labels`() throws {
    let names = [(key: "0", value: "bad"), (key: "1", value: "good")]
    let tsv = try read("text\tlabel\na\t1\nb\t0\n", .tsv, names: names)
    let jsonl = try read(
      "{\"text\": \"a\", \"label\": 1}\r\n\n{\"text\": \"b\", \"label\": \"0\"}\r\n", .jsonl, names: names)
    #expect(tsv == jsonl)
    #expect(tsv.labels == ["bad", "good"])
    #expect(tsv.examples.map(\.label) == [1, 0])
  }

  @Test(arguments: [
    ("text,label\n\"open,1\n", "line 2"), ("text,label\na,1\nb\n", "line 3"), ("text,mark\na,1\n", "\"label\""),
    ("", "empty"), ("text,label\n\"a\"b,1\n", "closing quote"), ("text,label\na,\n", "line 2"),
    ("text,text,label\na,b,1\n", "\"text\""),
  ])
  func `says which line of a CSV is wrong`(text: String, part: String) {
    let message = refusal { () throws(EngineError) in _ = try read(text, .csv) }
    #expect(message.contains(part), "\(message)")
  }

  @Test(arguments: [("[1]\n", "line 1"), ("{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": 1}\n", "line 2")])
  func `says which line of a JSONL is wrong`(text: String, part: String) {
    let message = refusal { () throws(EngineError) in _ = try read(text, .jsonl) }
    #expect(message.contains(part), "\(message)")
  }

  @Test func `an unknown label, ending or path is refused`() throws {
    let unknown = refusal { () throws(EngineError) in
      _ = try read("text,label\na,7\n", .csv, names: [(key: "0", value: "no"), (key: "1", value: "yes")])
    }
    #expect(unknown.contains("one of 0, 1"))
    #expect(
      refusal { () throws(EngineError) in
        _ = try ClassificationTask(contentsOf: "/nowhere/x.csv", template: "{text} {label}")
      }.contains("cannot be read"))
    let folder = try Fixtures.temporaryFolder("task")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "data.xls")
    try Data("x".utf8).write(to: path)
    #expect(
      refusal { () throws(EngineError) in
        _ = try ClassificationTask(contentsOf: path.path, template: "{text} {label}")
      }.contains(".csv, .tsv or .jsonl"))
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `real labelled text is read`() throws {
    let task = try ClassificationTask(
      contentsOf: Fixtures.sharedData.appending(path: "text/cb.val.jsonl").path, name: "CB",
      template: "{premise}\nClaim: {hypothesis}\nAnswer: {label}\n")
    #expect(Set(task.labels) == ["contradiction", "entailment", "neutral"])
    #expect(task.examples.count == 56)
  }
}
